"""AWS on this machine: MiniStack, started for one rehearsal, and the stack deployed to it."""

import contextlib
import io
import json
import os
import pathlib
import socket
import subprocess
import sys
import time
import urllib.request
import zipfile

import boto3

SERVER = pathlib.Path(__file__).parent.resolve() / "deployments.py"
ACCOUNT, REGION = "000000000000", "us-east-1"
# What `cdk bootstrap` would have made.
BUCKET = f"cdk-hnb659fds-assets-{ACCOUNT}-{REGION}"
VERSION = "/cdk-bootstrap/hnb659fds/version"
# How long a busy machine may take.
PATIENCE_SECS = 180
# What MiniStack's CloudFormation does not make: it knows no budgets and no association of a
# firewall, and no alarm that computes, which the dashboard shows. All else is made.
UNKNOWN = {
    "AWS::Budgets::Budget", "AWS::CloudWatch::Alarm", "AWS::CloudWatch::Dashboard",
    "AWS::WAFv2::WebACLAssociation",
}


class Emulator:
    """A running MiniStack."""

    def __init__(self, port, log):
        self.url, self.log = f"http://127.0.0.1:{port}", log
        self.environment = {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": REGION,
        }

    def client(self, service):
        """Returns a client of a service."""
        return boto3.client(service, **self._settings())

    def resource(self, service):
        """Returns a resource of a service: as a client, with plain values."""
        return boto3.resource(service, **self._settings())

    def _settings(self):
        return {"endpoint_url": self.url, "region_name": REGION, "aws_access_key_id": "test",
                "aws_secret_access_key": "test"}

    def deploy(self, assembly, stack):
        """Deploys what `cdk synth` has left in the folder `assembly`, and returns its outputs."""
        self._publish(assembly)
        template = json.loads((assembly / "Haumana.template.json").read_text())
        resources = template["Resources"].items()
        template["Resources"] = {
            name: one for name, one in resources if one["Type"] not in UNKNOWN
        }
        # A template of this size is read from the bucket, as `cdk deploy` has it.
        body = json.dumps(template).encode()
        self.client("s3").put_object(Bucket=BUCKET, Key=f"{stack}.json", Body=body)
        formation = self.client("cloudformation")
        formation.create_stack(
            StackName=stack, TemplateURL=f"{self.url}/{BUCKET}/{stack}.json",
            Capabilities=["CAPABILITY_IAM"],
        )
        until = time.monotonic() + PATIENCE_SECS
        while True:
            told = formation.describe_stacks(StackName=stack)["Stacks"][0]
            if not told["StackStatus"].endswith("IN_PROGRESS") or until < time.monotonic():
                break
            time.sleep(0.1)
        if told["StackStatus"] != "CREATE_COMPLETE":
            raise AssertionError(f"{told['StackStatus']}: {told.get('StackStatusReason')}")
        self._let_expire(template)
        return {one["OutputKey"]: one["OutputValue"] for one in told["Outputs"]}

    def _let_expire(self, template):
        """Turns on time to live, which MiniStack leaves out and haumana-import insists on."""
        for one in template["Resources"].values():
            wanted = one.get("Properties", {}).get("TimeToLiveSpecification")
            if one["Type"] == "AWS::DynamoDB::Table" and wanted is not None:
                self.client("dynamodb").update_time_to_live(
                    TableName=one["Properties"]["TableName"], TimeToLiveSpecification=wanted)

    def api_url(self, api, stage=None):
        """Returns where an API answers. The stage of an HTTP API is not in its address."""
        url = f"{self.url}/_aws/execute-api/{api}"
        return url if stage is None else f"{url}/{stage}"

    def _publish(self, assembly):
        """Uploads the functions' code, as `cdk deploy` would before the stack."""
        storage = self.client("s3")
        storage.create_bucket(Bucket=BUCKET)
        self.client("ssm").put_parameter(Name=VERSION, Value="30", Type="String", Overwrite=True)
        assets = json.loads((assembly / "Haumana.assets.json").read_text())["files"]
        for asset in assets.values():
            if asset["source"]["packaging"] != "zip":
                continue
            [destination] = asset["destinations"].values()
            body = zipped(assembly / asset["source"]["path"])
            storage.put_object(Bucket=BUCKET, Key=destination["objectKey"], Body=body)


@contextlib.contextmanager
def emulator(folder, **variables):
    """Runs MiniStack. Its functions inherit `variables`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    running = Emulator(port, folder / "emulator.log")
    environment = {
        **os.environ, **running.environment, **variables, "GATEWAY_PORT": str(port),
        # Functions get sessions of their roles, and nothing that these do not allow.
        "AUTH": "true", "BIND_HOST": "127.0.0.1", "TMPDIR": str(folder), "IOT_MTLS_ENABLED": "0",
    }
    with open(running.log, "w", encoding="utf8") as log:
        process = subprocess.Popen(
            [sys.executable, str(SERVER)], env=environment, stdout=log, stderr=log, cwd=folder
        )
        try:
            wait_for(f"{running.url}/_ministack/health")
            yield running
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:  # Somebody is calling still.
                process.kill()
                process.wait()


def wait_for(url):
    """Waits until something answers."""
    until = time.monotonic() + PATIENCE_SECS
    while time.monotonic() < until:
        with contextlib.suppress(OSError):
            urllib.request.urlopen(url, timeout=10).close()
            return
        time.sleep(0.1)
    raise AssertionError(f"nothing answers at {url}")


def zipped(folder):
    """Packs a folder, with who may execute what."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(pathlib.Path(folder).rglob("*")):
            if file.is_file():
                entry = zipfile.ZipInfo(str(file.relative_to(folder)))
                entry.external_attr = file.stat().st_mode << 16
                archive.writestr(entry, file.read_bytes(), zipfile.ZIP_DEFLATED)
    return packed.getvalue()
