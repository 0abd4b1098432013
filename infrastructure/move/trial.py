"""Tries the functions with the token of somebody real, before anybody is sent to them.

Only what that person could do is done: they sign in, and read. Nothing of theirs is changed.
"""

import json
import pathlib
import uuid

import boto3

from before import Stop
from functions import AUTHORIZER
from gateway import name_of

# Each function that answers, by a call that changes nothing, and what of its answer is counted.
CALLS = [
    ("GET", "/health", None, None),
    ("POST", "/auth/sync", "sign in", None),
    ("POST", "/pieces", {"operation": "sync", "pieces": []}, "serverPieces"),
    ("POST", "/sessions", {"sessions": []}, "serverSessions"),
    ("GET", "/conflicts", None, "conflicts"),
    ("GET", "/users/me/export", None, "pieces"),
]
# An export that is too large for a reply is refused with 413, and the function works.
WELL = {200}
WELL_OF = {"/users/me/export": {200, 413}}


def read_token(file):
    """Reads an ID token from a file, so that it stands in no history of a shell."""
    try:
        token = pathlib.Path(file).read_text(encoding="utf8").strip()
    except OSError as error:
        raise Stop(f"the token cannot be read: {error}") from error
    if token.count(".") != 2:
        raise Stop(f"{file} holds no ID token: three parts with dots between them")
    return token


def trial(api, stage, routes, functions, token):
    """Calls every function as API Gateway would; stops at the first that does not answer well."""
    service = boto3.client("lambda")
    context = vouched(service, api, stage, functions[AUTHORIZER], token)
    print(f"{AUTHORIZER}: the token is good")
    forged = token[:-6] + ("AAAAAA" if token[-6:] != "AAAAAA" else "BBBBBB")
    if invoke(service, functions[AUTHORIZER], asked(api, stage, functions, forged))[0]:
        raise Stop(f"{AUTHORIZER} takes a token whose signature is wrong")
    for verb, path, body, counted in CALLS:
        route = next(one for one in routes if one["method"] == verb and fits(one["path"], path))
        function = functions[route["function"]]
        body = {"googleIdToken": token} if body == "sign in" else body
        event = proxy_event(route, path, body, context if route["token"] else None, (api, stage))
        is_well, answer = invoke(service, function, event)
        status = answer.get("statusCode") if is_well else None
        name = f"{verb} {path} of {function.rsplit(':', 1)[1]}"
        if status not in WELL_OF.get(path, WELL):
            raise Stop(f"{name} answers {status}: {json.dumps(answer)[:300]}")
        if answer.get("isBase64Encoded"):
            raise Stop(f"{name} answers in base64, which the API does not decode: deploy the stack "
                       f"with -c existingApiId={api}")
        print(f"{verb} {path}: {status}{told(answer, counted)}")


def vouched(service, api, stage, function, token):
    """Returns what the authorizer says of the token's owner."""
    is_well, verdict = invoke(service, function, asked(api, stage, {AUTHORIZER: function}, token))
    statement = verdict.get("policyDocument", {}).get("Statement", [{}]) if is_well else [{}]
    if statement[0].get("Effect") != "Allow":
        raise Stop(f"{name_of(function)} refuses the token: {json.dumps(verdict)[:300]}. Is "
                   f"it less than an hour old, and its `aud` in -c googleClientIds?")
    return {"principalId": verdict["principalId"], **verdict.get("context", {})}


def asked(api, stage, functions, token):
    """Returns what API Gateway asks an authorizer."""
    region, account = functions[AUTHORIZER].split(":")[3:5]
    return {"type": "TOKEN", "authorizationToken": f"Bearer {token}",
            "methodArn": f"arn:aws:execute-api:{region}:{account}:{api}/{stage}/POST/pieces"}


def proxy_event(route, path, body, context, where):
    """Returns the event of a call, as API Gateway sends it."""
    api, stage = where
    headers = {"content-type": "application/json", "accept": "*/*", "accept-encoding": "gzip"}
    return {
        "resource": route["path"], "path": path, "httpMethod": route["method"],
        "headers": headers, "multiValueHeaders": {name: [one] for name, one in headers.items()},
        "queryStringParameters": None, "multiValueQueryStringParameters": None,
        "pathParameters": {"me": "me"} if "{me}" in route["path"] else None, "stageVariables": None,
        "requestContext": {
            "resourcePath": route["path"], "httpMethod": route["method"], "apiId": api,
            "path": f"/{stage}{path}", "stage": stage, "requestId": str(uuid.uuid4()),
            "protocol": "HTTP/1.1", "identity": {"sourceIp": "192.0.2.1"},
            **({"authorizer": context} if context else {}),
        },
        "body": None if body is None else json.dumps(body), "isBase64Encoded": False,
    }


def invoke(service, function, event):
    """Calls a function; returns whether it answered, and what."""
    answer = service.invoke(FunctionName=function, Payload=json.dumps(event).encode())
    payload = json.loads(answer["Payload"].read() or b"null")
    is_well = "FunctionError" not in answer and isinstance(payload, dict)
    return is_well, payload if isinstance(payload, dict) else {"answer": payload}


def told(answer, counted):
    """Returns how much somebody has, for people."""
    if counted is None or answer["statusCode"] != 200:
        return ""
    return f", {len(json.loads(answer['body']).get(counted, []))} {counted}"


def fits(pattern, path):
    """Whether a path is one of a route."""
    parts, wanted = path.split("/"), pattern.split("/")
    return len(parts) == len(wanted) and all(
        one == other or other.startswith("{") for one, other in zip(parts, wanted))
