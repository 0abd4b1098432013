//! Verification of ID tokens for haumana-sync. There is no router here, and no HTTP server.
//!
//! ```
//! use haumana_auth::{AuthError, Principal, Rejection, Verifier};
//! use haumana_sync::{id::UserId, time::UnixMillis};
//!
//! /// Tokens of a service of one's own: here a list, in earnest a table of sessions.
//! #[derive(Debug)]
//! struct Sessions(Vec<(&'static str, &'static str)>);
//!
//! #[async_trait::async_trait]
//! impl Verifier for Sessions {
//!     async fn verify(&self, token: &str) -> Result<Principal, AuthError> {
//!         let found = self.0.iter().find(|(known, _)| *known == token);
//!         let user = found.and_then(|(_, user)| UserId::verified_by_caller(*user));
//!         let user = user.ok_or(AuthError::Rejected(Rejection::UnknownKey))?;
//!         Ok(Principal::new(user, UnixMillis(1_795_392_000_000)))
//!     }
//! }
//!
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! let sessions = Sessions(vec![("a-session", "member-7")]);
//! assert_eq!(Ok("member-7"), sessions.verify("a-session").await.as_ref().map(|it| it.user.as_str()));
//! assert!(sessions.verify("another").await.is_err());
//! # });
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # Reading order
//!
//! 1. [`Verifier`], [`Principal`], [`AuthError`]: what every host needs, for tokens of any issuer.
//! 2. `OidcVerifier` and `IssuerConfig` (feature `verify`): Google, Apple and others, as
//!    configuration.
//! 3. `verify`: the decision about one token. `KeyCache`: where the keys come from.
//! 4. [`authorizer`]: behind API Gateway.
//! 5. [`CallerKey`], [`Callers`]: the names of users in logs, and the users that an operator has
//!    blocked.
//!
//! # What it does not do
//!
//! It issues no tokens, keeps no sessions and knows no passwords. It decides who is asking, never
//! what they may do: each user has an account of their own, and there is nothing else to permit.
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
//! - `verify`: the verification of tokens. It needs a crypto library (aws-lc), which takes longer
//!   to compile than everything else together. A host with a sign-in of its own leaves it out.
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
