//! Verification of ID tokens for haumana-sync. There is no router here, and no HTTP server.
//!
//! ```text
//! header ──bearer──▶ token ──Verifier──▶ Principal (a UserId, and a profile)
//!                              │
//!                              ├─ StaticVerifier: keys that never change
//!                              ├─ OidcVerifier: Google and others, each with a KeyCache
//!                              └─ yours
//! ```
//!
//! [`verify`] decides about a token as a pure function of the token, the keys, a policy and the
//! time. [`authorizer`] is the same for functions behind API Gateway.
//!
//! # Features
//!
//! - `verify`: the verification of tokens. It brings a crypto library (aws-lc), which takes longer
//!   to compile than everything else together; a host with a sign-in of its own leaves it out.
//! - `https`: fetches the keys of issuers.
//!
//! **Invariant:** no token, e-mail address or user id is ever logged.
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod authorizer;
mod caller;
#[cfg(feature = "verify")]
mod fixed;
#[cfg(feature = "https")]
mod https;
#[cfg(feature = "verify")]
mod key_cache;
pub mod limits;
#[cfg(feature = "verify")]
mod oidc;
mod principal;
mod verifier;
#[cfg(feature = "verify")]
pub mod verify;

pub use caller::{CallerKey, Callers};
#[cfg(feature = "verify")]
pub use fixed::StaticVerifier;
#[cfg(feature = "https")]
pub use https::{AddressError, HttpFetch};
#[cfg(feature = "verify")]
pub use key_cache::{Fetch, FetchError, Fetched, KeyCache, KeysUnavailable};
#[cfg(feature = "verify")]
pub use oidc::{ConfigError, IssuerConfig, OidcVerifier};
pub use principal::{Principal, Rejection, username};
pub use verifier::{AuthError, Verifier, bearer, token_of};
