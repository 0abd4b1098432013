"""A small client of /sync: two devices edit one recipe offline and agree.

Usage: python3 client.py http://127.0.0.1:8787, with a server that serves recipes.toml.
It follows docs/protocol.md and docs/schema.md, and needs nothing but Python 3.
"""

import json
import secrets
import sys
import urllib.request
import uuid


def post(url, body, token=None):
    headers = {"content-type": "application/json"}
    if token:
        headers["authorization"] = f"Bearer {token}"
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request) as reply:
        return json.load(reply)


class Device:
    """Holds records, and the edits that the server has not confirmed yet."""

    def __init__(self, url, token):
        self.url, self.token = url, token
        self.id = secrets.token_hex(8)  # random for each installation
        self.cursor, self.records, self.pending = None, {}, []

    def edit(self, kind, record_id, edited_at, **fields):
        """Remembers an edit of the version that the device holds."""
        held = self.records.get((kind, record_id), {})
        self.pending.append({"kind": kind, "id": record_id, "base": held.get("version"),
                             "editedAt": edited_at, "set": fields})

    def count(self, kind, record_id, edited_at, field, added):
        """Adds to a counter: the total of this device, from the beginning on."""
        held = self.records.get((kind, record_id), {}).get("value") or {}
        before, removed = held.get(field, {}).get(self.id, [0, 0])
        self.edit(kind, record_id, edited_at, **{field: {self.id: [before + added, removed]}})

    def sync(self):
        """Sends what waits, and takes what changed, until nothing follows."""
        more = True
        while more:
            body = {"deviceId": self.id, "cursor": self.cursor, "push": self.pending}
            reply = post(f"{self.url}/sync", body, self.token)
            for push, result in zip(self.pending, reply["results"]):
                self.answered(push, result, reply["more"])
            self.pending = []
            for change in reply["changes"]:
                self.records[change["kind"], change["id"]] = change
            self.cursor, more = reply["cursor"], reply["more"]

    def answered(self, push, result, more):
        if result["outcome"] == "rejected":
            raise ValueError(result["error"]["message"])
        if result["outcome"] == "applied" and not more:
            # The record is the base with what was set, unless it is among the changes.
            held = self.records.get((push["kind"], push["id"]), {}).get("value") or {}
            value = {name: new for name, new in (held | push["set"]).items() if new is not None}
            self.records[push["kind"], push["id"]] = {"version": result["version"], "value": value}


def main(url):
    token = post(f"{url}/dev/tokens", {"sub": f"cook-{uuid.uuid4()}"})["idToken"]
    phone, laptop = Device(url, token), Device(url, token)
    poi = str(uuid.uuid4()).upper()
    phone.edit("recipe", poi, "2026-11-20T08:00:00Z", title="Poi",
               steps="Steam the taro\nPound it\nAdd water", ingredients=["taro", "water"])
    phone.sync()
    laptop.sync()

    # Both are offline now.
    phone.edit("recipe", poi, "2026-11-20T09:00:00Z", tags=["family"],
               steps="Steam the taro\nPound it well\nAdd water")
    phone.count("recipe", poi, "2026-11-20T09:01:00Z", "cooked", 2)
    laptop.edit("recipe", poi, "2026-11-20T10:00:00Z", tags=["slow"],
                ingredients=["taro", "cold water", "salt"],
                steps="Steam the taro\nPound it\nAdd cold water")
    laptop.count("recipe", poi, "2026-11-20T10:01:00Z", "cooked", 1)
    for device in (phone, laptop, phone):
        device.sync()

    recipe = phone.records["recipe", poi]["value"]
    assert recipe == laptop.records["recipe", poi]["value"], "the devices agree"
    assert recipe["steps"] == "Steam the taro\nPound it well\nAdd cold water"
    assert recipe["ingredients"] == ["taro", "cold water", "salt"]
    assert recipe["tags"] == ["family", "slow"]
    assert sum(added - removed for added, removed in recipe["cooked"].values()) == 3
    print(json.dumps(recipe, indent=2, ensure_ascii=False))


if __name__ == "__main__":
    main(sys.argv[1])
