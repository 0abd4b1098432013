//! The Lambda functions of haumana-sync: each reads the environment and runs a router or an
//! authorizer.
//!
//! ```text
//!  client ─▶ API Gateway ─▶ event ─▶ read_request ─▶ who asks ─▶ router ─▶ engine ─▶ DynamoDB
//!              │ asks the authorizer before, or nobody
//!  client ◀─ API Gateway ◀─ write_response ◀─ reply, or 503 in time, and one line of metrics
//! ```
//! The programs share this code: reading the environment ([`environment`], [`settings`]), making a
//! request of an event ([`event`]), bounding it in time and counting it ([`function`],
//! [`metrics`]), finding the generation to answer in ([`life`]), and logging ([`logs`]). Everything
//! else is in `haumana-api` and `haumana-store-dynamo`.
//!
//! | program | calls | behind it |
//! |---|---|---|
//! | `google-token-authorizer` | none; it answers API Gateway | keys of the issuers |
//! | `auth-sync-lambda` | `POST /auth/sync` | user directory, keys |
//! | `sync-pieces-lambda` | `POST /pieces`, `POST /sessions` | tables |
//! | `sync-lambda` | all others | tables, user directory |
//!
//! One program may run as several functions. The stack runs `sync-pieces-lambda` once for pieces
//! and once for sessions, and `sync-lambda` once more for the calls on a whole account.
//!
//! There are two kinds of API Gateway. A REST API asks the authorizer, keeps its answer for some
//! minutes, and puts it into the event. An HTTP API costs less and asks no authorizer. Then set
//! `HAUMANA_VERIFY`, and each function verifies the token itself ([`function::Door`]).
//!
//! A function answers one event at a time, on one thread. So nothing here bounds how much runs at
//! once. An allowance in the store bounds what one account may cost.
//!
//! **Invariant:** the user of a request comes from `requestContext.authorizer`, or from a token
//! that the function has verified itself, and from nothing else.
//!
//! **Invariant:** no setting makes a function log an event, which holds tokens and lyrics.

pub mod environment;
pub mod event;
pub mod function;
pub mod life;
pub mod logs;
pub mod metrics;
pub mod settings;
#[cfg(feature = "testing")]
pub mod testing;

mod run;

pub use run::{
    Calls, REPLY_BYTES, REQUEST_BYTES, TEXT_REPLY_BYTES, run_authorizer, run_function, serve,
};
