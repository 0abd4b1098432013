"""MiniStack, with deployments as API Gateway has them: callers see what was deployed last.

    python deployments.py

MiniStack shows callers each change of a method at once, so that a method is met half changed, with
its new function and its old authorizer. API Gateway shows them snapshots: nothing of a change is
seen before `create_deployment`, and then all of it. Here that is so too, and phones need not be
held back while an API is changed. Leans on names inside the version in ../requirements.txt.
"""

import copy
import types

from http_events import send_format_1
from ministack.app import main
from ministack.services import apigateway_v1 as gateway

# What answers callers, and who asks what a stage has, and the state that these read.
READERS = [
    "_match_resource_tree", "_match_greedy_fallback", "_authorize_request_v1", "_build_api_export",
]
STATE = ["_resources", "_authorizers_v1"]
# The stage that phones call; a deployment to another one changes nothing for them.
STAGE = "prod"


class Deployed:
    """One kind of state as it was at each API's last deployment."""

    def __init__(self, live):
        self.live, self.kept = live, {}

    def keep(self, api):
        """Takes a snapshot."""
        self.kept[api] = copy.deepcopy(self.live.get(api, {}))

    def get(self, api, default):
        """Returns the snapshot. What a stack deploys by itself has none, and is final as it is."""
        return self.kept[api] if api in self.kept else self.live.get(api, default)


def show_snapshots():
    """Lets the callers of an API see what was deployed last."""
    deployed = {name: Deployed(getattr(gateway, name)) for name in STATE}
    for name in READERS:
        reader = getattr(gateway, name)
        seen = {**vars(gateway), **deployed}
        shown = types.FunctionType(reader.__code__, seen, name, reader.__defaults__)
        setattr(gateway, name, shown)
    create = gateway._create_deployment

    def create_and_keep(api, data):
        answer = create(api, data)
        if data.get("stageName", STAGE) == STAGE:
            for one in deployed.values():
                one.keep(api)
        return answer

    gateway._create_deployment = create_and_keep


if __name__ == "__main__":
    show_snapshots()
    send_format_1()
    main()
