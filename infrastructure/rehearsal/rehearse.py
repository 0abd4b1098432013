#!/usr/bin/env python3
"""Rehearses a deployment: the synthesised template on an emulator of AWS, with the real functions.

    rehearse.py FOLDER PROGRAMS

FOLDER holds `<binary>/bootstrap` for this machine's processor, PROGRAMS holds `haumana-import` and
`haumana-export-legacy`. Needs Node.js, and the packages of
../requirements.txt; ../cdk must have had its `npm ci`. Nothing leaves this machine. The stories:
syncing through an API of each kind, and moving an existing API over and back.
"""

import argparse
import pathlib
import platform
import subprocess
import sys
import tempfile
import time

import careful
import deploying
import moving
import publishing
import restoring
import syncing
from emulator import emulator
from google import CLIENT, Google
from mover import Operator
from old_stack import OldStack
from phone import AGAIN

CDK = pathlib.Path(__file__).parent.resolve() / "../cdk"
PROCESSOR = {"aarch64": "arm64"}.get(platform.machine(), platform.machine())


def synthesise(binaries, folder, **context):
    """Returns the folder with the template and the code of the functions."""
    context = {
        "googleClientIds": CLIENT, "alertEmail": "kumu@example.org", "processor": PROCESSOR,
        # A new account: nothing can be reserved.
        "accountConcurrency": "10",
        "binaries": str(binaries), **context,
    }
    settings = [word for name, value in context.items() for word in ("-c", f"{name}={value}")]
    command = ["npx", "--no-install", "cdk", "synth", "--quiet", "--strict", "--output", str(folder)]
    done = subprocess.run([*command, *settings], cwd=CDK, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"cdk synth failed:\n{done.stdout}{done.stderr}")
    return folder


def main():
    """Rehearses."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=pathlib.Path, help="holds <binary>/bootstrap")
    parser.add_argument("programs", type=pathlib.Path, help="holds haumana-import")
    arguments = parser.parse_args()
    binaries, programs = arguments.folder.resolve(), arguments.programs.resolve()
    google = Google()
    with tempfile.TemporaryDirectory(prefix="haumana-") as name:
        folder = pathlib.Path(name)
        own = synthesise(binaries, folder / "own", prefix="own", api="rest")
        with emulator(folder, HAUMANA_GOOGLE_KEY_SET=google.key_set) as aws:
            try:
                deploying.bootstrap(aws)
                started = time.monotonic()
                outputs = aws.deploy(own, "own-sync")
                print(f"deployed in {time.monotonic() - started:.1f} s")
                deploying.forgetting(aws, sys.executable)
                syncing.rehearse(aws, outputs, google)
                http = synthesise(binaries, folder / "http", prefix="http", api="http")
                syncing.rehearse_http(aws, aws.deploy(http, "http-sync"), google)
                old = OldStack(aws)
                operator = Operator(aws, old, programs)
                own_url = aws.api_url(outputs["ApiUrl"].split("//")[1].split(".")[0], "prod")
                publishing.rehearse(aws, operator, own_url, google.token("kai"))
                restoring.rehearse(aws, operator)
                careful.rehearse(aws, old)
                moving.rehearse(old, google, lambda **context: synthesise(
                    binaries, folder / "moved", prefix="moved", **context), programs)
            except BaseException:
                sys.stderr.write(aws.log.read_text(encoding="utf8")[-6000:])
                raise
    print(f"rehearsed: all well; {len(AGAIN)} calls were told to come again, and did")


if __name__ == "__main__":
    main()
