#!/usr/bin/env python3
"""Looks whether the stack's tables are as they must be, and makes them so after a restore.

    tables.py check   --prefix haumana-        says what is wrong; ends with 1 if anything is
    tables.py protect --prefix restored-       turns on what a restore leaves off

A restored table has neither recovery nor time to live, deletion protection or tags. A stack that has
imported it believes that it has: CloudFormation compares templates, not tables. Keys and indexes
cannot be turned on; a table without them is another one.
"""

import argparse
import json
import pathlib
import sys

import boto3
from botocore.exceptions import BotoCoreError, ClientError

# Printed from `schema.rs`, which has a test that says so.
WANTED = pathlib.Path(__file__).parent / "../../haumana-store-dynamo/tables.json"
PREFIX = "haumana-"


class Table:
    """One table, and what it must be."""

    def __init__(self, service, prefix, wanted):
        self.service, self.wanted = service, wanted
        self.name = prefix + wanted["TableName"].removeprefix(PREFIX)
        self.tag = prefix.rstrip("-")
        self.told = self._describe()

    def problems(self):
        """Returns what is wrong, and how each is mended; None where nothing mends it."""
        if self.told is None:
            return [(f"{self.name} is not there", None)]
        told, wanted = self.told, self.wanted
        found = [(told["TableStatus"] == "ACTIVE", f"is {told['TableStatus'].lower()}: wait", None)]
        for name in ("KeySchema", "LocalSecondaryIndexes", "GlobalSecondaryIndexes"):
            found.append((essence(told.get(name)) == essence(wanted.get(name)),
                          f"has other {name} than the store needs", None))
        billing = told.get("BillingModeSummary", {}).get("BillingMode", "PROVISIONED")
        found += [
            (billing == wanted["BillingMode"], "is not billed on demand", self._bill_on_demand),
            (self._recovers(), "cannot be put back to a time", self._recover),
            (self._expires(), "keeps what should expire", self._expire),
            (told.get("DeletionProtectionEnabled", False), "can be deleted", self._protect),
            (self._is_tagged(), "has no tag haumana:prefix", self._label),
        ]
        return [(f"{self.name} {what}", mend) for is_so, what, mend in found if not is_so]

    def _describe(self):
        try:
            return self.service.describe_table(TableName=self.name)["Table"]
        except self.service.exceptions.ResourceNotFoundException:
            return None

    def _recovers(self):
        told = self.service.describe_continuous_backups(TableName=self.name)
        recovery = told["ContinuousBackupsDescription"].get("PointInTimeRecoveryDescription", {})
        return recovery.get("PointInTimeRecoveryStatus") == "ENABLED"

    def _expires(self):
        wanted = self.wanted.get("TimeToLiveSpecification")
        told = self.service.describe_time_to_live(TableName=self.name)["TimeToLiveDescription"]
        is_on = told["TimeToLiveStatus"] in ("ENABLED", "ENABLING")
        if wanted is None:
            return not is_on
        return is_on and told.get("AttributeName") == wanted["AttributeName"]

    def _is_tagged(self):
        tags = self.service.list_tags_of_resource(ResourceArn=self.told["TableArn"]).get("Tags", [])
        return {"Key": "haumana:prefix", "Value": self.tag} in tags

    def _bill_on_demand(self):
        self.service.update_table(TableName=self.name, BillingMode=self.wanted["BillingMode"])

    def _recover(self):
        self.service.update_continuous_backups(
            TableName=self.name,
            PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True})

    def _expire(self):
        self.service.update_time_to_live(
            TableName=self.name, TimeToLiveSpecification=self.wanted["TimeToLiveSpecification"])

    def _protect(self):
        self.service.update_table(TableName=self.name, DeletionProtectionEnabled=True)
        self.service.get_waiter("table_exists").wait(TableName=self.name)

    def _label(self):
        self.service.tag_resource(ResourceArn=self.told["TableArn"],
                                  Tags=[{"Key": "haumana:prefix", "Value": self.tag}])


def essence(one):
    """Returns what `tables.json` says anything about, in an order that does not matter."""
    if isinstance(one, list):
        return sorted((essence(part) for part in one), key=json.dumps) or None
    if isinstance(one, dict):
        return {name: essence(part) for name, part in one.items() if name in KEPT}
    return one


KEPT = {"AttributeName", "KeyType", "IndexName", "KeySchema", "Projection", "ProjectionType",
        "NonKeyAttributes"}


def problems(service, prefix):
    """Returns what is wrong with the tables of a prefix."""
    wanted = json.loads(WANTED.read_text(encoding="utf8"))["Tables"]
    return [one for table in wanted for one in Table(service, prefix, table).problems()]


def main():
    """Does what the arguments say."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["check", "protect"])
    parser.add_argument("--prefix", required=True, help="what the tables' names begin with")
    arguments = parser.parse_args()
    try:
        service = boto3.client("dynamodb")
        for what, mend in problems(service, arguments.prefix):
            if arguments.what == "protect" and mend is not None:
                print(f"mend: {what}")
                mend()
        left = problems(service, arguments.prefix)
    except (BotoCoreError, ClientError) as error:
        sys.exit(f"tables.py: {error}")
    for what, _ in left:
        print(f"- {what}")
    if left:
        sys.exit(f"tables.py: the tables {arguments.prefix}… are not as they must be")
    print(f"the tables {arguments.prefix}… are as they must be")


if __name__ == "__main__":
    main()
