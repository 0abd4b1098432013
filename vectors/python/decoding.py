"""Cursors, and records of the phones' app, read strictly: docs/vectors.md."""

import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import datetime, timedelta

from fields import read_time
from records import FLAGS, LAST_VERSION, LONG, REQUIRED, TEXTS, digest

CHARS = {"title": 4096, "category": 64, "language": 64, "author": 1024, "sourceUrl": 2048}
IGNORED = {"piece": {"sessionId", "syncedAt", "_haumana"},
           "session": {"version", "modifiedAt", "lastSyncedAt", "syncedAt", "locallyModified", "_haumana"}}
TIMES = {"piece": ["createdAt", "modifiedAt", "lastSyncedAt"], "session": ["startedAt", "endedAt", "createdAt"]}


def show_time(ms):
    at = datetime(1970, 1, 1) + timedelta(milliseconds=ms)
    return at.isoformat(timespec="milliseconds") + "Z"


def read_cursor(text):
    """User, epoch, generation, revision, kind and id of a cursor; None of what is none."""
    try:
        data = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        return None
    body = data[:-8]
    if urlsafe_b64encode(data).rstrip(b"=") != text.encode() or len(data) != 54 or body[0] != 1:
        return None
    if digest(body) >> 64 != int.from_bytes(data[-8:], "big"):
        return None
    ends = [1, 9, 17, 21, 29, 30, 46]
    return [int.from_bytes(body[i:j], "big") for i, j in zip(ends, ends[1:])]


def place_of(text, user, epoch, generation, revision):
    """Whether a cursor can be read, and the place that it is in this account, if it is one."""
    cursor = read_cursor(text)
    if cursor is None:
        return {"reads": False, "fits": False}
    of, in_epoch, in_generation, at, kind, record = cursor
    if [of, in_epoch, in_generation] != [digest(user.encode()) >> 64, epoch, generation] or revision < at:
        return {"reads": True, "fits": False}
    place = {"reads": True, "fits": True, "at": at, "whole": at - 1 if kind else at}
    if kind:
        text = f"{record:032X}"
        place["within"] = [kind - 1, "-".join(text[i:j] for i, j in ((0, 8), (8, 12), (12, 16), (16, 20), (20, 32)))]
    return place


class Refused(Exception):
    pass


def members(text):
    """The keys of an object, each with the text of its value."""
    blank, found = re.compile(r"[ \t\n\r]*"), []
    at = blank.match(text, 1).end()
    while text[at] != "}":
        key, at = json.JSONDecoder().raw_decode(text, at)
        at = blank.match(text, blank.match(text, at).end() + 1).end()
        start = at
        _, at = json.JSONDecoder().raw_decode(text, at)
        found.append((key, text[start:at]))
        at = blank.match(text, at).end()
        if text[at] == ",":
            at = blank.match(text, at + 1).end()
    return found


def is_whole(value):
    """Whether no string has half of a surrogate pair."""
    return not re.search("[\ud800-\udfff]", json.dumps(value, ensure_ascii=False))


def depth(value):
    if isinstance(value, (list, dict)):
        return 1 + max(map(depth, value.values() if isinstance(value, dict) else value), default=0)
    return 0


def read_id(text):
    is_id = isinstance(text, str) and re.fullmatch(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", text)
    return text.upper() if is_id else None


def need(condition, code="invalid_field"):
    if not condition:
        raise Refused(code)


def read(kind, text, user):
    need(text.startswith("{"))
    values, unknown = {}, {}
    id_key = kind + "Id"
    texts = {id_key, "userId", *TIMES[kind], *(TEXTS if kind == "piece" else ["pieceId", "endedAtSource"])}
    for key, raw in members(text):
        value = json.loads(raw)
        need(is_whole(key))
        if key in IGNORED[kind]:
            continue
        if key in texts:
            need(value is None or isinstance(value, str) and is_whole(value))
        elif kind == "piece" and key in FLAGS + ["locallyModified"]:
            need(value is None or isinstance(value, bool))
        elif kind == "piece" and key == "version":
            need(value is None or type(value) is int and 0 <= value < 1 << 64)
        else:
            need(is_whole(value) and depth(value) <= 64)
            unknown[key] = raw
            continue
        values[key] = value
    record = values.get(id_key)
    need(read_id(record), "invalid_id")
    need(values.get("userId") in (None, "", user), "wrong_user")
    out = {"id": read_id(record), "unknown": unknown}
    (read_piece if kind == "piece" else read_session)(values, out)
    need(all(len(key.encode()) <= 256 for key in unknown), "too_large")
    if kind == "session":
        out["unknown"] = {key: raw for key, raw in unknown.items() if raw != "null"}
    return out


def time_of(values, name):
    text = values.get(name)
    need(text is None or read_time(text) is not None)
    return text and show_time(read_time(text))


def read_piece(values, out):
    v = values.get("version")
    v = 1 if v is None else v
    need(v >> 32 <= LAST_VERSION)
    out.update(v=str(v), createdAt=time_of(values, "createdAt"), modifiedAt=time_of(values, "modifiedAt"),
               wasSynced=values.get("lastSyncedAt") is not None, locallyModified=bool(values.get("locallyModified")))
    out["fields"] = {}
    for name in TEXTS + FLAGS:
        if name not in values:
            out["fields"].update({} if name in REQUIRED else {name: None})
            continue
        value = out["fields"][name] = values[name]
        need(value is not None or name not in REQUIRED)
    for name, value in values.items():
        if isinstance(value, str) and name in TEXTS:
            size = len(value.encode()) if name in LONG else len(value)
            need(size <= CHARS.get(name, 200_000), "too_large")


def read_session(values, out):
    out["pieceId"] = read_id(values.get("pieceId"))
    need(out["pieceId"] and values.get("startedAt") is not None)
    need(values.get("endedAtSource") in (None, "manual", "automatic", "estimated"))
    for name in TIMES["session"]:
        out[name] = time_of(values, name)
    out["createdAt"] = out["createdAt"] or out["startedAt"]
    out["endedAtSource"] = values.get("endedAtSource")
