//! API Gateway with an HTTP API: no authorizer, routes to functions, one function for everything
//! else, and events in format 1.0.
//!
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html>
//!
//! The differences from a REST API: there are no binary media types, so a body is text or base64 by
//! its content type alone; the request id ends with padding; and the context has an authorizer
//! without a user.

use super::event::path_parameters;
use super::gateway::{HttpReply, HttpRequest, read_answer};
use super::runtime_api::RuntimeApi;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// An HTTP API: functions behind routes, and one for everything else.
pub struct HttpApi {
    routes: Vec<(String, String, Arc<RuntimeApi>)>,
    all_else: Arc<RuntimeApi>,
}

impl HttpApi {
    /// Makes an API whose `$default` route goes to `all_else`.
    pub fn new(all_else: Arc<RuntimeApi>) -> Self {
        Self { routes: Vec::new(), all_else }
    }

    /// Puts `function` behind a route, such as `GET /pieces/{id}/history`.
    #[must_use]
    pub fn route(mut self, method: &str, path: &str, function: &Arc<RuntimeApi>) -> Self {
        self.routes.push((method.to_owned(), path.to_owned(), Arc::clone(function)));
        self
    }

    /// Answers one request; `None` if the function fails, for which API Gateway has a reply of its
    /// own.
    pub async fn request(&self, request: &HttpRequest) -> Option<HttpReply> {
        let path = request.path.split('?').next().unwrap_or_default();
        let route = self.routes.iter().find(|(method, of, _)| {
            *method == request.method && path_parameters(of, path).is_some()
        });
        let (resource, function) = match route {
            Some((_, path, function)) => (path.as_str(), function),
            None => ("$default", &self.all_else),
        };
        let event = http_event(request, resource).to_string();
        let answer = function.invoke(event.as_bytes()).await.ok()?;
        read_answer(&answer)
    }
}

/// Makes the event of a request for a route, as the documentation shows it for format 1.0.
fn http_event(request: &HttpRequest, resource: &str) -> Value {
    let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
    let query = query.split('&').filter(|pair| !pair.is_empty());
    let query = query.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let query: Vec<(String, String)> =
        query.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let mut headers = request.headers.clone();
    headers.push(("host".to_owned(), "a1b2c3d4e5.execute-api.us-west-2.amazonaws.com".to_owned()));
    headers.push(("x-forwarded-for".to_owned(), "203.0.113.7".to_owned()));
    let parameters = path_parameters(resource, path).unwrap_or_default();
    let header = |name: &str| request.headers.iter().find(|(key, _)| key == name);
    // API GATEWAY: the content type alone decides. Compressed JSON is garbled, too, and useless
    // then.
    let is_text = header("content-type").is_some_and(|(_, value)| value.contains("json"));
    let body = match String::from_utf8_lossy(&request.body) {
        _ if request.body.is_empty() => Value::Null,
        text if is_text => text.into(),
        _ => STANDARD.encode(&request.body).into(),
    };
    json!({
        "version": "1.0",
        "resource": resource,
        "path": path,
        "httpMethod": request.method,
        "headers": joined(&headers),
        "multiValueHeaders": listed(&headers),
        "queryStringParameters": nothing_or(joined(&query)),
        "multiValueQueryStringParameters": nothing_or(listed(&query)),
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "a1b2c3d4e5",
            // The key is present, but without a user.
            "authorizer": { "claims": null, "scopes": null },
            "domainName": "a1b2c3d4e5.execute-api.us-west-2.amazonaws.com",
            "domainPrefix": "a1b2c3d4e5",
            "extendedRequestId": "JKJaXmPLvHcESHA=",
            "httpMethod": request.method,
            "identity": {
                "accessKey": null, "accountId": null, "caller": null,
                "cognitoAuthenticationProvider": null, "cognitoAuthenticationType": null,
                "cognitoIdentityId": null, "cognitoIdentityPoolId": null, "principalOrgId": null,
                "sourceIp": "203.0.113.7", "user": null, "userAgent": "haumana/1.0",
                "userArn": null, "clientCert": null,
            },
            "path": path,
            "protocol": "HTTP/1.1",
            "requestId": "JKJaXmPLvHcESHA=",
            "requestTime": "10/Mar/2026:10:01:10 +0000",
            "requestTimeEpoch": 1_773_136_870_000_i64,
            "resourceId": null,
            "resourcePath": resource,
            "stage": "$default",
        },
        "pathParameters": nothing_or(joined(&parameters)),
        "stageVariables": null,
        "body": body,
        "isBase64Encoded": !request.body.is_empty() && !is_text,
    })
}

fn joined(pairs: &[(String, String)]) -> Map<String, Value> {
    pairs.iter().map(|(name, value)| (name.clone(), json!(value))).collect()
}

fn listed(pairs: &[(String, String)]) -> Map<String, Value> {
    let mut map = Map::new();
    for (name, value) in pairs {
        let values = map.entry(name.clone()).or_insert_with(|| json!([]));
        values.as_array_mut().into_iter().for_each(|values| values.push(json!(value)));
    }
    map
}

fn nothing_or(map: Map<String, Value>) -> Value {
    if map.is_empty() { Value::Null } else { Value::Object(map) }
}
