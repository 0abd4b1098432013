"""The app's whole sync, two devices, through an API of each kind: the REST API with the real
authorizer, and the HTTP API, behind which the functions verify tokens themselves."""

import gzip
import json
import re

from phone import Phone, Refused, patiently

# Whoever is told to come again does so; a busy machine tells it now and then.
call = patiently

LYRICS = "Haʻaheo ka ua i nā pali\nKe nihi aʻela i ka nahele\nE hahai ana paha i ka liko"


def new_phone(url, token):
    """Returns a phone whose owner tries again when told to."""
    return Phone(url, token, patiently)


def rehearse(aws, outputs, google):
    """Runs every story through the REST API of the stack `own`."""
    url = aws.api_url(outputs["ApiUrl"].split("//")[1].split(".")[0], "prod")
    stories = (signing_in, two_devices, the_door, another_user, new_clients, compressed, watched)
    tell(stories, "own", aws=aws, url=url, google=google, outputs=outputs)


def rehearse_http(aws, outputs, google):
    """Runs every story through the HTTP API of the stack `http`, whose address has no stage."""
    url = aws.api_url(outputs["ApiUrl"].split("//")[1].split(".")[0])
    stories = (signing_in, two_devices, the_door, another_user, new_clients, the_other_door, watched)
    tell(stories, "http", aws=aws, url=url, google=google, outputs=outputs)


def tell(stories, prefix, **what):
    """Runs stories, and says which went well."""
    for story in stories:
        story(prefix=prefix, **what)
        print(f"ok: {story.__name__.replace('_', ' ')} ({prefix})")


def signing_in(aws, url, google, outputs, **_):
    """Whoever signs in stands in the user pool."""
    _, _, body = call(f"{url}/auth/sync", body={"googleIdToken": google.token("kai")})

    assert json.loads(body)["user"]["username"] == "google_kai", body
    pool = aws.client("cognito-idp")
    user = pool.admin_get_user(UserPoolId=outputs["UserPoolId"], Username="google_kai")
    attributes = {one["Name"]: one["Value"] for one in user["UserAttributes"]}
    assert attributes["email"] == "kai@example.org"
    refused(401, "unauthorized", f"{url}/auth/sync", body={"googleIdToken": google.forged("kai")})


def two_devices(url, google, **_):
    """Two phones end up with the same, whatever both did meanwhile."""
    phone, pad = (new_phone(url, google.token("kai")) for _ in range(2))
    song = phone.add("Aloha ʻOe", LYRICS)
    phone.practise(song)
    phone.sync()
    pad.sync()
    assert pad.content() == phone.content(), "the second device has everything"
    assert pad.sessions.keys() == phone.sessions.keys()

    phone.edit(song, lyrics=LYRICS.replace("Haʻaheo", "Haʻaheo ē"))
    pad.edit(song, lyrics=LYRICS.replace("ka liko", "ka liko ē"), author="Liliʻuokalani")
    other = pad.add("Kaulana nā Pua", "Kaulana nā pua aʻo Hawaiʻi")
    for one in (phone, pad, phone, pad):
        one.sync()

    assert phone.content() == pad.content()
    merged = phone.pieces[song]
    assert "Haʻaheo ē" in merged["lyrics"] and "ka liko ē" in merged["lyrics"], "no edit is lost"
    assert merged["author"] == "Liliʻuokalani" and other in phone.pieces
    again = phone.sync()
    assert not again["serverPieces"] and not again["updatedPieces"], "nothing changed, nothing said"


def the_door(url, google, **_):
    """Nobody gets in without a token of Google's, and API Gateway says so in our words."""
    empty = {"pieces": []}
    strangers = [
        None, "not-a-token", "a.b.c", google.forged("kai"), google.token("kai", aud="another"),
        google.token("kai", iat=1_000, exp=2_000), google.token("kai", iss="https://example.org"),
    ]
    for token in strangers:
        refused(401, "unauthorized", f"{url}/pieces", token, empty)
    refused(404, "not_found", f"{url}/nothing/here", google.token("kai"))
    for path in ("health", "limits", "openapi.json"):
        status, _, body = call(f"{url}/{path}")
        assert status == 200 and json.loads(body) is not None, path


def another_user(url, google, **_):
    """A user sees and changes only their own, also while the gateway remembers another's verdict."""
    kai, lani = google.token("kai"), google.token("lani")
    for token, size in ((kai, 2), (lani, 0), (kai, 2), (lani, 0)):
        seen = json.loads(call(f"{url}/pieces", token, {"pieces": []})[2])
        assert len(seen["serverPieces"]) == size
    refused(403, "forbidden", f"{url}/users/kai/export", lani)
    refused(403, "forbidden", f"{url}/users/kai", lani, method="DELETE")


def new_clients(url, google, **_):
    """The calls of new clients pass the gateway: bodies, path parameters and methods."""
    kai = google.token("kai")
    _, _, body = call(f"{url}/sync", kai, {"deviceId": "rehearsal", "cursor": None})
    pieces = [one for one in json.loads(body)["changes"] if one["kind"] == "piece"]
    assert len(pieces) == 2
    for one in pieces:
        call(f"{url}/pieces/{one['id']}/history", kai)
    call(f"{url}/conflicts", kai)
    exported = json.loads(call(f"{url}/users/me/export", kai)[2])
    assert len(exported["pieces"]) == 2

    mallory = google.token("mele")
    new_phone(url, mallory).sync()
    status, _, _ = call(f"{url}/users/me", mallory, method="DELETE")
    assert status in (200, 204)


def compressed(url, google, **_):
    """Bodies may be gzip in both directions, byte for byte."""
    text = "ʻĀina " * 2_000
    phone = new_phone(url, google.token("nani"))
    phone.add("Lōʻihi", text.strip())
    body = gzip.compress(json.dumps({"pieces": list(phone.pieces.values())}).encode())

    call(f"{url}/pieces", phone.token, body, headers={"content-encoding": "gzip"})
    _, headers, body = call(f"{url}/pieces", phone.token, {"pieces": []})

    assert headers["content-encoding"] == "gzip"
    assert json.loads(body)["serverPieces"][0]["lyrics"] == text.strip()


def the_other_door(url, google, **_):
    """What an HTTP API passes on otherwise than a REST API, as DEPLOYMENT.md has it."""
    kai = google.token("kai")
    refused(405, "method_not_allowed", f"{url}/pieces", kai)
    packed = gzip.compress(json.dumps({"pieces": []}).encode())
    refused(400, "invalid_request", f"{url}/pieces", kai, packed, headers={"content-encoding": "gzip"})
    phone = new_phone(url, google.token("nani"))
    phone.add("Lōʻihi", "ʻĀina " * 2_000)
    phone.sync()
    _, headers, body = call(f"{url}/pieces", phone.token, {"pieces": []})
    assert headers["content-encoding"] == "gzip", "replies are compressed all the same"
    assert json.loads(body)["serverPieces"][0]["title"] == "Lōʻihi"


def watched(aws, prefix, **_):
    """The functions write their metrics under the name that the alarms watch, and nobody's data."""
    logs = aws.client("logs")
    lines = []
    verifying = ["google-token-authorizer"] if prefix == "own" else ["auth-sync-lambda"]
    for binary in ["sync-pieces-lambda", "sync-sessions-lambda", *verifying]:
        group = f"/aws/lambda/{prefix}-{binary}"
        for page in logs.get_paginator("filter_log_events").paginate(logGroupName=group):
            lines += [event["message"] for event in page["events"]]
    text = "\n".join(lines)
    assert f'"Namespace":"Haumana/{prefix}"' in text, "metrics are where the alarms of this stack look"
    assert re.search(r'"caller":"[0-9a-f]{16}"', text), "a user is called by a hash"
    for secret in ("Haʻaheo", "Kaulana", "kai@example.org", "eyJ"):
        assert secret not in text, "logs tell nothing of anyone"


def refused(status, code, *arguments, **options):
    """Asserts that a call is refused, and how."""
    try:
        call(*arguments, **options)
    except Refused as refusal:
        told = (refusal.status, refusal.json().get("code"))
        assert told == (status, code), f"{told} instead of {(status, code)}"
        return
    raise AssertionError(f"{status} {code} expected: {arguments[0]}")
