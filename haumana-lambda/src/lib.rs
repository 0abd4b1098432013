//! The Lambda functions of haumana-sync: the environment in, a router or an authorizer out.
//!
//! ```text
//!  client ─▶ API Gateway ─▶ event ─▶ read_request ─▶ who asks ─▶ router ─▶ engine ─▶ DynamoDB
//!              │ asks the authorizer before, or nobody
//!  client ◀─ API Gateway ◀─ write_response ◀─ reply, or 503 in time, and one line of metrics
//! ```
//! What the programs share is here: reading the environment ([`environment`], [`settings`]), making
//! a request of an event ([`event`]), bounding it in time and counting it ([`function`],
//! [`metrics`]), asking in which generation it answers ([`life`]), and logging ([`logs`]).
//! Everything else is in `haumana-api` and `haumana-store-dynamo`.
//!
//! | program | calls | behind it |
//! |---|---|---|
//! | `google-token-authorizer` | none; it answers API Gateway | keys of the issuers |
//! | `auth-sync-lambda` | `POST /auth/sync` | user directory, keys |
//! | `sync-pieces-lambda` | `POST /pieces`, `POST /sessions` | tables |
//! | `sync-lambda` | all others | tables, user directory |
//!
//! A program may be several functions: the stack runs `sync-pieces-lambda` once for pieces and once
//! for sessions, and `sync-lambda` once more for the calls on a whole account.
//!
//! There are two kinds of API Gateway. A REST API asks the authorizer, keeps its answer for some
//! minutes, and puts it into the event. An HTTP API costs less and asks no authorizer; then
//! `HAUMANA_VERIFY` tells each function to verify the token itself ([`function::Door`]).
//!
//! A function answers one event at a time, on one thread. So nothing here bounds how much runs at
//! once; what one account may cost is bounded by an allowance in the store.
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
