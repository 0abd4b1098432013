"""Faults that are planted in an API that is moved over, and in the order of the steps: `move.py`
says so of each. Prints a table.

Each fault is planted alone, found, and taken out again; at the end nothing is wrong.
"""

import contextlib
import json
import os
import sys

import boto3

from emulator import REGION
from mover import MOVE
from old_stack import PROGRAM
from publishing import publish

sys.path.insert(0, str(MOVE.parent))
import check as checks  # pylint: disable=wrong-import-position
import functions as of_stack  # pylint: disable=wrong-import-position
import move as move_module  # pylint: disable=wrong-import-position
from gateway import FROZEN_REQUEST, Gateway, name_of, uri_of  # pylint: disable=wrong-import-position

LEAST = 25


class Planting:
    """An API that is moved over, and the means to break it."""

    def __init__(self, old, stack):
        self.old, self.stack = old, stack
        self.client = boto3.client("apigateway")
        self.service = boto3.client("lambda")
        self.functions = of_stack.stack_functions(move_module.ROUTES, stack)

    def gateway(self, stage="prod"):
        """Returns the API, read anew."""
        return Gateway(self.client, self.old.api, stage, False)

    def found(self):
        """Returns what `move.py check` finds."""
        door = (move_module.TOKEN_FORM, move_module.VERDICT_SECS)
        return checks.moved(self.gateway(), move_module.ROUTES, self.functions, door)

    def deploy(self):
        """Shows callers what there is."""
        with quiet():
            self.gateway().deploy("planted")


@contextlib.contextmanager
def quiet():
    """Lets `move.py` say nothing."""
    with open(os.devnull, "w", encoding="utf8") as nowhere, contextlib.redirect_stdout(nowhere):
        yield


def of_methods(planting):
    """Faults of one method each: what is planted, and what must be said."""
    api, client, functions = planting.old.api, planting.client, planting.functions
    old = planting.old.functions

    def goes(function, **more):
        told = {"type": "AWS_PROXY", "integrationHttpMethod": "POST", "uri": PROGRAM.format(function)}
        return lambda key: client.put_integration(restApiId=api, **key, **{**told, **more})

    def door(value, authorizer=None):
        patches = [{"op": "replace", "path": "/authorizationType", "value": value}]
        if authorizer:
            patches.append({"op": "replace", "path": "/authorizerId", "value": authorizer})
        return lambda key: client.update_method(restApiId=api, **key, patchOperations=patches)

    def frozen(key):
        client.put_integration(restApiId=api, **key, type="MOCK", requestTemplates=FROZEN_REQUEST)

    def key_wanted(key):
        patch = [{"op": "replace", "path": "/apiKeyRequired", "value": "true"}]
        client.update_method(restApiId=api, **key, patchOperations=patch)

    theirs = next(one["id"] for one in client.get_authorizers(restApiId=api)["items"]
                  if one["name"] == "old-authorizer")
    return {
        "the pieces go to the old function": ("POST", "/pieces", goes(old["pieces"]), "not to moved"),
        "the sessions go to the old function": ("POST", "/sessions", goes(old["sessions"]), "not to"),
        "signing in goes to the old function": ("POST", "/auth/sync", goes(old["sign_in"]), "not to"),
        "the export goes to the old function": (
            "GET", "/users/{me}/export", goes(old["export"]), "goes to old-export"),
        "erasing goes to a function that may not": (
            "DELETE", "/users/{me}", goes(functions["sync-lambda"]), "not to moved-account-lambda"),
        "a route is missing": (
            "POST", "/sync", lambda key: client.delete_method(restApiId=api, **key), "is not there"),
        "a writer is still frozen": ("POST", "/pieces", frozen, "is frozen"),
        "signing in is frozen": ("POST", "/auth/sync", frozen, "is frozen"),
        "a reader is frozen": ("GET", "/conflicts", frozen, "is frozen"),
        "no proxy integration": (
            "POST", "/sessions", goes(functions["sync-sessions-lambda"], type="AWS"), "no proxy"),
        "called by GET": ("GET", "/health", goes(functions["sync-lambda"], integrationHttpMethod="GET"),
                          "by POST"),
        "a route asks for no token": ("POST", "/pieces", door("NONE"), "another door"),
        "a route asks the old authorizer": ("POST", "/sync", door("CUSTOM", theirs), "another door"),
        "an open route asks for a token": (
            "GET", "/health", door("CUSTOM", theirs), "GET /health asks for a token"),
        "a route asks for an API key": ("POST", "/pieces", key_wanted, "an API key"),
        "somebody else's call goes to us": (
            "GET", "/consent-status", goes(functions["sync-lambda"]), "is no call of ours"),
    }


def of_the_whole(planting):
    """Faults of the authorizer, permissions, settings and deployments: how to plant each, how to take
    it out, and what must be said."""
    api, client, service = planting.old.api, planting.client, planting.service
    functions = planting.functions
    ours = checks.our_authorizer(planting.gateway(), functions)

    def authorizer(path, value, before):
        def patch(text):
            client.update_authorizer(restApiId=api, authorizerId=ours["id"], patchOperations=[
                {"op": "replace", "path": path, "value": text}])
        return lambda: patch(value), lambda: patch(before)

    def permission(binary, *narrower):
        function = functions[binary]
        was = of_stack.statements(service, function)

        def plant():
            for one in was:
                service.remove_permission(FunctionName=function, StatementId=one["Sid"])
            for number, source in enumerate(narrower):
                allow(f"narrow-{number}", source)

        def allow(name, source):
            service.add_permission(
                FunctionName=function, StatementId=name, Action="lambda:InvokeFunction",
                Principal="apigateway.amazonaws.com", SourceArn=source)

        def undo():
            for number, _ in enumerate(narrower):
                service.remove_permission(FunctionName=function, StatementId=f"narrow-{number}")
            for one in was:
                (source,) = one["Condition"].values()
                allow(one["Sid"], next(iter(source.values())))
        return plant, undo

    def setting(binary, name, value):
        function = functions[binary]
        was = of_stack.settings({binary: function})[binary]

        def told(variables):
            publish(service, name_of(function), variables)
        return lambda: told({**was, name: value}), lambda: told(was)

    def only_deployed_to(stage):
        key = planting.gateway().find("POST", "/pieces").key
        uri = {"type": "AWS_PROXY", "integrationHttpMethod": "POST"}

        def send(function):
            client.put_integration(restApiId=api, **key, **uri, uri=uri_of(function))

        def plant():
            send(planting.old.functions["pieces"])
            planting.deploy()
            send(functions["sync-pieces-lambda"])
            if stage is not None:
                client.create_deployment(restApiId=api, stageName=stage)
        return plant, planting.deploy

    arn = f"arn:aws:execute-api:{REGION}:000000000000:{api}"
    other = arn.replace(api, "another")
    return {
        "verdicts are kept for an hour": (
            *authorizer("/authorizerResultTtlInSeconds", "3600", "300"), "TtlInSeconds"),
        "whatever is no token reaches the authorizer": (
            *authorizer("/identityValidationExpression", ".*", move_module.TOKEN_FORM), "Validation"),
        "the authorizer calls the old function": (
            *authorizer("/authorizerUri", PROGRAM.format(planting.old.functions["authorizer"]),
                        ours["authorizerUri"]), "no authorizer of ours"),
        "the permission is dropped": (*permission("sync-pieces-lambda"), "does not let the API"),
        "the authorizer's permission is dropped": (
            *permission("google-token-authorizer"), "authorizers/any"),
        "the permission is another API's": (
            *permission("sync-sessions-lambda", f"{other}/*/POST/sessions"), "does not let the API"),
        "the permission is another stage's": (
            *permission("auth-sync-lambda", f"{arn}/dev/POST/auth/sync"), "does not let the API"),
        "the permission lacks a call": (
            *permission("account-lambda", f"{arn}/*/GET/users/*/export",
                        f"{arn}/*/POST/users/*/import"), "DELETE/users"),
        "replies are base64": (
            *setting("sync-pieces-lambda", "HAUMANA_BINARY_REPLIES", "true"), "sends base64"),
        "a function is of an earlier generation": (
            *setting("sync-lambda", "HAUMANA_GENERATION", "0"), "do not agree on HAUMANA_GENERATION"),
        "a function has other tables": (
            *setting("account-lambda", "HAUMANA_TABLE_PREFIX", "own-"), "do not agree on"),
        "it is not deployed": (*only_deployed_to(None), "is not deployed to prod"),
        "it is deployed to another stage": (*only_deployed_to("dev"), "is not deployed to prod"),
    }


def rehearse(aws, old, stack):
    """Plants every fault and prints what is said of it. The API of `old` is moved over to `stack`."""
    kept = dict(os.environ)
    os.environ.update(aws.environment, AWS_REGION=REGION)
    try:
        planting = Planting(old, stack)
        assert not planting.found(), planting.found()
        rows = [*plant_in_methods(planting), *plant_in_the_whole(planting)]
        assert not planting.found(), "everything is as it was"
    finally:
        os.environ.clear()
        os.environ.update(kept)
    assert LEAST <= len(rows), "as many as were asked for"
    for name, said in rows:
        print(f"| {name} | {said} |")
    print(f"ok: {len(rows)} faults planted in a moved API, and each is found")


def out_of_order(old, operator, stack):
    """Steps that are taken in the wrong order, or with the wrong name: each is refused, says why, and
    changes nothing. The API is moved over, and is so at the end."""
    (operator.folder / "forged").write_text(operator.token_file.read_text()[:-8] + "AAAAAAAA")
    point = ("point", "--stack", stack, "--token-file")
    pair = ("--pair", f"{old.tables['pieces']}=pieces-again")
    rows = [
        refused(old, operator, "going back while phones write", "still write to haumana-sync", "back"),
        refused(old, operator, "pointing with a token that is not good", "refuses the token",
                *point, "forged"),
        refused(old, operator, "pointing to another stack", f"-c existingApiId={old.api}",
                "point", "--stack", "own-sync", "--token-file", "token"),
        refused(old, operator, "using tables that are not there", "there is no table pieces-again",
                "use", *pair),
        refused(old, operator, "another stage", "has no stage staging", "freeze", stage="staging"),
    ]
    operator.move("freeze")
    rows += [
        refused(old, operator, "going back before the data", "its tables of before the move", "back"),
        refused(old, operator, "leaving it frozen", "POST /pieces is frozen", "check", "--stack", stack),
    ]
    operator.move(*point, "token")
    operator.move("check", "--stack", stack)
    for name, said in rows:
        print(f"| {name} | {said} |")
    print(f"ok: {len(rows)} steps out of order are refused")


def refused(old, operator, name, wanted, *words, **options):
    """Asserts that a step is refused, and returns what is said of it."""
    was = old.methods()
    code, said = operator.try_to_move(*words, **options)
    assert code == 1 and wanted in said, f"{name} is not refused: {said}"
    assert old.methods() == was, f"{name} changes something"
    told_why = next(line for line in said.splitlines() if wanted in line)
    return name, told_why.removeprefix("move.py: ").removeprefix("- ")


def plant_in_methods(planting):
    """Plants what concerns one method."""
    for name, (verb, path, plant, wanted) in of_methods(planting).items():
        was = planting.gateway().find(verb, path)
        plant(was.key)
        planting.deploy()
        said = planting.found()
        with quiet():
            gateway = planting.gateway()
            there = gateway.find(verb, path)
            if there is not None:
                gateway.remove_method(there, None)
            gateway.make(was)
            gateway.deploy("as it was")
        yield name, told(name, said, wanted)


def plant_in_the_whole(planting):
    """Plants what concerns more than a method."""
    for name, (plant, undo, wanted) in of_the_whole(planting).items():
        plant()
        said = planting.found()
        undo()
        yield name, told(name, said, wanted)


def told(name, said, wanted):
    """Returns what was said of a fault; it must have been this."""
    assert any(wanted in one for one in said), f"{name} is not found: {json.dumps(said)}"
    return "; ".join(said[:2]) + (f"; {len(said) - 2} more" if 2 < len(said) else "")
