#!/usr/bin/env python3
"""Moves the methods of an existing REST API to the functions of this stack, and back.

The app has the address of the existing API compiled in, so the API stays and its methods are
re-pointed, one by one. What is not in ../routes.json is never touched.

    move.py show   --api ID --stage prod
    move.py freeze --api ID --stage prod                  writers answer 503, phones keep their edits
    move.py point  --api ID --stage prod --stack NAME     every route goes to the stack's functions
    move.py back   --api ID --stage prod                  everything as it was before the first change

With --dry-run it says what it would do, and only reads. Before the first change it writes down
what it finds, in `move-ID.json`; `back` reads that, so keep it. Everything may be repeated.
"""

import argparse
import json
import pathlib

import boto3
from botocore.config import Config

from gateway import Gateway

ROUTES = json.loads((pathlib.Path(__file__).parent / "../routes.json").read_text())
# As ../cdk/lib/api.ts has them; a test holds one against the other.
TOKEN_FORM = r"^Bearer [A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$"
VERDICT_SECS = 300
# Every call that writes: those of the old functions, and on the way back those of the new ones.
WRITERS = {
    ("POST", "/pieces"), ("POST", "/sessions"), ("POST", "/auth/sync"), ("POST", "/sync"),
    ("POST", "/conflicts/{id}"), ("POST", "/pieces/{id}/restore"), ("POST", "/users/{me}/import"),
    ("DELETE", "/users/{me}"),
}


def show(gateway, _arguments):
    """Prints every method and where it goes."""
    for method in gateway.methods():
        print(f"{method.name:40} {method.target()}")


def freeze(gateway, _arguments):
    """Lets the writers answer 503 until `point` or `back`."""
    remember(gateway)
    for route in ROUTES:
        if (route["method"], route["path"]) not in WRITERS:
            continue
        method = gateway.find(route["method"], route["path"])
        if method is not None:
            gateway.freeze(method)
    gateway.deploy("frozen for moving over")


def point(gateway, arguments):
    """Sends every route to the stack's functions. Routes that the API lacks are added."""
    functions = stack_functions(arguments.stack)
    remember(gateway)
    authorizer = gateway.authorizer(functions["google-token-authorizer"], TOKEN_FORM, VERDICT_SECS)
    for route in ROUTES:
        method = gateway.find_or_add(route["method"], route["path"])
        gateway.send(method, functions[route["function"]], authorizer if route["token"] else None)
    gateway.deploy("moved over to haumana-sync")


def back(gateway, _arguments):
    """Puts everything back as it was before the first change, and removes what was added."""
    before = json.loads(state_file(gateway).read_text())
    gateway.restore(before)
    gateway.deploy("moved back")
    print(f"Everything is as it was. {state_file(gateway)} can be deleted.")


def remember(gateway):
    """Writes down what there is, unless that has happened already."""
    file = state_file(gateway)
    if file.exists():
        print(f"{file} remembers the time before the first change; it stays.")
        return
    gateway.say(f"write {file}")
    if not gateway.is_dry:
        file.write_text(json.dumps(gateway.snapshot(), indent=2))


def state_file(gateway):
    """Returns the file that remembers what was there before."""
    return pathlib.Path(f"move-{gateway.api}.json")


def stack_functions(stack):
    """Returns the ARN of each binary's function, from the outputs of the stack."""
    stacks = boto3.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
    outputs = {one["OutputKey"]: one["OutputValue"] for one in stacks[0]["Outputs"]}
    binaries = {route["function"] for route in ROUTES} | {"google-token-authorizer"}
    return {name: outputs["".join(map(str.capitalize, name.split("-")))] for name in binaries}


def main():
    """Reads the arguments and does what they say."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["show", "freeze", "point", "back"])
    parser.add_argument("--api", required=True, help="the id of the existing REST API")
    parser.add_argument("--stage", required=True, help="the stage that the app calls")
    parser.add_argument("--stack", help="the stack that has the functions")
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, change nothing")
    arguments = parser.parse_args()
    if arguments.what == "point" and arguments.stack is None:
        parser.error("point needs --stack")
    # API Gateway takes only a few changes a second, and asks to wait.
    patient = Config(retries={"mode": "adaptive", "max_attempts": 10})
    client = boto3.client("apigateway", config=patient)
    gateway = Gateway(client, arguments.api, arguments.stage, arguments.dry_run)
    {"show": show, "freeze": freeze, "point": point, "back": back}[arguments.what](gateway, arguments)


if __name__ == "__main__":
    main()
