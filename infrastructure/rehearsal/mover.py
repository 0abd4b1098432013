"""Whoever moves an API: runs the script and the programs as DEPLOYMENT.md has them."""

import os
import pathlib
import subprocess
import sys

from emulator import REGION

MOVE = pathlib.Path(__file__).parent.resolve() / "../move/move.py"


class Operator:
    """Somebody in a folder of their own, with credentials."""

    def __init__(self, aws, old, programs):
        self.old, self.programs, self.folder = old, programs, aws.log.parent
        self.environment = {**os.environ, **aws.environment, "AWS_REGION": REGION,
                            "HAUMANA_DYNAMODB_ENDPOINT": aws.url}
        self.state = self.folder / f"move-{old.api}.json"
        self.token_file = self.folder / "token"

    def move(self, what, *more, api=None):
        """Runs `move.py`, which must end well, and returns what it says."""
        code, told = self.try_to_move(what, *more, api=api)
        assert code == 0, told
        return told

    def try_to_move(self, what, *more, api=None, stage="prod", **environment):
        """Runs `move.py`, and returns its exit code and what it says."""
        command = [sys.executable, str(MOVE), what, "--api", api or self.old.api, "--stage", stage]
        return self._run([*command, *more], **environment)

    def run_script(self, script, *arguments):
        """Runs another script of this folder; returns its exit code and what it says."""
        return self._run([sys.executable, str(script), *arguments])

    def pairs(self, tables):
        """Returns the arguments that name each old table and its new one."""
        named = [(self.old.tables[kind], tables[kind]) for kind in tables]
        return [word for old, new in named for word in ("--pair", f"{old}={new}")]

    def take_over(self, prefix, *more, generation=0):
        """Runs `haumana-import`, and returns what it says at the end."""
        return self._program(
            "haumana-import", "--to", "dynamodb", "--prefix", prefix, "--report", "report.jsonl",
            "--generation", str(generation), *more,
            "--pieces-table", self.old.tables["pieces"],
            "--sessions-table", self.old.tables["sessions"])

    def export_back(self, prefix, users, tables):
        """Runs `haumana-export-legacy`, and returns what it says at the end."""
        (self.folder / "users").write_text("".join(f"{user}\n" for user in users))
        return self._program(
            "haumana-export-legacy", "--users", "users", "--from", "dynamodb", "--prefix", prefix,
            "--pieces-table", tables["pieces"], "--sessions-table", tables["sessions"])

    def _program(self, name, *arguments):
        code, told = self._run([str(self.programs / name), *arguments])
        assert code == 0, f"{name} ends with {code}: {told}"
        return told.strip().splitlines()[-1]

    def _run(self, command, **environment):
        done = subprocess.run(
            command, env={**self.environment, **environment}, cwd=self.folder, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        return done.returncode, done.stdout
