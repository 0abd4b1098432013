//! API Gateway (REST, proxy integration, TOKEN authorizer), as far as the stack relies on it.
//!
//! It refuses what API Gateway would refuse. A text that cannot be a token never reaches the
//! authorizer. An answer of the authorizer is kept for each token. A policy for another resource
//! does not permit. If a function's answer has the wrong form, the gateway answers with an error of
//! its own.

use super::event::{path_parameters, proxy_event};
use super::policy::{Allowed, is_match, read_policy};
use super::runtime_api::{Failed, RuntimeApi};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

const API: &str = "arn:aws:execute-api:us-west-2:123456789012:a1b2c3d4e5";
/// The stage of the API. It is in every event, and in no address.
pub(super) const STAGE: &str = "prod";

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

/// A reply as the client receives it.
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
    /// A reply of the gateway itself.
    fn said(said: &Value) -> Self {
        let text = |name: &str| said[name].as_str().unwrap_or_default();
        let body = json!({"error": text("error"), "code": text("code")});
        let mut headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        let status = text("status").parse().unwrap_or(500);
        if status == 401 {
            headers.push(("www-authenticate".to_owned(), "Bearer".to_owned()));
        }
        if let Some(secs) = said["retryAfter"].as_u64() {
            headers.push(("retry-after".to_owned(), secs.to_string()));
        }
        Self { status, headers, body: body.to_string().into_bytes() }
    }

    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// One method of a resource, and the function behind it.
struct Route {
    method: String,
    /// Such as `/pieces/{id}/history`.
    resource: String,
    needs_token: bool,
    function: Arc<RuntimeApi>,
}

/// Whether the authorizer is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token {
    /// Before every request.
    Needed,
    /// Nobody checks a token.
    Ignored,
}

/// A REST API: an authorizer, and functions behind paths.
pub struct Gateway {
    authorizer: Arc<RuntimeApi>,
    routes: Vec<Route>,
    cache_for: Duration,
    /// By the token.
    cache: Mutex<HashMap<String, Allowed>>,
    /// The replies of the gateway itself, by type.
    responses: Value,
}

impl Gateway {
    /// Makes an API that keeps policies for `cache_for` (API Gateway's default is 5 minutes).
    /// `responses` are the replies of the gateway itself in a stack, by type.
    pub fn new(authorizer: Arc<RuntimeApi>, cache_for: Duration, responses: Value) -> Self {
        Self { authorizer, routes: Vec::new(), cache_for, cache: Mutex::default(), responses }
    }

    fn said(&self, kind: &str) -> HttpReply {
        HttpReply::said(&self.responses[kind])
    }

    /// Puts `function` behind a method of a resource, such as `GET /pieces/{id}/history`.
    #[must_use]
    pub fn route(
        mut self,
        method: &str,
        resource: &str,
        token: Token,
        function: &Arc<RuntimeApi>,
    ) -> Self {
        self.routes.push(Route {
            method: method.to_owned(),
            resource: resource.to_owned(),
            needs_token: token == Token::Needed,
            function: Arc::clone(function),
        });
        self
    }

    /// Answers one request.
    ///
    /// A request without a route is answered like one without a token, as API Gateway does.
    pub async fn request(&self, request: &HttpRequest) -> HttpReply {
        let path = request.path.split('?').next().unwrap_or_default();
        let fits = |route: &&Route| {
            route.method == request.method && path_parameters(&route.resource, path).is_some()
        };
        let Some(route) = self.routes.iter().find(fits) else {
            return self.said("MISSING_AUTHENTICATION_TOKEN");
        };
        let context = match route.needs_token {
            true => match self.authorize(request, path).await {
                Ok(context) => Some(context),
                Err(reply) => return reply,
            },
            false => None,
        };
        let event = proxy_event(request, &route.resource, context.as_ref()).to_string();
        match route.function.invoke(event.as_bytes()).await {
            Ok(answer) => read_answer(&answer).unwrap_or_else(|| self.said("DEFAULT_5XX")),
            Err(Failed::Function(_)) => self.said("INTEGRATION_FAILURE"),
            Err(Failed::TimedOut) => self.said("INTEGRATION_TIMEOUT"),
        }
    }

    /// # Errors
    ///
    /// The reply of the gateway: 401 without a plausible token, 403 if the policy does not permit.
    async fn authorize(
        &self,
        request: &HttpRequest,
        path: &str,
    ) -> Result<Map<String, Value>, HttpReply> {
        let header = request.headers.iter().find(|(name, _)| name == "authorization");
        let Some((_, token)) = header.filter(|(_, token)| is_plausible(token)) else {
            return Err(self.said("UNAUTHORIZED"));
        };
        let method_arn = format!("{API}/{STAGE}/{}{path}", request.method);
        let allowed = match self.cached(token) {
            Some(allowed) => allowed,
            None => self.ask(token, &method_arn).await?,
        };
        if !allowed.is_allow || !is_match(&allowed.resource, &method_arn) {
            return Err(self.said("ACCESS_DENIED"));
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
                return Err(self.said("UNAUTHORIZED"));
            }
            Err(_) => return Err(self.said("AUTHORIZER_FAILURE")),
        };
        let allowed = read_policy(&policy, Instant::now() + self.cache_for);
        let allowed = allowed.ok_or_else(|| self.said("AUTHORIZER_FAILURE"))?;
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

/// `None` if a member is missing or of another type.
pub(super) fn read_answer(answer: &Value) -> Option<HttpReply> {
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
