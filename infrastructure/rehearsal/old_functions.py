"""Stands in for the functions of the TypeScript stack, for the rehearsal only.

Each runs with a role of its own, which names its tables and their indexes. They keep what they are sent nearly as it came, in the tables that `docs/import.md` describes, and
the last writer wins, whatever it was based on. Runs as Lambda functions of the emulator.
"""

import base64
import datetime
import json
import os

import boto3
from boto3.dynamodb.conditions import Key


def pieces(event, _context):
    """Answers `POST /pieces`: takes flagged pieces, returns what was written since."""
    user, body = user_of(event), json.loads(event["body"])
    table, at = boto3.resource("dynamodb").Table(os.environ["PIECES_TABLE"]), now()
    held = {one["pieceId"]: one for one in everything(table, Key("userId").eq(user))}
    taken = []
    for piece in body["pieces"]:
        if piece["locallyModified"]:
            own = {"userId": user, "lastSyncedAt": at, "locallyModified": False,
                   "version": piece["version"] + 1}
            taken.append({**piece, **own})
            table.put_item(Item=taken[-1])
            held.pop(piece["pieceId"], None)
    since = body.get("lastSyncedAt", "")
    return answer({
        "serverPieces": [one for one in held.values() if since < one["lastSyncedAt"]],
        "uploadedPieces": [one["pieceId"] for one in taken], "updatedPieces": taken,
        "syncedAt": at,
    })


def sessions(event, _context):
    """Answers `POST /sessions`."""
    user, body = user_of(event), json.loads(event["body"])
    table, at = boto3.resource("dynamodb").Table(os.environ["SESSIONS_TABLE"]), now()
    partition = f"USER#{user}"
    for session in body["sessions"]:
        sort = f"SESSION#{session['startedAt']}#{session['sessionId']}"
        own = {"pk": partition, "sk": sort, "userId": user, "syncedAt": at}
        table.put_item(Item={**session, **own})
    return answer({
        "serverSessions": everything(table, Key("pk").eq(partition)),
        "uploadedSessions": [one["sessionId"] for one in body["sessions"]], "syncedAt": at,
    })


def export(event, _context):
    """Answers `GET /users/{userId}/export`, from tables that nobody has told it."""
    user = event["pathParameters"]["userId"]
    if user not in (user_of(event), "me"):
        return {**answer({"error": "not yours"}), "statusCode": 403}
    user, dynamodb = user_of(event), boto3.resource("dynamodb")
    tables = [dynamodb.Table(os.environ.get(f"{kind.upper()}_TABLE", f"{kind}-old"))
              for kind in ("pieces", "sessions")]
    newest = {"IndexName": "userId-modifiedAt-index", "ScanIndexForward": False}
    return answer({
        "exportVersion": "1.0",
        "pieces": everything(tables[0], Key("userId").eq(user), **newest),
        "practiceSessions": everything(tables[1], Key("pk").eq(f"USER#{user}")),
    })


def sign_in(_event, _context):
    """Answers `POST /auth/sync`."""
    return answer({"success": True})


def others(_event, _context):
    """Answers every other call."""
    return answer({})


def authorizer(event, _context):
    """Believes every token: whose it is, is all that the rehearsal needs of it."""
    claims = event["authorizationToken"].split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
    api = event["methodArn"].split("/")[0]
    allow = {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": f"{api}/*"}
    return {
        "principalId": claims["sub"], "context": {"userId": claims["sub"]},
        "policyDocument": {"Version": "2012-10-17", "Statement": [allow]},
    }


def user_of(event):
    """Returns whom the authorizer has let in."""
    return event["requestContext"]["authorizer"]["userId"]


def everything(table, condition, **how):
    """Returns all items of one partition."""
    # A global index has no consistent reads.
    how = how or {"ConsistentRead": True}
    found = table.query(KeyConditionExpression=condition, **how)
    items = found["Items"]
    while "LastEvaluatedKey" in found:
        found = table.query(KeyConditionExpression=condition, **how,
                            ExclusiveStartKey=found["LastEvaluatedKey"])
        items += found["Items"]
    return items


def answer(body):
    """Returns a reply. `who` tells the rehearsal that it came from here; the app ignores it."""
    # Numbers of DynamoDB are decimals.
    text = json.dumps({**body, "who": "old"}, default=int)
    return {"statusCode": 200, "headers": {"content-type": "application/json"}, "body": text}


def now():
    """Returns the time as the app reads it."""
    at = datetime.datetime.now(datetime.timezone.utc)
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03}Z"
