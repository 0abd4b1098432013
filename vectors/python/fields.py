"""Merge of one field or group, as docs/merging.md and docs/schema.md describe it."""

import json
import math
import re
from datetime import datetime, timezone

from texts import PUSHED, SERVER, merge_texts

TAGS = {"none": 0, "false": 1, "true": 2, "text": 3, "json": 4, "group": 5}
TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)[\x00-\x7f](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:[Zz]|([+-])(\d\d):(\d\d))")


def read_time(text):
    """Milliseconds since 1970, or None."""
    found = TIME.fullmatch(text)
    if not found or int(found[9] or 0) > 23 or int(found[10] or 0) > 59:
        return None
    try:
        at = datetime(*(int(found[i]) for i in range(1, 7)), tzinfo=timezone.utc)
    except ValueError:
        return None
    ms = int(at.timestamp()) * 1000 + int((found[7] or "")[:3].ljust(3, "0"))
    return ms - (int(found[9] or 0) * 60 + int(found[10] or 0)) * 60_000 * (-1 if found[8] == "-" else 1)


def compact(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def by_bytes(value, unit):
    if value is None or isinstance(value, bool):
        return TAGS["none" if value is None else "true" if value else "false"], b""
    if isinstance(value, str):
        return TAGS["text"], value.encode()
    if "json" in value:
        return TAGS["json"], value["json"].encode()
    if unit.get("ties") == "blanks":
        return TAGS["text"], " ".join(value["group"][name] or "" for name in sorted(value["group"])).encode()
    return TAGS["group"], compact(value["group"]).encode()


def by_meaning(value, unit):
    """A key by which values of one type rank; the same for all where only bytes count."""
    if unit["type"] == "enum":
        return unit["words"].index(value) if value in unit["words"] else -1
    if unit["type"] == "time":
        return read_time(value)
    return 0


def compare(a, b):
    return (a > b) - (a < b)


def compare_numbers(a, b):
    def whole(text):
        number = int(text) if re.fullmatch(r"-?\d+", text) else None
        return number if number is not None and -1 << 63 <= number < 1 << 63 else None
    def number(text):
        return whole(text) if whole(text) is not None else float(text)
    return compare(number(a), number(b)) or compare(*(math.copysign(1, float(text)) for text in (a, b)))


def rank(a, b, unit, sign):
    """Orders two values so that the greater one stays: a value beats none, also where the least stays."""
    if a is None or b is None:
        return compare(a is not None, b is not None)
    if unit["type"] == "group":
        a_of, b_of = a["group"], b["group"]
        order = compare(a_of[unit["leading"]] is not None, b_of[unit["leading"]] is not None)
        for name in unit["fields"]:
            order = order or rank(a_of[name], b_of[name], unit["types"][name], sign)
    elif unit["type"] in ("integer", "number"):
        order = sign * compare_numbers(a["json"], b["json"])
    else:
        order = sign * compare(by_meaning(a, unit), by_meaning(b, unit))
    return order or sign * compare(by_bytes(a, unit), by_bytes(b, unit))


def pushed_is_preferred(unit, server, pushed):
    policy = unit.get("merge", "later")
    if policy in ("greatest", "least"):
        return rank(server[0], pushed[0], unit, 1 if policy == "greatest" else -1) < 0
    order = compare(*((time, by_bytes(value, unit)) for value, time in (server, pushed)))
    return order > 0 if policy == "first" else order < 0


def as_line(element):
    units = element.encode("utf-16-be")
    codes = [units[i] << 8 | units[i + 1] for i in range(0, len(units), 2)]
    plain = [chr(c) if c < 128 and (chr(c).isalnum() or chr(c) in "-_.:/") else f"\\u{c:04x}" for c in codes]
    return '"' + "".join(plain) + '"\n'


def elements(value):
    return json.loads(value["json"]) if value is not None else []


def merge_lists(base, server, pushed, later):
    texts = ["".join(map(as_line, elements(value))) for value in (base, server, pushed)]
    text, clash = merge_texts(*texts, later, math.inf)
    return [json.loads(line) for line in text.splitlines()], clash


def merge_sets(base, server, pushed, added_since):
    """Returns the set, and whether a removal lost; `base` is None where it is unknown."""
    server, pushed = set(elements(server)), set(elements(pushed))
    removed = set() if base is None else base - (server & pushed)
    kept = removed & server & set(added_since)
    return sorted((server | pushed) - removed | kept), bool(kept)


def merge_field(unit, base, server, pushed):
    """`base` is a word, or says what `moved`; `server` and `pushed` are values with their times.

    Returns the value, its time, where it comes from, and who lost why.
    """
    (ours, our_time), (theirs, their_time) = server, pushed
    time, policy, kind = max(our_time, their_time), unit.get("merge", "later"), unit["type"]
    first = policy == "first"

    def blend(value, lost=None):
        winner = "pushed" if value == theirs else "server" if value == ours else "blend"
        if lost and winner != "blend":  # who keeps all has lost nothing
            lost = ["server" if winner == "pushed" else "pushed", lost[1]]
        return value, time, winner, lost
    if by_bytes(ours, unit) == by_bytes(theirs, unit):
        return ours, min(our_time, their_time) if first else time, "both", None
    if kind == "counter":
        joined = {}
        for value in (ours, theirs):
            for device, counts in (json.loads(value["json"]) if value else {}).items():
                joined[device] = [max(pair) for pair in zip(joined.get(device, (0, 0)), counts)]
        return blend({"json": compact(joined)})
    if policy == "fixed":
        return ours, our_time, "server", ["pushed", "policy"]
    if base == "unmoved":
        return theirs, their_time, "pushed", None
    if base == "outdated":
        return ours, our_time, "server", ["pushed", "later_edit"]
    if base == "gone" and policy == "later" and kind != "set":
        return ours, our_time, "server", ["pushed", "base_gone"]
    known = base != "gone" and base["moved"]
    old = base.get("value") if known else None
    preferred = pushed_is_preferred(unit, server, pushed)
    later, loser = (PUSHED, "server") if preferred else (SERVER, "pushed")
    if kind == "lines" and known and isinstance(ours, str) and isinstance(theirs, str):
        text, clash = merge_texts(old or "", ours, theirs, later, unit["max"])
        return blend(text, [loser, "text_clash"] if clash else None)
    if kind == "list" and known:
        merged, clash = merge_lists(old, ours, theirs, later)
        if len(merged) <= unit["max"]:
            return blend({"json": compact(merged)}, [loser, "text_clash"] if clash else None)
    if kind == "set":
        of_base = set(elements(old)) if known else None
        merged, lost = merge_sets(of_base, ours, theirs, [] if base == "gone" else base.get("addedSince", []))
        if len(merged) <= unit["max"]:
            return blend({"json": compact(merged)}, ["pushed", "later_edit"] if lost else None)
    reason = "later_edit" if policy == "later" else "policy"
    if preferred:
        return theirs, their_time if first else time, "pushed", ["server", reason]
    return ours, our_time if first else time, "server", ["pushed", reason]
