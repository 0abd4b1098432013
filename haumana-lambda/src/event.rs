//! Makes a request of an event of API Gateway, and an answer of a response. The format of the
//! events is the proxy integration's, version 1.0: REST APIs send it, and HTTP APIs that are
//! configured so.
//!
//! An event holds the body as base64 or as text, headers twice (the last value of each name, and
//! all values), and `requestContext`, which only API Gateway can write. A client writes headers and
//! a body, but not the context. That is why the user is taken from the context.
//!
//! Lambda limits an answer to 6 MB, with quoting and base64. So the shorter of the two forms is
//! used if the gateway accepts both.

use aws_lambda_events::apigw::{ApiGatewayProxyRequest, ApiGatewayProxyResponse};
use aws_lambda_events::encodings;
use axum::body::{Body, Bytes, to_bytes};
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, HeaderName, HeaderValue};
use axum::http::{Request, Response};
use lambda_http::request::LambdaRequest;
use serde_json::Value;
use serde_json::value::RawValue;

/// The header with the id of a request, in the reply and in the log.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Which replies a gateway passes on correctly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replies {
    /// Text, and base64, which it decodes, because its binary media types are `*/*`.
    ///
    /// Compressed replies need this.
    Binary,
    /// Text alone. Base64 would reach the client undecoded.
    ///
    /// This is an HTTP API that was not configured otherwise. Replies are not compressed then.
    Text,
}

/// An event that is not what API Gateway sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAnEvent;

impl std::fmt::Display for NotAnEvent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The event holds personal data, so nothing of it is shown here.
        f.write_str("the event is not a proxy request of an API Gateway REST API")
    }
}

impl std::error::Error for NotAnEvent {}

/// Makes a request of an event. The second value is the authorizer's context, from the place that
/// only API Gateway can write.
///
/// The request gets the id of API Gateway. A request id from the caller is replaced, because the
/// gateway's log would not have it.
///
/// The stage is removed from the address, so that a path is the same in every stage.
///
/// # Errors
///
/// [`NotAnEvent`] if it is not such an event.
pub fn read_request(event: &RawValue) -> Result<(Request<Body>, Value), NotAnEvent> {
    let mut event: ApiGatewayProxyRequest =
        serde_json::from_str(event.get()).map_err(|_| NotAnEvent)?;
    // Removed, so that the address is the same in every stage.
    event.request_context.stage = None;
    let is_decodable = !event.is_base64_encoded || event.body.as_deref().is_none_or(is_base64);
    if !is_decodable || event.path.as_deref().is_none_or(str::is_empty) {
        return Err(NotAnEvent);
    }
    // The id of API Gateway, not the caller's, so that its log and ours can be joined.
    if let Some(id) = &event.request_context.request_id
        // The id of an HTTP API ends with padding, which our ids must not contain.
        && let Ok(id) = HeaderValue::from_str(id.trim_end_matches('='))
    {
        event.headers.insert(REQUEST_ID, id.clone());
        event.multi_value_headers.insert(REQUEST_ID, id);
    }
    let context = event.request_context.authorizer.fields.clone().into_iter().collect();
    let values = event.multi_value_headers.clone();
    let (mut head, body) = Request::from(LambdaRequest::ApiGatewayV1(event)).into_parts();
    // The conversion keeps the last value of a repeated header. Two tokens are none.
    for name in values.keys().filter(|name| 1 < values.get_all(*name).iter().count()) {
        head.headers.remove(name);
        for value in values.get_all(name) {
            head.headers.append(name, value.clone());
        }
    }
    let body = match body {
        encodings::Body::Text(text) => Body::from(text),
        encodings::Body::Binary(bytes) => Body::from(bytes),
        _ => Body::empty(),
    };
    Ok((Request::from_parts(head, body), Value::Object(context)))
}

/// Checked beforehand, because the conversion that follows relies on it.
fn is_base64(text: &str) -> bool {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.decode(text).is_ok()
}

/// Makes the answer to an event from a response.
///
/// Text is sent as it is, quoted in JSON, if that is shorter than base64 or the only possibility.
/// Everything else is sent as base64.
///
/// Headers are sent with all their values. API Gateway adds the length.
pub async fn write_response(response: Response<Body>, replies: Replies) -> ApiGatewayProxyResponse {
    let (mut head, body) = response.into_parts();
    // The router's bodies are in memory, or end with an error that cuts the connection elsewhere.
    let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
    // API Gateway counts the length itself. This one does not fit the quoted or encoded form.
    head.headers.remove(CONTENT_LENGTH);
    // A gateway that passes on text alone gets no compressed reply, see [`Replies::Text`].
    let form = match head.headers.contains_key(CONTENT_ENCODING) {
        true => Form::Base64,
        false if replies == Replies::Text => Form::Text,
        false => Form::Shorter,
    };
    let mut answer = ApiGatewayProxyResponse::default();
    answer.status_code = i64::from(head.status.as_u16());
    answer.multi_value_headers = head.headers;
    answer.body = Some(write_body(body, form));
    answer.is_base64_encoded = matches!(answer.body, Some(encodings::Body::Binary(_)));
    answer
}

/// The form of a body in the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Text,
    Base64,
    Shorter,
}

/// Bytes that are not UTF-8 are sent as base64 in any case.
fn write_body(body: Bytes, form: Form) -> encodings::Body {
    let text = match String::from_utf8(body.into()) {
        Ok(text) => text,
        Err(error) => return encodings::Body::Binary(error.into_bytes()),
    };
    let is_text = match form {
        Form::Text => true,
        Form::Base64 => false,
        Form::Shorter => quoted_len(&text) <= text.len().div_ceil(3) * 4,
    };
    if is_text { encodings::Body::Text(text) } else { encodings::Body::Binary(text.into_bytes()) }
}

/// The length of a text as a JSON string, without its quotes.
///
/// It is counted without making the string. Quotes and backslashes take two bytes, other control
/// characters six.
fn quoted_len(text: &str) -> usize {
    let extra = text.bytes().map(|byte| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0C => 1,
        0..0x20 => 5,
        _ => 0,
    });
    text.len() + extra.sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quoted_length_is_what_serde_writes() {
        for text in ["", "oli", "a\"b\\c\n\r\t\u{8}\u{c}\u{1}\u{1f}\u{7f}ʻōlelo", "\u{2028}"] {
            let quoted = serde_json::to_string(text).unwrap();
            assert_eq!(quoted.len() - 2, quoted_len(text), "{text:?}");
        }
    }

    #[test]
    fn text_full_of_quotes_goes_as_base64_and_plain_text_does_not() {
        let is_text = |text: &str, form| {
            matches!(write_body(Bytes::from(text.to_owned()), form), encodings::Body::Text(_))
        };

        let (error, quotes) = (r#"{"error":"no token","code":"unauthorized"}"#, "\"".repeat(100));
        assert!(is_text(error, Form::Shorter));
        assert!(!is_text(&quotes, Form::Shorter));
        assert!(is_text(&quotes, Form::Text));
        assert!(!is_text(error, Form::Base64));
    }

    #[test]
    fn what_api_gateway_never_sends_is_no_event() {
        for event in ["{}", "null", "[]", r#"{"httpMethod":"GET"}"#, "\"x\"", "7"] {
            let event = RawValue::from_string(event.to_owned()).unwrap();
            assert!(read_request(&event).is_err(), "{event}");
        }
    }
}
