//! What API Gateway (REST, proxy integration, TOKEN authorizer) makes of an HTTP request.

use super::runtime_api::{Failed, RuntimeApi};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

const API: &str = "arn:aws:execute-api:us-west-2:123456789012:a1b2c3d4e5";
const STAGE: &str = "prod";

/// A request as a client sends it.
#[derive(Clone, Debug, Default)]
pub struct HttpRequest {
    /// `GET`, `POST`, …
    pub method: String,
    /// The path below the stage, with a query if there is one.
    pub path: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body as it is sent.
    pub body: Vec<u8>,
}

/// What the client gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpReply {
    /// The status.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, decoded from the function's base64, not decompressed.
    pub body: Vec<u8>,
}

impl HttpReply {
    fn plain(status: u16, code: &str) -> Self {
        let body = json!({"error": "refused by the gateway", "code": code});
        Self { status, headers: Vec::new(), body: body.to_string().into_bytes() }
    }

    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// An answer of the authorizer that is kept, and until when.
#[derive(Clone)]
struct Allowed {
    resource: String,
    context: Map<String, Value>,
    until: Instant,
}

/// A REST API: an authorizer, and functions behind paths.
pub struct Gateway {
    authorizer: Arc<RuntimeApi>,
    /// Path prefix, whether a token is needed, function; the longest prefix counts.
    routes: Vec<(String, bool, Arc<RuntimeApi>)>,
    cache_for: Duration,
    cache: Mutex<HashMap<String, Allowed>>,
}

impl Gateway {
    /// Makes an API whose policies are kept for `cache_for` (API Gateway's usual: 5 minutes).
    pub fn new(authorizer: Arc<RuntimeApi>, cache_for: Duration) -> Self {
        Self { authorizer, routes: Vec::new(), cache_for, cache: Mutex::default() }
    }

    /// Puts `function` behind all paths that begin with `prefix`; a token is needed.
    #[must_use]
    pub fn route(mut self, prefix: &str, function: &Arc<RuntimeApi>) -> Self {
        self.routes.push((prefix.to_owned(), true, Arc::clone(function)));
        self
    }

    /// Puts `function` behind all paths that begin with `prefix`; no token is looked at.
    #[must_use]
    pub fn open_route(mut self, prefix: &str, function: &Arc<RuntimeApi>) -> Self {
        self.routes.push((prefix.to_owned(), false, Arc::clone(function)));
        self
    }

    /// Answers one request.
    pub async fn request(&self, request: &HttpRequest) -> HttpReply {
        let path = request.path.split('?').next().unwrap_or_default();
        let fits = |(prefix, _, _): &&(String, bool, Arc<RuntimeApi>)| path.starts_with(prefix);
        let route = self.routes.iter().filter(fits).max_by_key(|(prefix, _, _)| prefix.len());
        let Some((_, needs_token, function)) = route else {
            // API Gateway's own answer to a path that it does not have.
            return HttpReply::plain(403, "forbidden");
        };
        let context = match needs_token {
            true => match self.authorize(request, path).await {
                Ok(context) => Some(context),
                Err(reply) => return reply,
            },
            false => None,
        };
        let event = proxy_event(request, context.as_ref()).to_string();
        match function.invoke(event.as_bytes()).await {
            Ok(answer) => read_answer(&answer).unwrap_or(HttpReply::plain(502, "internal")),
            Err(Failed::Function(_)) => HttpReply::plain(502, "internal"),
            Err(Failed::TimedOut) => HttpReply::plain(504, "internal"),
        }
    }

    async fn authorize(
        &self,
        request: &HttpRequest,
        path: &str,
    ) -> Result<Map<String, Value>, HttpReply> {
        let header = request.headers.iter().find(|(name, _)| name == "authorization");
        let Some((_, token)) = header.filter(|(_, token)| is_plausible(token)) else {
            return Err(HttpReply::plain(401, "unauthorized"));
        };
        let method_arn = format!("{API}/{STAGE}/{}{path}", request.method);
        let allowed = match self.cached(token) {
            Some(allowed) => allowed,
            None => self.ask(token, &method_arn).await?,
        };
        if !is_match(&allowed.resource, &method_arn) {
            return Err(HttpReply::plain(403, "forbidden"));
        }
        Ok(allowed.context)
    }

    fn cached(&self, token: &str) -> Option<Allowed> {
        let cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        cache.get(token).filter(|allowed| Instant::now() < allowed.until).cloned()
    }

    async fn ask(&self, token: &str, method_arn: &str) -> Result<Allowed, HttpReply> {
        let event = json!({"type": "TOKEN", "methodArn": method_arn, "authorizationToken": token});
        let policy = match self.authorizer.invoke(event.to_string().as_bytes()).await {
            Ok(policy) => policy,
            Err(Failed::Function(message)) if message == "Unauthorized" => {
                return Err(HttpReply::plain(401, "unauthorized"));
            }
            Err(_) => return Err(HttpReply::plain(500, "internal")),
        };
        let allowed = read_policy(&policy, Instant::now() + self.cache_for);
        let allowed = allowed.ok_or_else(|| HttpReply::plain(500, "internal"))?;
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        cache.insert(token.to_owned(), allowed.clone());
        Ok(allowed)
    }
}

/// The identity validation expression of the stack: junk never reaches the authorizer.
fn is_plausible(token: &str) -> bool {
    let jwt = token.strip_prefix("Bearer ").unwrap_or_default();
    let is_segment = |segment: &str| {
        !segment.is_empty()
            && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    let segments: Vec<&str> = jwt.split('.').collect();
    segments.len() == 3 && segments.into_iter().all(is_segment)
}

/// Reads an authorizer's answer as strictly as API Gateway: one wrong value and it is an error.
fn read_policy(policy: &Value, until: Instant) -> Option<Allowed> {
    policy.get("principalId")?.as_str().filter(|id| !id.is_empty())?;
    let document = policy.get("policyDocument")?;
    let [statement] = document.get("Statement")?.as_array()?.as_slice() else { return None };
    let is_allow = statement.get("Effect")? == "Allow"
        && has_one(statement.get("Action")?, "execute-api:Invoke")
        && document.get("Version")? == "2012-10-17";
    let resource = match statement.get("Resource")? {
        Value::String(resource) => resource.clone(),
        Value::Array(resources) => resources.first()?.as_str()?.to_owned(),
        _ => return None,
    };
    let mut context = Map::new();
    for (name, value) in policy.get("context")?.as_object()? {
        // API GATEWAY: numbers and booleans arrive as strings, anything else breaks the request.
        let value = match value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            Value::Bool(is_true) => is_true.to_string(),
            _ => return None,
        };
        context.insert(name.clone(), value.into());
    }
    is_allow.then_some(Allowed { resource, context, until })
}

fn has_one(value: &Value, wanted: &str) -> bool {
    value == wanted || value.as_array().is_some_and(|all| all.iter().all(|one| one == wanted))
}

/// Whether a resource with stars names `arn`.
fn is_match(resource: &str, arn: &str) -> bool {
    let mut rest = arn;
    let mut parts = resource.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(after) = rest.strip_prefix(first) else { return false };
    rest = after;
    let mut is_open = false;
    for part in parts {
        is_open = part.is_empty();
        match rest.find(part) {
            Some(at) => rest = rest.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    is_open || rest.is_empty()
}

/// A proxy event with everything that API Gateway puts into one.
fn proxy_event(request: &HttpRequest, authorizer: Option<&Map<String, Value>>) -> Value {
    let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
    let pairs: Vec<(&str, &str)> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .collect();
    let single = |pairs: &[(&str, &str)]| {
        let map: Map<_, _> = pairs.iter().map(|(k, v)| ((*k).to_owned(), json!(v))).collect();
        if map.is_empty() { Value::Null } else { Value::Object(map) }
    };
    let several = |pairs: &[(&str, &str)]| {
        let mut map = Map::new();
        for (name, value) in pairs {
            let values = map.entry((*name).to_owned()).or_insert_with(|| json!([]));
            values.as_array_mut().into_iter().for_each(|values| values.push(json!(value)));
        }
        if map.is_empty() { Value::Null } else { Value::Object(map) }
    };
    let mut headers = vec![("host", "a1b2c3d4e5.execute-api.us-west-2.amazonaws.com")];
    headers.extend(request.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    let body = match request.body.as_slice() {
        [] => Value::Null,
        body => STANDARD.encode(body).into(),
    };
    let mut event = json!({
        "resource": path,
        "path": path,
        "httpMethod": request.method,
        "headers": single(&headers),
        "multiValueHeaders": several(&headers),
        "queryStringParameters": single(&pairs),
        "multiValueQueryStringParameters": several(&pairs),
        "pathParameters": null,
        "stageVariables": null,
        "requestContext": {
            "resourceId": "abc123",
            "resourcePath": path,
            "httpMethod": request.method,
            "extendedRequestId": "JKJaXmPLvHcESHA=",
            "requestTime": "10/Mar/2026:10:01:10 +0000",
            "path": format!("/{STAGE}{path}"),
            "accountId": "123456789012",
            "protocol": "HTTP/1.1",
            "stage": STAGE,
            "domainPrefix": "a1b2c3d4e5",
            "requestTimeEpoch": 1_773_136_870_000_u64,
            "requestId": "ecb5eb23-16ad-4b2c-a2a2-bf37d8b0a2ee",
            "identity": {
                "cognitoIdentityPoolId": null, "accountId": null, "cognitoIdentityId": null,
                "caller": null, "sourceIp": "203.0.113.7", "principalOrgId": null,
                "accessKey": null, "cognitoAuthenticationType": null,
                "cognitoAuthenticationProvider": null, "userArn": null,
                "userAgent": "haumana/1.0 CFNetwork", "user": null
            },
            "domainName": "a1b2c3d4e5.execute-api.us-west-2.amazonaws.com",
            "deploymentId": "d3pl0y",
            "apiId": "a1b2c3d4e5"
        },
        "body": body,
        // API GATEWAY: with binary media types of `*/*` every body comes as base64.
        "isBase64Encoded": !request.body.is_empty(),
    });
    if let (Some(authorizer), Some(context)) = (authorizer, event.get_mut("requestContext")) {
        let mut authorizer = authorizer.clone();
        authorizer.insert("principalId".to_owned(), json!("user"));
        authorizer.insert("integrationLatency".to_owned(), json!(12));
        context["authorizer"] = Value::Object(authorizer);
    }
    event
}

fn read_answer(answer: &Value) -> Option<HttpReply> {
    let status = u16::try_from(answer.get("statusCode")?.as_i64()?).ok()?;
    let mut headers = Vec::new();
    for (name, values) in answer.get("multiValueHeaders")?.as_object()? {
        for value in values.as_array()? {
            headers.push((name.to_ascii_lowercase(), value.as_str()?.to_owned()));
        }
    }
    let text = answer.get("body").and_then(Value::as_str).unwrap_or_default();
    let is_packed = answer.get("isBase64Encoded").and_then(Value::as_bool).unwrap_or_default();
    let body = if is_packed { STANDARD.decode(text).ok()? } else { text.as_bytes().to_vec() };
    Some(HttpReply { status, headers, body })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_of_a_resource_match_as_in_a_policy() {
        let arn = format!("{API}/prod/POST/pieces");
        assert!(is_match(&format!("{API}/prod/*/*"), &arn));
        assert!(is_match(&arn, &arn));
        assert!(!is_match(&format!("{API}/prod/GET/*"), &arn));
        assert!(!is_match(&format!("{API}/dev/*/*"), &arn));
        assert!(!is_match(&format!("{API}/prod/POST/piece"), &arn));
    }

    #[test]
    fn a_context_with_a_null_breaks_the_request() {
        let policy = |context: Value| {
            json!({"principalId": "user", "context": context, "policyDocument": {
                "Version": "2012-10-17",
                "Statement": [{"Action": "execute-api:Invoke", "Effect": "Allow", "Resource": "*"}],
            }})
        };
        let read = |context| read_policy(&policy(context), Instant::now());

        assert!(read(json!({"userId": "kai"})).is_some());
        assert!(read(json!({"userId": null})).is_none());
        assert!(read(json!({"userId": ["kai"]})).is_none());
    }
}
