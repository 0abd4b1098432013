#!/usr/bin/env python3
"""Plants faults into a copy of the sources and looks who finds them.

    drive.py check             every patch still applies
    drive.py slice             check, and the model finds a few of them
    drive.py run [NAME...]     the model, from five first seeds, the small histories, the model of
                               clients, and the tests of the crates
    drive.py table             what was found, for docs/testing.md

A patch in `patches/` begins with its title, then comes a unified diff. What it adds asks
`planted::is("name")`, so all patches are compiled into one program, and one of them is switched on.
What was found is kept in `target/planted-copy/found.json`, so a run that was stopped goes on.
"""

import json
import math
import os
import pathlib
import re
import signal
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
WORK = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve() / "planted-copy"
TREE = WORK / "tree"
FOUND = WORK / "found.json"
STARTS = [0, 10_000, 20_000, 30_000, 40_000]
# A fault has so many seeds of each profile to be found in, as many as CI makes.
SEEDS = 300
# Besides the model: what runs on which crates' tests. `cargo test` takes it.
TESTS = {
    "clients": ["-p", "haumana-replica", "--test", "it", "--", "together::", "schemas::"],
    # No fault is planted in what `mistakes` tests, the laws of stores.
    "tests": ["-p", "haumana-sync", "-p", "haumana-app", "--lib", "--tests", "--", "--skip", "mistakes::"],
}
# With some faults a test never ends.
ENDLESS_SECS = 600
# How far from its line a hunk may have moved.
REACH = 400
# Quick ones, from the app, the merge and the commit.
SLICE = ["base-is-newest", "receipts-forgotten", "losers-not-in-the-inbox", "counter-adds-up"]
SKIPPED = {"target", "node_modules", ".git", "cdk.out"}


class Stale(Exception):
    """A patch that does not apply any more."""


class Patch:
    """A planted fault."""

    def __init__(self, path):
        self.name = path.stem
        lines = path.read_text(encoding="utf-8").splitlines()
        self.title = lines[0]
        self.hunks = []
        for line in lines[1:]:
            if line.startswith("+++ b/"):
                file = line[6:]
            elif line.startswith("@@"):
                start = int(re.match(r"@@ -(\d+)", line)[1]) - 1
                self.hunks.append((file, start, []))
            elif self.hunks and line[:1] in ("+", "-", " "):
                self.hunks[-1][2].append((line[0], line[1:]))
        if not self.hunks:
            raise Stale(f"{self.name}: is no patch")
        asks = f'planted::is("{self.name}")'
        if not any(asks in text for _, _, body in self.hunks for sign, text in body if sign == "+"):
            raise Stale(f"{self.name}: asks for another name")

    def edits(self, sources):
        """What is to be replaced in each file: (file, first line, lines that go, lines that come)."""
        for file, start, body in self.hunks:
            source = sources(file)
            old = [text for sign, text in body if sign != "+"]
            at = find(source, old, start)
            if at is None:
                raise Stale(f"{self.name}: does not apply to {file}:{start + 1}")
            for sign, text in body:
                if sign == "+":
                    yield file, at, [], [text]
                else:
                    if sign == "-":
                        yield file, at, [text], []
                    at += 1


def find(source, wanted, start):
    """Where `wanted` stands in `source`, nearest to `start`."""
    for off in range(REACH):
        for at in {start - off, start + off}:
            if 0 <= at and source[at : at + len(wanted)] == wanted:
                return at
    return None


def patches():
    return [Patch(path) for path in sorted((HERE / "patches").glob("*.patch"))]


def patched(all_patches):
    """Every patched file, with all patches in it."""
    kept = {}

    def sources(file):
        if file not in kept:
            path = ROOT / file
            kept[file] = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
        return kept[file]

    goes, comes = {}, {}
    for patch in all_patches:
        for file, at, old, new in patch.edits(sources):
            if old and goes.setdefault((file, at), patch.name) != patch.name:
                raise Stale(f"{patch.name}: changes a line that {goes[(file, at)]} changes, too")
            comes.setdefault((file, at), []).extend(new)
    files = {}
    for file, source in kept.items():
        lines = []
        for at in range(len(source) + 1):
            lines.extend(comes.get((file, at), []))
            if at < len(source) and (file, at) not in goes:
                lines.append(source[at])
        files[file] = "\n".join(lines) + "\n"
    return files


def put(path, text):
    """Writes a file unless it is so already: what did not change is not compiled again."""
    data = text if isinstance(text, bytes) else text.encode()
    if not path.is_file() or path.read_bytes() != data:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def plant(all_patches):
    """Makes the copy."""
    files = patched(all_patches)
    files["haumana-sim/examples/planted.rs"] = (HERE / "runner.rs").read_text(encoding="utf-8")
    copy(TREE, files)


def copy(tree, files):
    """Copies the sources with `files` as they are to be there, and the switch and the profile."""
    library = "haumana-sync/src/lib.rs"
    text = files.get(library) or (ROOT / library).read_text(encoding="utf-8")
    files[library] = text + "\n#[allow(missing_docs)]\npub mod planted;\n"
    files["haumana-sync/src/planted.rs"] = (HERE / "switch.rs").read_text(encoding="utf-8")
    manifest = (ROOT / "Cargo.toml").read_text(encoding="utf-8")
    profile = "inherits = \"release\"\nopt-level = 1\ndebug = 0\ndebug-assertions = true\n"
    files["Cargo.toml"] = f"{manifest}\n[profile.planted]\n{profile}"
    wanted = set()
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [name for name in folders if name not in SKIPPED]
        for name in names:
            path = pathlib.Path(folder, name)
            inside = path.relative_to(ROOT)
            # What a crate links from another folder is a file of its copy.
            if path.is_file():
                wanted.add(inside)
                if inside.as_posix() not in files:
                    put(tree / inside, path.read_bytes())
    for file, text in files.items():
        wanted.add(pathlib.Path(file))
        put(tree / file, text)
    # What is gone here is gone there.
    for folder, _, names in os.walk(tree):
        for name in names:
            path = pathlib.Path(folder, name)
            if path.relative_to(tree) not in wanted:
                path.unlink()


def cargo(*arguments, **more):
    """Runs cargo in the copy. All copies share what is compiled of other crates."""
    environment = {**os.environ, "CARGO_TARGET_DIR": str(WORK.parent)}
    return subprocess.run(["cargo", *arguments], **{"cwd": TREE, "env": environment, "check": True, **more})


def built():
    """Builds the runner; returns its path."""
    cargo("build", "--quiet", "--locked", "-p", "haumana-sim", "--example", "planted", "--profile", "planted")
    return WORK.parent / "planted" / "examples" / "planted"


def kept(file=FOUND):
    return json.loads(file.read_text()) if file.is_file() else {}


def keep(found, file=FOUND):
    part = file.with_suffix(".part")
    part.write_text(json.dumps(found, indent=1, sort_keys=True))
    part.replace(file)


def tested(name, who):
    """The tests that fail with a fault. The models of clients print the seed of each that does."""
    begun = time.monotonic()
    command = ["cargo", "test", "--locked", "--profile", "planted", "--no-fail-fast", *TESTS[who]]
    environment = {**os.environ, "CARGO_TARGET_DIR": str(WORK.parent), "PLANTED": name}
    with subprocess.Popen(command, cwd=TREE, env=environment, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, start_new_session=True) as running:
        try:
            said, _ = running.communicate(timeout=ENDLESS_SECS)
            is_endless = False
        except subprocess.TimeoutExpired:
            os.killpg(running.pid, signal.SIGKILL)
            said, _ = running.communicate()
            is_endless = True
    failed = re.findall(r"^test (\S+)(?: - should panic)? \.\.\. FAILED", said, re.M)
    if running.returncode and not failed and not is_endless:
        sys.exit(f"planted: {' '.join(command)} says\n{said[-3_000:]}")
    seeds = sorted((int(seed), of) for seed, of in
                   re.findall(r"HAUMANA_MODEL_SEED=(\d+) .*?--test it (\S+)", said))
    return {
        "of": seeds[0][1] if seeds else failed[0] if failed else "never ends" if is_endless else "",
        "seed": seeds[0][0] if seeds else None,
        "runs": len(failed),
        "secs": time.monotonic() - begun,
        "text": ", ".join(failed[:20]) or ("a test never ends" if is_endless else None),
    }


def ask(runner, name, first):
    if first in TESTS:
        return tested(name, first)
    said = subprocess.run([runner, name, str(first), str(SEEDS)], capture_output=True, text=True, check=True)
    return json.loads(said.stdout)


def run(all_patches, names):
    """The model from each first seed, and the small histories."""
    plant(all_patches)
    runner = built()
    found = kept()
    wanted = [patch.name for patch in all_patches if not names or patch.name in names]
    for name in wanted if names else []:
        found.setdefault(name, {}).clear()
    # Without a fault nothing may be found.
    everyone = [STARTS[0], "small", *TESTS]
    for todo in {"": everyone}, dict.fromkeys(wanted, everyone), dict.fromkeys(wanted, STARTS[1:]):
        # What the first seeds do not find is not looked for with others.
        todo = [(name, first) for name, firsts in todo.items() for first in firsts
                if str(first) not in found.get(name, {})
                and (first in everyone or found[name][str(STARTS[0])]["text"])]
        with ThreadPoolExecutor(int(os.environ.get("PLANTED_JOBS", os.cpu_count() or 1))) as pool:
            for name, first, came in pool.map(lambda it: (*it, ask(runner, *it)), todo):
                if not name and came["text"]:
                    sys.exit(f"without a fault there is a violation: {came}")
                found.setdefault(name, {})[str(first)] = came
                keep(found)
                print(name, first, came["of"] if came["text"] else "-", came["runs"], f"{came['secs']:.1f}s", flush=True)


def table(all_patches):
    """Prints who found what: the faults that are found soonest come first."""
    found = kept()
    rows, others = [], []
    for patch in all_patches:
        here = found.get(patch.name, {})
        came = [here[str(first)] for first in STARTS if str(first) in here]
        runs = [one["runs"] if one["text"] else math.inf for one in came]
        small = here.get("small", {})
        if runs and runs[0] < math.inf or small.get("text"):
            of = next((one["of"] for one in came if one["text"]), "")
            rows.append((statistics.median(runs or [math.inf]), patch, runs, of, small))
        else:
            others.append((patch, came, small))
    said = lambda number: "—" if number == math.inf else f"{number:,.0f}"
    print("| fault | what was done | median | all | found first in | small histories |\n|---|---|---|---|---|---|")
    for median, patch, runs, of, small in sorted(rows, key=lambda row: (row[0], row[1].name)):
        by_small = "found" if small.get("text") else "not found" if small else ""
        runs = ", ".join(map(said, runs))
        print(f"| `{patch.name}` | {patch.title} | {said(median)} | {runs} | {of} | {by_small} |")
    print("\n| fault | what was done | model of clients | tests that fail, and the first of them |\n|---|---|---|---|")
    for patch, _, _ in others:
        here = found.get(patch.name, {})
        clients, tests = here.get("clients", {}), here.get("tests", {})
        by_clients = f"`{clients['of']}`" if clients.get("text") else "—" if clients else ""
        by_tests = f"{tests['runs']}, `{tests['of']}`" if tests.get("text") else "—" if tests else ""
        print(f"| `{patch.name}` | {patch.title} | {by_clients} | {by_tests} |")
    by_model = [row for row in rows if row[0] < math.inf]
    slowest = sorted(by_model, key=lambda row: -row[0])[:5]
    print(f"\n{len(all_patches)} faults, {len(by_model)} found by the model, {len(rows) - len(by_model)} by the small histories alone")
    print("half of them within", said(statistics.median([row[0] for row in by_model] or [math.inf])), "runs; the slowest:")
    print(", ".join(f"{row[1].name} ({said(row[0])})" for row in slowest))


def main():
    command, names = (sys.argv[1:2] or ["check"])[0], sys.argv[2:]
    try:
        all_patches = patches()
        patched(all_patches)
    except Stale as stale:
        sys.exit(f"planted: {stale}")
    known = {patch.name for patch in all_patches}
    if unknown := [name for name in names if name not in known]:
        sys.exit(f"planted: there is no {', '.join(unknown)}")
    if command == "check":
        print(f"{len(all_patches)} patches apply")
    elif command == "slice":
        plant(all_patches)
        runner = built()
        for name in SLICE:
            came = ask(runner, name, 0)
            if not came["text"]:
                sys.exit(f"planted: the model does not find {name}")
            print(f"{name}: found after {came['runs']} runs, in {came['of']}")
        print(f"{len(all_patches)} patches apply and compile")
    elif command == "run":
        run(all_patches, names)
    elif command == "table":
        table(all_patches)
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
