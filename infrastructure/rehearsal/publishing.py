"""Versions of the functions, as a deployment publishes them, and going back to an earlier one."""

import datetime
import json

from mover import MOVE
from phone import patiently

VERSIONS = MOVE.parent / "versions.py"
ALIAS = "live"
PIECES = "own-sync-pieces-lambda"


def publish(service, name, variables):
    """Does what `cdk deploy` does where settings of a function change."""
    service.update_function_configuration(FunctionName=name, Environment={"Variables": variables})
    version = service.publish_version(FunctionName=name)["Version"]
    service.update_alias(FunctionName=name, Name=ALIAS, FunctionVersion=version)
    return version


def variables_of(service, name):
    """Returns the settings of what callers get of a function."""
    told = service.get_function_configuration(FunctionName=name, Qualifier=ALIAS)
    return told["Environment"]["Variables"]


def rehearse(aws, operator, url, token):
    """A version that fails is deployed, and callers get the one before it again by one command."""
    service = aws.client("lambda")
    was = service.get_alias(FunctionName=PIECES, Name=ALIAS)["FunctionVersion"]
    started = datetime.datetime.now(datetime.timezone.utc).isoformat()
    assert syncs(url, token), "callers are served"

    bad = publish(service, PIECES, {**variables_of(service, PIECES), "HAUMANA_RETENTION_DAYS": "none"})
    assert bad != was and not syncs(url, token), "a version that cannot start serves nobody"
    told = run(operator, "show")
    assert f"{PIECES}: {bad} of " in told and f"else: {was} of " in told, told
    told = run(operator, "back", "--to", started, "--dry-run")
    assert f"would give {PIECES}: {bad} -> {was}" in told and not syncs(url, token), told
    told = run(operator, "back", "--to", started)
    assert told.count("->") == 1 and syncs(url, token), told
    assert "get that already" in run(operator, "back", "--to", started)

    assert f"{PIECES}: {was} -> {bad}" in run(operator, "newest"), "forward again"
    assert not syncs(url, token)
    run(operator, "back", "--to", started)
    code, told = operator.run_script(VERSIONS, "back", "--prefix", "own-")
    assert code == 1 and "there is no version of" in told and "Nothing was changed" in told, told
    code, told = operator.run_script(VERSIONS, "show", "--prefix", "nothing-")
    assert code == 1 and "there is no function nothing-" in told, told
    assert syncs(url, token)
    print(f"ok: callers get version {was} again after {bad}, by one command")


def run(operator, *words):
    """Runs `versions.py`, which must end well, and returns what it says."""
    code, told = operator.run_script(VERSIONS, *words, "--prefix", "own-")
    assert code == 0, told
    return told


def syncs(url, token):
    """Whether somebody's sync is answered. A function that cannot start is not waited for."""
    try:
        status, _, body = patiently(f"{url}/pieces", token, {"pieces": []}, seconds=0)
    except Exception as error:  # pylint: disable=broad-except
        assert getattr(error, "status", 500) >= 500, error
        return False
    return status == 200 and "serverPieces" in json.loads(body)
