//! Which calls a host serves.
//!
//! A host that embeds the API often has its own version of some of these. For example, it erases
//! its users itself, or shows no history.
//!
//! The set is decided when the router is made and never changes. A call that is not in it has no
//! route, so it answers 404, and the document does not name it.

use std::collections::BTreeSet;

/// One call of the API.
///
/// More calls may be added. [`Served::all`] then has them; a host that wants to decide about each
/// uses [`Served::only`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Call {
    /// `GET /health`
    ///
    /// 503 while the store does not answer.
    Health,
    /// `GET /limits`
    ///
    /// Every limit of the host, by name; a client reads it once.
    Limits,
    /// `GET /schema`
    ///
    /// The kinds of record, as a schema file in JSON.
    Schema,
    /// `GET /openapi.json`
    ///
    /// The document of exactly the calls that this host serves.
    OpenApi,
    /// `POST /auth/sync`; only with [`Accounts`](crate::directory::Accounts) that verify tokens.
    SignIn,
    /// `POST /sync`
    ///
    /// The one call that every client needs: it pushes and pulls.
    Sync,
    /// `GET /live`; only with a [`Live`](crate::Live) feed.
    ///
    /// A stream of events, or a long poll for clients that cannot read one.
    Live,
    /// `GET /conflicts`
    Conflicts,
    /// `POST /conflicts/{id}`
    ResolveConflict,
    /// `GET /records/{kind}/{id}/history`
    RecordHistory,
    /// `POST /records/{kind}/{id}/restore`
    RestoreRecord,
    /// `GET /users/{me}/export`
    ///
    /// Everything of the user as one document, or in pages.
    Export,
    /// `POST /users/{me}/import`
    ///
    /// An export into an empty account.
    Import,
    /// `POST /users/{me}/rewind`
    ///
    /// All records as they were at a time; it can be tried first.
    Rewind,
    /// `DELETE /users/{me}`
    ///
    /// There is no way back.
    Erase,
    /// `POST /pieces`; only where the schema has pieces.
    SyncPieces,
    /// `POST /sessions`; only where the schema has pieces.
    SyncSessions,
    /// `GET /pieces/{id}/history`; only where the schema has pieces.
    PieceHistory,
    /// `POST /pieces/{id}/restore`; only where the schema has pieces.
    RestorePiece,
}

impl Call {
    /// Every call.
    pub const ALL: [Self; 19] = [
        Self::Health,
        Self::Limits,
        Self::Schema,
        Self::OpenApi,
        Self::SignIn,
        Self::Sync,
        Self::Live,
        Self::Conflicts,
        Self::ResolveConflict,
        Self::RecordHistory,
        Self::RestoreRecord,
        Self::Export,
        Self::Import,
        Self::Rewind,
        Self::Erase,
        Self::SyncPieces,
        Self::SyncSessions,
        Self::PieceHistory,
        Self::RestorePiece,
    ];
    /// What the server says about itself. None of these calls needs a token.
    pub const ABOUT: [Self; 4] = [Self::Health, Self::Limits, Self::Schema, Self::OpenApi];
    /// Calls of the app on people's phones, and of no other client.
    pub const PHONES: [Self; 3] = [Self::SignIn, Self::SyncPieces, Self::SyncSessions];
    /// The inbox: values that lost, and closing their conflicts.
    pub const INBOX: [Self; 2] = [Self::Conflicts, Self::ResolveConflict];
    /// Earlier versions, and going back to them.
    pub const HISTORY: [Self; 4] =
        [Self::RecordHistory, Self::RestoreRecord, Self::PieceHistory, Self::RestorePiece];
    /// Everything of a user at once.
    pub const ACCOUNT: [Self; 4] = [Self::Export, Self::Import, Self::Rewind, Self::Erase];
}

/// Which calls a host serves. The others answer 404, and the OpenAPI document does not name them.
///
/// ```
/// use haumana_api::{Call, Served};
///
/// // The service erases its users itself, and no phone calls it.
/// let served = Served::all().without([Call::Erase]).without(Call::PHONES);
/// assert!(served.has(Call::Sync) && !served.has(Call::SyncPieces));
/// ```
///
/// Some calls need more than this: [`Call::SignIn`] needs accounts that verify tokens,
/// [`Call::Live`] a live feed, and the calls of pieces a schema that has pieces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served(BTreeSet<Call>);

impl Served {
    /// Every call.
    pub fn all() -> Self {
        Self(BTreeSet::from(Call::ALL))
    }

    /// These calls, and no others.
    ///
    /// A client of `POST /sync` needs [`Call::Sync`] and nothing else.
    pub fn only(calls: impl IntoIterator<Item = Call>) -> Self {
        Self(calls.into_iter().collect())
    }

    /// Leaves calls out.
    #[must_use]
    pub fn without(mut self, calls: impl IntoIterator<Item = Call>) -> Self {
        for call in calls {
            self.0.remove(&call);
        }
        self
    }

    /// Whether the call is served.
    pub fn has(&self, call: Call) -> bool {
        self.0.contains(&call)
    }
}
