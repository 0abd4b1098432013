"""Moving over: an API as the app knows it is re-pointed while phones sync, and pointed back."""

import io
import json
import os
import pathlib
import subprocess
import sys
import zipfile

from phone import Phone, Refused, call

MOVE = pathlib.Path(__file__).parent.resolve() / "../move/move.py"
# Stands in for the functions that were there before: takes nothing, keeps nothing, says who it is.
OLD = """
import json
def handler(event, context):
    body = {"serverPieces": [], "uploadedPieces": [], "updatedPieces": [], "serverSessions": [],
            "uploadedSessions": [], "syncedAt": "2026-06-18T12:00:00.000Z", "who": "old"}
    return {"statusCode": 200, "body": json.dumps(body)}
"""
OURS = [("POST", "/pieces"), ("POST", "/sessions"), ("GET", "/users/{userId}/export")]
THEIRS = [("GET", "/consent-status"), ("POST", "/webhooks")]


def rehearse(aws, google, synthesise):
    """Freezes, points, and points back; looks at every step what callers see."""
    api = old_api(aws)
    url = aws.api_url(api, "prod")
    aws.deploy(synthesise(existingApiId=api), "moved-sync")
    phone = Phone(url, google.token("kai"))
    # Long enough to be compressed, were it not that this API takes text only.
    song = phone.add("Aloha ʻOe", "Haʻaheo ka ua\n" * 1_000 + "i nā pali")
    before = methods(aws, api)

    print(move(aws, "point", api, "--stack", "moved-sync", "--dry-run"))
    assert methods(aws, api) == before, "a dry run changes nothing"
    assert answers(url, THEIRS) == ["old", "old"]

    move(aws, "freeze", api)
    frozen(phone)
    assert answers(url, THEIRS) == ["old", "old"], "what is not ours goes on"
    assert phone.pieces[song]["locallyModified"], "the phone keeps its edit"
    print("ok: frozen, and phones keep their edits")

    for _ in range(2):  # Doing it again is harmless.
        move(aws, "point", api, "--stack", "moved-sync")
    phone.sync()
    pad = Phone(url, google.token("kai"))
    pad.sync()
    assert pad.content() == phone.content() and song in pad.pieces
    assert answers(url, THEIRS) == ["old", "old"], "what is not ours goes on"
    call(f"{url}/health")
    call(f"{url}/users/me/export", phone.token)
    print("ok: moved over, and the kept edit has arrived")

    move(aws, "freeze", api)
    frozen(phone)
    move(aws, "back", api)
    assert methods(aws, api) == before, "everything is as it was"
    assert answers(url, [OURS[0], *THEIRS]) == ["old", "old", "old"]
    print("ok: moved back, and everything is as it was")


def old_api(aws):
    """Makes an API as the app knows it, and returns its id."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("old.py", OLD)
    assume = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",
                       "Principal": {"Service": "lambda.amazonaws.com"}}],
    }
    role = aws.client("iam").create_role(
        RoleName="old", AssumeRolePolicyDocument=json.dumps(assume)
    )["Role"]["Arn"]
    functions = aws.client("lambda")
    function = functions.create_function(
        FunctionName="old", Runtime="python3.12", Handler="old.handler", Role=role,
        Code={"ZipFile": packed.getvalue()},
    )["FunctionArn"]
    functions.add_permission(
        FunctionName="old", StatementId="api", Action="lambda:InvokeFunction",
        Principal="apigateway.amazonaws.com",
    )
    gateway = aws.client("apigateway")
    api = gateway.create_rest_api(name="haumana-api")["id"]
    uri = f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{function}/invocations"
    for verb, path in OURS + THEIRS:
        key = {"restApiId": api, "resourceId": resource(gateway, api, path), "httpMethod": verb}
        gateway.put_method(**key, authorizationType="NONE")
        gateway.put_integration(**key, type="AWS_PROXY", integrationHttpMethod="POST", uri=uri)
    gateway.create_deployment(restApiId=api, stageName="prod")
    return api


def resource(gateway, api, path):
    """Returns the id of a resource, and makes it."""
    at, parent = "", None
    for part in ["", *path.strip("/").split("/")]:
        known = {one["path"]: one["id"] for one in gateway.get_resources(restApiId=api)["items"]}
        at = f"{at.rstrip('/')}/{part}"
        if at not in known:
            known[at] = gateway.create_resource(restApiId=api, parentId=parent, pathPart=part)["id"]
        parent = known[at]
    return parent


def methods(aws, api):
    """Returns every method of the API, as API Gateway tells it."""
    items = aws.client("apigateway").get_resources(restApiId=api, embed=["methods"])["items"]
    return {one["path"]: one.get("resourceMethods", {}) for one in items}


def move(aws, what, api, *more):
    """Runs the script as an operator would."""
    command = [sys.executable, str(MOVE), what, "--api", api, "--stage", "prod", *more]
    environment = {**os.environ, **aws.environment}
    done = subprocess.run(
        command, env=environment, cwd=aws.log.parent, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def answers(url, routes):
    """Returns who answers each of the routes."""
    told = (call(url + path, "a.b.c", b"{}" if verb == "POST" else None) for verb, path in routes)
    return [json.loads(body)["who"] for _, _, body in told]


def frozen(phone):
    """Asserts that a sync is refused in the way that makes the app try again."""
    try:
        phone.sync()
    except Refused as refusal:
        assert refusal.status == 503 and refusal.json()["code"] == "unavailable", refusal
        assert refusal.headers["retry-after"] == "60"
        return
    raise AssertionError("a frozen API refuses")
