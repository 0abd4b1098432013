"""The script that moves an API, tried where something is wrong: it says so and changes nothing;
and interrupted after every kind of change: run again, it goes on."""

import contextlib
import io
import json
import sys

from mover import MOVE, Operator
from old_stack import PROGRAM, new_id

sys.path.insert(0, str(MOVE.parent))
import move as move_module  # pylint: disable=wrong-import-position
from before import Before  # pylint: disable=wrong-import-position
from gateway import Gateway  # pylint: disable=wrong-import-position

STACK, AUTHORIZER = "own-sync", "google-token-authorizer"
FEW = {("POST", "/pieces"), ("POST", "/auth/sync"), ("GET", "/users/{me}/export"),
       ("POST", "/conflicts/{id}"), ("GET", "/health")}


class Interrupted(BaseException):
    """As Ctrl-C, at a moment that was chosen."""


def rehearse(aws, old):
    """Runs every story. The API is that of `old`, and is as it was at the end."""
    operator, was = Operator(aws, old, None), old.methods()
    for story in (mistakes, without_permission, changed_meanwhile, interrupted):
        story(aws, old, operator)
        assert old.methods() == was, f"{story.__name__}: the API is as it was"
        assert not operator.state.exists(), f"{story.__name__} leaves nothing behind"
        print(f"ok: moving {story.__name__.replace('_', ' ')}")


def mistakes(aws, old, operator):
    """A wrong name is told, by every command that takes it."""
    for what in ("show", "freeze", "back"):
        stops(operator, "there is no REST API nothing in us-east-1", what, api="nothing")
        stops(operator, f"the API {old.api} has no stage dev, but prod", what, stage="dev")
    gateway = aws.client("apigateway")
    other = gateway.create_rest_api(name="other")["id"]
    gateway.create_deployment(restApiId=other, stageName="prod")
    stops(operator, f"the API {other} has no POST /pieces", "freeze", api=other)
    gateway.delete_rest_api(restApiId=other)
    for what in ("try", "point"):
        pointing = (what, "--token-file", "token", "--stack")
        stops(operator, "there is no stack nothing", *pointing, "nothing")
        stops(operator, f"-c existingApiId={old.api}", *pointing, STACK)
    stops(operator, "says what to go back to", "back")
    stops(operator, "Unable to locate credentials", "freeze", AWS_ACCESS_KEY_ID="",
          AWS_SECRET_ACCESS_KEY="", AWS_EC2_METADATA_DISABLED="true", HOME="/nonexistent")


def without_permission(aws, _old, operator):
    """Somebody who may only look can do a dry run, and changes nothing otherwise."""
    service, name = aws.client("iam"), "looker"
    service.create_user(UserName=name)
    look = {"Effect": "Allow", "Action": "apigateway:GET", "Resource": "*"}
    service.put_user_policy(UserName=name, PolicyName="look", PolicyDocument=json.dumps(
        {"Version": "2012-10-17", "Statement": [look]}))
    key = service.create_access_key(UserName=name)["AccessKey"]
    looker = {"AWS_ACCESS_KEY_ID": key["AccessKeyId"],
              "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}

    code, told = operator.try_to_move("freeze", "--dry-run", **looker)
    assert code == 0, told
    stops(operator, "AccessDenied", "freeze", **looker)


def changed_meanwhile(aws, old, operator):
    """What somebody else has changed is neither overwritten nor kept quiet."""
    gateway, key = aws.client("apigateway"), method_key(aws, old, "/pieces")
    operator.move("freeze")
    frozen = gateway.get_integration(**key)
    theirs = PROGRAM.format("arn:aws:lambda:us-east-1:000000000000:function:theirs")
    gateway.put_integration(**key, type="AWS_PROXY", integrationHttpMethod="POST", uri=theirs)
    was = old.methods()

    for what in (["freeze"], ["back"], ["back", "--dry-run"]):
        told = stops(operator, "somebody else has changed POST /pieces", *what)
        assert "it goes to theirs" in told and "went to old-pieces" in told, told
    assert old.methods() == was and operator.state.exists(), "nothing is changed"

    gateway.put_integration(**key, type="MOCK", requestTemplates=frozen["requestTemplates"])
    # What is not ours may change as it likes, and stays so.
    root = next(one["id"] for one in gateway.get_resources(restApiId=old.api)["items"]
                if one["path"] == "/")
    added = gateway.create_resource(restApiId=old.api, parentId=root, pathPart=new_id())["id"]
    was = old.methods()
    told = operator.move("back", "--dry-run")
    assert "would put back POST /pieces" in told and "would deploy to prod" in told, told
    assert old.methods() == was and operator.state.exists(), "a dry run changes nothing"
    operator.move("back")
    ids = [one["id"] for one in gateway.get_resources(restApiId=old.api)["items"]]
    assert added in ids, "what others have added stays"
    gateway.delete_resource(restApiId=old.api, resourceId=added)


def interrupted(aws, old, operator):
    """Stopped after the first change of each kind, and run again, each command ends as if it had
    not been; and callers never see the half of it, which `deployments.py` is for."""
    functions = {name: f"arn:aws:lambda:us-east-1:000000000000:function:f-{name}"
                 for name in {one["function"] for one in move_module.ROUTES} | {AUTHORIZER}}
    kept = move_module.stack_functions, move_module.ROUTES
    move_module.stack_functions = lambda *_: functions
    # One of each kind, or this takes long.
    move_module.ROUTES = [one for one in kept[1] if (one["method"], one["path"]) in FEW]
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            for what, undo in (("freeze", "back"), ("point", "back"), ("back", "point")):
                n_kinds = all_interruptions(aws, old, operator, what, undo)
                assert 4 <= n_kinds, f"{what} makes {n_kinds} kinds of changes"
                if what == "freeze":
                    run(aws, old, operator, undo)
    finally:
        move_module.stack_functions, move_module.ROUTES = kept


def all_interruptions(aws, old, operator, what, undo):
    """Interrupts one command after each kind of change; returns how many kinds there are."""
    kinds = run(aws, old, operator, what)
    done = described(old)
    for kind in kinds:
        run(aws, old, operator, undo)
        run(aws, old, operator, what, until=kind)
        run(aws, old, operator, what)
        assert described(old) == done, f"{what}, interrupted after {kind}"
    return len(kinds)


def run(aws, old, operator, what, until=None):
    """Runs a command in this process, stopped after the first change of the kind `until`; returns
    the kinds of changes that there were."""
    kinds = []

    class Watched(Gateway):
        """Looks on, and stops."""

        def _do(self, operation, what, **arguments):
            done = super()._do(operation, what, **arguments)
            kinds.append(operation)
            if operation == until:
                raise Interrupted
            return done

    gateway = Watched(aws.client("apigateway"), old.api, "prod", False)
    kept = Before(gateway, move_module.ROUTES)
    kept.file = operator.state
    with contextlib.suppress(Interrupted):
        getattr(move_module, what)(gateway, kept, STACK)
    return list(dict.fromkeys(kinds))


def described(old):
    """Returns the API as it is, without the ids that are new each time."""
    methods, authorizers = old.methods()
    names = {one["id"]: one["name"] for one in authorizers}
    text = json.dumps([methods, sorted(names.values())], sort_keys=True)
    resources = old.aws.client("apigateway").get_resources(restApiId=old.api, limit=500)["items"]
    names.update({one["id"]: one["path"] for one in resources})
    for identity, name in names.items():
        text = text.replace(identity, name)
    return text


def method_key(aws, old, path):
    """Returns what names the POST of a path."""
    items = aws.client("apigateway").get_resources(restApiId=old.api)["items"]
    found = next(one["id"] for one in items if one["path"] == path)
    return {"restApiId": old.api, "resourceId": found, "httpMethod": "POST"}


def stops(operator, why, what, *more, **options):
    """Asserts that a command ends with an error that says why, and returns what it says."""
    code, told = operator.try_to_move(what, *more, **options)
    assert code == 1 and why in told and "Nothing was changed" in told, told
    assert "Traceback" not in told, told
    return told
