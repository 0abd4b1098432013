"""Looks whether anything was lost, and who lost it."""

import json

from phone import Phone, patiently

SEEN = ("title", "lyrics", "category", "notes", "author", "isFavorite", "includeInPractice")


def exports(url, google, users):
    """Returns what haumana-sync holds of each user, history and inbox included."""
    return {
        user: export_of(url, google, user) for user in users
    }


def export_of(url, google, user):
    """Returns an export. Who is told to come again does so, as `docs/operating.md` says."""
    return json.loads(patiently(f"{url}/users/me/export", google.token(user))[2])


def nothing_is_lost(people, held):
    """Asserts that every acknowledged edit is in its record, or in that record's history or inbox.

    Of what the old functions acknowledged, the last edit of each field: they keep no history.
    """
    texts = {user: texts_of(export) for user, export in held.items()}
    by_old = {}
    for person in people:
        for edit in person.acknowledged:
            if edit.by_old:
                by_old[edit.user, edit.piece, edit.field] = edit
    by_new = [edit for person in people for edit in person.acknowledged if not edit.by_old]
    lost = [edit for edit in [*by_old.values(), *by_new]
            if edit.mark not in texts[edit.user].get(edit.piece, "")]
    assert not lost, f"{len(lost)} acknowledged edits are lost, such as {lost[0]}"
    for person in people:
        sessions = {one["sessionId"] for one in held[person.user]["practiceSessions"]}
        gone = set(person.phone.taken_sessions) - sessions
        assert not gone, f"{person.name} practised, and the server does not know: {gone}"
    return len(by_old), len(by_new)


def texts_of(export):
    """Returns all that an export has of each piece, as one text."""
    texts = {}
    entries = [(one["pieceId"], one) for one in export["pieces"]]
    entries += [(one["id"], one["value"]) for one in export["history"] if one.get("value")]
    entries += [(one["id"], one["lost"]) for one in export["conflicts"]]
    for piece, value in entries:
        texts[piece] = texts.get(piece, "") + json.dumps(value, ensure_ascii=False)
    return texts


def the_old_functions_have_all(url, google, people, held):
    """Asserts that the old functions serve every piece with what was last in it: what haumana-sync
    held when it was left, and what they have acknowledged since."""
    n_pieces = 0
    for user, export in held.items():
        wanted = {one["pieceId"]: seen(one) for one in export["pieces"]}
        sessions = {one["sessionId"] for one in export["practiceSessions"]}
        for person in people:
            if person.user == user:
                wanted.update({piece: seen(one) for piece, one in person.held.items()})
                sessions.update(person.phone.taken_sessions)
        fresh = Phone(url, google.token(user), patiently)
        assert fresh.sync()["who"] == "old"
        served = {piece: seen(one) for piece, one in fresh.pieces.items()}
        for piece in wanted.keys() | served.keys():
            told = f"{user}'s {piece}: {served.get(piece)} instead of {wanted.get(piece)}"
            assert served.get(piece) == wanted.get(piece), told
        assert sessions <= fresh.sessions.keys(), f"{user} has practised more than is served"
        n_pieces += len(served)
    return n_pieces


def the_old_export_has_all(url, google, held):
    """Asserts that what people take along from the old stack is what is there now."""
    for user, export in held.items():
        told = export_of(url, google, user)
        assert told["who"] == "old", "the old function answers"
        for kind, key in (("pieces", "pieceId"), ("practiceSessions", "sessionId")):
            wanted = {one[key] for one in export[kind]}
            assert wanted <= {one[key] for one in told[kind]}, f"{user}'s {kind} are not exported"


def seen(piece):
    """Returns what its user sees of a piece."""
    return {key: piece.get(key) for key in SEEN}
