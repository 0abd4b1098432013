//! The services around a function on AWS, on loopback: for tests and measurements only.
//!
//! [`RuntimeApi`] is the Lambda Runtime API, and starts the function's process as Lambda does.
//! [`Google`] is an issuer of tokens. [`Gateway`] is a REST API of API Gateway: authorizer, cached
//! policy, event. [`HttpApi`] is the cheaper kind, which asks no authorizer.

mod event;
mod gateway;
mod google;
mod http_api;
mod policy;
mod pool;
mod runtime_api;

pub use event::proxy_event;
pub use gateway::{Gateway, HttpReply, HttpRequest, Token};
pub use google::{CLIENT_ID, Google};
pub use http_api::HttpApi;
pub use pool::Pool;
pub use runtime_api::{Failed, Function, Invocation, RuntimeApi};
