"""One REST API of API Gateway: its methods, where they go, and how to change that."""

import json
import re

# What `get-method` tells of an integration, by the names that `put-integration` takes.
KEPT = {
    "type": "type",
    "httpMethod": "integrationHttpMethod",
    "uri": "uri",
    "connectionType": "connectionType",
    "connectionId": "connectionId",
    "credentials": "credentials",
    "requestParameters": "requestParameters",
    "requestTemplates": "requestTemplates",
    "passthroughBehavior": "passthroughBehavior",
    "cacheNamespace": "cacheNamespace",
    "cacheKeyParameters": "cacheKeyParameters",
    "contentHandling": "contentHandling",
    "timeoutInMillis": "timeoutInMillis",
    "tlsConfig": "tlsConfig",
}
METHOD_KEPT = [
    "authorizationType", "authorizerId", "apiKeyRequired", "operationName", "requestParameters",
    "requestModels", "requestValidatorId", "authorizationScopes",
]
ANSWER_KEPT = ["selectionPattern", "responseParameters", "responseTemplates", "contentHandling"]
RETRY_AFTER = "method.response.header.Retry-After"
FROZEN_BODY = json.dumps({"error": "try again later", "code": "unavailable"})


class Method:
    """One method of the API, as `get-resources` tells it."""

    def __init__(self, path, resource, verb, told):
        self.path, self.resource, self.verb, self.told = path, resource, verb, told
        self.name = f"{verb} {path}"
        self.key = {"resourceId": resource, "httpMethod": verb}

    def target(self):
        """Returns where it goes, for people."""
        integration = self.told.get("methodIntegration", {})
        function = re.search(r"function:([^/]+)/invocations", integration.get("uri", ""))
        target = function.group(1) if function else integration.get("uri", integration.get("type", "-"))
        return f"{target} ({self.told.get('authorizationType', 'NONE')})"


class Gateway:
    """The API. In a dry run it only reads, and says what it would do."""

    def __init__(self, client, api, stage, is_dry):
        self.client, self.api, self.stage, self.is_dry = client, api, stage, is_dry

    def methods(self):
        """Returns every method."""
        return [
            Method(resource["path"], resource["id"], verb, told)
            for resource in self._resources()
            for verb, told in sorted(resource.get("resourceMethods", {}).items())
        ]

    def find(self, verb, path):
        """Returns a method, or None. What stands between braces may have another name there."""
        for method in self.methods():
            if method.verb == verb and same(method.path, path):
                return method
        return None

    def find_or_add(self, verb, path):
        """Returns a method, and makes it and what its path needs if they are not there."""
        found = self.find(verb, path)
        if found is not None:
            return found
        resource = self._resource(path)
        self._do("put_method", f"add {verb} {path}", resourceId=resource, httpMethod=verb,
                 authorizationType="NONE")
        return Method(path, resource, verb, {"authorizationType": "NONE"})

    def send(self, method, function, authorizer):
        """Sends a method to a function, behind an authorizer or none."""
        region = function.split(":")[3]
        uri = f"arn:aws:apigateway:{region}:lambda:path/2015-03-31/functions/{function}/invocations"
        name = function.rsplit(":", 1)[1]
        self._do("put_integration", f"send {method.name} to {name}", **method.key,
                 type="AWS_PROXY", integrationHttpMethod="POST", uri=uri)
        self._authorize(method, "CUSTOM" if authorizer else "NONE", authorizer)

    def freeze(self, method):
        """Lets a method answer 503, whoever asks."""
        self._do("put_integration", f"let {method.name} answer 503", **method.key, type="MOCK",
                 requestTemplates={"application/json": '{"statusCode": 503}'})
        if "503" not in method.told.get("methodResponses", {}):
            self._do("put_method_response", None, **method.key, statusCode="503",
                     responseParameters={RETRY_AFTER: False})
        self._do("put_integration_response", None, **method.key, statusCode="503",
                 responseParameters={RETRY_AFTER: "'60'"},
                 responseTemplates={"application/json": FROZEN_BODY})

    def authorizer(self, function, form, verdict_secs):
        """Returns the id of our TOKEN authorizer on this API, and makes it if it is not there."""
        name = function.rsplit(":", 1)[1]
        for one in self.client.get_authorizers(restApiId=self.api, limit=500)["items"]:
            if one["name"] == name:
                return one["id"]
        region = function.split(":")[3]
        uri = f"arn:aws:apigateway:{region}:lambda:path/2015-03-31/functions/{function}/invocations"
        made = self._do("create_authorizer", f"add the authorizer {name}", name=name, type="TOKEN",
                        authorizerUri=uri, identitySource="method.request.header.Authorization",
                        identityValidationExpression=form, authorizerResultTtlInSeconds=verdict_secs)
        return made.get("id", "dry-run")

    def snapshot(self):
        """Returns everything that `restore` needs."""
        return {
            "resources": [resource["id"] for resource in self._resources()],
            "methods": [[one.path, one.resource, one.verb, one.told] for one in self.methods()],
            "authorizers": [
                one["id"] for one in self.client.get_authorizers(restApiId=self.api, limit=500)["items"]
            ],
        }

    def restore(self, before):
        """Puts back what a snapshot has, and deletes what it has not."""
        # A method that changed is made anew: an authorizer cannot be taken off one. Callers see
        # none of this before the next deployment.
        wanted = {(one[1], one[2]): Method(*one) for one in before["methods"]}
        for method in self.methods():
            one = wanted.get((method.resource, method.verb))
            if one is not None and one.told == method.told:
                del wanted[method.resource, method.verb]
            else:
                self._do("delete_method", None if one else f"remove {method.name}", **method.key)
        for method in wanted.values():
            self._make(method)
        # The longest path first: a resource goes only after those below it.
        for resource in sorted(self._resources(), key=lambda one: -len(one["path"])):
            if resource["id"] not in before["resources"]:
                self._do("delete_resource", f"remove {resource['path']}", resourceId=resource["id"])
        for one in self.client.get_authorizers(restApiId=self.api, limit=500)["items"]:
            if one["id"] not in before["authorizers"]:
                self._do("delete_authorizer", f"remove the authorizer {one['name']}",
                         authorizerId=one["id"])

    def deploy(self, why):
        """Makes the changes visible to the stage's callers."""
        self._do("create_deployment", f"deploy to {self.stage}: {why}", stageName=self.stage,
                 description=why)

    def say(self, what):
        """Tells what is done, or would be."""
        print(f"{'would ' if self.is_dry else ''}{what}")

    def _make(self, method):
        told, key = method.told, method.key
        self._do("put_method", f"put back {method.name}", **key, **picked(told, METHOD_KEPT))
        for status, answer in told.get("methodResponses", {}).items():
            kept = picked(answer, ["responseParameters", "responseModels"])
            self._do("put_method_response", None, **key, statusCode=status, **kept)
        integration = told.get("methodIntegration")
        if integration is None:
            return
        wanted = {name: integration[one] for one, name in KEPT.items() if integration.get(one)}
        self._do("put_integration", None, **key, **wanted)
        for status, answer in integration.get("integrationResponses", {}).items():
            kept = picked(answer, ANSWER_KEPT)
            self._do("put_integration_response", None, **key, statusCode=status, **kept)

    def _authorize(self, method, kind, authorizer):
        changes = {"/authorizationType": kind}
        if authorizer:
            changes["/authorizerId"] = authorizer
        patches = [{"op": "replace", "path": path, "value": value} for path, value in changes.items()]
        self._do("update_method", None, **method.key, patchOperations=patches)

    def _resource(self, path):
        """Returns the id of the resource at `path`, and makes what is missing of it."""
        resources = self._resources()
        parent = next(one["id"] for one in resources if one["path"] == "/")
        at = ""
        for part in path.strip("/").split("/"):
            at = f"{at}/{part}"
            found = next((one["id"] for one in resources if same(one["path"], at)), None)
            if found is None:
                made = self._do("create_resource", f"add {at}", parentId=parent, pathPart=part)
                found = made.get("id", "dry-run")
            parent = found
        return parent

    def _resources(self):
        pages = self.client.get_paginator("get_resources")
        pages = pages.paginate(restApiId=self.api, embed=["methods"])
        return [resource for page in pages for resource in page["items"]]

    def _do(self, operation, what, **arguments):
        """Changes something, unless this is a dry run. Without `what` it is part of the step before."""
        if what is not None:
            self.say(what)
        if self.is_dry:
            return {}
        return getattr(self.client, operation)(restApiId=self.api, **arguments)


def picked(told, names):
    """Returns those of `names` that are there."""
    return {name: told[name] for name in names if told.get(name) is not None}


def same(one, other):
    """Whether two paths are the same, whatever the names between braces."""
    return re.sub(r"\{[^}]*\}", "{}", one) == re.sub(r"\{[^}]*\}", "{}", other)
