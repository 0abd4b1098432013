"""Putting the tables back to a moment: what a restore leaves off is seen, and turned on.
"""

import datetime

from mover import MOVE

TABLES = MOVE.parent / "tables.py"
KINDS = ("pieces", "sessions", "history")


def rehearse(aws, operator):
    """Restores the tables of the stack `own`, and breaks each in every way."""
    service = aws.client("dynamodb")
    restore(service)
    code, told = run(operator, "check")
    for kind in KINDS:
        for what in ("cannot be put back to a time", "can be deleted", "has no tag"):
            assert code == 1 and f"restored-{kind} {what}" in told, told
    assert "restored-history keeps what should expire" in told, told

    code, told = run(operator, "protect")
    assert code == 0 and "are as they must be" in told, told
    assert run(operator, "check")[0] == 0

    rows = [plant(service, operator, name, *fault) for name, fault in faults(service).items()]
    for row in rows:
        print(row)
    print(f"ok: restored tables are protected, and {len(rows)} faults of theirs are found")


def restore(service):
    """Restores every table to now, and waits."""
    for kind in KINDS:
        service.update_continuous_backups(
            TableName=f"own-{kind}",
            PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True})
        service.restore_table_to_point_in_time(
            SourceTableName=f"own-{kind}", TargetTableName=f"restored-{kind}",
            RestoreDateTime=datetime.datetime.now(datetime.timezone.utc))
        service.get_waiter("table_exists").wait(TableName=f"restored-{kind}")
        # Whatever the emulator copies: a restored table of AWS has none of these.
        service.update_continuous_backups(
            TableName=f"restored-{kind}",
            PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": False})
        service.update_table(TableName=f"restored-{kind}", DeletionProtectionEnabled=False)
    expire(service, False)


def expire(service, is_on):
    """Turns time to live of the history on or off."""
    told = service.describe_time_to_live(TableName="restored-history")["TimeToLiveDescription"]
    if (told["TimeToLiveStatus"] == "ENABLED") != is_on:
        service.update_time_to_live(
            TableName="restored-history",
            TimeToLiveSpecification={"AttributeName": "_expires", "Enabled": is_on})


def faults(service):
    """Returns how each fault is planted, and what must be said."""
    def recovery():
        service.update_continuous_backups(
            TableName="restored-pieces",
            PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": False})

    def protection():
        service.update_table(TableName="restored-sessions", DeletionProtectionEnabled=False)

    def tag():
        arn = service.describe_table(TableName="restored-pieces")["Table"]["TableArn"]
        service.untag_resource(ResourceArn=arn, TagKeys=["haumana:prefix"])

    def another():
        """A table of the same name without its index."""
        protection()
        service.delete_table(TableName="restored-sessions")
        service.create_table(
            TableName="restored-sessions", BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in ("pk", "sk")],
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"},
                       {"AttributeName": "sk", "KeyType": "RANGE"}])

    return {
        "recovery is off": (recovery, "restored-pieces cannot be put back", True),
        "deletion protection is off": (protection, "restored-sessions can be deleted", True),
        "time to live is off": (lambda: expire(service, False), "keeps what should expire", True),
        "the tag is missing": (tag, "restored-pieces has no tag", True),
        "the index is missing": (another, "restored-sessions has other LocalSecondaryIndexes", False),
    }


def plant(service, operator, name, fault, wanted, is_mended):
    """Plants one fault, which must be said, and mended if it can be."""
    del service
    fault()
    code, told = run(operator, "check")
    assert code == 1 and wanted in told, f"{name} is not found: {told}"
    assert (run(operator, "protect")[0] == 0) == is_mended, name
    return f"| {name} | {told.strip().splitlines()[0].removeprefix('- ')} |"


def run(operator, what):
    """Runs `tables.py` on the restored tables."""
    return operator.run_script(TABLES, what, "--prefix", "restored-")
