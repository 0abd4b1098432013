//! The documented errors. `crate::error` decides which error is answered when; a test there
//! compares the two.

use super::reference;
use serde_json::{Map, Value, json};

/// One stable code that a failed request can have.
///
/// [`error_codes`] lists them. `docs/errors.md` is made of that list.
///
/// A client branches on the code. The text beside it is for people and may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ErrorCode {
    /// The HTTP status. One code has one status.
    pub status: u16,
    /// The code, as it is in the body of the reply.
    pub code: &'static str,
    /// When a server answers it.
    pub when: &'static str,
    /// What the client does.
    pub advice: &'static str,
}

/// Returns every code that a request can fail with, by status.
///
/// ```
/// let gone = haumana_api::error_codes().find(|code| code.code == "gone");
///
/// assert_eq!(Some(410), gone.map(|code| code.status));
/// ```
pub fn error_codes() -> impl Iterator<Item = ErrorCode> {
    ERRORS.iter().flat_map(|(status, codes, _)| {
        let of_status = |&(code, when, advice)| ErrorCode { status: *status, code, when, advice };
        codes.iter().map(of_status)
    })
}

/// A code, when it is answered, and what the client does.
type Code = (&'static str, &'static str, &'static str);

/// Every status, its codes, and its description in the OpenAPI document.
///
/// To add a code, add it here and answer it in the `error` module. `docs/errors.md` is generated
/// from this list.
const ERRORS: [(u16, &[Code], &str); 12] = [
    (
        400,
        &[
            ("invalid_json", "The body is not JSON.", "Fix the client."),
            (
                "invalid_request",
                "The body is JSON and not what the call takes; or the query has a parameter or a \
                 value that the call does not take; or the body ended early.",
                "Fix the client. The message says what is wrong.",
            ),
            (
                "invalid_operation",
                "`operation` of `POST /pieces` is none of `sync`, `upload` and `download`.",
                "Fix the client.",
            ),
        ],
        "The request cannot be taken.",
    ),
    (
        401,
        &[(
            "unauthorized",
            "The request has no token, or one that is not valid. The log has the reason; the \
             reply never has.",
            "Get a new token, then send the same request again.",
        )],
        "A valid token is needed.",
    ),
    (
        403,
        &[(
            "forbidden",
            "The address names another user than the token; or an operator has blocked the user.",
            "Use the user's own id, or the word `me`. If that is refused too, tell the person.",
        )],
        "This is another user's.",
    ),
    (
        404,
        &[(
            "not_found",
            "The user has no such record, version or conflict; or this host has no such call.",
            "Do not repeat it. `GET /openapi.json` lists the calls of the host.",
        )],
        "There is no such record, or no such call.",
    ),
    (
        405,
        &[(
            "method_not_allowed",
            "The call exists and takes another method.",
            "Fix the client. The header `Allow` names the methods.",
        )],
        "The call takes another method; see the Allow header.",
    ),
    (
        409,
        &[
            (
                "conflict_closed",
                "Somebody has closed the conflict with another resolution.",
                "Read the inbox again.",
            ),
            (
                "not_empty",
                "The account to import into is not empty; deleted records count.",
                "Call `DELETE /users/me`, then import again.",
            ),
            (
                "unreadable",
                "What is stored of the record was changed by hand and cannot be read.",
                "An operator has to look: see [When an operator has to look](admin.md).",
            ),
        ],
        "The conflict was closed with another resolution; the account to import into is not empty; \
         what is stored of the record cannot be read.",
    ),
    (
        410,
        &[(
            "gone",
            "The account was erased after the cursor or page was given; or the version or the \
             lost value is past its retention.",
            "After an erasure ask the user, then forget what was synced or start over with a new \
             device id. Otherwise it cannot be had any more.",
        )],
        "The account was erased, or it is past its retention.",
    ),
    (
        413,
        &[(
            "payload_too_large",
            "The body is larger than this host takes, perhaps only once it is decompressed; or \
             it has more entries than any client sends; or the export is larger than one reply.",
            "Send fewer pushes in a request. Ask for an export in pages: `?page=first`.",
        )],
        "The body is larger than this server takes; the export than one reply of it.",
    ),
    (
        415,
        &[(
            "unsupported_media_type",
            "The body is not `application/json`, or it is compressed by something else than gzip.",
            "Fix the client.",
        )],
        "The body must be JSON, plain or as gzip.",
    ),
    (
        429,
        &[(
            "too_many_requests",
            "Too many requests of this account are under way, or the account has used up what it \
             may cost.",
            "Wait for as long as `Retry-After` says, then send the same request again.",
        )],
        "Too much at once; wait, then send the same request again. Hosts in front answer this.",
    ),
    (
        500,
        &[(
            "internal",
            "The server made a mistake. The log has the cause, under the id of the reply's \
             `X-Request-Id`.",
            "Send the same request again later; it is safe. Report it.",
        )],
        "The server made a mistake.",
    ),
    (
        503,
        &[(
            "unavailable",
            "The store does not answer, the host has too much to do, the account is being erased \
             or imported, or tokens cannot be verified now.",
            "Wait for as long as `Retry-After` says, then send the same request again; it is safe.",
        )],
        "Send the same request again later.",
    ),
];

/// The name of the component for the answer with this status.
pub(super) fn name(status: u16) -> String {
    format!("Error{status}")
}

/// The headers of every response.
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

/// The headers are those that the status really has: `Retry-After` with 429 and 503,
/// `WWW-Authenticate` with 401.
fn response(status: u16, codes: &[Code], text: &str) -> Value {
    let codes: Vec<&str> = codes.iter().map(|(code, ..)| *code).collect();
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
    let codes: Vec<&str> = error_codes().map(|code| code.code).collect();
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
