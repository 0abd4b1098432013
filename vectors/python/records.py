"""Version numbers, digests, and the bases of the app's pushes: docs/protocol.md."""

from hashlib import sha256

from fields import merge_field, read_time
from texts import W, cut_lines, split_end

LAST_VERSION, AHEAD = (1 << 21) - 1, 1 << 18
TEXTS = ["title", "category", "lyrics", "language", "englishTranslation", "author", "sourceUrl", "notes"]
FLAGS = ["includeInPractice", "isFavorite"]
LONG, TRIMMED = {"lyrics", "englishTranslation", "notes"}, {"title", "lyrics"}
REQUIRED = {"title", "category", "lyrics", *FLAGS}


def digest(data):
    return int.from_bytes(sha256(data).digest()[:16], "big")


def number_of(v):
    """What a number that the app sends says."""
    issued = v >= 1 << 32
    said = {"issued": issued, "plausible": v >> 32 <= LAST_VERSION, "delivery": v >> 12 if issued else 0,
            "steps": v % (1 << 12) if issued else v}
    if issued and said["plausible"]:
        said.update(k=v >> 32, n=(v >> 12) % (1 << 20))
    return said


def version_term(kind, record, version, deleted):
    return digest(f"{kind}\0{record}\0{version}\0{int(deleted)}".encode())


def content_hash(record, piece):
    data = bytes.fromhex(record.replace("-", ""))
    for name in TEXTS:
        text = (piece.get(name) or ("haw" if name == "language" else "")).encode()
        data += len(text).to_bytes(8, "big") + text
    return digest(data + bytes(piece[name] for name in FLAGS))


def content_term(hashed, version):
    return digest(hashed.to_bytes(16, "big") + version.to_bytes(4, "big"))


# --- pushes of the app

def to_the_app(name, value):
    """Values that count as equal are equal after this."""
    if name in TRIMMED:
        return value.strip("".join(W))
    if name not in REQUIRED and not value:
        return "haw" if name == "language" else None
    return value


def differs(name, pushed, old):
    if name == "category" and pushed == "oli" and old not in ("oli", "mele"):
        return False
    return to_the_app(name, pushed) != to_the_app(name, old)


class Record:
    """A piece and its versions, the first being 1."""

    def __init__(self, history):
        self.versions, self.touched = [None], {}
        content = dict.fromkeys(TEXTS + FLAGS)
        for version, edit in enumerate(history, 1):
            for name in content if version == 1 else edit["set"]:
                self.touched[name] = version, read_time(edit["editedAt"])
            content = {**content, **edit["set"]}
            self.versions.append(content)
        self.content, self.version = dict(content), len(history)

    def base_of(self, push):
        """The version that a push was made from; None if none is known, ValueError if none can be."""
        number = number_of(push["version"])
        if not number["plausible"]:
            raise ValueError("invalid_field")
        if number["issued"]:
            if self.version + AHEAD < number["k"]:
                raise ValueError("invalid_field")
            return number["k"] if number["k"] <= self.version else None
        if "lastSyncedAt" not in push:
            return None

        def distance(version):
            return sum(differs(name, push.get(name), self.versions[version][name]) for name in said(push))
        return min(range(1, self.version + 1), key=distance)

    def take(self, push):
        """Makes the edit that a push is; returns what lost."""
        base, lost = self.base_of(push), []
        is_guessed = base is not None and push["version"] < 1 << 32
        was_foreign = base is None and push["version"] >= 1 << 32
        changed = False
        for name in said(push):
            value, current = push.get(name), self.content[name]
            if not differs(name, value, current if base is None else self.versions[base][name]):
                continue
            last, time = self.touched[name]
            against = {"moved": False}
            if base is not None:
                against = {"moved": True, "value": self.versions[base][name]} if base < last else "unmoved"
            unit = {"type": "lines" if name in LONG else "text", "max": 200_000}
            edit = (value, read_time(push["modifiedAt"]))
            merged, time, _, loser = merge_field(unit, against, (current, time), edit)
            if loser:
                by_time = loser[1] in ("later_edit", "text_clash")
                reason = "other_life" if was_foreign and by_time else loser[1]
                lost.append([name, current if loser[0] == "server" else value, reason])
            elif is_guessed and not is_in(name, current, merged):
                lost.append([name, current, "later_edit"])
            changed |= merged != current
            self.content[name], self.touched[name] = merged, (last, time)
        self.version += changed
        return lost


def said(push):
    """The fields that a push says anything about: one that can be absent is."""
    return [name for name in TEXTS + FLAGS if name in push or name not in REQUIRED]


def is_in(name, value, merged):
    if name not in LONG or not isinstance(value, str) or not isinstance(merged, str):
        return value == merged
    left = [split_end(line)[0].rstrip() for line in cut_lines(merged)]
    for line in cut_lines(value):
        if split_end(line)[0].rstrip() not in left:
            return False
        left.remove(split_end(line)[0].rstrip())
    return True
