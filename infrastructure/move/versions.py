#!/usr/bin/env python3
"""Goes back to an earlier version of the functions, without a build and without a deployment.

    versions.py show   --prefix haumana-      what callers get of each function, and what else there is
    versions.py back   --prefix haumana-      what they got before the last deployment
    versions.py back   --prefix haumana- --to 2026-11-29T08:00:00Z       what they got then
    versions.py newest --prefix haumana-      what was deployed last

Each deployment publishes a version of each function that it changes, with its program and settings,
and callers get the one that the alias `live` names. This moves the aliases; nothing else is touched, and
callers see it at once. With --dry-run it says what it would do.
"""

import argparse
import datetime
import sys

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from before import Stop

ALIAS = "live"
# A deployment publishes its versions within this time.
TOGETHER = datetime.timedelta(minutes=15)


class Function:
    """A function of the stack: its versions, oldest first, and the one that callers get."""

    def __init__(self, service, name):
        self.service, self.name = service, name
        told = service.get_alias(FunctionName=name, Name=ALIAS)
        self.live, self.is_split = told["FunctionVersion"], bool(told.get("RoutingConfig"))
        pages = service.get_paginator("list_versions_by_function").paginate(FunctionName=name)
        versions = [(one["Version"], read_time(one["LastModified"]))
                    for page in pages for one in page["Versions"] if one["Version"] != "$LATEST"]
        self.versions = sorted(versions, key=lambda one: int(one[0]))

    def at(self, moment):
        """Returns the last version of a moment, or None if there was none."""
        return next((one for one, made in reversed(self.versions) if made <= moment), None)

    def made(self, version):
        """Returns when a version was published."""
        return dict(self.versions)[version]

    def go(self, version, is_dry):
        """Lets callers get a version."""
        print(f"{'would give ' if is_dry else ''}{self.name}: {self.live} -> {version}, "
              f"of {self.made(version):%Y-%m-%dT%H:%M:%SZ}")
        if not is_dry:
            # A canary that is under way ends with it.
            self.service.update_alias(FunctionName=self.name, Name=ALIAS, FunctionVersion=version,
                                      RoutingConfig={"AdditionalVersionWeights": {}})


def read_time(text):
    """Reads a time as Lambda and people write it."""
    made = datetime.datetime.fromisoformat(text.replace("Z", "+00:00").replace("+0000", "+00:00"))
    return made if made.tzinfo else made.replace(tzinfo=datetime.timezone.utc)


def functions(service, prefix):
    """Returns the functions whose names begin so and that have the alias."""
    pages = service.get_paginator("list_functions").paginate()
    names = [one["FunctionName"] for page in pages for one in page["Functions"]]
    found = []
    for name in sorted(name for name in names if name.startswith(prefix)):
        try:
            found.append(Function(service, name))
        except service.exceptions.ResourceNotFoundException:
            continue  # The probe, which has no alias.
    if not found:
        raise Stop(f"there is no function {prefix}… with the alias {ALIAS} in this account and region")
    return found


def show(found):
    """Prints every function with its versions."""
    for one in found:
        others = ", ".join(f"{version} of {made:%Y-%m-%dT%H:%M:%SZ}"
                           for version, made in reversed(one.versions) if version != one.live)
        split = ", and a canary is under way" if one.is_split else ""
        print(f"{one.name}: {one.live} of {one.made(one.live):%Y-%m-%dT%H:%M:%SZ}{split}; "
              f"else: {others or 'none'}")


def before_last(found):
    """Returns the moment before what callers get was deployed."""
    return max(one.made(one.live) for one in found) - TOGETHER


def back(found, moment, is_dry):
    """Gives callers what they got at a moment. Nothing is changed unless all can go there."""
    wanted = {one.name: one.at(moment) for one in found}
    missing = [name for name, version in wanted.items() if version is None]
    if missing:
        raise Stop(f"of {', '.join(missing)} there is no version of {moment:%Y-%m-%dT%H:%M:%SZ}. "
                   f"Nothing was changed")
    go(found, wanted, is_dry)


def newest(found, is_dry):
    """Gives callers the last version of each function."""
    go(found, {one.name: one.versions[-1][0] for one in found}, is_dry)


def go(found, wanted, is_dry):
    """Moves each alias that is elsewhere."""
    moving = [one for one in found if wanted[one.name] != one.live or one.is_split]
    for one in moving:
        one.go(wanted[one.name], is_dry)
    if not moving:
        print("callers get that already")


def main():
    """Does what the arguments say."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["show", "back", "newest"])
    parser.add_argument("--prefix", required=True, help="what the names of the functions begin with")
    parser.add_argument("--to", type=read_time, help="a time; without it, before the last deployment")
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, change nothing")
    arguments = parser.parse_args()
    try:
        found = functions(boto3.client("lambda"), arguments.prefix)
        if arguments.what == "show":
            show(found)
        elif arguments.what == "back":
            back(found, arguments.to or before_last(found), arguments.dry_run)
        else:
            newest(found, arguments.dry_run)
    except (Stop, BotoCoreError, ClientError) as error:
        sys.exit(f"versions.py: {error}")


if __name__ == "__main__":
    main()
