//! The user directory: who has ever signed in, under which name, with which address.
//!
//! It is independent of the repertoires: a repertoire needs no entry, and an entry permits nothing.
//!
//! Use it if the host wants to know who its users are: to write to them, or to list them in a
//! console. Cognito's is in `haumana-directory-cognito`, one on SQLite in `haumana-server`.
//!
//! Deleting an account removes its entry last, after the records. If that breaks off, the same
//! request again finishes it, unless the user has begun anew.

#[cfg(feature = "conformance")]
pub mod conformance;
mod memory;

pub use memory::MemoryDirectory;

use haumana_auth::Verifier;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// Keeps one entry for each user who has signed in.
///
/// Names come from [`username`](haumana_auth::username), so different users have different ones.
///
/// Implement it for the users' table that you have, and run the laws on it: `directory_tests!` with
/// the feature `conformance`.
///
/// ```
/// use haumana_api::directory::{MemoryDirectory, Profile, UserDirectory};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), haumana_api::directory::DirectoryError> {
/// let profile = |name: Option<&str>| Profile {
///     email: "kai@example.org".to_owned(),
///     name: name.map(str::to_owned),
///     picture: None,
/// };
/// let directory = MemoryDirectory::new();
/// directory.put("google_1", &profile(Some("Kai"))).await?;
///
/// // A later token says no name: the one that is known stays.
/// directory.put("google_1", &profile(None)).await?;
///
/// assert_eq!(Some("Kai".to_owned()), directory.entry("google_1").and_then(|entry| entry.name));
/// # Ok(())
/// # }
/// ```
#[async_trait::async_trait]
pub trait UserDirectory: fmt::Debug + Send + Sync + 'static {
    /// Makes the entry of the user with this name, or updates the one that is there.
    ///
    /// # Guarantees
    ///
    /// - Idempotent: the same call again leaves the same entry.
    /// - Two first sign-ins at once both succeed, and leave one entry.
    /// - What the profile does not contain stays as it was.
    /// - No other entry changes, whatever the profiles have in common.
    ///
    /// # Errors
    ///
    /// [`DirectoryErrorKind::Unavailable`]: perhaps done, perhaps not; repeating it is safe.
    async fn put(&self, username: &str, profile: &Profile) -> Result<(), DirectoryError>;

    /// Removes the entry of the user with this name.
    ///
    /// # Guarantees
    ///
    /// - Idempotent: an entry that is not there is removed already.
    /// - A later [`UserDirectory::put`] makes a new entry, with nothing of the old one.
    ///
    /// # Errors
    ///
    /// [`DirectoryErrorKind::Unavailable`]: perhaps done, perhaps not; repeating it is safe.
    async fn remove(&self, username: &str) -> Result<(), DirectoryError>;
}

/// What a directory knows of a user, as a verified token says.
///
/// It is personal data: no log has it, and `Debug` shows none of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Profile {
    /// The address, which the issuer of the token has verified.
    pub email: String,
    /// The name.
    pub name: Option<String>,
    /// The address of a picture.
    pub picture: Option<String>,
}

impl fmt::Debug for Profile {
    /// Shows no content, so that logs stay free of personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Profile(..)")
    }
}

/// What a caller can do about a [`DirectoryError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DirectoryErrorKind {
    /// Send the same call again later; it is idempotent.
    Unavailable,
    /// The directory refuses, and will again. A person must look.
    ///
    /// The client gets `internal`; the reason is in the log.
    Refused,
}

/// A failed call of a directory.
///
/// Neither its `Display` nor that of its sources shows the user's data, so it is safe to log.
#[derive(Debug)]
pub struct DirectoryError {
    op: &'static str,
    kind: DirectoryErrorKind,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl DirectoryError {
    /// Makes an error of the operation `op`.
    pub fn new(op: &'static str, kind: DirectoryErrorKind) -> Self {
        Self { op, kind, source: None }
    }

    /// Adds what caused it, which must not show the user's data.
    pub fn caused_by(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Returns what can be done about it.
    pub fn kind(&self) -> DirectoryErrorKind {
        self.kind
    }
}

impl fmt::Display for DirectoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "user directory: {} failed: {:?}", self.op, self.kind)
    }
}

impl Error for DirectoryError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// The accounts of a host that keeps a user directory.
///
/// An entry is made at `POST /auth/sync` and nowhere else, so a user may have records and no entry.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Accounts {
    /// Where the entries are. `DELETE /users/{me}` removes the user's.
    pub directory: Arc<dyn UserDirectory>,
    /// What verifies the tokens of `POST /auth/sync`; without it, this host has no such call.
    pub sign_in: Option<Arc<dyn Verifier>>,
}

impl Accounts {
    /// Accounts of a host on which nobody signs in through the API.
    pub fn new(directory: Arc<dyn UserDirectory>) -> Self {
        Self { directory, sign_in: None }
    }

    /// Adds what verifies the tokens of `POST /auth/sync`.
    #[must_use]
    pub fn with_sign_in(self, verifier: Arc<dyn Verifier>) -> Self {
        Self { sign_in: Some(verifier), ..self }
    }
}
