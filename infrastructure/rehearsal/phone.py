"""A phone with the app, as far as syncing goes: what it sends, and what it makes of a reply."""

import datetime
import gzip
import json
import time
import urllib.error
import urllib.request
import uuid


PATIENCE_SECS = 180
# What was called again, so that nobody overlooks that it had to be.
AGAIN = []


class Refused(Exception):
    """The API did not answer 200; the app tries again later with the same content."""

    def __init__(self, status, headers, body):
        super().__init__(f"{status} {body[:200]!r}")
        self.status, self.headers, self.body = status, headers, body

    def json(self):
        """Returns the body."""
        return json.loads(self.body)


def call(url, token=None, body=None, method=None, headers=None):
    """Calls the API and returns (status, headers, body); raises Refused."""
    # What the app's HTTP client sends by itself; without Accept, base64 replies stay base64.
    usual = {"content-type": "application/json", "accept": "*/*", "accept-encoding": "gzip"}
    headers = {**usual, **(headers or {})}
    if token is not None:
        headers["authorization"] = f"Bearer {token}"
    data = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
    request = urllib.request.Request(url, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.headers, plain(answer.headers, answer.read())
    except urllib.error.HTTPError as error:
        raise Refused(error.code, error.headers, plain(error.headers, error.read())) from None


def patiently(url, token=None, body=None, seconds=PATIENCE_SECS, **options):
    """Calls as `call`, again while the answer is to come again later, for three minutes at most."""
    until = time.monotonic() + seconds
    while True:
        try:
            return call(url, token, body, **options)
        except Refused as refusal:
            # Nothing else is worth another try, and nothing is waited for that never ends.
            if refusal.status != 503 or until < time.monotonic():
                raise
            AGAIN.append(url)
            time.sleep(min(5.0, float(refusal.headers.get("retry-after") or 1)))


def plain(headers, body):
    """Returns a body as it was before compression."""
    return gzip.decompress(body) if headers.get("content-encoding") == "gzip" else body


class Phone:
    """One installation of the app."""

    def __init__(self, url, token, caller=call):
        self.url, self.token, self.call = url, token, caller
        self.pieces, self.sessions, self.synced_at = {}, {}, None
        self.waiting = []
        # (reply, piece as it was sent) for each that a server has taken; sessions likewise.
        self.taken_pieces, self.taken_sessions = [], []

    def add(self, title, lyrics):
        """Adds a piece, as the form does, and returns its id."""
        piece = str(uuid.uuid4()).upper()
        self.pieces[piece] = {
            "pieceId": piece, "userId": "", "title": title, "category": "mele", "lyrics": lyrics,
            "includeInPractice": True, "isFavorite": False, "createdAt": now(), "modifiedAt": now(),
            "version": 1, "locallyModified": True,
        }
        return piece

    def edit(self, piece, **fields):
        """Edits a piece, as the form does: the version stays."""
        self.pieces[piece].update(fields, locallyModified=True, modifiedAt=now())

    def practise(self, piece):
        """Starts a practice session."""
        session = str(uuid.uuid4()).upper()
        self.sessions[session] = {
            "sessionId": session, "userId": "", "pieceId": piece, "startedAt": now(),
            "createdAt": now(),
        }
        self.waiting.append(session)
        self.pieces[piece]["version"] += 1
        self.pieces[piece].update(locallyModified=True, modifiedAt=now())

    def sync(self):
        """Syncs, pieces first. If a call is refused, what was not answered stays pending."""
        since = {} if self.synced_at is None else {"lastSyncedAt": self.synced_at}
        body = {"operation": "sync", "pieces": list(self.pieces.values()), **since}
        pieces = json.loads(self.call(f"{self.url}/pieces", self.token, body)[2])
        self.taken_pieces += [(pieces, dict(self.pieces[one])) for one in pieces["uploadedPieces"]]
        self._take_pieces(pieces)
        body = {"sessions": [self.sessions[one] for one in self.waiting]}
        sessions = json.loads(self.call(f"{self.url}/sessions", self.token, body)[2])
        for session in sessions["serverSessions"]:
            self.sessions.setdefault(session["sessionId"], session)
        self.taken_sessions += sessions["uploadedSessions"]
        self.waiting = [one for one in self.waiting if one not in sessions["uploadedSessions"]]
        self.synced_at = pieces["syncedAt"][:19] + "Z"
        return pieces

    def _take_pieces(self, reply):
        for theirs in reply["serverPieces"]:
            ours = self.pieces.get(theirs["pieceId"])
            if ours is None:
                self.pieces[theirs["pieceId"]] = {**theirs, "lastSyncedAt": now()}
            elif ours["version"] < theirs["version"]:
                kept = {"locallyModified": ours["locallyModified"], "lastSyncedAt": now()}
                self.pieces[theirs["pieceId"]] = {**theirs, **kept}
        for theirs in reply["updatedPieces"]:
            ours = self.pieces.get(theirs["pieceId"])
            if ours is not None:
                taken = {key: theirs[key] for key in ("version", "modifiedAt")}
                ours.update(taken, locallyModified=False, lastSyncedAt=now())

    def content(self):
        """Returns what its user sees."""
        seen = ("title", "lyrics", "category", "notes", "author", "isFavorite")
        return {
            piece: {key: one.get(key) for key in seen} for piece, one in sorted(self.pieces.items())
        }


def now():
    """Returns the time as the app writes it."""
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
