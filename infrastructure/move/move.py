#!/usr/bin/env python3
"""Moves the methods of an existing REST API to the functions of this stack, and back.

The app has the address of the existing API compiled in, so the API stays and its methods are
re-pointed, one by one. What is not in ../routes.json is never touched.

    move.py show   --api ID --stage prod
    move.py try    --api ID --stage prod --stack NAME --token-file FILE
                                                   calls every function with the token of somebody real
    move.py freeze --api ID --stage prod           writers answer 503, phones keep their edits
    move.py point  --api ID --stage prod --stack NAME --token-file FILE
                                                   tries, then every route goes to the stack's functions
    move.py check  --api ID --stage prod --stack NAME      whether all of that is so
    move.py tables --api ID --stage prod --pair OLD=NEW    makes tables like the old ones, for the way back
    move.py use    --api ID --stage prod --pair OLD=NEW    points the old functions to these
    move.py back   --api ID --stage prod           everything as it was before the first change

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

import check as checks
import functions as of_stack
import old_tables
import trial
from before import Before, Stop
from gateway import Gateway, same

ROUTES = json.loads((pathlib.Path(__file__).parent / "../routes.json").read_text(encoding="utf8"))
# As ../cdk/lib/api.ts has them; a test holds one against the other.
TOKEN_FORM = r"^[Bb][Ee][Aa][Rr][Ee][Rr] [A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$"
VERDICT_SECS = 300
# Signing in writes nobody's records, and the app calls it at every start: whoever gets anything but
# 200 sees the page for signing in instead of the songs.
NEVER_FROZEN = {("POST", "/auth/sync")}
# Every call that writes: those of the old functions, and on the way back those of the new ones.
WRITERS = {(one["method"], one["path"]) for one in ROUTES if one["method"] != "GET"} - NEVER_FROZEN
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
    functions = stack_functions(gateway.api, gateway.stage, stack)
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


def stack_functions(api, stage, stack):
    """Returns the ARN of each binary's function. Stops if the API may not call all of them."""
    functions = of_stack.stack_functions(ROUTES, stack)
    not_permitted = of_stack.not_permitted(api, stage, ROUTES, functions)
    if not_permitted:
        function, call = not_permitted[0]
        raise Stop(f"{function} does not let the API {api} call it for {call}: deploy the stack "
                   f"{stack} with -c existingApiId={api}")
    return functions


def try_out(gateway, _before, arguments):
    """Calls every function with somebody's token, as API Gateway would."""
    functions = stack_functions(gateway.api, gateway.stage, arguments.stack)
    token = trial.read_token(arguments.token_file)
    trial.trial(gateway.api, gateway.stage, ROUTES, functions, token)


def check(gateway, _before, arguments):
    """Looks whether every route goes where `point` sends it, for callers too."""
    functions = of_stack.stack_functions(ROUTES, arguments.stack)
    found = checks.moved(gateway, ROUTES, functions, (TOKEN_FORM, VERDICT_SECS))
    checks.refuse(found, f"the API {gateway.api} is not moved over")
    print(f"all {len(ROUTES)} routes go to {arguments.stack}, and its functions let them in")


def tables(gateway, _before, arguments):
    """Makes a table like each old one."""
    old_tables.make_like(dict(arguments.pair), gateway.say, arguments.dry_run)


def use(gateway, before, arguments):
    """Lets the old functions use other tables."""
    before.read()
    ours = set(before.kept["functions"])
    found = {method.function() for method in gateway.methods()} | set(before.old_functions())
    found = {one for one in found if one} - ours | set(arguments.also)
    old_tables.use(found, dict(arguments.pair), gateway.say, arguments.dry_run)


def guard_back(gateway, before):
    """Stops where going back would lose what was synced since `point`."""
    before.read()
    if not before.kept["functions"]:
        return
    open_writers = [one.name for one in gateway.methods()
                    if before.is_routed(one) and is_writer(one) and not one.is_frozen()
                    and one.function() in before.kept["functions"]]
    if open_writers:
        raise Stop(f"{', '.join(open_writers)} still write to haumana-sync, and the old functions will "
                   f"not know: `freeze` first, then export what there is")
    left = before.still_use_what_they_used()
    if left:
        raise Stop(f"{left[0].rsplit(':', 1)[-1]} has its tables of before the move, where nothing is "
                   f"that was synced since: `tables`, the export and `use` come first; or say "
                   f"--nothing-synced")


def is_writer(method):
    """Whether a method is one that `freeze` stops."""
    return any(method.verb == verb and same(method.path, path) for verb, path in WRITERS)


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


COMMANDS = {
    "show": show, "try": try_out, "freeze": freeze, "point": point, "check": check,
    "tables": tables, "use": use, "back": back,
}
# What a command cannot do without.
NEEDS = {
    "try": ["stack", "token_file"], "point": ["stack", "token_file"], "check": ["stack"],
    "tables": ["pair"], "use": ["pair"],
}


def read_arguments():
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=COMMANDS)
    parser.add_argument("--api", required=True, help="the id of the existing REST API")
    parser.add_argument("--stage", required=True, help="the stage that the app calls")
    parser.add_argument("--stack", help="the stack that has the functions")
    parser.add_argument("--token-file", help="holds an ID token of somebody who uses the app")
    parser.add_argument("--pair", action="append", type=pair, default=[], metavar="OLD=NEW",
                        help="an old table and its new one; once for each table")
    parser.add_argument("--also", action="append", default=[], metavar="FUNCTION",
                        help="a function that uses the old tables and is not called by the API")
    parser.add_argument("--nothing-synced", action="store_true",
                        help="go back without what was synced since `point`")
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, change nothing")
    arguments = parser.parse_args()
    for name in NEEDS.get(arguments.what, []):
        # Who only wants to know what `point` would do needs nobody's token.
        if not getattr(arguments, name) and not (name == "token_file" and arguments.dry_run):
            parser.error(f"{arguments.what} needs --{name.replace('_', '-')}")
    return arguments


def pair(text):
    """Reads OLD=NEW."""
    old, _, new = text.partition("=")
    if not old or not new or old == new:
        raise argparse.ArgumentTypeError(f"{text} is not OLD=NEW")
    return old, new


def run(gateway, before, arguments):
    """Does what the arguments say, with what comes before and after it."""
    if arguments.what == "point":
        if not arguments.dry_run:
            try_out(gateway, before, arguments)
        point(gateway, before, arguments.stack)
        if not arguments.dry_run:
            check(gateway, before, arguments)
    elif arguments.what == "back":
        if not arguments.nothing_synced:
            guard_back(gateway, before)
        back(gateway, before, None)
    else:
        COMMANDS[arguments.what](gateway, before, arguments)


def main():
    """Does what the arguments say."""
    arguments, gateway, before = read_arguments(), None, None
    try:
        # API Gateway takes only a few changes a second, and asks to wait.
        patient = Config(retries={"mode": "adaptive", "max_attempts": 10})
        client = boto3.client("apigateway", config=patient)
        check_api(client, arguments.api, arguments.stage)
        gateway = Gateway(client, arguments.api, arguments.stage, arguments.dry_run)
        before = Before(gateway, ROUTES, old_tables.tables_of)
        run(gateway, before, arguments)
    except (Stop, BotoCoreError, ClientError, KeyboardInterrupt) as error:
        sys.exit(f"move.py: {str(error) or 'interrupted'}\n{ending(gateway, before, error, arguments)}")


def ending(gateway, before, error, arguments):
    """Says what an error leaves behind."""
    if arguments.what in ("tables", "use"):
        return "Run this again to go on: what is done already stays as it is."
    # Whoever was interrupted, or lost the connection, does not know what became of the last call.
    is_known = isinstance(error, (Stop, ClientError))
    if gateway is None or (is_known and gateway.n_changes == 0):
        if before is not None:
            before.drop_if_unused()
        return "Nothing was changed."
    if gateway.is_deployed:
        return "It is deployed, and callers see it. Mend what is said above, or `freeze` and `back`."
    return ("What was changed is not deployed, so callers see nothing of it. Run this again to go "
            "on, or `back` to undo it.")


if __name__ == "__main__":
    main()
