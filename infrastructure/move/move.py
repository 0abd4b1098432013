#!/usr/bin/env python3
"""Moves the methods of an existing REST API to the functions of this stack, and back.

The app has the address of the existing API compiled in, so the API stays and its methods are
re-pointed, one by one. What is not in ../routes.json is never touched.

    move.py show   --api ID --stage prod
    move.py freeze --api ID --stage prod                  writers answer 503, phones keep their edits
    move.py point  --api ID --stage prod --stack NAME     every route goes to the stack's functions
    move.py back   --api ID --stage prod                  everything as it was before the first change

With --dry-run it says what it would do, and only reads. Before the first change it writes down
what it finds, in `move-ID.json` in the current folder; `back` reads that, so keep it. Callers see
nothing before the deployment at the end. Whatever is interrupted can be run again.
"""

import argparse
import json
import pathlib
import sys

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from before import Before, Stop
from gateway import Gateway

ROUTES = json.loads((pathlib.Path(__file__).parent / "../routes.json").read_text(encoding="utf8"))
# As ../cdk/lib/api.ts has them; a test holds one against the other.
TOKEN_FORM = r"^[Bb][Ee][Aa][Rr][Ee][Rr] [A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$"
VERDICT_SECS = 300
# Every call that writes: those of the old functions, and on the way back those of the new ones.
WRITERS = {
    ("POST", "/pieces"), ("POST", "/sessions"), ("POST", "/auth/sync"), ("POST", "/sync"),
    ("POST", "/conflicts/{id}"), ("POST", "/pieces/{id}/restore"), ("POST", "/users/{me}/import"),
    ("DELETE", "/users/{me}"),
}
# Without these it is not the API that phones call.
OLD_WRITERS = [("POST", "/pieces"), ("POST", "/sessions")]


def show(gateway, _before, _stack):
    """Prints every method and where it goes."""
    for method in gateway.methods():
        print(f"{method.name:40} {method.target()}")


def freeze(gateway, before, _stack):
    """Lets the writers answer 503 until `point` or `back`."""
    before.take()
    for verb, path in OLD_WRITERS:
        if gateway.find(verb, path) is None:
            raise Stop(f"the API {gateway.api} has no {verb} {path}: is it the right one? Where ANY or "
                       f"{{proxy+}} takes that call, it cannot be frozen alone")
    routes = [(route["method"], route["path"]) for route in ROUTES]
    found = [gateway.find(*route) for route in routes if route in WRITERS]
    before.write()
    for method in filter(None, found):
        gateway.freeze(method)
    gateway.deploy("frozen for moving over")


def point(gateway, before, stack):
    """Sends every route to the stack's functions. Routes that the API lacks are added."""
    functions = stack_functions(gateway.api, stack)
    before.take(functions.values())
    before.write(functions.values())
    authorizer = gateway.authorizer(functions["google-token-authorizer"], TOKEN_FORM, VERDICT_SECS)
    for route in ROUTES:
        method = gateway.find_or_add(route["method"], route["path"])
        gateway.send(method, functions[route["function"]], authorizer if route["token"] else None)
    gateway.deploy("moved over to haumana-sync")


def back(gateway, before, _stack):
    """Puts everything back as it was before the first change, and removes what was added."""
    before.read()
    before.put_back()
    gateway.deploy("moved back")
    before.forget()


def stack_functions(api, stack):
    """Returns the ARN of each binary's function, from the outputs of the stack."""
    try:
        stacks = boto3.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
    except ClientError as error:
        if "does not exist" in str(error):
            raise Stop(f"there is no stack {stack} in this account and region") from error
        raise
    outputs = {one["OutputKey"]: one["OutputValue"] for one in stacks[0].get("Outputs", [])}
    names = {route["function"] for route in ROUTES} | {"google-token-authorizer"}
    keys = {name: "".join(map(str.capitalize, name.split("-"))) for name in names}
    missing = sorted(set(keys.values()) - set(outputs))
    if missing:
        raise Stop(f"the stack {stack} has no output {missing[0]}: is it haumana-sync's?")
    functions = {name: outputs[key] for name, key in sorted(keys.items())}
    for function in functions.values():
        check_permission(api, stack, function)
    return functions


def check_permission(api, stack, function):
    """Stops if the API may not call a function: callers would get 500."""
    try:
        policy = boto3.client("lambda").get_policy(FunctionName=function)["Policy"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
        policy = ""
    if f":{api}/" not in policy:
        raise Stop(f"{function} does not let the API {api} call it: deploy the stack {stack} with "
                   f"-c existingApiId={api}")


def check_api(client, api, stage):
    """Stops if there is no such API, or no such stage: a deployment would make one."""
    try:
        client.get_rest_api(restApiId=api)
        stages = [one["stageName"] for one in client.get_stages(restApiId=api)["item"]]
    except client.exceptions.NotFoundException as error:
        where = client.meta.region_name
        raise Stop(f"there is no REST API {api} in {where} of this account") from error
    if stage not in stages:
        raise Stop(f"the API {api} has no stage {stage}, but {', '.join(stages) or 'none at all'}")


def read_arguments():
    """Reads the command line."""
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
    return arguments


def main():
    """Does what the arguments say."""
    arguments, gateway, before = read_arguments(), None, None
    what = {"show": show, "freeze": freeze, "point": point, "back": back}[arguments.what]
    try:
        # API Gateway takes only a few changes a second, and asks to wait.
        patient = Config(retries={"mode": "adaptive", "max_attempts": 10})
        client = boto3.client("apigateway", config=patient)
        check_api(client, arguments.api, arguments.stage)
        gateway = Gateway(client, arguments.api, arguments.stage, arguments.dry_run)
        before = Before(gateway, ROUTES)
        what(gateway, before, arguments.stack)
    except (Stop, BotoCoreError, ClientError, KeyboardInterrupt) as error:
        sys.exit(f"move.py: {str(error) or 'interrupted'}\n{ending(gateway, before, error)}")


def ending(gateway, before, error):
    """Says what an error leaves behind."""
    # Whoever was interrupted, or lost the connection, does not know what became of the last call.
    is_known = isinstance(error, (Stop, ClientError))
    if gateway is None or (is_known and gateway.n_changes == 0):
        if before is not None:
            before.drop_if_unused()
        return "Nothing was changed."
    return ("What was changed is not deployed, so callers see nothing of it. Run this again to go "
            "on, or `back` to undo it.")


if __name__ == "__main__":
    main()
