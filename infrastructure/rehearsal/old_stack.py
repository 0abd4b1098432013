"""The stack that is there before: tables, functions and the API that the app knows."""

import io
import json
import pathlib
import uuid
import zipfile

CODE = pathlib.Path(__file__).parent / "old_functions.py"
OURS = {
    ("POST", "/pieces"): "pieces", ("POST", "/sessions"): "sessions",
    ("POST", "/auth/sync"): "sign_in", ("GET", "/users/{userId}/export"): "export",
}
# What no route of ours names, one of them below a path of ours.
THEIRS = {
    ("GET", "/consent-status"): "others", ("POST", "/webhooks"): "others",
    ("GET", "/users/{userId}"): "others",
}
OPEN = {("POST", "/auth/sync"), *THEIRS}
KEYS = {"pieces": ("userId", "pieceId"), "sessions": ("pk", "sk")}
# Each table has a global index.
INDEXES = {
    "pieces": ("userId-modifiedAt-index", "userId", "modifiedAt"),
    "sessions": ("pieceId-startedAt-index", "pieceId", "startedAt"),
}
# What each function may do, by the tables that it uses, and which variables it is told.
READING = ["BatchGetItem", "GetItem", "Query", "Scan", "ConditionCheckItem", "DescribeTable"]
WRITING = [*READING, "BatchWriteItem", "PutItem", "UpdateItem", "DeleteItem"]
FUNCTIONS = {
    "pieces": ({"pieces": WRITING}, ["pieces"]), "sessions": ({"sessions": WRITING}, ["sessions"]),
    # It has the names of its tables compiled in.
    "export": ({"pieces": READING, "sessions": READING}, []),
    "sign_in": ({}, []), "others": ({}, []), "authorizer": ({}, []),
}
PROGRAM = "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{}/invocations"


class OldStack:
    """Tables named `<name>-old`, functions named `old-<name>` with a role each, and a REST API."""

    def __init__(self, aws):
        self.aws = aws
        self.tables = self._make_tables("old")
        self.functions = self._make_functions()
        self.api = self._make_api()
        self.url = aws.api_url(self.api, "prod")

    def _make_tables(self, suffix):
        service, names = self.aws.client("dynamodb"), {}
        for kind, keys in KEYS.items():
            names[kind] = f"{kind}-{suffix}"
            index, *index_keys = INDEXES[kind]
            service.create_table(
                TableName=names[kind], BillingMode="PAY_PER_REQUEST", KeySchema=schema(keys),
                AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"}
                                      for key in dict.fromkeys([*keys, *index_keys])],
                GlobalSecondaryIndexes=[{"IndexName": index, "KeySchema": schema(index_keys),
                                         "Projection": {"ProjectionType": "ALL"}}],
            )
        return names

    def new_tables(self, suffix):
        """Returns how the tables of the way back are called, by kind."""
        return {kind: f"{kind}-{suffix}" for kind in KEYS}

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
        service, made = self.aws.client("lambda"), {}
        for name, (tables, told) in FUNCTIONS.items():
            variables = {f"{kind.upper()}_TABLE": self.tables[kind] for kind in told}
            made[name] = service.create_function(
                FunctionName=f"old-{name}", Runtime="python3.12", Timeout=28,
                Role=self._role(name, tables), Handler=f"{CODE.stem}.{name}",
                Code={"ZipFile": packed.getvalue()}, Environment={"Variables": variables},
            )["FunctionArn"]
            service.add_permission(
                FunctionName=f"old-{name}", StatementId="api", Action="lambda:InvokeFunction",
                Principal="apigateway.amazonaws.com")
        return made

    def _role(self, function, tables):
        """Makes a role of the function's own, as the old CDK app does."""
        service = self.aws.client("iam")
        trust = {"Effect": "Allow", "Action": "sts:AssumeRole",
                 "Principal": {"Service": "lambda.amazonaws.com"}}
        name = f"HaumanaStack-{function}ServiceRole"
        role = service.create_role(RoleName=name, AssumeRolePolicyDocument=document([trust]))
        statements = []
        for kind, actions in tables.items():
            arn = f"arn:aws:dynamodb:us-east-1:000000000000:table/{self.tables[kind]}"
            statements.append({"Effect": "Allow", "Resource": [arn, f"{arn}/index/*"],
                               "Action": [f"dynamodb:{action}" for action in actions]})
        if statements:
            service.put_role_policy(RoleName=name, PolicyName=f"{function}DefaultPolicy",
                                    PolicyDocument=document(statements))
        return role["Role"]["Arn"]

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
        self._answer_preflights(gateway, api)
        gateway.create_deployment(restApiId=api, stageName="prod")
        return api

    def _answer_preflights(self, gateway, api):
        """Adds a method to each path that API Gateway answers by itself."""
        answer = {"application/json": '{"statusCode": 204}'}
        for one in gateway.get_resources(restApiId=api, limit=500)["items"]:
            key = {"restApiId": api, "resourceId": one["id"], "httpMethod": "OPTIONS"}
            gateway.put_method(**key, authorizationType="NONE")
            gateway.put_integration(**key, type="MOCK", requestTemplates=answer)


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


def schema(keys):
    """Returns the keys of a table or an index, as DynamoDB takes them."""
    return [{"AttributeName": key, "KeyType": kind} for key, kind in zip(keys, ("HASH", "RANGE"))]


def document(statements):
    """Returns a policy."""
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def new_id():
    """Returns an id as the app makes it."""
    return str(uuid.uuid4()).upper()
