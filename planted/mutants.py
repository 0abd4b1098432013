#!/usr/bin/env python3
"""Runs the tests on each small change that cargo-mutants can think of, all compiled at once.

    mutants.py list            how many changes there are in which file
    mutants.py run [PART...]   tries those that were not tried yet; PART is a part of a file's path
    mutants.py table           what survived, for docs/testing.md

cargo-mutants compiles the sources anew for each change. Here each function of the copy has all its
changed bodies, and asks `planted::is("m...")` which of them to run. So one program has all changes.
Changes that do not compile are left out. Each test runs once alone without a change, and notes which
names it asks for: a change is tried only with the tests that reach its function, quick ones first.
What was tried is kept in `tried.json` beside this file, by the text of the function and of the change.
So anybody can continue the run, and only what was edited is tried again.
"""

import collections
import hashlib
import json
import math
import os
import pathlib
import re
import resource
import subprocess
import sys
import tempfile
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor

import drive

WORK = drive.WORK.parent / "mutants-copy"
TREE = WORK / "tree"
TRIED = drive.HERE / "tried.json"
# The merge, and all that decides, writes, reads and verifies.
FILES = [
    "haumana-sync/src/merge/*.rs", "haumana-sync/src/text/*.rs", "haumana-sync/src/engine/edit/apply/*.rs",
    "haumana-sync/src/engine/push/*.rs", "haumana-app/src/plan.rs", "haumana-sync/src/engine/commit/*.rs",
    "haumana-sync/src/engine/pull/cursor.rs", "haumana-sync/src/engine/integrity/*.rs",
]
# Whose tests are run, in this order: the models come last, because they take longest.
CRATES = ["haumana-sync", "haumana-app", "haumana-sim", "haumana-replica"]
# Nothing is changed in what `mistakes` tests, the laws of stores.
SKIPPED = ["--skip", "mistakes::"]
# Tests that take up to so many seconds run together, before those that take longer.
STEPS = [0.1, 1, 10, math.inf]
# With a change, tests may take so many times longer, and so many seconds more.
SLOWER, MORE_SECS = 10, 10
# A change may ask for memory without end.
MEMORY = 6 << 30


class Mutant:
    """A change of a function's body."""

    def __init__(self, said, source):
        self.file = said["file"]
        self.title = re.sub(r"^\S+: ", "", said["name"])
        self.line = said["span"]["start"]["line"]
        function = said["function"]
        begin, end = offset(source, function["span"]["start"]), offset(source, function["span"]["end"])
        self.body = body_of(source, begin, end)
        self.is_const = re.search(r"\bconst\s+(unsafe\s+)?fn\b", source[begin : self.body[0]]) is not None
        start, stop = offset(source, said["span"]["start"]), offset(source, said["span"]["end"])
        self.changed = source[self.body[0] + 1 : start] + said["replacement"] + source[stop : self.body[1]]
        self.is_inside = self.body[0] < start and stop <= self.body[1]
        key = f"{self.file}\n{source[begin:end]}\n{self.changed}"
        self.name = "m" + hashlib.sha256(key.encode()).hexdigest()[:12]


def offset(source, at):
    """The place of a line and column, both of which begin at 1."""
    line = 0
    for _ in range(at["line"] - 1):
        line = source.index("\n", line) + 1
    return line + at["column"] - 1


# What may hold a brace that is none.
TOKENS = re.compile(r"//[^\n]*|/\*.*?\*/|r(#*)\".*?\"\1|\"(?:\\.|[^\"\\])*\"|'(?:\\.[^']*|[^\\'])'|[{}]", re.S)


def body_of(source, begin, end):
    """Where the last block between `begin` and `end` begins and ends."""
    depth, opened = 0, None
    for token in TOKENS.finditer(source, begin, end):
        if token[0] == "{":
            opened = token.start() if depth == 0 else opened
            depth += 1
        elif token[0] == "}":
            depth -= 1
            if depth == 0:
                closed = token.start()
    return opened, closed


def mutants():
    """All changes, by file."""
    command = ["cargo", "mutants", "--list", "--json", "--workspace"]
    command += [part for file in FILES for part in ("--file", file)]
    said = subprocess.run(command, cwd=drive.ROOT, capture_output=True, text=True, check=True)
    all_mutants, sources = collections.defaultdict(list), {}
    for one in json.loads(said.stdout):
        file = one["file"]
        if file not in sources:
            sources[file] = (drive.ROOT / file).read_text(encoding="utf-8")
        mutant = Mutant(one, sources[file]) if one.get("function") else None
        if mutant and mutant.is_inside and not mutant.is_const:
            all_mutants[file].append(mutant)
    return all_mutants


def changed(file, of_file):
    """The text of a file with all its changes, and in which lines each of them is."""
    source = (drive.ROOT / file).read_text(encoding="utf-8")
    path = "crate::planted" if file.startswith("haumana-sync/") else "haumana_sync::planted"
    bodies = collections.defaultdict(list)
    for mutant in of_file:
        bodies[mutant.body].append(mutant)
    text, lines, at = "", [], 0
    for (opened, closed), here in sorted(bodies.items()):
        text += source[at : opened + 1]
        for mutant in here:
            first = text.count("\n") + 1
            text += f'if {path}::is("{mutant.name}") {{ {mutant.changed} }} else '
            lines.append((first, text.count("\n") + 1, [mutant]))
        first = text.count("\n") + 1
        text += f"{{ {source[opened + 1 : closed]} }}\n"
        lines.append((first, text.count("\n"), here))
        at = closed
    return text + source[at:], lines


def build():
    """Compiles the tests in the copy: what cargo says of each crate, and whether all of it compiles."""
    crates = [part for crate in CRATES for part in ("-p", crate)]
    said = drive.cargo("test", "--no-run", *crates, "--lib", "--tests", "--locked", "--profile", "planted",
                       "--message-format", "json", cwd=TREE, check=False, stdout=subprocess.PIPE, text=True)
    return [json.loads(line) for line in said.stdout.splitlines() if line.startswith("{")], not said.returncode


def compiled(all_mutants):
    """Writes the copy, without the changes that do not compile; returns the programs of the tests."""
    tried = drive.kept(TRIED)
    is_code = lambda mutant: tried.get(mutant.name, {}).get("is") != "no code"
    while True:
        texts, lines = {}, {}
        for file, of_file in all_mutants.items():
            texts[file], lines[file] = changed(file, list(filter(is_code, of_file)))
        drive.copy(TREE, texts)
        said, is_done = build()
        if is_done:
            break
        messages = [one["message"] for one in said if one.get("reason") == "compiler-message"]
        errors = [message for message in messages if message["level"] == "error"]
        spans = [span for error in errors for span in error["spans"] if span["is_primary"]]
        wrong = {it.name for span in spans for first, last, here in lines.get(span["file_name"], [])
                 if first <= span["line_start"] <= last for it in here}
        if not wrong:
            sys.exit("mutants: the copy does not compile: " + "\n".join(error["rendered"] for error in errors[:3]))
        tried.update((name, {"is": "no code"}) for name in wrong)
        drive.keep(tried, TRIED)
        print(f"{len(wrong)} changes do not compile", flush=True)
    programs = [(one["executable"], pathlib.Path(one["manifest_path"]).parent) for one in said if one.get("executable")]
    return sorted(programs, key=lambda program: CRATES.index(program[1].name))


class Test:
    """A test of a program: how long it takes, and whose functions it reaches."""

    def __init__(self, program, folder, name):
        self.program, self.folder, self.name = program, folder, name
        with tempfile.TemporaryDirectory() as noted:
            file = pathlib.Path(noted, "asked")
            begun = time.monotonic()
            said = started(program, folder, [name], {"PLANTED_ASKED": str(file)}, None)
            self.secs = time.monotonic() - begun
            self.reaches = set(file.read_text().split()) if file.is_file() else set()
        if said.returncode:
            sys.exit(f"mutants: {name} fails without any change\n{said.stdout[-3_000:]}")


def started(program, folder, names, more, secs):
    """Runs tests of a program, until the first of them fails."""
    settings = tomllib.loads((TREE / ".cargo/config.toml").read_text())["env"]
    environment = {**os.environ, **settings, **more, "RUSTC_BOOTSTRAP": "1", "RUST_BACKTRACE": "0"}
    command = [program, "-Zunstable-options", "--fail-fast", "--exact", *names]
    bounded = lambda: resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    return subprocess.run(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True,
                          stderr=subprocess.STDOUT, timeout=secs, preexec_fn=bounded)


def tests(programs, pool):
    """All tests, each of which runs once."""
    todo = []
    for program, folder in programs:
        said = subprocess.run([program, "--list", *SKIPPED], cwd=folder, capture_output=True, text=True, check=True)
        todo += [(program, folder, name) for name in re.findall(r"^(\S+): test$", said.stdout, re.M)]
    return list(pool.map(lambda it: Test(*it), todo))


def attempt(all_tests, name):
    """Which test fails first with this change."""
    reach = [test for test in all_tests if name in test.reaches]
    for least, most in zip([0, *STEPS], STEPS):
        by_program = collections.defaultdict(list)
        for test in reach:
            if least <= test.secs < most:
                by_program[test.program, test.folder].append(test)
        for (program, folder), here in by_program.items():
            secs = SLOWER * sum(test.secs for test in here) + MORE_SECS
            try:
                said = started(program, folder, [test.name for test in here], {"PLANTED": name}, secs)
            except subprocess.TimeoutExpired:
                return {"is": "found", "by": "a test never ends"}
            if said.returncode:
                failed = re.search(r"^test (\S+).* FAILED", said.stdout, re.M)
                return {"is": "found", "by": failed[1] if failed else said.stdout[-200:]}
    return {"is": "survived", "by": len(reach)}


def run(parts):
    all_mutants = mutants()
    programs = compiled(all_mutants)
    tried = drive.kept(TRIED)
    todo = [it for of_file in all_mutants.values() for it in of_file
            if it.name not in tried and (not parts or any(part in it.file for part in parts))]
    with ThreadPoolExecutor(int(os.environ.get("PLANTED_JOBS", "1"))) as pool:
        all_tests = tests(programs, pool)
        print(f"{len(todo)} to try, with {len(all_tests)} tests", flush=True)
        for mutant, came in zip(todo, pool.map(lambda it: attempt(all_tests, it.name), todo)):
            tried[mutant.name] = came
            drive.keep(tried, TRIED)
            if came["is"] == "survived":
                print(f"survived {came['by']} tests: {mutant.file}:{mutant.line}: {mutant.title}", flush=True)


def table():
    tried = drive.kept(TRIED)
    print("| file | changes | do not compile | found | survived | not tried |\n|---|---|---|---|---|---|")
    survivors = []
    for file, of_file in mutants().items():
        of = collections.Counter(tried.get(it.name, {}).get("is") for it in of_file)
        print(f"| `{file}` | {len(of_file)} | {of['no code']} | {of['found']} | {of['survived']} | {of[None]} |")
        survivors += [it for it in of_file if tried.get(it.name, {}).get("is") == "survived"]
    print()
    for it in survivors:
        print(f"- `{it.file}:{it.line}` {it.title}")


def main():
    command, parts = (sys.argv[1:2] or ["list"])[0], sys.argv[2:]
    if command == "list":
        for file, of_file in mutants().items():
            print(f"{len(of_file):4} {file}")
    elif command == "run":
        run(parts)
    elif command == "table":
        table()
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
