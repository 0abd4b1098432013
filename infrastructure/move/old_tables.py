"""The way back of the data: tables like the old ones, and the old functions on these.

The old tables still hold what was deleted since the move, so the old functions get new ones, which
`haumana-export-legacy` fills. All that named an old table must name the new one: the environment of
each function, and what its role may do, on the table and on its indexes.
"""

import json
import urllib.parse

import boto3
from botocore.exceptions import ClientError

from before import Stop

POLICY = "haumana-moved-back"
# By their keys: what the TypeScript functions call a table if they are told nothing else.
VARIABLES = {("userId", "pieceId"): "PIECES_TABLE", ("pk", "sk"): "SESSIONS_TABLE"}
# What `describe-table` tells of a table and of an index, and `create-table` takes.
INDEX_KEPT = ["IndexName", "KeySchema", "Projection"]


def make_like(pairs, say, is_dry):
    """Makes each new table with the keys and indexes of the old one, and recovery. Those that are
    there must be like it."""
    service = boto3.client("dynamodb")
    for old, new in pairs.items():
        wanted = shape(described(service, old))
        there = described(service, new, may_lack=True)
        if there is not None and shape(there) != wanted:
            raise Stop(f"the table {new} is there, and has other keys or indexes than {old}")
        if there is None:
            indexes = [one["IndexName"] for one in wanted.get("GlobalSecondaryIndexes", [])
                       + wanted.get("LocalSecondaryIndexes", [])]
            say(f"make {new} like {old}, with the indexes {', '.join(indexes) or 'none'}")
            if is_dry:
                continue
            service.create_table(TableName=new, BillingMode="PAY_PER_REQUEST", **wanted)
            service.get_waiter("table_exists").wait(TableName=new)
        if not is_dry:
            service.update_continuous_backups(
                TableName=new, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True})


def described(service, table, may_lack=False):
    """Returns what DynamoDB tells of a table."""
    try:
        return service.describe_table(TableName=table)["Table"]
    except service.exceptions.ResourceNotFoundException as error:
        if may_lack:
            return None
        raise Stop(f"there is no table {table}") from error


def shape(table):
    """Returns keys and indexes, as `create-table` takes them."""
    wanted = {
        "KeySchema": table["KeySchema"],
        "AttributeDefinitions": sorted(table["AttributeDefinitions"],
                                       key=lambda one: one["AttributeName"]),
    }
    for kind in ("GlobalSecondaryIndexes", "LocalSecondaryIndexes"):
        indexes = [{name: one[name] for name in INDEX_KEPT} for one in table.get(kind, [])]
        if indexes:
            wanted[kind] = sorted(indexes, key=lambda one: one["IndexName"])
    return wanted


def use(functions, pairs, say, is_dry):
    """Points every function that uses an old table to the new one. Returns their names."""
    service = boto3.client("dynamodb")
    variables = {}
    for old, new in pairs.items():
        there = described(service, new)
        if shape(described(service, old)) != shape(there):
            raise Stop(f"{new} has other keys or indexes than {old}: `tables` makes it like that")
        variables[old] = VARIABLES.get(tuple(one["AttributeName"] for one in there["KeySchema"]))
    changed = []
    for function in sorted(functions):
        if use_in(function, pairs, variables, say, is_dry):
            changed.append(function.rsplit(":", 1)[-1])
    if not changed:
        raise Stop(f"no function of the API uses {', '.join(pairs)}: are these the old tables?")
    return changed


def use_in(function, pairs, variables, say, is_dry):
    """Points one function; returns whether it uses any of the tables."""
    service = boto3.client("lambda")
    told = service.get_function_configuration(FunctionName=function)
    name, role = told["FunctionName"], told["Role"].rsplit("/", 1)[-1]
    before = told.get("Environment", {}).get("Variables", {})
    permitted = permissions(role)
    used = {old: new for old, new in pairs.items() if names(before, permitted, old, new)}
    if not used:
        return False
    after = {variable: used.get(value, value) for variable, value in before.items()}
    for old, new in used.items():
        # Without a variable the program has the old name compiled in.
        if new not in after.values() and variables[old] is not None:
            after[variables[old]] = new
    copied = [copy for one in permitted for copy in copies(one, used)]
    say(f"let {name} use {', '.join(used.values())}, and permit it to the role {role}")
    if not is_dry:
        permit(role, copied)
        service.update_function_configuration(FunctionName=name, Environment={"Variables": after})
        service.get_waiter("function_updated_v2").wait(FunctionName=name)
    return True


def names(variables, permitted, old, new):
    """Whether a function uses a table: it is told so, or its role names it."""
    return old in variables.values() or new in variables.values() or any(
        is_of(resource, old) for one in permitted for resource in resources(one))


def permissions(role):
    """Returns the statements of a role's own policies, but ours."""
    service, found = boto3.client("iam"), []
    for page in service.get_paginator("list_role_policies").paginate(RoleName=role):
        for name in page["PolicyNames"]:
            if name != POLICY:
                found.append(service.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"])
    for page in service.get_paginator("list_attached_role_policies").paginate(RoleName=role):
        for one in page["AttachedPolicies"]:
            if ":aws:policy/" not in one["PolicyArn"]:
                version = service.get_policy(PolicyArn=one["PolicyArn"])["Policy"]["DefaultVersionId"]
                told = service.get_policy_version(PolicyArn=one["PolicyArn"], VersionId=version)
                found.append(told["PolicyVersion"]["Document"])
    documents = [json.loads(urllib.parse.unquote(one)) if isinstance(one, str) else one
                 for one in found]
    return [one for document in documents for one in listed(document["Statement"])
            if one.get("Effect") == "Allow"]


def copies(statement, used):
    """Returns what a statement permits on old tables, for the new ones."""
    wanted = [resource.replace(f":table/{old}", f":table/{new}", 1)
              for resource in resources(statement)
              for old, new in used.items() if is_of(resource, old)]
    return [{"Effect": "Allow", "Action": statement["Action"], "Resource": wanted}] if wanted else []


def permit(role, statements):
    """Adds a policy of ours to a role. Without statements the role may do it to every table."""
    if statements:
        document = json.dumps({"Version": "2012-10-17", "Statement": statements})
        boto3.client("iam").put_role_policy(
            RoleName=role, PolicyName=POLICY, PolicyDocument=document)


def is_of(resource, table):
    """Whether a resource is a table or its indexes, and no other whose name begins so."""
    return resource.endswith(f":table/{table}") or f":table/{table}/" in resource


def resources(statement):
    """Returns the resources of a statement."""
    return listed(statement.get("Resource", []))


def listed(one):
    """Returns a list of what may stand alone."""
    return one if isinstance(one, list) else [one]


def tables_of(functions):
    """Returns what each function is told that may name a table, to see later whether it changed."""
    service, told = boto3.client("lambda"), {}
    for function in functions:
        try:
            read = service.get_function_configuration(FunctionName=function)
        except ClientError as error:
            # Of another account, perhaps, or gone; then nobody can tell.
            if error.response["Error"]["Code"] not in ("ResourceNotFoundException",
                                                       "AccessDeniedException"):
                raise
            continue
        variables = read.get("Environment", {}).get("Variables", {})
        told[function] = {name: one for name, one in variables.items() if name.endswith("_TABLE")}
    return told
