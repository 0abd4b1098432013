#!/usr/bin/env python3
"""Checks this implementation against all vectors: `python3 vectors/python/check.py`."""

import json
import sys
from pathlib import Path

sys.dont_write_bytecode = True

import decoding
from fields import merge_field
from records import FLAGS, TEXTS, Record, content_hash, content_term, number_of, version_term
from texts import PUSHED, SERVER, merge_texts

FOLDER = Path(__file__).resolve().parent.parent / "v1"


def lines(case, _):
    later = SERVER if case["later"] == "server" else PUSHED
    texts = case["base"], case["server"], case["pushed"]
    return merge_texts(*texts, later, case.get("maxBytes", 200_000)), (case["merged"], case["clash"])


def field(case, unit):
    got = merge_field(unit, case["base"], case["server"], case["pushed"])
    return got, (case["value"], case["editedAt"], case["winner"], case["lost"])


def version(case, _):
    said = {name: int(case[name]) if name in ("delivery", "steps") else case[name] for name in case if name != "v"}
    return number_of(int(case["v"])), said


def versions_sum(case, _):
    terms = [version_term(*record[:4]) for record in case["records"]]
    given = [record[4] for record in case["records"]], case["digest"]
    return ([f"{term:032x}" for term in terms], f"{sum(terms) % 2**128:032x}"), given


def content_sum(case, _):
    hashes = [content_hash(piece["pieceId"], piece["content"]) for piece in case["pieces"]]
    terms = [content_term(*pair) for pair in zip(hashes, (piece["version"] for piece in case["pieces"]))]
    got = [[f"{hashed:032x}", f"{term:032x}"] for hashed, term in zip(hashes, terms)]
    given = [[piece["hash"], piece["term"]] for piece in case["pieces"]]
    return (got, f"{sum(terms) % 2**128:032x}"), (given, case["digest"])


def cursor(case, _):
    said = {name: case[name] for name in ("reads", "fits", "at", "whole", "within") if name in case}
    return decoding.place_of(case["cursor"], case["user"], int(case["epoch"]), case["generation"], case["revision"]), said


def app_record(case, _):
    try:
        got = decoding.read(case["kind"], case["sent"], "kai")
        got["unknown"] = sorted([key, raw] for key, raw in got["unknown"].items())
    except decoding.Refused as refused:
        return {"refused": str(refused)}, {"refused": case.get("refused")}
    said = {**case["read"], "unknown": sorted(case["read"]["unknown"])} if "read" in case else case["refused"]
    return got, said


def app_base(case, _):
    record = Record(case["history"])
    try:
        lost = record.take(case["push"])
    except ValueError as refused:
        return str(refused), case.get("refused")
    after = {name: case["after"].get(name) for name in TEXTS + FLAGS}
    # Above a number of another life the server leaves a gap of random size.
    version = case.get("version", record.version)
    got = record.content, record.version, sorted(lost, key=repr)
    return got, (after, version, sorted(case["lost"], key=repr))


CHECKS = {
    "merge-lines.json": lines, "merge-fields.json": field, "version-numbers.json": version,
    "digest-versions.json": versions_sum, "digest-content.json": content_sum, "cursors.json": cursor,
    "app-records.json": app_record, "app-bases.json": app_base,
}


def main():
    if {path.name for path in FOLDER.glob("*.json")} != set(CHECKS):
        sys.exit("there are other files than this program checks")
    total = n_wrong = 0
    for name, check in CHECKS.items():
        count = wrong = 0
        for group in json.loads((FOLDER / name).read_text("utf-8"))["groups"]:
            for case in group["cases"]:
                try:
                    got, expected = check(case, group.get("unit"))
                except Exception as error:  # a case that breaks the program is one that fails
                    got, expected = repr(error), "no error"
                count += 1
                if got != expected:
                    wrong += 1
                    if wrong <= 3:
                        print(f"{name}, case {count}: {json.dumps(case, ensure_ascii=False)}")
                        print(f"  expected {expected}\n  got      {got}")
        print(f"{name}: {count} cases, {wrong} wrong")
        total, n_wrong = total + count, n_wrong + wrong
    print(f"{total} cases, {n_wrong} wrong")
    sys.exit(1 if n_wrong or total < 20_000 else 0)


main()
