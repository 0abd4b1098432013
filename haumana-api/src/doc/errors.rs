//! Errors, as they are documented. What happens when is decided in `crate::error`; a test there
//! compares.

use super::reference;
use serde_json::{Map, Value, json};

/// Every status with its codes and what it means.
pub(crate) const ERRORS: [(u16, &[&str], &str); 12] = [
    (
        400,
        &["invalid_json", "invalid_request", "invalid_operation"],
        "The request cannot be taken.",
    ),
    (401, &["unauthorized"], "A valid token is needed."),
    (403, &["forbidden"], "This is another user's."),
    (404, &["not_found"], "There is no such record, or no such call."),
    (405, &["method_not_allowed"], "The call takes another method; see the Allow header."),
    (
        409,
        &["conflict_closed", "not_empty", "unreadable"],
        "The conflict was closed with another resolution; the account to import into is not empty; \
         what is stored of the record cannot be read.",
    ),
    (410, &["gone"], "The account was erased, or it is past its retention."),
    (
        413,
        &["payload_too_large"],
        "The body is larger than this server takes; the export than one reply of it.",
    ),
    (415, &["unsupported_media_type"], "The body must be JSON, plain or as gzip."),
    (
        429,
        &["too_many_requests"],
        "Too much at once; wait, then send the same request again. Hosts in front answer this.",
    ),
    (500, &["internal"], "The server made a mistake."),
    (503, &["unavailable"], "Send the same request again later."),
];

/// The name under which the answer with this status stands in the document.
pub(super) fn name(status: u16) -> String {
    format!("Error{status}")
}

/// What every response carries.
pub(super) fn headers() -> Value {
    json!({ "X-Request-Id": {
        "description": "The id of the request in the server's log.",
        "schema": { "type": "string", "minLength": 1, "maxLength": 64 },
    }})
}

pub(crate) fn responses() -> Map<String, Value> {
    ERRORS
        .iter()
        .map(|(status, codes, text)| (name(*status), response(*status, codes, text)))
        .collect()
}

fn response(status: u16, codes: &[&str], text: &str) -> Value {
    let mut headers = headers();
    if status == 503 || status == 429 {
        let schema = json!({ "type": "integer", "minimum": 0 });
        headers["Retry-After"] = json!({ "description": "Seconds.", "schema": schema });
    }
    if status == 401 {
        headers["WWW-Authenticate"] = json!({ "schema": { "type": "string", "const": "Bearer" } });
    }
    let code = json!({ "properties": { "code": { "enum": codes } } });
    json!({
        "description": text,
        "headers": headers,
        "content": { "application/json": {
            "schema": { "allOf": [reference("Error"), code] },
            "example": { "error": text.to_lowercase().trim_end_matches('.'), "code": codes[0] },
        }},
    })
}

/// The body of every error.
pub(super) fn schema() -> Value {
    let codes: Vec<&str> = ERRORS.iter().flat_map(|(_, codes, _)| codes.iter().copied()).collect();
    json!({
        "type": "object",
        "required": ["error", "code"],
        "properties": {
            "error": { "type": "string", "minLength": 1, "description": "For people." },
            "code": { "type": "string", "enum": codes, "description": "For programs; stable." },
        },
        "additionalProperties": false,
    })
}
