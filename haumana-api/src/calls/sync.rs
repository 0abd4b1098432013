//! Part 2: push and pull of new clients in one round trip.
//!
//! It is the one call that a client needs. The body has pushes, each with the version on which its
//! edit was made. The reply has a result for each push, and the records that have changed since the
//! cursor. A push that cannot be taken has a code in its result, and the other pushes go through. A
//! body of another form fails as a whole.

use super::Route;
use crate::api::Api;
use crate::doc::{Doc, examples};
use crate::error::Failure;
use crate::reply::Reply;
use crate::served::Call;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::post;
use haumana_app::wire::Counts;
use haumana_sync::engine::PushOutcome;
use haumana_sync::id::UserId;
use haumana_sync::wire::sync::{SentResult, SyncReply, SyncRequest};
use std::sync::Arc;

pub(super) const CALLS: &[Route] = &[Route {
    call: Call::Sync,
    method: "post",
    path: "/sync",
    serve: || post(sync),
    doc: |schema| {
        Doc::call("sync", "Push edits and pull what changed, in one round trip")
            .body("SyncRequest", examples::sync(schema))
            .ok(
                "SyncReply",
                "What became of the pushes, and what changed.",
                examples::sync_reply(schema),
            )
            .fails(&[410])
    },
}];

async fn sync(State(api): State<Arc<Api>>, request: Request) -> Result<Response, Failure> {
    let work = |api: Arc<Api>, user: UserId, body: Vec<u8>| async move {
        let request = SyncRequest::from_json(&body)?;
        let reply = api.engine.sync(&user, &request, api.config.reply_limit_bytes).await?;
        let counts = counts(&reply);
        Ok::<_, Failure>(Reply::counted(reply.into_json(), counts))
    };
    api.write(request, usize::MAX, |_| Ok(()), work).await
}

/// For the log and for hosts that count. A merged push is counted as pushed too. A push that was
/// refused before the engine saw it counts as rejected.
fn counts(reply: &SyncReply) -> Counts {
    let mut counts = Counts { pulled: reply.pulled.changes.len(), ..Counts::default() };
    for result in &reply.results {
        match result {
            SentResult::Refused { .. } => counts.rejected += 1,
            SentResult::Done { result: done, .. } => {
                counts.conflicts += done.conflicts.len();
                match done.outcome {
                    PushOutcome::Rejected(_) => counts.rejected += 1,
                    PushOutcome::Applied | PushOutcome::Unchanged => counts.pushed += 1,
                    PushOutcome::Merged => {
                        counts.pushed += 1;
                        counts.merged += 1;
                    }
                }
            }
        }
    }
    counts
}
