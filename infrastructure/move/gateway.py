"""One REST API of API Gateway: its methods, where they go, and how to change that.

Nothing that is changed here is seen by callers before `deploy`.
"""

import json
import re

# What `get-resources` tells of an integration, by the names that `put-integration` takes.
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
FROZEN_REQUEST = {"application/json": '{"statusCode": 503}'}
FROZEN_BODY = json.dumps({"error": "try again later", "code": "unavailable"})
# After these the API has other resources or methods than before.
RESHAPING = {"create_resource", "delete_resource", "put_method", "delete_method"}


class Method:
    """One method of the API, as `get-resources` tells it."""

    def __init__(self, path, resource, verb, told):
        self.path, self.resource, self.verb, self.told = path, resource, verb, told
        self.name = f"{verb} {path}"
        self.key = {"resourceId": resource, "httpMethod": verb}

    @property
    def integration(self):
        """Returns the integration; it may have none."""
        return self.told.get("methodIntegration", {})

    def target(self):
        """Returns where it goes, for people."""
        if self.is_frozen():
            return "frozen: answers 503"
        uri = self.integration.get("uri", "")
        function = re.search(r"function:([^/:]+)(?::[^/]+)?/invocations", uri)
        target = function.group(1) if function else uri or self.integration.get("type", "-")
        return f"{target} ({self.told.get('authorizationType', 'NONE')})"

    def function(self):
        """Returns the ARN of the function that it calls, or None."""
        found = re.search(r"functions/(arn:[^/]+)/invocations", self.integration.get("uri") or "")
        return found.group(1) if found else None

    def is_frozen(self):
        """Whether `Gateway.freeze` was here."""
        told = self.integration
        return told.get("type") == "MOCK" and told.get("requestTemplates") == FROZEN_REQUEST

    def goes_where(self, other):
        """Whether it goes where `other` goes, an earlier description of it."""
        return all(self.integration.get(key) == other.integration.get(key) for key in ("type", "uri"))


class Gateway:
    """The API. In a dry run it only reads, and says what it would do."""

    def __init__(self, client, api, stage, is_dry):
        self.client, self.api, self.stage, self.is_dry = client, api, stage, is_dry
        self.n_changes, self.is_deployed, self._read = 0, False, None

    def methods(self):
        """Returns every method."""
        return [
            Method(resource["path"], resource["id"], verb, told)
            for resource in self.resources()
            for verb, told in sorted(resource.get("resourceMethods", {}).items())
        ]

    def resources(self):
        """Returns every resource, with its methods."""
        if self._read is None:
            pages = self.client.get_paginator("get_resources")
            pages = pages.paginate(restApiId=self.api, embed=["methods"])
            self._read = [resource for page in pages for resource in page["items"]]
        return self._read

    def authorizers(self):
        """Returns every authorizer."""
        return self.client.get_authorizers(restApiId=self.api, limit=500)["items"]

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
        resource = self.resource(path)
        self._do("put_method", f"add {verb} {path}", resourceId=resource, httpMethod=verb,
                 authorizationType="NONE")
        return Method(path, resource, verb, {"authorizationType": "NONE"})

    def send(self, method, function, authorizer):
        """Sends a method to a function, behind an authorizer or none."""
        name = name_of(function)
        self._do("put_integration", f"send {method.name} to {name}", **method.key,
                 type="AWS_PROXY", integrationHttpMethod="POST", uri=uri_of(function))
        changes = {"/authorizationType": "CUSTOM" if authorizer else "NONE"}
        if authorizer:
            changes["/authorizerId"] = authorizer
        patches = [{"op": "replace", "path": path, "value": value} for path, value in changes.items()]
        self._do("update_method", None, **method.key, patchOperations=patches)

    def freeze(self, method):
        """Lets a method answer 503, whoever asks."""
        # Converted, or an API that takes every body as binary could not apply the template.
        self._do("put_integration", f"let {method.name} answer 503", **method.key, type="MOCK",
                 requestTemplates=FROZEN_REQUEST, contentHandling="CONVERT_TO_TEXT")
        if "503" not in method.told.get("methodResponses", {}):
            self._do("put_method_response", None, **method.key, statusCode="503",
                     responseParameters={RETRY_AFTER: False})
        self._do("put_integration_response", None, **method.key, statusCode="503",
                 responseParameters={RETRY_AFTER: "'60'"},
                 responseTemplates={"application/json": FROZEN_BODY})

    def authorizer(self, function, form, verdict_secs):
        """Returns the id of our TOKEN authorizer on this API, and makes it if it is not there."""
        for one in self.authorizers():
            if one.get("authorizerUri") == uri_of(function):
                return one["id"]
        name = name_of(function)
        made = self._do("create_authorizer", f"add the authorizer {name}", name=name, type="TOKEN",
                        authorizerUri=uri_of(function),
                        identitySource="method.request.header.Authorization",
                        identityValidationExpression=form, authorizerResultTtlInSeconds=verdict_secs)
        return made.get("id", "dry-run")

    def resource(self, path):
        """Returns the id of the resource at `path`, and makes what is missing of it."""
        parent = next(one["id"] for one in self.resources() if one["path"] == "/")
        at = ""
        for part in path.strip("/").split("/"):
            at = f"{at}/{part}"
            found = next((one["id"] for one in self.resources() if same(one["path"], at)), None)
            if found is None:
                made = self._do("create_resource", f"add {at}", parentId=parent, pathPart=part)
                found = made.get("id", "dry-run")
                if self.is_dry:
                    self._read = [*self.resources(), {"id": found, "path": at}]
            parent = found
        return parent

    def make(self, method):
        """Makes a method as it was described."""
        told, key = method.told, method.key
        self._do("put_method", f"put back {method.name}", **key, **picked(told, METHOD_KEPT))
        for status, answer in told.get("methodResponses", {}).items():
            kept = picked(answer, ["responseParameters", "responseModels"])
            self._do("put_method_response", None, **key, statusCode=status, **kept)
        if "methodIntegration" not in told:
            return
        integration = method.integration
        wanted = {name: integration[one] for one, name in KEPT.items() if integration.get(one)}
        self._do("put_integration", None, **key, **wanted)
        for status, answer in integration.get("integrationResponses", {}).items():
            kept = picked(answer, ANSWER_KEPT)
            self._do("put_integration_response", None, **key, statusCode=status, **kept)

    def remove_method(self, method, what):
        """Removes a method."""
        self._do("delete_method", what, **method.key)

    def remove_resource(self, resource):
        """Removes a resource."""
        self._do("delete_resource", f"remove {resource['path']}", resourceId=resource["id"])

    def remove_authorizer(self, authorizer):
        """Removes an authorizer."""
        self._do("delete_authorizer", f"remove the authorizer {authorizer['name']}",
                 authorizerId=authorizer["id"])

    def deploy(self, why):
        """Makes the changes visible to the stage's callers, all at once."""
        self._do("create_deployment", f"deploy to {self.stage}: {why}", stageName=self.stage,
                 description=why)
        self.is_deployed = not self.is_dry
        # Whoever looks at the API after this sees what there is now, and not what was changed.
        self._read = None

    def say(self, what):
        """Tells what is done, or would be."""
        print(f"{'would ' if self.is_dry else ''}{what}")

    def _do(self, operation, what, **arguments):
        """Changes something, unless this is a dry run. Without `what` it is part of the step before."""
        if what is not None:
            self.say(what)
        if self.is_dry:
            return {}
        done = getattr(self.client, operation)(restApiId=self.api, **arguments)
        self.n_changes += 1
        if operation in RESHAPING:
            self._read = None
        return done


def name_of(function):
    """Returns the name of a function, from its ARN or from that of a version of it."""
    return function.split(":")[6]


def uri_of(function):
    """Returns how API Gateway names a function that it calls."""
    region = function.split(":")[3]
    return f"arn:aws:apigateway:{region}:lambda:path/2015-03-31/functions/{function}/invocations"


def picked(told, names):
    """Returns those of `names` that are there."""
    return {name: told[name] for name in names if told.get(name) is not None}


def same(one, other):
    """Whether two paths are the same, whatever the names between braces."""
    return re.sub(r"\{[^}]*\}", "{}", one) == re.sub(r"\{[^}]*\}", "{}", other)
