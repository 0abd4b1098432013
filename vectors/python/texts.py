"""Three-way merge of texts, as docs/merging.md describes it step by step."""

import re
from collections import Counter
from unicodedata import category, normalize

W = set("\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000") | {chr(c) for c in range(0x2000, 0x200B)}
SERVER, PUSHED = 1, 2  # indices into triples: base, server, pushed
MIXED = ("mixed", "mixed lines")


def is_blank(piece):
    return all(char in W for char in piece)


def pick(triple, later):
    base, server, pushed = triple
    if server == base:
        return pushed
    return server if pushed == base else triple[later]


def pick_some(triple, later):
    base, server, pushed = triple
    return pick((base, base if server is None else server, base if pushed is None else pushed), later)


# --- cutting

def cut_lines(text):
    return re.findall(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+", text)


def split_end(piece):
    content = piece[:-1] if piece.endswith("\n") else piece
    content = content[:-1] if content.endswith("\r") else content
    return content, piece[len(content):] or None


def first_end(text):
    found = re.search(r"\r\n|\r|\n", text)
    return found and found[0]


def is_inside(last, char, after):
    """Whether the white space `char` belongs to the word around it."""
    def numeric(char, bracket):
        return char is not None and (category(char)[0] == "N" or char == bracket)
    if numeric(last, ")") and numeric(after, "("):
        return True
    if char in "\t\v\f\x85\u2028\u2029" or after is None:
        return False
    marks = "\u200c\u200d\uff9e\uff9f🏻🏼🏽🏾🏿"
    return category(after)[0] == "M" and after >= "\u0300" or after in marks


def cut_words(text):
    words, before = [], None
    for at, char in enumerate(text):
        if char == "\n":
            kind = "crlf" if before == "\r" else "\n"
        elif char == "\r":
            kind = "\r"
        else:
            around = (text[at - 1] if at else None, char, text[at + 1] if at + 1 < len(text) else None)
            kind = "blank" if char in W and not is_inside(*around) else "word"
        if kind == "crlf" or (kind == before and kind in ("word", "blank")):
            words[-1] += char
        else:
            words.append(char)
        before = kind
    return words


def names(pieces):
    return [normalize("NFC", split_end(piece)[0]) for piece in pieces]


# --- diff: hunks are (base start, base end, side start, side end)

def prefix(a, b):
    return next((n for n, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))


def suffix(a, b):
    return prefix(a[::-1], b[::-1])


def diff(base, side, budget, which):
    start = prefix(base, side)
    end = suffix(base[start:], side[start:])
    a, b = base[start:len(base) - end], side[start:len(side) - end]
    hunks, x, y = [], 0, 0
    for at, place in anchors(a, b) + [(len(a), len(b))]:
        if x < at or y < place:
            for b0, b1, s0, s1 in stretch(a[x:at], b[y:place], budget, which):
                hunks.append((start + x + b0, start + x + b1, start + y + s0, start + y + s1))
        x, y = at + 1, place + 1
    return slide_down(base, side, hunks)


def anchors(a, b):
    in_a, in_b, places = Counter(a), Counter(b), {piece: at for at, piece in enumerate(b)}
    pairs = [(at, places[piece]) for at, piece in enumerate(a) if in_a[piece] == in_b[piece] == 1]
    piles, back = [], []
    for index, (_, place) in enumerate(pairs):
        length = sum(pairs[top][1] < place for top in piles)
        back.append(piles[length - 1] if length else None)
        piles[length:length + 1] = [index]
    found, at = [], piles[-1] if piles else None
    while at is not None:
        found.append(pairs[at])
        at = back[at]
    return found[::-1]


def stretch(a, b, budget, which):
    whole = [(0, len(a), 0, len(b))]
    if not a or not b or budget[which] < len(a) * len(b):
        return whole
    budget[which] -= len(a) * len(b)
    removed, added = [False] * len(a), [False] * len(b)
    start = prefix(a, b)
    end = suffix(a[start:], b[start:])
    left = pruned(a[start:len(a) - end], b[start:len(b) - end], removed, start)
    right = pruned(b[start:len(b) - end], a[start:len(a) - end], added, start)
    myers(left, right, removed, added)
    if len(a) == len(b):
        differs = [x != y for x, y in zip(a, b)]
        if sum(differs) <= sum(removed) and not any(d and y in a for d, y in zip(differs, b)):
            removed = added = differs
    hunks, x, y = [], 0, 0
    while x < len(a) or y < len(b):
        b0, s0 = x, y
        while x < len(a) and removed[x]:
            x += 1
        while y < len(b) and added[y]:
            y += 1
        if b0 < x or s0 < y:
            hunks.append((b0, x, s0, y))
        x, y = x + 1, y + 1
    return hunks


def pruned(own, other, changed, offset):
    limit = min(1 << (len(own).bit_length() // 2), 1024)
    count, left = Counter(other), []
    kinds = "".join("s" if 0 < count[p] < limit else "c" if count[p] else "n" for p in own)  # some, common, none

    def tally(kinds):
        run = kinds.split("s")[0]
        return run.count("n"), run.count("c")
    for at, (piece, kind) in enumerate(zip(own, kinds)):
        is_pruned = kind == "n"
        if kind == "c":
            before, after = tally(kinds[100 if 100 < at else 0:at][::-1]), tally(kinds[at:at + 100])
            is_pruned = before[0] and after[0] and before[0] + after[0] > 3 * (before[1] + after[1])
        if is_pruned:
            changed[offset + at] = True
        else:
            left.append((piece, offset + at))
    return left


def myers(a, b, removed, added):
    while True:
        pieces = [p for p, _ in a], [p for p, _ in b]
        start = prefix(*pieces)
        end = suffix(pieces[0][start:], pieces[1][start:])
        a, b = a[start:len(a) - end], b[start:len(b) - end]
        if not a or not b:
            for changed, left in ((removed, a), (added, b)):
                for _, at in left:
                    changed[at] = True
            return
        x, y = split([p for p, _ in a], [p for p, _ in b])
        myers(a[:x], b[:y], removed, added)
        a, b = a[x:], b[y:]


def split(a, b):
    n, m, far = len(a), len(b), 1 << 31
    forward, backward = {0: 0}, {n - m: n}
    lo, hi = [0, n - m], [0, n - m]
    for _ in range(257):
        for back, xs in enumerate((forward, backward)):
            unknown = far if back else -far
            lo[back] += -1 if -m < lo[back] else 1
            hi[back] += 1 if hi[back] < n else -1
            xs.setdefault(lo[back] - 1, unknown)
            xs.setdefault(hi[back] + 1, unknown)
            for k in range(hi[back], lo[back] - 1, -2):
                below, above = xs[k - 1], xs[k + 1]
                if not back:
                    x = below + 1 if below >= above else above
                    while 0 <= x < n and 0 <= x - k < m and a[x] == b[x - k]:
                        x += 1
                    xs[k] = x
                    continue
                x = below if below < above else above - 1
                while 0 < x <= n and 0 < x - k <= m and a[x - 1] == b[x - k - 1]:
                    x -= 1
                xs[k] = x
                if lo[0] <= k <= hi[0] and x <= forward[k]:
                    return x, x - k
    raise NotImplementedError("short cuts of the library after 256 steps")


def slide_down(base, side, hunks):
    done = []  # the last one first
    for hunk in reversed(hunks):
        while True:
            b0, b1, s0, s1 = hunk
            floor = done[-1][0] if done else len(base)
            if (b0 == b1) != (s0 == s1):
                moving, i, j = (side, s0, s1) if b0 == b1 else (base, b0, b1)
                steps = 0
                while steps < floor - b1 and moving[i + steps] == moving[j + steps]:
                    steps += 1
                hunk = (b0 + steps, b1 + steps, s0 + steps, s1 + steps)
            if not done or done[-1][0] != hunk[1]:
                break
            after = done.pop()
            hunk = (hunk[0], after[1], hunk[2], after[3])
        done.append(hunk)
    return done[::-1]


# --- weave

class Chunk:
    """`ranges` of base, server and pushed; `how` is a word, or the side that is taken."""

    def __init__(self, ranges, how, text=None):
        self.ranges, self.how, self.text, self.known = ranges, how, text, []

    def part(self, tokens, side):
        return tokens[side][slice(*self.ranges[side])]

    def pieces(self, tokens, later):
        if self.how in MIXED:
            return None
        if self.how == "gone":
            return []
        return self.part(tokens, self.how if self.how in (SERVER, PUSHED) else later)

    def clashes(self):
        return self.how in ("clash", "rows")

    def has_edit_of(self, side):
        return self.how in (side, "gone") or self.how in MIXED


def weave(tokens, edits):
    chunks, at = [], [0, 0, 0]

    def keep_until(ends):
        if at[0] < ends[0]:
            chunks.append(Chunk([(at[i], ends[i]) for i in range(3)], "kept"))

    def push(new):
        for chunk in new:
            keep_until([r[0] for r in chunk.ranges])
            at[:] = [r[1] for r in chunk.ranges]
            chunks.append(chunk)

    def region(group):
        b0, b1 = group[0][1][0], max(h[1] for _, h in group)
        ranges = [(b0, b1)]
        for side in (SERVER, PUSHED):
            own = [h for of, h in group if of == side]
            start = at[side] + b0 - at[0]
            ranges.append((start, start + b1 - b0 + sum(h[3] - h[2] - h[1] + h[0] for h in own)))
        return ranges

    every = [(side, h) for side in (SERVER, PUSHED) for h in edits[side]]
    every.sort(key=lambda it: it[1][:2])
    for group in grouped(every, lambda start, end, h: h[0] <= end):
        ranges = region(group)
        agreed = agree(group, ranges, tokens)
        if agreed:
            push(agreed)
            continue
        for inner in grouped(group, lambda start, end, h: h[0] < end or (start, end) == h[:2] and start == end):
            ranges = region(inner)
            push(agree(inner, ranges, tokens) or [Chunk(ranges, dispute(inner))])
    keep_until([len(t) for t in tokens])
    return chunks


def grouped(hunks, joins):
    groups, start, end = [], None, None
    for side, hunk in hunks:
        if groups and joins(start, end, hunk):
            groups[-1].append((side, hunk))
            end = max(end, hunk[1])
        else:
            groups.append([(side, hunk)])
            start, end = hunk[:2]
    return groups


def agree(group, ranges, tokens):
    sides = {side for side, _ in group}
    if len(sides) == 1:
        return [Chunk(ranges, sides.pop())]
    base, server, pushed = (tokens[i][slice(*ranges[i])] for i in range(3))
    if server == pushed:
        return [Chunk(ranges, "alike")]
    head = prefix(server, pushed)
    tail = min(suffix(server, pushed), min(len(server), len(pushed)) - head)
    if server[head:len(server) - tail] == base:
        how = PUSHED
    elif pushed[head:len(pushed) - tail] == base:
        how = SERVER
    else:
        return None
    (b0, b1), *of = ranges
    return [Chunk([(b0, b0)] + [(i, i + head) for i, _ in of], "alike"),
            Chunk([(b0, b1)] + [(i + head, j - tail) for i, j in of], how),
            Chunk([(b1, b1)] + [(j - tail, j) for _, j in of], "alike")]


def dispute(group):
    if all(h[2] == h[3] for _, h in group):
        return "gone"
    return "rows" if all(h[3] - h[2] == h[1] - h[0] for _, h in group) else "clash"


# --- words

def refine(chunks, lines, tokens, later, budget):
    refined, left = [], 5000
    for chunk in chunks:
        if not chunk.clashes():
            refined.append(chunk)
            continue
        size = max(j - i for i, j in chunk.ranges)
        if left < size:
            chunk.how = "clash"
            refined.append(chunk)
            continue
        left -= size
        rows = chunk.how == "rows"
        count = chunk.ranges[0][1] - chunk.ranges[0][0]
        parts = [[(i + row, i + row + 1) for i, _ in chunk.ranges] for row in range(count)] if rows else [chunk.ranges]
        for ranges in parts:
            part = Chunk(ranges, "clash")
            base, server, pushed = (part.part(tokens, i) for i in range(3))
            if rows and server == base == pushed:
                part.how = "kept"
            elif rows and server == base:
                part.how = PUSHED
            elif rows and pushed == base:
                part.how = SERVER
            elif rows and server == pushed:
                part.how = "alike"
            else:
                part.text = merge_words(["".join(part.part(lines, i)) for i in range(3)], ranges, later, budget)
                if part.text is not None:
                    part.how = "mixed" if rows else "mixed lines"
            refined.append(part)
    mixed = [chunk for chunk in refined if chunk.how in MIXED]
    known = set(tokens[0])
    for chunk in mixed:
        known.update(chunk.part(tokens, SERVER), chunk.part(tokens, PUSHED))
    for chunk in mixed:
        own = names(cut_lines(chunk.text))
        if not chunk.text or chunk.text[-1] in "\r\n":
            own.append("")
        chunk.known = [line for line in own if line in known]
    return refined


def merge_words(parts, ranges, later, budget):
    if any(i == j for i, j in ranges):
        return None
    words = [cut_words(split_end(part)[0]) for part in parts]
    tokens = [names(w) for w in words]
    edits = [None] + [diff(tokens[0], tokens[i], budget, i) for i in (SERVER, PUSHED)]
    chunks = weave(tokens, edits)
    if any(chunk.clashes() for chunk in chunks):
        return None
    ledger = account(chunks, tokens, SERVER)
    if not all(is_blank(word) or adds_up(entry.edits) for word, entry in ledger.items()):
        return None
    taken = [sum(n_words(c.part(tokens, 0)) for c in chunks if c.how == side) for side in (SERVER, PUSHED)]
    if n_words(tokens[0]) < 2 * max(taken):
        return None
    merged = write(chunks, words, [None] * 3, "", "", True, later)
    given = sum(len(chunk.pieces(tokens, later)) for chunk in chunks)
    return merged if len(cut_words(merged)) == given else None


def n_words(words):
    return sum(not is_blank(word) for word in words)


# --- audit

class Entry:
    """How the copies of one line have changed: lists of merge, server, pushed."""

    def __init__(self):
        self.edits, self.copies = [0, 0, 0], [0, 0, 0]
        self.lost, self.kept = set(), set()  # of "+" and "-"

    def spare(self):
        return 0 if any(self.copies[1:]) else self.copies[0]

    def is_bad(self, blank):
        is_half_a_move = any(lost != kept for lost in self.lost for kept in self.kept)
        return not blank and (not adds_up(self.edits) or is_half_a_move) or self.spare() != 0


def adds_up(edits):
    m, s, p = edits
    if 0 <= min(s, p):
        return max(s, p) <= m <= s + p
    if max(s, p) <= 0:
        return s + p <= m <= min(s, p)
    return m == s + p


def signs(number):
    return {"+"} if 0 < number else {"-"} if number < 0 else set()


def changes(chunk, tokens, later):
    """For each line of a chunk how many more copies than the base merge, server and pushed have."""
    if chunk.how == "kept":
        return {}
    counts = {}
    merged = chunk.known if chunk.how in MIXED else chunk.pieces(tokens, later)
    for lines, add in ((chunk.part(tokens, 0), (-1, -1, -1)), (chunk.part(tokens, SERVER), (0, 1, 0)),
                       (chunk.part(tokens, PUSHED), (0, 0, 1)), (merged, (1, 0, 0))):
        for line in lines:
            counts[line] = [a + b for a, b in zip(counts.get(line, (0, 0, 0)), add)]
    return counts


def account(chunks, tokens, later):
    ledger, earlier = {}, 3 - later
    for chunk in chunks:
        for line, copies in changes(chunk, tokens, later).items():
            entry, edits = ledger.setdefault(line, Entry()), list(copies)
            if chunk.how == "mixed":
                edits = [0, 0, 0]
            elif chunk.how == "mixed lines":
                most = max(edits[0], 0)
                edits[1:] = [min(edits[1], most), min(edits[2], most)]
            elif chunk.clashes():
                kept = copies[later]
                edits[earlier] = min(max(edits[earlier], min(kept, 0)), max(kept, 0))
                entry.lost |= signs(copies[earlier] - edits[earlier])
            entry.kept |= signs(copies[0] - copies[later])
            entry.edits = [a + b for a, b in zip(entry.edits, edits)]
            entry.copies = [a + b for a, b in zip(entry.copies, copies)]
    return ledger


def bad_lines(chunks, tokens, later, fates):
    ledger = account(chunks, tokens, later)
    if any(0 < entry.spare() and is_blank(line) for line, entry in ledger.items()):
        if leave_out(chunks, tokens, later, ledger):
            ledger = account(chunks, tokens, later)
    bad = {line for line, entry in ledger.items() if entry.is_bad(is_blank(line))}
    return bad, fates.bad(chunks, tokens, later)


def leave_out(chunks, tokens, later, ledger):
    def take(line):
        if not is_blank(line) or line not in ledger or ledger[line].spare() <= 0:
            return False
        ledger[line].copies[0] -= 1
        return True
    spots, after_blank, last = {}, True, None
    for at, chunk in enumerate(chunks):
        lines = chunk.pieces(tokens, later)
        if lines is None:
            after_blank, last = False, None
        elif lines:
            last = (at, lines[-1])
            if 0 < at and after_blank and take(lines[0]):
                spots[at] = "start"
                last = last if 1 < len(lines) else None
            after_blank = is_blank(lines[-1])
    if last and last[0] + 1 < len(chunks) and last[0] not in spots and take(last[1]):
        spots[last[0]] = "end"
    for at in sorted(spots, reverse=True):
        chunk = chunks[at]
        how, gone, rest = chunk.how, [], []
        for i, (start, end) in enumerate(chunk.ranges):
            has = how == "kept" or i and (how in ("alike", i) or chunk.clashes() and later == i)
            n = 1 if has else 0
            gone.append((start, start + n) if spots[at] == "start" else (end - n, end))
            rest.append((start + n, end) if spots[at] == "start" else (start, end - n))
        both = [Chunk(gone, "gone"), Chunk(rest, how)]
        chunks[at:at + 1] = both if spots[at] == "start" else both[::-1]
    return bool(spots)


def audit(chunks, tokens, later, fates):
    """Gives up what does not add up; returns whether all did."""
    earlier = 3 - later
    for chunk in chunks:
        if chunk.how == "mixed lines" and fates.invents(chunk, tokens):
            chunk.how = "clash"
    if any(c.clashes() for c in chunks) and not any(c.has_edit_of(earlier) for c in chunks):
        return True
    for round_ in range(17):
        bad, astray = bad_lines(chunks, tokens, later, fates)
        if not bad and not astray:
            return round_ == 0
        given_up = False
        for chunk in chunks:
            if chunk.has_edit_of(earlier):
                found = changes(chunk, tokens, later).items()
                if (round_ == 16 or any(c[0] != c[later] and line in bad for line, c in found)
                        or fates.is_astray(chunk, tokens, later, astray)):
                    chunk.how, given_up = "clash", True
        if not given_up or round_ == 16:
            return False


# --- fates: where each line of the base is in a side

class Fates:
    """By side: for each line of the base its place in the side or None, and the other way around."""

    def __init__(self, tokens, edits):
        self.to, self.back = [None] * 3, [None] * 3
        for side in (SERVER, PUSHED):
            self.to[side], self.back[side] = fates_of(tokens[0], tokens[side], edits[side])

    def held(self, chunk, tokens, later):
        """For each line of the base, how many of its copies a chunk has, in any form."""
        held = Counter()
        if chunk.how in MIXED:
            words = words_of(normalize("NFC", chunk.text))
            for at in range(*chunk.ranges[0]):
                line, places = tokens[0][at], [self.to[side][at] for side in (SERVER, PUSHED)]
                here = [tokens[side][place] for side, place in zip((SERVER, PUSHED), places)
                        if place is not None and chunk.ranges[side][0] <= place < chunk.ranges[side][1]]
                if len(here) == 2:
                    held[line] += has_words(words, line, *here)
                elif here and here[0] != line:
                    # What is left of the edit is a scrap if the other side took the line's own words away.
                    is_whole = not adds_words(line, *here) or has_words(words, line, *here, line)
                    held[line] += 1 if None in places and is_whole else 2
            came = [Counter(tokens[0][at] for at in self.back[side][slice(*chunk.ranges[side])]
                            if at is not None and not chunk.ranges[0][0] <= at < chunk.ranges[0][1])
                    for side in (SERVER, PUSHED)]
            held += came[0] | came[1]
            forms = [words_of(line) for line in names(cut_lines(chunk.text))]
            for line in came[0] & came[1]:  # their forms may stand one after the other
                own = words_of(line)
                there = sum(bool(own) and len(own) <= 2 * len(own & form) for form in forms)
                held[line] += max(0, there - max(came[0][line], came[1][line]))
        elif chunk.how == "alike":
            held = self.of_side(chunk, tokens, SERVER) | self.of_side(chunk, tokens, PUSHED)
        elif chunk.how != "gone":
            held = self.of_side(chunk, tokens, chunk.how if chunk.how in (SERVER, PUSHED) else later)
        return held

    def invents(self, chunk, tokens):
        """Whether a mixed text has lines that nobody wrote beyond those that both sides edited."""
        own = set(chunk.part(tokens, SERVER)) | set(chunk.part(tokens, PUSHED)) | set(chunk.part(tokens, 0))
        new = sum(not is_blank(line) and line not in own for line in names(cut_lines(chunk.text)))
        both = 0
        for at in range(*chunk.ranges[0]):
            places = [(side, self.to[side][at]) for side in (SERVER, PUSHED)]
            both += all(place is not None and chunk.ranges[side][0] <= place < chunk.ranges[side][1]
                        and tokens[side][place] != tokens[0][at] for side, place in places)
        return both < new

    def of_side(self, chunk, tokens, side):
        own = self.back[side][slice(*chunk.ranges[side])]
        return Counter(tokens[0][at] for at in own if at is not None)

    def bad(self, chunks, tokens, later):
        """The lines of the base with too few or too many copies in the merge."""
        more = Counter()
        for chunk in chunks:
            if chunk.how != "kept":
                more.update(self.held(chunk, tokens, later))
                more.subtract(chunk.part(tokens, 0))
        least = Counter()
        for side in (SERVER, PUSHED):
            least.subtract(line for line, place in zip(tokens[0], self.to[side]) if place is None)
        return {line for line, n in more.items() if not is_blank(line) and not least[line] <= n <= 0}

    def is_astray(self, chunk, tokens, later, bad):
        held, own = self.held(chunk, tokens, later), self.of_side(chunk, tokens, later)
        return any(held[line] != own[line] for line in held | own if line in bad)


def fates_of(base, own, hunks):
    to, back = [None] * len(base), [None] * len(own)

    def pair(at, place):
        to[at], back[place] = place, at
    at = place = 0
    for b0, b1, s0, s1 in hunks + [(len(base), len(base), len(own), len(own))]:
        for offset in range(b0 - at):
            pair(at + offset, place + offset)
        at, place = b1, s1
    added = {}
    for _, _, s0, s1 in hunks:
        for place in range(s0, s1):
            if not is_blank(own[place]):
                added.setdefault(own[place], []).append(place)
    for b0, b1, _, _ in hunks:
        for at in range(b0, b1):
            if added.get(base[at]):
                pair(at, added[base[at]].pop(0))
    having = {}
    for number, (_, _, s0, s1) in enumerate(hunks):
        for place in range(s0, s1):
            if back[place] is None:
                for word in words_of(own[place]):
                    having.setdefault(word, []).append((number, place - s0, place))
    alike = []
    for number, (b0, b1, _, _) in enumerate(hunks):
        for at in range(b0, b1):
            if to[at] is not None:
                continue
            words = [word for word in words_of(base[at]) if len(having.get(word, ())) <= 16]
            shared = Counter(spot for word in words for spot in having.get(word, ()))
            alike += [(-n, other != number, abs(at - b0 - row), at, place)
                      for (other, row, place), n in shared.items() if len(words) <= 2 * n]
    for *_, at, place in sorted(alike):
        if to[at] is None and back[place] is None:
            pair(at, place)
    for b0, b1, s0, s1 in hunks:
        left = [at for at in range(b0, b1) if to[at] is None and not is_blank(base[at])]
        new = [place for place in range(s0, s1) if back[place] is None and not is_blank(own[place])]
        if len(left) == len(new):
            for at, place in zip(left, new):
                pair(at, place)
    return to, back


def words_of(line):
    return {word for word in cut_words(line) if not is_blank(word)}


def adds_words(base, own):
    return any(not is_blank(word) for word in Counter(cut_words(own)) - Counter(cut_words(base)))


def has_words(words, base, server, pushed):
    """Whether each word of a line is there of which some copy outlives both sides' deletions."""
    base, server, pushed = (Counter(cut_words(line)) for line in (base, server, pushed))
    return all(is_blank(word) or word in words or min(server[word], n) + min(pushed[word], n) <= n
               for word, n in base.items())


# --- moves: (first line, line behind the last, line before which they go)

def moves_of(tokens, side, hunks):
    base, own = tokens[0], tokens[side]
    removed, added = {}, {}
    for at, (b0, b1, s0, s1) in enumerate(hunks):
        for seen, pieces, start in ((removed, base[b0:b1], b0), (added, own[s0:s1], s0)):
            for offset, piece in enumerate(pieces):
                seen[piece] = (at, start + offset) if piece not in seen else None
    found = []
    for b0, b1, _, _ in hunks:
        first, at = b0, b0
        while at < b1:
            out, back = removed.get(base[at]), added.get(base[at])
            if is_blank(base[at]) or not out or not back or out[0] == back[0]:
                at += 1
                continue
            target, place = hunks[back[0]], back[1]
            before = suffix(base[first:at], own[target[2]:place])
            behind = prefix(base[at:b1], own[place:target[3]])
            found.append((place, (at - before, at + behind, target[0])))
            first = at = at + behind
    return [move for _, move in sorted(found, key=lambda it: it[0])]


def edge(at, hunks):
    here = at
    for b0, b1, s0, s1 in hunks:
        if b1 < at:
            here = at - b1 + s1
        elif b0 <= at:
            if b0 < at < b1 or b1 - b0 < s1 - s0:
                return None
            if b1 == at:
                here = s1
    return here


def carried_over(moves, hunks, side, lines, budget):
    carried = []
    for start, end, to in moves:
        here = edge(start, hunks), edge(end, hunks)
        if None in here:
            return None
        if any(start < h[1] and h[0] < end for h in hunks):
            was = names(cut_words("".join(lines[0][start:end])))
            now = names(cut_words("".join(lines[side][here[0]:here[1]])))
            gone = sum(n_words(was[h[0]:h[1]]) for h in diff(was, now, budget, side))
            if n_words(was) < 2 * gone:
                return None
        carried.append((*here, edge(to, hunks)))
        if carried[-1][2] is None:
            return None
    return carried


def are_apart(a, b, of_one):
    meets = b[0] < a[2] < b[1] or a[0] < b[2] < a[1] or a[0] < b[1] and b[0] < a[1]
    return not meets and (of_one or a[2] != b[2] and not b[0] <= a[2] <= b[1] and not a[0] <= b[2] <= a[1])


def rearranged(lines, text, moves):
    places = [(2 * at + 1, 0) for at in range(len(lines))]
    for order, (start, end, to) in enumerate(moves):
        places[start:end] = [(2 * to, order)] * (end - start)
    style, out, last = first_end(text) or "\n", "", ""
    for at in sorted(range(len(lines)), key=lambda at: places[at]):
        last = lines[at]
        out += last if split_end(last)[1] else last + style
    content, end = split_end(last)
    if not text.endswith(("\n", "\r")) and content:
        out = out[:-len(end or style)]
    return out if len(cut_lines(out)) == len(lines) else None


def make_moves(texts, lines, tokens, edits, budget):
    by_server, by_pushed = (moves_of(tokens, side, edits[side]) for side in (SERVER, PUSHED))
    every = by_server + [move for move in by_pushed if move not in by_server]
    if not every or 64 < len(by_server) + len(by_pushed):
        return None
    for at, a in enumerate(every):
        for b in every[at + 1:]:
            if not are_apart(a, b, any(a in own and b in own for own in (by_server, by_pushed))):
                return None
            if a[2] == b[2] and any(m in by_server and m in by_pushed for m in (a, b)):
                return None
    in_server = carried_over(by_pushed, edits[SERVER], SERVER, lines, budget)
    in_pushed = carried_over(by_server, edits[PUSHED], PUSHED, lines, budget)
    if in_server is None or in_pushed is None:
        return None
    moved = [rearranged(lines[i], texts[i], own) for i, own in enumerate((every, in_server, in_pushed))]
    return None if None in moved else moved


# --- writing

def write(chunks, cuts, styles, style, missing, ends, later):
    out, open_ = "", []

    def line_end(end):
        return "\r" if out.endswith("\r") and end.startswith("\n") else end

    def styled(side, piece):
        end = split_end(piece)[1]
        return style if end is not None and end == styles[side] else end
    for chunk in chunks:
        parts = [chunk.part(cuts, i) for i in range(3)]
        if chunk.how == "kept":
            pieces = [(pick([split_end(p)[0] for p in row], later),
                       pick_some([split_end(row[0])[1], styled(1, row[1]), styled(2, row[2])], later))
                      for row in zip(*parts)]
        elif chunk.how in MIXED:
            row = ["".join(part) for part in parts]
            pieces = [(chunk.text, pick_some([split_end(row[0])[1], styled(1, row[1]), styled(2, row[2])], later))]
        else:
            side = chunk.how if chunk.how in (SERVER, PUSHED) else later
            own = [] if chunk.how == "gone" else parts[side]
            pieces = [(split_end(piece)[0], styled(side, piece)) for piece in own]
        for content, end in pieces:
            if open_:
                last = open_.pop()
                out += line_end(missing if last is None else last)
            if out.endswith("\r"):
                rest = content.lstrip("\n")
                content = "\r" * (len(content) - len(rest)) + rest
            out += content
            open_.append(end)
    if open_ and (ends or not out or out[-1] in "\r\n"):
        out += line_end(missing if open_[0] is None else open_[0])
    return out


# --- the merge

def merge_once(texts, later, budget, again, written=None):
    lines = [cut_lines(text) for text in texts]
    tokens = [names(own) for own in lines]
    edits = [None] + [diff(tokens[0], tokens[i], budget, i) for i in (SERVER, PUSHED)]
    chunks = refine(weave(tokens, edits), lines, tokens, later, budget)
    clean = audit(chunks, tokens, later, Fates(tokens, edits)) and not any(chunk.clashes() for chunk in chunks)
    written = written or texts
    styles = [first_end(text) for text in written]
    style = pick_some(styles, later) or "\n"
    ends = pick_some([text.endswith(("\n", "\r")) if text else None for text in written], later)
    merged = write(chunks, lines, styles, style, style, bool(ends), later)
    if not clean and again:
        moved = make_moves(texts, lines, tokens, edits, budget)
        if moved:
            text, clash = merge_once(moved, later, budget, False, texts)
            if not clash:
                return text, False
    return merged, not clean


def merge_texts(base, server, pushed, later, max_bytes):
    """Returns the merged text and whether it clashed; `later` is SERVER or PUSHED."""
    if pushed == base or server == pushed:
        return server, False
    if server == base:
        return pushed, False
    texts = [base, server, pushed]
    merged, clash = merge_once(texts, later, [0, 1 << 22, 1 << 22], True)
    return (texts[later], True) if max_bytes < len(merged.encode()) else (merged, clash)
