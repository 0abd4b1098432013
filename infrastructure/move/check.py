"""Looks whether an API is moved over: every route, its door, its permission, and what callers see."""

import json

from before import Stop
from functions import AUTHORIZER, not_permitted, settings
from gateway import name_of, same, uri_of

# What `moved` looks at of the authorizer, by the names of API Gateway.
DOOR = {"type": "TOKEN", "identitySource": "method.request.header.Authorization"}


def moved(gateway, routes, functions, door):
    """Returns what is not as it must be after `point`, one text for each thing. `door` is the form
    of a token and how long a verdict is kept."""
    found = [*of_authorizer(gateway, functions, door)]
    for route in routes:
        found += of_route(gateway, route, functions)
    found += of_others(gateway, routes, functions)
    for function, call in not_permitted(gateway.api, gateway.stage, routes, functions):
        found.append(f"{function} does not let the API {gateway.api} call it for {call}")
    found += of_settings(functions)
    return found or [*of_deployment(gateway, routes, functions)]


def of_route(gateway, route, functions):
    """Looks at one route."""
    name = f"{route['method']} {route['path']}"
    method = gateway.find(route["method"], route["path"])
    if method is None:
        return [f"{name} is not there"]
    told, integration = method.told, method.integration
    ours = our_authorizer(gateway, functions)
    door = (told.get("authorizationType"), told.get("authorizerId"))
    wanted = ("CUSTOM", ours and ours["id"]) if route["token"] else ("NONE", None)
    checks = [
        (not method.is_frozen(), "is frozen"),
        (integration.get("uri") == uri_of(functions[route["function"]]),
         f"goes to {method.target()} and not to {name_of(functions[route['function']])}"),
        (integration.get("type") == "AWS_PROXY", "is no proxy integration"),
        (integration.get("httpMethod") == "POST", "does not call the function by POST"),
        (door[0] == wanted[0] and (not route["token"] or door == wanted),
         "asks for a token at another door" if route["token"] else "asks for a token"),
        (not told.get("apiKeyRequired"), "asks for an API key"),
    ]
    return [f"{name} {what}" for is_well, what in checks if not is_well]


def of_authorizer(gateway, functions, door):
    """Looks at the authorizer."""
    form, verdict_secs = door
    told = our_authorizer(gateway, functions)
    if told is None:
        return ["the API has no authorizer of ours"]
    wanted = {**DOOR, "identityValidationExpression": form,
              "authorizerResultTtlInSeconds": verdict_secs}
    return [f"the authorizer's {name} is {told.get(name)} and not {value}"
            for name, value in wanted.items() if told.get(name) != value]


def our_authorizer(gateway, functions):
    """Returns our authorizer of the API, or None."""
    ours = uri_of(functions[AUTHORIZER])
    return next((one for one in gateway.authorizers() if one.get("authorizerUri") == ours), None)


def of_others(gateway, routes, functions):
    """Calls that are not ours must not come to us: they are answered 404."""
    ours = {uri_of(function) for function in functions.values()}
    return [
        f"{method.name} is no call of ours and goes to {method.target()}"
        for method in gateway.methods()
        if method.integration.get("uri") in ours
        and not any(method.verb == route["method"] and same(method.path, route["path"])
                    for route in routes)
    ]


def of_settings(functions):
    """What every function must be told alike, and what an adopted API cannot pass on."""
    told, found = settings(functions), []
    for name in ("HAUMANA_GENERATION", "HAUMANA_TABLE_PREFIX"):
        values = sorted({one[name] for one in told.values() if name in one})
        if len(values) != 1:
            found.append(f"the functions do not agree on {name}: {', '.join(values)}")
    found += [f"{binary} sends base64, which this API does not decode: deploy with -c existingApiId"
              for binary, one in told.items() if one.get("HAUMANA_BINARY_REPLIES") == "true"]
    return found


def of_deployment(gateway, routes, functions):
    """What callers see is what was deployed last to the stage."""
    seen = deployed(gateway)
    for route in routes:
        uri = next((uri for (verb, path), uri in seen.items()
                    if verb == route["method"] and same(path, route["path"])), None)
        if uri != uri_of(functions[route["function"]]):
            yield (f"{route['method']} {route['path']} is not deployed to {gateway.stage}: callers "
                   f"see what was there before")


def deployed(gateway):
    """Returns where each method of the stage goes, as its callers have it."""
    answer = gateway.client.get_export(
        restApiId=gateway.api, stageName=gateway.stage, exportType="swagger",
        parameters={"extensions": "integrations"}, accepts="application/json")
    paths = json.loads(answer["body"].read())["paths"]
    return {
        (verb.upper(), path): told.get("x-amazon-apigateway-integration", {}).get("uri")
        for path, verbs in paths.items() for verb, told in verbs.items() if isinstance(told, dict)
    }


def refuse(found, what):
    """Stops if anything was found."""
    if found:
        raise Stop(f"{what}:\n" + "\n".join(f"- {one}" for one in found))
