//! The Lambda functions of haumana-sync: the environment in, a router or an authorizer out.
//!
//! Each program in `src/bin` is one function. What they share is here: reading the environment
//! ([`environment`], [`settings`]), making a request of an event ([`event`]), bounding it in time
//! and counting it ([`function`], [`metrics`]), asking in which generation it answers ([`life`]), and
//! logging ([`logs`]). Everything else is in
//! `haumana-api` and `haumana-store-dynamo`.
//!
//! **Invariant:** the user of a request comes from `requestContext.authorizer` and nothing else.
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
