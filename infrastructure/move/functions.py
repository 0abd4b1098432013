"""The functions of the stack: which answers what, whether the API may call it, and how it is set."""

import fnmatch
import json

import boto3
from botocore.exceptions import ClientError

from before import Stop
from gateway import name_of

AUTHORIZER = "google-token-authorizer"


def stack_functions(routes, stack):
    """Returns the ARN of each binary's function, from the outputs of the stack."""
    try:
        stacks = boto3.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
    except ClientError as error:
        if "does not exist" in str(error):
            raise Stop(f"there is no stack {stack} in this account and region") from error
        raise
    outputs = {one["OutputKey"]: one["OutputValue"] for one in stacks[0].get("Outputs", [])}
    names = {route["function"] for route in routes} | {AUTHORIZER}
    keys = {name: "".join(map(str.capitalize, name.split("-"))) for name in names}
    missing = sorted(set(keys.values()) - set(outputs))
    if missing:
        raise Stop(f"the stack {stack} has no output {missing[0]}: is it haumana-sync's?")
    return {name: outputs[key] for name, key in sorted(keys.items())}


def not_permitted(api, stage, routes, functions):
    """Returns the calls for which the API may not call the function: callers would get 500."""
    service, found = boto3.client("lambda"), []
    policies = {function: statements(service, function) for function in functions.values()}
    calls = [(route["function"], f"{stage}/{route['method']}{route['path']}") for route in routes]
    for binary, call in [*calls, (AUTHORIZER, "authorizers/any")]:
        function = functions[binary]
        region, account = function.split(":")[3:5]
        arn = f"arn:aws:execute-api:{region}:{account}:{api}/{call}"
        if not any(allows(one, arn) for one in policies[function]):
            found.append((name_of(function), call))
    return found


def statements(service, function):
    """Returns the statements of a function's policy; none if it has no policy."""
    try:
        return json.loads(service.get_policy(FunctionName=function)["Policy"])["Statement"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
        return []


def allows(statement, arn):
    """Whether a statement lets API Gateway call the function for the call that `arn` names."""
    principal = statement.get("Principal", {})
    service = principal if isinstance(principal, str) else principal.get("Service")
    conditions = statement.get("Condition", {})
    patterns = [pattern for condition in conditions.values()
                for key, pattern in condition.items() if key.lower() == "aws:sourcearn"]
    return (statement.get("Effect") == "Allow" and service == "apigateway.amazonaws.com"
            and all(matches(pattern, arn) for pattern in patterns))


def matches(pattern, arn):
    """Whether a pattern of IAM meets an ARN. What stands between braces meets a star only."""
    patterns = [pattern] if isinstance(pattern, str) else pattern
    # In a pattern of IAM brackets mean nothing; in one of `fnmatch` they would.
    return any(fnmatch.fnmatchcase(arn, one.replace("[", "[[]")) for one in patterns)


def settings(functions):
    """Returns the environment of each function."""
    service = boto3.client("lambda")
    read = {}
    for binary, function in functions.items():
        told = service.get_function_configuration(FunctionName=function)
        read[binary] = told.get("Environment", {}).get("Variables", {})
    return read
