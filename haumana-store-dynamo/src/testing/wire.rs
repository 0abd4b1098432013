//! Requests and answers of DynamoDB's protocol, as far as tests need them.
//!
//! The protocol is JSON over HTTP: the operation is in the header `x-amz-target`, and errors are in
//! `__type`.

use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use serde_json::{Value, json};

/// Returns the name of the operation that a request asks for.
pub(super) fn target(request: &HttpRequest) -> String {
    let target = request.headers().get("x-amz-target").unwrap_or_default();
    target.rsplit('.').next().unwrap_or_default().to_owned()
}

/// Returns an answer with a body.
pub(super) fn answer(status: u16, body: &Value) -> HttpResponse {
    let mut answer =
        HttpResponse::new(status.try_into().expect("a status"), SdkBody::from(body.to_string()));
    answer.headers_mut().insert("content-type", "application/x-amz-json-1.0");
    answer
}

/// Returns the service's answer for a refused request.
pub(super) fn refusal(status: u16, code: &str) -> HttpResponse {
    answer(status, &json!({ "__type": format!("com.amazonaws.dynamodb.v20120810#{code}") }))
}

/// The SDK's error when a connection is cut.
pub(super) fn cut() -> ConnectorError {
    ConnectorError::io(std::io::Error::from(std::io::ErrorKind::ConnectionReset).into())
}

/// Reads the body of an answer.
pub(super) async fn read_body(mut answer: HttpResponse) -> Result<Value, ConnectorError> {
    let body = ByteStream::new(answer.take_body()).collect().await;
    let body = body.map_err(|error| ConnectorError::io(error.into()))?;
    Ok(serde_json::from_slice(&body.into_bytes()).unwrap_or_default())
}
