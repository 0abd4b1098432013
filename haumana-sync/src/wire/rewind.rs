//! The body of and the reply to `POST /users/{me}/rewind`.

use super::inbox::is_request_id;
use super::{BadRequest, comma_separated};
use crate::engine::{RewindChange, RewindMode, RewindRequest, Rewound};
use crate::json::read_small;
use crate::schema::Schema;
use crate::time::UnixMillis;
use serde::Deserialize;
use std::borrow::Cow;
use std::fmt::Write as _;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    #[serde(borrow)]
    to: Cow<'a, str>,
    #[serde(default)]
    dry_run: bool,
    #[serde(borrow, default)]
    request_id: Option<Cow<'a, str>>,
}

/// The keys of a body, for people.
const SHAPE: &str = "to is a time with its offset from UTC, dryRun true or false, and requestId a \
                     text of 1 to 64 characters";

/// Reads a body: the time, whether it is only simulated, and by what name a repeat is recognised.
///
/// # Errors
///
/// [`BadRequest`] if it names no time, or has an invalid `requestId`.
pub fn rewind_request(body: &[u8]) -> Result<RewindRequest, BadRequest> {
    let body: Body<'_> = read_small(body).map_err(|bad| bad.expecting(SHAPE))?;
    let to = UnixMillis::parse(&body.to).ok_or(BadRequest::Expected(SHAPE))?;
    let request_id = body.request_id.map(Cow::into_owned);
    if request_id.as_deref().is_some_and(|id| !is_request_id(id)) {
        return Err(BadRequest::Expected(SHAPE));
    }
    let mode = if body.dry_run { RewindMode::DryRun } else { RewindMode::Write };
    Ok(RewindRequest { to, mode, request_id })
}

impl RewindChange {
    /// Returns its name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Deleted => "deleted",
            Self::BroughtBack => "restored",
            Self::Forgotten | Self::Refused(_) => "kept",
        }
    }

    /// Returns the stable code for why a record could not be rewound.
    pub fn code(self) -> Option<&'static str> {
        match self {
            Self::Forgotten => Some("past_retention"),
            Self::Refused(refusal) => Some(refusal.code()),
            _ => None,
        }
    }
}

/// Writes the reply.
pub fn rewound_json(schema: &Schema, rewound: &Rewound) -> Vec<u8> {
    let Rewound { changed, deleted, brought_back, kept, records, before, is_repeated } = rewound;
    let repeated = if *is_repeated { r#","repeated":true"# } else { "" };
    let mut out = format!(
        r#"{{"changed":{changed},"deleted":{deleted},"restored":{brought_back},"kept":{kept},"before":"{before}"{repeated},"records":["#
    );
    comma_separated(&mut out, records, |out, (key, change)| {
        let (kind, id, what) = (schema.name_of(key.kind), key.id, change.as_str());
        // Writing into a String cannot fail.
        let _ = write!(out, r#"{{"kind":"{kind}","id":"{id}","outcome":"{what}""#);
        if let Some(code) = change.code() {
            let _ = write!(out, r#","code":"{code}""#);
        }
        out.push('}');
    });
    out.push_str("]}");
    out.into_bytes()
}
