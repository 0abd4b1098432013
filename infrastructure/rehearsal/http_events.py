"""Events of format 1.0 from MiniStack's HTTP APIs, which send format 2.0 whatever an integration asks
for. Our functions read the one format that both kinds of API have.

The event is what AWS documents for HTTP APIs, and not what MiniStack's REST APIs send: the stage
`$default` is in no path, the request context has no `resourceId`, and JSON arrives as text also when
it is compressed. Leans on names inside the version in ../requirements.txt.
"""

import base64
import os
import time

from ministack.core.concurrency import run_reentrant
from ministack.services import apigateway as gateway
from ministack.services import lambda_svc


def send_format_1():
    """Lets integrations that ask for format 1.0 have it."""
    other = gateway._invoke_lambda_proxy

    async def invoke(integration, api, stage, path, method, headers, body, query,
                     route="$default", parameters=None, **more):
        if integration.get("payloadFormatVersion") != "1.0":
            return await other(integration, api, stage, path, method, headers, body, query, route,
                               parameters, **more)
        event = event_of(api, path, method, headers, body, query, route, parameters)
        reference = gateway._extract_lambda_ref_from_integration_uri(integration["integrationUri"])
        data, config, _ = lambda_svc._get_func_record_for_ref_in_scope(
            reference, account_id=more["owner_account_id"], region=more["owner_region"])
        record = lambda_svc._execution_record_for_config(data, config)
        result = await run_reentrant(lambda_svc._execute_function_with_config_scope, record, event,
                                     thread_name="rehearsal-http-api")
        answer, _ = lambda_svc.lambda_execute_result_to_api_proxy_response(result)
        return answer.get("statusCode", 200), headers_of(answer), body_of(answer)

    gateway._invoke_lambda_proxy = invoke


def event_of(api, path, method, headers, body, query, route, parameters):
    """Returns the event of a request."""
    resource = route.split(" ", 1)[-1]
    is_text = gateway._v2_request_body_is_text(headers.get("content-type"))
    told = body.decode(errors="replace") if is_text else base64.b64encode(body).decode()
    now = time.time()
    request = base64.b64encode(os.urandom(11)).decode()
    return {
        "version": "1.0", "resource": resource, "path": path, "httpMethod": method,
        "headers": {name: single(values) for name, values in headers.items()},
        "multiValueHeaders": {name: listed(values) for name, values in headers.items()},
        "queryStringParameters": {name: single(values) for name, values in query.items()} or None,
        "multiValueQueryStringParameters": dict(query) or None,
        "requestContext": {
            "accountId": gateway.get_account_id(), "apiId": api,
            "authorizer": {"claims": None, "scopes": None},
            "domainName": f"{api}.execute-api.example", "domainPrefix": api,
            "extendedRequestId": request, "httpMethod": method,
            "identity": {"sourceIp": "127.0.0.1", "userAgent": single(headers.get("user-agent", ""))},
            "path": path, "protocol": "HTTP/1.1", "requestId": request,
            "requestTime": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(now)),
            "requestTimeEpoch": int(now * 1000), "resourceId": None, "resourcePath": resource,
            "stage": "$default",
        },
        "pathParameters": parameters or None, "stageVariables": None,
        "body": told if body else None, "isBase64Encoded": bool(body) and not is_text,
    }


def headers_of(answer):
    """Returns the headers of a reply: those of several values are a list."""
    headers = dict(answer.get("headers") or {})
    for name, values in (answer.get("multiValueHeaders") or {}).items():
        headers[name] = values[0] if len(values) == 1 else values
    return headers


def body_of(answer):
    """Returns the bytes of a reply. An HTTP API decodes what is marked as base64, for everybody."""
    body = answer.get("body") or ""
    return base64.b64decode(body) if answer.get("isBase64Encoded") else body.encode()


def single(values):
    """Returns the last of several values."""
    return values if isinstance(values, str) else values[-1]


def listed(values):
    """Returns all values."""
    return [values] if isinstance(values, str) else list(values)
