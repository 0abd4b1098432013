"""Moving over: an API as the app knows it is re-pointed while phones sync, and pointed back.

The old functions are a stand-in (`old_functions.py`); everything else is real: the script, the
import and the export back, our functions and the authorizer. Phones sync all the while.
"""

import json
import pathlib
import re

import judge
import planted
from fleet import Fleet, Owner, Strangers, Visitors
from old_stack import THEIRS
from mover import Operator
from phone import Refused, call, patiently
from publishing import publish, variables_of

USERS = ("kai", "lani", "mele")
STACK, PREFIX = "moved-sync", "moved-"
# What a dry run says where the old tables hold nothing that was not taken over.
NOTHING = "0 created, 0 updated, 0 merged"
ROUTES = pathlib.Path(__file__).parent / "../routes.json"


def rehearse(old, google, synthesise, programs):
    """Moves over, back, and over again, as DEPLOYMENT.md has it."""
    for user in USERS:
        old.fill(user, n_pieces=4, n_sessions=2)
    fleet = people(old, google)
    fleet.start()
    operator = Operator(old.aws, old, programs)
    operator.token_file.write_text(google.token("kai"))
    try:
        old.aws.deploy(synthesise(existingApiId=old.api), STACK)
        fleet.settle("n_done")
        before = rehearse_it_dry(old, operator)
        held, after = move_over(old, fleet, operator), old.methods()
        tables = move_back(old, fleet, operator, held)
        assert old.methods() == before and after != before, "everything is as it was"
        move_forward_again(old, fleet, operator, tables)
        planted.rehearse(old.aws, old, STACK)
        planted.out_of_order(old, operator, STACK)
    finally:
        for worker in fleet.workers:
            worker.stopping.set()


def people(old, google):
    """Two who have two devices each, one of whom a piece on each; a row of visitors; and somebody
    whose calls are not ours."""
    fleet = Fleet(old.url, google)
    for user in ("kai", "lani"):
        for device in ("phone", "pad"):
            fleet.owners.append(Owner(fleet, user, device))
            fleet.owners[-1].add(f"Mele of {user}'s {device}")
    fleet.visitors = Visitors(fleet, "mele")
    fleet.strangers = Strangers(old.url, google.token("hoku"), THEIRS)
    return fleet


def rehearse_it_dry(old, operator):
    """Says what would be done, and changes nothing; returns the API as it is."""
    before = old.methods()

    told = operator.move("freeze", "--dry-run")
    told += operator.move("point", "--stack", STACK, "--dry-run")

    assert "would let POST /pieces answer 503" in told and "would add /users/{me}\n" not in told, told
    assert "would send POST /sync to moved-sync-lambda" in told, told
    assert old.methods() == before and not operator.state.exists(), "a dry run changes nothing"
    print("ok: a dry run changes nothing")
    return before


def move_over(old, fleet, operator):
    """Moves over, and returns what haumana-sync holds when it is to be left again."""
    print(f"first import: {operator.take_over(PREFIX)}")
    fleet.settle("n_done")

    refuse_to_point_untried(old, operator)
    operator.move("freeze")
    fleet.settle("n_tried")
    for worker in [*fleet.owners, fleet.visitors]:
        assert 0 < worker.n_refused, f"{worker.name} is let in while the API is frozen"
    refused_as_it_should_be(old, fleet.google.token("kai"))
    left = operator.take_over(PREFIX, "--dry-run")
    assert NOTHING not in left, f"phones have synced since the first import: {left}"
    print(f"last import: {operator.take_over(PREFIX)}")
    assert NOTHING in operator.take_over(PREFIX, "--dry-run"), "nothing is left to be taken over"
    print(f"| the last import is left out | {left} |")
    for _ in range(2):  # Doing it again is harmless.
        told = operator.move("point", "--stack", STACK, "--token-file", "token")
        n_routes = len(json.loads(ROUTES.read_text(encoding="utf8")))
        assert f"all {n_routes} routes go to moved-sync" in told, told
    fleet.settle("n_done")
    every_route_is_ours(old, fleet.google)
    print("ok: moved over, and every phone syncs")

    fleet.all_edit_all.set()
    for _ in range(3):
        fleet.settle("n_done")
    # The old functions let the last writer win; so each device keeps to its own again, and has
    # what the others did, before they return.
    fleet.all_edit_all.clear()
    for _ in range(2):
        fleet.settle("n_done")
    operator.move("freeze")
    fleet.settle("n_tried")
    held = judge.exports(old.url, fleet.google, USERS)
    counts = judge.nothing_is_lost(fleet.people, held)
    print("ok: nothing is lost: %d last edits of the old functions', %d edits of ours" % counts)
    return held


def refused_as_it_should_be(old, token):
    """Asserts that a frozen API refuses in the way that makes the app try again, and that people who
    start the app see their songs all the same."""
    for path in ("pieces", "sessions"):
        try:
            call(f"{old.url}/{path}", token, {})
        except Refused as refusal:
            assert refusal.status == 503 and refusal.json()["code"] == "unavailable", refusal
            assert refusal.headers["retry-after"] == "60"
            continue
        raise AssertionError("a frozen API refuses")
    status, _, _ = call(f"{old.url}/auth/sync", body={})
    assert status == 200, "signing in goes on"


def refuse_to_point_untried(old, operator):
    """Nobody is sent to functions that do not answer somebody real."""
    was = old.methods()
    token, other = operator.token_file, operator.folder / "other"
    other.write_text(token.read_text()[:-8] + "AAAAAAAA")
    for file, why in (("other", "refuses the token"), ("nowhere", "cannot be read")):
        code, told = operator.try_to_move("point", "--stack", STACK, "--token-file", file)
        assert code == 1 and why in told and "Nothing was changed" in told, told
    code, told = operator.try_to_move("point", "--stack", STACK)
    assert code == 2 and "point needs --token-file" in told, told
    assert old.methods() == was and not operator.state.exists()

    told = operator.move("try", "--stack", STACK, "--token-file", "token")
    assert "POST /auth/sync: 200" in told and "GET /users/me/export: 200" in told, told
    print("ok: tried with a real token, and without one nobody is sent anywhere")


def every_route_is_ours(old, google):
    """Asserts that every call of ours is answered by a function of ours, whatever it says."""
    for route in json.loads(ROUTES.read_text(encoding="utf8")):
        path = re.sub(r"\{\w+\}", "me", route["path"])
        body = None if route["method"] == "GET" else {}
        token = google.token("nobody")
        try:
            _, headers, text = patiently(old.url + path, token, body, method=route["method"])
        except Refused as refusal:
            headers, text = refusal.headers, refusal.body
        assert headers.get("x-request-id") and b'"who": "old"' not in text, (route, text[:200])


def move_back(old, fleet, operator, held):
    """Moves back with everything that haumana-sync holds; the API is frozen already."""
    for person in fleet.people:
        person.held.clear()
    tables = old.new_tables("back")
    back_too_early(old, operator, tables)
    operator.move("tables", *operator.pairs(tables))
    print(f"export back: {operator.export_back(PREFIX, USERS, tables)}")
    told = operator.move("use", *operator.pairs(tables))
    assert all(f"let old-{name} use" in told for name in ("pieces", "sessions", "export")), told
    assert "old-others" not in told and "old-sign_in" not in told, told

    operator.move("back")

    assert not operator.state.exists(), "the next move begins with another look"
    fleet.settle("n_done")
    fleet.stop()
    n_pieces = judge.the_old_functions_have_all(old.url, fleet.google, fleet.people, held)
    judge.the_old_export_has_all(old.url, fleet.google, held)
    n_syncs = sum(worker.n_done for worker in [*fleet.owners, fleet.visitors])
    n_refused = sum(worker.n_refused for worker in [*fleet.owners, fleet.visitors])
    print(f"ok: moved back, and the old functions serve and export all {n_pieces} pieces")
    print(f"ok: {n_syncs} syncs went through and {n_refused} were told to come again; "
          f"{fleet.strangers.n_done} rounds of other calls were answered, every one")
    return tables


def back_too_early(old, operator, tables):
    """Going back before the data does is refused, and so are tables that are not like the old ones."""
    was = old.methods()
    for what, why in ((["back"], "has its tables of before the move"),
                      (["use", *operator.pairs(tables)], "there is no table pieces-back"),
                      (["tables", "--pair", "nothing=pieces-back"], "there is no table nothing")):
        code, told = operator.try_to_move(*what)
        assert code == 1 and why in told, told
    assert old.methods() == was


def move_forward_again(old, fleet, operator, tables):
    """Moves over once more, in another generation: phones come with numbers of both servers."""
    old.tables = tables
    set_generation(old.aws, 1)
    last = {}
    for owner in fleet.owners:
        owner.edit(owner.own[0], "title")
        last[owner.own[0]] = owner.phone.pieces[owner.own[0]]["title"]
        owner.sync_at_last()
    operator.move("freeze")
    print(f"import again: {operator.take_over(PREFIX, generation=1)}")
    operator.move("point", "--stack", STACK, "--token-file", "token")
    for owner in fleet.owners:
        owner.edit(owner.own[0], "notes")
        owner.sync_at_last()
        assert not owner.pending, f"{owner.name} syncs again"
    held = judge.exports(old.url, fleet.google, USERS)
    judge.nothing_is_lost(fleet.people, held)
    titles = {one["pieceId"]: one["title"] for export in held.values() for one in export["pieces"]}
    assert last.items() <= titles.items(), "what the old functions had last is what is seen"
    print("ok: moved forward again, and nothing is lost")


def set_generation(aws, generation):
    """Does what `cdk deploy -c generation=…` would."""
    service = aws.client("lambda")
    for binary in ("sync-pieces-lambda", "sync-sessions-lambda", "sync-lambda", "account-lambda"):
        name = f"{PREFIX}{binary}"
        variables = variables_of(service, name)
        assert variables["HAUMANA_GENERATION"] == "0"
        publish(service, name, {**variables, "HAUMANA_GENERATION": str(generation)})
