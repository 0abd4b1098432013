"""The CDK's own command line against the emulator: preparing an account, and a deployment that forgets
what the last one was told."""

import json
import os
import pathlib
import subprocess

from emulator import REGION
from google import CLIENT

CDK = pathlib.Path(__file__).parent.resolve() / "../cdk"
# Of AWS's own command line as much as `lib/guard.ts` asks for: the package registries lack version 2.
AWS = """#!{python}
import json, sys, boto3
words = sys.argv[1:]
assert words[:3] == ["cloudformation", "get-template", "--stack-name"], words
assert words[4:] == ["--query", "TemplateBody.Metadata", "--output", "json"], words
try:
    told = boto3.client("cloudformation").get_template(StackName=words[3])["TemplateBody"]
except Exception as error:
    sys.exit(str(error))
told = told if isinstance(told, dict) else json.loads(told)
print(json.dumps(told.get("Metadata")))
"""
GIVEN = {"googleClientIds": CLIENT, "alertEmail": "kumu@example.org", "prefix": "own",
         "api": "rest"}


def bootstrap(aws):
    """Prepares the account as DEPLOYMENT.md has it: no setting is given, and none is asked for."""
    code, told = cdk(aws, "bootstrap")
    assert code == 0 and "bootstrapped" in told, told
    print("ok: the account is prepared without any setting")


def forgetting(aws, python):
    """A deployment that forgets what the one of `own-sync` was told is refused, by name."""
    folder = aws.log.parent / "bin"
    folder.mkdir()
    (folder / "aws").write_text(AWS.format(python=python))
    (folder / "aws").chmod(0o755)
    path = f"{folder}:{os.environ['PATH']}"
    said = errors(aws, path, GIVEN)
    assert any("accountConcurrency was 10 and is not given" in one for one in said), said

    assert not errors(aws, path, {**GIVEN, "accountConcurrency": "10", "forget": "processor"})
    print("ok: a deployment that forgets what the last one was told is refused")


def errors(aws, path, context):
    """Runs the app with credentials, as `cdk deploy` does first; returns the errors on its stack."""
    folder = aws.log.parent / "forgetting"
    environment = {**os.environ, **aws.environment, "AWS_REGION": REGION, "PATH": path,
                   "CDK_DEFAULT_ACCOUNT": "000000000000", "CDK_OUTDIR": str(folder),
                   "CDK_CONTEXT_JSON": json.dumps(context)}
    subprocess.run(["node", "out/app.js"], cwd=CDK, env=environment, check=True,
                   stdout=subprocess.DEVNULL)
    stack = json.loads((folder / "manifest.json").read_text())["artifacts"]["Haumana"]
    told = stack.get("metadata", {})
    if "additionalMetadataFile" in stack:
        told = json.loads((folder / stack["additionalMetadataFile"]).read_text())
    return [one["data"] for ones in told.values() for one in ones if one["type"] == "aws:cdk:error"]


def cdk(aws, *words):
    """Runs the CDK with credentials; returns its exit code and what it says."""
    environment = {**os.environ, **aws.environment, "AWS_REGION": REGION}
    # What is built is built already.
    command = ["npx", "--no-install", "cdk", "--app", "node out/app.js", *words]
    done = subprocess.run(command, cwd=CDK, text=True, env=environment,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return done.returncode, done.stdout
