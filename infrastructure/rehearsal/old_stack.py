"""The stack that is there before: tables, functions and the API that the app knows."""

import io
import json
import pathlib
import uuid
import zipfile

CODE = pathlib.Path(__file__).parent / "old_functions.py"
OURS = {
    ("POST", "/pieces"): "pieces", ("POST", "/sessions"): "sessions",
    ("POST", "/auth/sync"): "others", ("GET", "/users/{userId}/export"): "others",
}
# What no route of ours names, one of them below a path of ours.
THEIRS = {
    ("GET", "/consent-status"): "others", ("POST", "/webhooks"): "others",
    ("GET", "/users/{userId}"): "others",
}
OPEN = {("POST", "/auth/sync"), *THEIRS}
KEYS = {"pieces": ("userId", "pieceId"), "sessions": ("pk", "sk")}
PROGRAM = "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{}/invocations"


class OldStack:
    """Tables named `<name>-old`, functions named `old-<name>`, and a REST API."""

    def __init__(self, aws):
        self.aws = aws
        self.tables = self.make_tables("old")
        self.functions = self._make_functions()
        self.api = self._make_api()
        self.url = aws.api_url(self.api, "prod")

    def make_tables(self, suffix):
        """Makes two empty tables, as DEPLOYMENT.md has it, and returns their names."""
        service = self.aws.client("dynamodb")
        names = {}
        for kind, keys in KEYS.items():
            names[kind] = f"{kind}-{suffix}"
            service.create_table(
                TableName=names[kind], BillingMode="PAY_PER_REQUEST",
                AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in keys],
                KeySchema=[{"AttributeName": key, "KeyType": kind_of_key}
                           for key, kind_of_key in zip(keys, ("HASH", "RANGE"))],
            )
        return names

    def use(self, tables):
        """Points the functions to other tables."""
        variables = {f"{kind.upper()}_TABLE": name for kind, name in tables.items()}
        for function in ("pieces", "sessions"):
            self.aws.client("lambda").update_function_configuration(
                FunctionName=f"old-{function}", Environment={"Variables": variables})

    def fill(self, user, n_pieces, n_sessions):
        """Puts what a user has had for long."""
        tables = [self.aws.resource("dynamodb").Table(self.tables[kind]) for kind in KEYS]
        at, ids = "2025-06-18T12:00:00Z", [new_id() for _ in range(n_pieces)]
        for number, piece in enumerate(ids):
            tables[0].put_item(Item={
                "userId": user, "pieceId": piece, "title": f"Mele {number}", "category": "mele",
                "lyrics": f"Haʻaheo ka ua i nā pali\nPaukū {number}", "includeInPractice": True,
                "isFavorite": number % 2 == 0, "createdAt": at, "modifiedAt": at,
                "lastSyncedAt": "2025-06-18T12:00:07.000Z", "version": 1 + number,
                "locallyModified": False, "kumu": {"name": "Aunty", "since": 1987},
            })
        for number in range(n_sessions):
            session, start = new_id(), f"2025-07-{1 + number:02}T18:00:00Z"
            tables[1].put_item(Item={
                "pk": f"USER#{user}", "sk": f"SESSION#{start}#{session}", "sessionId": session,
                "userId": user, "pieceId": ids[number % n_pieces], "startedAt": start,
                "createdAt": start, "syncedAt": start,
            })

    def methods(self):
        """Returns every method of the API, as API Gateway tells it."""
        gateway = self.aws.client("apigateway")
        items = gateway.get_resources(restApiId=self.api, embed=["methods"], limit=500)["items"]
        authorizers = gateway.get_authorizers(restApiId=self.api)["items"]
        return {one["path"]: one.get("resourceMethods", {}) for one in items}, authorizers

    def _make_functions(self):
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.write(CODE, CODE.name)
        role = self._role()
        service, made = self.aws.client("lambda"), {}
        for name in ("pieces", "sessions", "others", "authorizer"):
            made[name] = service.create_function(
                FunctionName=f"old-{name}", Runtime="python3.12", Timeout=28, Role=role,
                Handler=f"{CODE.stem}.{name}", Code={"ZipFile": packed.getvalue()},
            )["FunctionArn"]
            service.add_permission(
                FunctionName=f"old-{name}", StatementId="api", Action="lambda:InvokeFunction",
                Principal="apigateway.amazonaws.com")
        self.use(self.tables)
        return made

    def _role(self):
        def allow(what, **more):
            return json.dumps({"Version": "2012-10-17",
                               "Statement": [{"Effect": "Allow", "Action": what, **more}]})
        service = self.aws.client("iam")
        trust = allow("sts:AssumeRole", Principal={"Service": "lambda.amazonaws.com"})
        role = service.create_role(RoleName="old", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
        service.put_role_policy(RoleName="old", PolicyName="tables", PolicyDocument=allow(
            ["dynamodb:Query", "dynamodb:PutItem"], Resource="*"))
        return role

    def _make_api(self):
        gateway = self.aws.client("apigateway")
        api = gateway.create_rest_api(name="haumana-api")["id"]
        authorizer = gateway.create_authorizer(
            restApiId=api, name="old-authorizer", type="TOKEN",
            authorizerUri=PROGRAM.format(self.functions["authorizer"]),
            identitySource="method.request.header.Authorization",
        )["id"]
        for (verb, path), function in {**OURS, **THEIRS}.items():
            key = {"restApiId": api, "resourceId": resource(gateway, api, path), "httpMethod": verb}
            door = {"authorizationType": "CUSTOM", "authorizerId": authorizer}
            if (verb, path) in OPEN:
                door = {"authorizationType": "NONE"}
            gateway.put_method(**key, **door)
            gateway.put_integration(**key, type="AWS_PROXY", integrationHttpMethod="POST",
                                    uri=PROGRAM.format(self.functions[function]))
        gateway.create_deployment(restApiId=api, stageName="prod")
        return api


def resource(gateway, api, path):
    """Returns the id of a resource, and makes it."""
    at, parent = "", None
    for part in ["", *path.strip("/").split("/")]:
        known = {one["path"]: one["id"] for one in gateway.get_resources(restApiId=api)["items"]}
        at = f"{at.rstrip('/')}/{part}"
        if at not in known:
            known[at] = gateway.create_resource(restApiId=api, parentId=parent, pathPart=part)["id"]
        parent = known[at]
    return parent


def new_id():
    """Returns an id as the app makes it."""
    return str(uuid.uuid4()).upper()
