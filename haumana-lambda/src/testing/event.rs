//! The events that API Gateway makes of requests, with all their members.
//!
//! They are made from a full event, in `proxy-event.json`, so that members which nobody needs are
//! present as well.

use super::gateway::{HttpRequest, STAGE};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

/// An event of a REST API with a proxy integration, in full. What depends on the request is
/// replaced.
const RECORDED: &str = include_str!("proxy-event.json");

/// Makes the event of `request`, which is for `resource` (`/pieces/{id}/history`), with the context
/// from the authorizer.
///
/// # Panics
///
/// If the recorded event is not a JSON object.
pub fn proxy_event(
    request: &HttpRequest,
    resource: &str,
    authorizer: Option<&Map<String, Value>>,
) -> Value {
    let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
    let query: Vec<(String, String)> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let mut event: Value = match serde_json::from_str(RECORDED) {
        Ok(event) => event,
        Err(error) => panic!("the recorded event: {error}"),
    };
    let headers = headers(&event, request);
    let parameters = path_parameters(resource, path);
    event["resource"] = json!(resource);
    event["path"] = json!(path);
    event["httpMethod"] = json!(request.method);
    event["headers"] = last_values(&headers);
    event["multiValueHeaders"] = all_values(&headers);
    event["queryStringParameters"] = last_values(&query);
    event["multiValueQueryStringParameters"] = all_values(&query);
    event["pathParameters"] = last_values(&parameters.unwrap_or_default());
    let context = &mut event["requestContext"];
    context["resourcePath"] = json!(resource);
    context["httpMethod"] = json!(request.method);
    context["path"] = json!(format!("/{STAGE}{path}"));
    match authorizer {
        Some(authorizer) => {
            let mut authorizer = authorizer.clone();
            authorizer.insert("principalId".to_owned(), json!("user"));
            authorizer.insert("integrationLatency".to_owned(), json!(12));
            context["authorizer"] = Value::Object(authorizer);
        }
        // Without an authorizer there is no such key.
        None => _ = context.as_object_mut().and_then(|context| context.remove("authorizer")),
    }
    if !request.body.is_empty() {
        event["body"] = json!(STANDARD.encode(&request.body));
        // API GATEWAY: with binary media types of `*/*` every body comes as base64.
        event["isBase64Encoded"] = json!(true);
    }
    event
}

/// Returns the values of the parameters of `resource` in `path`; `None` if `path` is of another
/// resource.
///
/// Values are as the path has them, not decoded.
pub(super) fn path_parameters(resource: &str, path: &str) -> Option<Vec<(String, String)>> {
    let (wanted, given) = (resource.split('/'), path.split('/'));
    if wanted.clone().count() != given.clone().count() {
        return None;
    }
    let mut parameters = Vec::new();
    for (wanted, given) in wanted.zip(given) {
        match wanted.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
            Some(name) if !given.is_empty() => parameters.push((name.to_owned(), given.to_owned())),
            None if wanted == given => {}
            _ => return None,
        }
    }
    Some(parameters)
}

/// The headers that the gateway adds, then those of the client, each in its own spelling.
fn headers(recorded: &Value, request: &HttpRequest) -> Vec<(String, String)> {
    let recorded = recorded["headers"].as_object().into_iter().flatten();
    let is_sent =
        |name: &str| request.headers.iter().any(|(key, _)| key.eq_ignore_ascii_case(name));
    let added = recorded
        .filter(|(name, _)| !is_sent(name))
        .map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned()));
    added.chain(request.headers.iter().cloned()).collect()
}

/// Null if there are none, as in API Gateway.
fn last_values(pairs: &[(String, String)]) -> Value {
    let map: Map<_, _> = pairs.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    if map.is_empty() { Value::Null } else { Value::Object(map) }
}

/// Null if there are none.
fn all_values(pairs: &[(String, String)]) -> Value {
    let mut map = Map::new();
    for (name, value) in pairs {
        let values = map.entry(name.clone()).or_insert_with(|| json!([]));
        values.as_array_mut().into_iter().for_each(|values| values.push(json!(value)));
    }
    if map.is_empty() { Value::Null } else { Value::Object(map) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_of_a_path_are_whole_segments() {
        let is_for = |path| path_parameters("/pieces/{id}/history", path);

        let id = ("id".to_owned(), "7".to_owned());
        assert_eq!(Some(vec![id]), is_for("/pieces/7/history"));
        for other in ["/pieces//history", "/pieces/7/8/history", "/pieces/7", "/pieces/7/restore"] {
            assert_eq!(None, is_for(other), "{other}");
        }
    }

    #[test]
    fn an_event_says_everything_of_its_request() {
        let headers = vec![("accept".to_owned(), "*/*".to_owned())];
        let path = "/pieces/7/history?limit=1&limit=2".to_owned();
        let request = HttpRequest { method: "GET".to_owned(), path, headers, body: vec![] };

        let event = proxy_event(&request, "/pieces/{id}/history", None);

        assert_eq!(json!({"id": "7"}), event["pathParameters"]);
        assert_eq!(json!({"limit": "2"}), event["queryStringParameters"]);
        assert_eq!(json!({"limit": ["1", "2"]}), event["multiValueQueryStringParameters"]);
        assert_eq!(json!("/prod/pieces/7/history"), event["requestContext"]["path"]);
        assert_eq!(json!(["*/*"]), event["multiValueHeaders"]["accept"]);
        assert!(event["headers"].get("Accept").is_none(), "the client's own header counts");
        assert!(event["requestContext"].get("authorizer").is_none());
    }
}
