"""Phones that edit, practise and sync all the while, each in a thread of its own.

What they edit can be told apart for ever: every edit writes a mark that occurs nowhere else.
"""

import itertools
import random
import threading
import time
from dataclasses import dataclass

from phone import Phone, Refused, call

PAUSE_SECS = 0.4
# A phone that has not synced for so long is stuck. Far more than a busy machine needs.
STUCK_SECS = 180
TEXTS = ("title", "notes", "author", "lyrics")


@dataclass(frozen=True)
class Edit:
    """What one edit wrote, and who acknowledged it: the old functions or the new ones."""

    user: str
    piece: str
    field: str
    mark: str
    by_old: bool


class Worker(threading.Thread):
    """Does its turn again and again until it is stopped."""

    def __init__(self, name):
        super().__init__(name=name, daemon=True)
        self.stopping, self.failure = threading.Event(), None
        self.n_tried, self.n_done, self.n_refused = 0, 0, 0

    def run(self):
        """Runs."""
        while not self.stopping.wait(PAUSE_SECS):
            try:
                self.turn()
            except Exception as failure:  # pylint: disable=broad-except; whoever waits raises it
                self.failure = failure
                return

    def turn(self):
        """Does what it does, once."""
        raise NotImplementedError

    def attempt(self, what):
        """Does something that is refused with 503 while the API is frozen; tells whether not."""
        try:
            what()
        except Refused as refusal:
            if refusal.status != 503 or refusal.json()["code"] != "unavailable":
                raise
            self.n_refused += 1
            return False
        finally:
            self.n_tried += 1
        self.n_done += 1
        return True


class Owner(Worker):
    """Somebody with a phone, who edits the pieces of their own, or everybody's on the account."""

    def __init__(self, fleet, user, device):
        super().__init__(f"{user}.{device}")
        self.fleet, self.user = fleet, user
        self.phone = Phone(fleet.url, fleet.google.token(user))
        self.dice, self.marks = random.Random(self.name), itertools.count(1)
        self.own, self.pending, self.acknowledged, self.held = [], {}, [], {}

    def turn(self):
        """Edits, perhaps practises, and syncs."""
        pieces = sorted(self.phone.pieces) if self.fleet.all_edit_all.is_set() else self.own
        if pieces:
            piece = self.dice.choice(pieces)
            self.edit(piece, self.dice.choice(TEXTS))
            if self.dice.random() < 0.3:
                self.phone.practise(piece)
        self.sync()

    def edit(self, piece, field):
        """Writes a new mark: into a line of its own, or in place of what is there."""
        mark = f"<{self.name}.{next(self.marks)}>"
        before = self.phone.pieces[piece].get(field) or ""
        text = f"{before}\n{mark}" if field == "lyrics" else f"{field} {mark}"
        self.phone.edit(piece, **{field: text})
        self.pending[piece, field] = mark

    def add(self, title):
        """Adds a piece of its own, and returns its id."""
        piece = self.phone.add(title, "Haʻaheo ka ua")
        self.own.append(piece)
        self.edit(piece, "title")
        return piece

    def sync(self):
        """Syncs, and takes down what was acknowledged; tells whether all of it was."""
        done = self.attempt(self.phone.sync)
        taken, self.phone.taken_pieces = self.phone.taken_pieces, []
        for reply, piece in taken:
            by_old = reply.get("who") == "old"
            if by_old:
                self.held[piece["pieceId"]] = piece
            for (at, field), mark in list(self.pending.items()):
                if at == piece["pieceId"] and mark in (piece.get(field) or ""):
                    self.acknowledged.append(Edit(self.user, at, field, mark, by_old))
                    del self.pending[at, field]
        return done


    def sync_at_last(self):
        """Syncs as somebody who needs it does: again when told to come again."""
        until = time.monotonic() + STUCK_SECS
        while not self.sync():
            assert time.monotonic() < until, f"{self.name} is never let in"
            time.sleep(PAUSE_SECS)


class Visitors(Worker):
    """A row of phones, one after the other: each gets everything, edits, syncs, and is put away
    for good as soon as that was acknowledged. What a server forgets of theirs nobody sends again."""

    def __init__(self, fleet, user):
        super().__init__(f"{user}.visitors")
        self.fleet, self.user = fleet, user
        self.current, self.before, self.numbers = None, [], itertools.count(1)
        self.has_edited = False

    def turn(self):
        """Goes on with the phone of the moment."""
        if self.current is None:
            self.current = Owner(self.fleet, self.user, f"visitor{next(self.numbers)}")
            self.has_edited = False
        current = self.current
        if not self.has_edited:
            if not self.counted(current.sync()):
                return
            piece = current.dice.choice(sorted(current.phone.pieces))
            current.edit(piece, "notes")
            current.phone.practise(piece)
            current.add("Mele hou")
            self.has_edited = True
        if self.counted(current.sync()):
            self.before.append(current)
            self.current = None

    def counted(self, is_done):
        """Counts a sync, and returns whether it went through."""
        self.n_tried += 1
        self.n_done, self.n_refused = self.n_done + is_done, self.n_refused + (not is_done)
        return is_done


class Strangers(Worker):
    """Makes calls that are not ours; the old stack must answer every one."""

    def __init__(self, url, token, calls):
        super().__init__("strangers")
        self.url, self.token, self.calls = url, token, calls

    def turn(self):
        """Makes each of them."""
        for verb, path in self.calls:
            path = path.replace("{userId}", "kai")
            _, _, body = call(self.url + path, self.token, b"{}" if verb == "POST" else None)
            assert b'"who": "old"' in body, f"{verb} {path} is not answered by the old stack"
            self.n_tried, self.n_done = self.n_tried + 1, self.n_done + 1


class Fleet:
    """All of them."""

    def __init__(self, url, google):
        self.url, self.google = url, google
        self.all_edit_all = threading.Event()
        self.owners, self.visitors, self.strangers = [], None, None

    @property
    def workers(self):
        """Returns every worker."""
        return [*self.owners, self.visitors, self.strangers]

    @property
    def people(self):
        """Returns everybody who has a phone, those who put theirs away included."""
        visitors = self.visitors
        return [*self.owners, *visitors.before, *([visitors.current] if visitors.current else [])]

    def start(self):
        """Sets them going."""
        for worker in self.workers:
            worker.start()

    def settle(self, count):
        """Waits until each has ended a turn that began after now; `count` names what counts:
        `n_tried`, or `n_done`."""
        before = {worker: getattr(worker, count) for worker in self.workers}
        until = time.monotonic() + STUCK_SECS
        for worker, was in before.items():
            # The first to end may have begun before now.
            while getattr(worker, count) < was + 2:
                if worker.failure is not None:
                    raise AssertionError(f"{worker.name} fails: {worker.failure}") from worker.failure
                if until < time.monotonic():
                    raise AssertionError(f"{worker.name} is stuck")
                time.sleep(0.05)

    def stop(self):
        """Stops them, and lets every phone that is in use sync once more."""
        for worker in self.workers:
            worker.stopping.set()
        for worker in self.workers:
            worker.join(STUCK_SECS)
            assert not worker.is_alive() and worker.failure is None, (worker.name, worker.failure)
        for person in self.people:
            if person.pending or person.phone.waiting:
                person.sync_at_last()
            assert not person.pending, f"{person.name} has edits that nobody takes"
