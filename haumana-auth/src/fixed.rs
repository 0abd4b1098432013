//! Verification with keys that never change.

use crate::principal::Principal;
use crate::verifier::{AuthError, Verifier};
use crate::verify::{self, KeySet, Policy};
use haumana_sync::engine::Clock;
use std::sync::Arc;

/// Verifies with keys that never change.
///
/// It is for tests, and for issuers whose keys the host has itself, such as the local server. A key
/// that is removed still counts until the host starts again. For an issuer elsewhere use
/// `OidcVerifier`.
#[derive(Debug)]
pub struct StaticVerifier {
    keys: KeySet,
    policy: Policy,
    clock: Arc<dyn Clock>,
}

impl StaticVerifier {
    /// Makes a verifier.
    pub fn new(keys: KeySet, policy: Policy, clock: Arc<dyn Clock>) -> Self {
        Self { keys, policy, clock }
    }
}

#[async_trait::async_trait]
impl Verifier for StaticVerifier {
    async fn verify(&self, token: &str) -> Result<Principal, AuthError> {
        let principal = verify::verify(token, &self.keys, &self.policy, self.clock.now());
        principal.map_err(AuthError::Rejected)
    }
}
