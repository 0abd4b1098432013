//! The model's knowledge of the server. After each call the store is read, and the push that was
//! made must explain every change.
//!
//! For each aspect (field or owned line) of each piece the ledger knows which edits are in the
//! server's value. An edit is one bit. The [`Seen`] of a value has the edits that its maker had
//! seen. So it says which of two values is older, or that neither is.
//!
//! # Why a ledger
//!
//! The model does not know how the server merges. It knows who typed what, and what that user had
//! seen. With that, and with the stored record before and after each call, it can say which changes
//! are right.
//!
//! # One bit for each edit
//!
//! Each edit of an aspect gets the next bit of a 128-bit number. `A & !B == 0` means that
//! everything in A is in B, too: the maker of B had seen A. If neither contains the other, the
//! values are concurrent.
//!
//! # Reading the store costs time
//!
//! It is read after each call, so a piece is parsed only if its bytes have changed.

use super::content::{ASPECTS, Content, FIELDS, is_long};
use super::guest::extra_of;
use super::phone::LocalPiece;
use super::reply::lenient;
use super::watch::Lost;
use haumana_sync::digest::Digest;
use haumana_sync::id::{Key, KindNumber, RecordId, UserId};
use haumana_sync::store::Store;
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};

/// The edits that are in the value of each aspect, one bit each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen(pub [u128; ASPECTS]);

/// One version of a piece on the server.
///
/// The model never forgets it within a run. The server may forget it after the retention time.
#[derive(Clone, Debug)]
pub struct KnownVersion {
    /// Its content.
    pub content: Content,
    /// Which edits are in it.
    pub seen: Seen,
    /// When it was committed, as the server says.
    pub modified_ms: i64,
    /// The life of the server in which it was made. After a restore the same number may be used
    /// again.
    pub life: u32,
}

/// A push that the server has to remember.
///
/// The server keeps such receipts, too, to find the base of a push if the reply before was lost.
#[derive(Clone, Debug)]
pub struct KnownPush {
    /// `version >> 12`, or 0 for the device that made the piece.
    pub delivery: u64,
    /// `version mod 2^12` and `modifiedAt`.
    pub order: (u64, i64),
    /// Its content.
    pub content: Content,
    /// When it came.
    pub at_ms: i64,
    /// When it was sent.
    pub sent_ms: i64,
    /// Whether it changed something in the store, so that the server remembers it.
    pub left_trace: bool,
    /// Whether it lost and a long text of it is in the inbox. The server remembers that too.
    pub is_in_inbox: bool,
    /// The delivery that its reply began; 0 if no reply is known.
    pub given: u64,
    /// Whether a later request has shown that delivery. Then this one has ended.
    pub ended: bool,
}

/// The model's knowledge of one piece on the server.
///
/// There is one for each piece that the server ever had in this life, deleted or not.
#[derive(Clone, Debug)]
pub struct Track {
    /// The version.
    pub k: u32,
    /// The stored content, as bytes.
    pub raw: String,
    /// The content; `None` of a deleted piece.
    pub content: Option<Content>,
    /// The last content of a deleted piece, or `content`.
    pub last: Option<Content>,
    /// Whether the deleting request also edited it, so that `last` may not be the last content.
    pub blurred: bool,
    /// The versions in which it was deleted.
    pub tombstones: BTreeSet<u32>,
    /// When a deleted piece was deleted.
    pub deleted_ms: i64,
    /// Its stored `createdAt`.
    pub created: Json,
    /// The keys that the app does not know, as text.
    pub extra: BTreeMap<String, String>,
    /// The stamp of its last commit, in seconds.
    pub stamp_secs: i64,
    /// The number of its last commit.
    pub revision: u64,
    /// Which edits are in it.
    pub seen: Seen,
    /// Every version so far.
    pub versions: BTreeMap<u32, KnownVersion>,
    /// Pushes with an edit in them.
    pub pushes: Vec<KnownPush>,
    /// Deliveries of which an older push came after a newer one, without the server being able to
    /// know it.
    pub overtaken: BTreeSet<u64>,
    /// Whether the server lost versions of it when a backup was restored.
    pub travelled: bool,
    /// Whether the protocol could not know the base of some push.
    pub tainted: bool,
}

/// The pieces of one account, and what must still be found of them.
///
/// There is one for each account. A backup of the server has a copy of it, which is restored with
/// the backup.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// The pieces on the server.
    pub tracks: BTreeMap<RecordId, Track>,
    /// Marks of accepted values. Each must be in the record or in its history.
    pub owed: BTreeSet<(RecordId, String)>,
    /// Values that a device replaced in the request that brought them.
    pub replaced: BTreeSet<(RecordId, String)>,
    /// Sessions that were accepted.
    pub sessions: BTreeSet<RecordId>,
    /// Sessions as new clients left them; `None` if they deleted them.
    pub mended: BTreeMap<RecordId, Option<String>>,
    /// Pieces that a restored backup does not have, or that were erased.
    pub forgotten: BTreeSet<RecordId>,
    /// Pieces that were erased with the account. Nobody may bring them back unless the user asks
    /// for it.
    pub erased: BTreeSet<RecordId>,
    /// Pieces that were erased before an import. Until the next erasure phones bring them back.
    pub spared: BTreeSet<RecordId>,
    /// Pieces that were erased before a backup was restored. If the backup does not have the
    /// account, the server still knows of the erasure, but not of an import since.
    pub doubtful: BTreeSet<RecordId>,
}

/// A piece as it is stored.
///
/// Two are equal if nobody could tell them apart, including their conflicts in the inbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its version.
    pub k: u32,
    /// Whether it is a tombstone.
    pub deleted: bool,
    /// Its content.
    pub raw: String,
    /// When its version was committed.
    pub modified_ms: i64,
    /// The stamp of its last commit.
    pub stamp_secs: i64,
    /// The number of its last commit.
    pub revision: u64,
    /// Values that lost against it and are in the inbox.
    pub lost: Vec<Lost>,
}

impl Stored {
    /// Reads the content; `None` of a tombstone.
    ///
    /// The second part is `createdAt`, as it is stored.
    pub fn content(&self) -> Option<(Content, Json)> {
        if self.deleted {
            return None;
        }
        let json = lenient(&self.raw).expect("stored content is JSON");
        let json = json.as_object().expect("stored content is an object");
        let content = Content::read(json).expect("a stored piece has every required key");
        Some((content, json.get("createdAt").cloned().unwrap_or(Json::Null)))
    }

    /// Whether a long text of `content` is in the inbox.
    pub(super) fn has_lost(&self, content: &Content) -> bool {
        let is_it = |lost: &Lost, at: usize| {
            lost.field.as_deref() == Some(FIELDS[at].0)
                && lost.shown(at).as_ref() == Some(&content.0[at])
        };
        let mut texts = (0..FIELDS.len()).filter(|at| is_long(*at));
        texts.any(|at| self.lost.iter().any(|lost| is_it(lost, at)))
    }

    /// Whether nobody can tell the two apart. With a tombstone the server may note which copy a
    /// phone holds under the number of its repeated request. That renews the stamp, but brings
    /// nobody anything new.
    pub fn is_same_to_everybody(&self, other: &Self) -> bool {
        let of_commit = if self.deleted { self } else { other };
        let (stamp_secs, revision) = (of_commit.stamp_secs, of_commit.revision);
        *self == Self { stamp_secs, revision, ..other.clone() }
    }
}

/// Every piece of one account in the store.
pub type Observed = BTreeMap<RecordId, Stored>;

/// Reads every piece of an account.
///
/// It reads the store directly, without faults.
pub async fn observe(store: &dyn Store, user: &UserId) -> Observed {
    let index = store.index(user, KindNumber::PIECE).await.expect("the store itself does not fail");
    let keys: Vec<Key> = index.iter().map(|entry| Key::piece(entry.id)).collect();
    let found = store.read(user, &keys).await.expect("the store itself does not fail");
    let stored = found.into_iter().flatten().map(|envelope| {
        let stored = Stored {
            k: envelope.version,
            deleted: envelope.deleted,
            raw: envelope.content,
            modified_ms: envelope.modified_at.0,
            stamp_secs: envelope.stamp.0,
            revision: envelope.revision.0,
            lost: Vec::new(),
        };
        (envelope.key.id, stored)
    });
    stored.collect()
}

/// Everything that is kept of a piece: its content and its history, as text.
///
/// It reads all pages of the history.
pub async fn everything_of(store: &dyn Store, user: &UserId, id: RecordId) -> String {
    let key = Key::piece(id);
    let found = store.read(user, &[key]).await.expect("the store itself does not fail");
    let mut text: String = found.into_iter().flatten().map(|envelope| envelope.content).collect();
    let mut before = None;
    loop {
        let page = store.history_of(user, &key, before, 50).await.expect("the store works");
        let Some(last) = page.last() else { return text };
        before = Some(last.key.version);
        text.extend(page.into_iter().map(|entry| entry.content));
    }
}

/// The digests of the head, computed again from the records: of versions, and of content.
///
/// Written from the protocol and not from the engine's code, so that both must agree (G2).
pub async fn digests(store: &dyn Store, user: &UserId) -> (Digest, Digest) {
    let (mut versions, mut content) = (Digest::default(), Digest::default());
    for kind in [KindNumber::PIECE, KindNumber::SESSION] {
        for entry in store.index(user, kind).await.expect("the store itself does not fail") {
            let key = Key { kind, id: entry.id };
            versions = versions.plus(Digest::of_version(
                &key.kind.code(),
                key.id,
                entry.version,
                entry.deleted,
            ));
            if kind == KindNumber::PIECE && !entry.deleted {
                let version = entry.version.to_be_bytes();
                let term = Digest::of([&entry.hash.bits().to_be_bytes()[..], &version[..]]);
                content = content.plus(term);
            }
        }
    }
    (versions, content)
}

impl Ledger {
    /// Whether a phone's copy is from before an erasure. Such a copy is acknowledged, but not
    /// stored.
    ///
    /// A piece that the phone made itself and never synced is not a copy of an erased one.
    pub fn is_erased(&self, sent: &LocalPiece) -> bool {
        let is_made_there = sent.version < 1 << 32 && sent.synced_secs.is_none();
        !self.tracks.contains_key(&sent.id) && self.erased.contains(&sent.id) && !is_made_there
    }

    /// Whether the server may take a push for a copy of an erased piece.
    pub fn may_be_erased(&self, sent: &LocalPiece) -> bool {
        let is_doubtful = self.doubtful.contains(&sent.id) && sent.synced_secs.is_some();
        self.is_erased(sent) || (is_doubtful && !self.tracks.contains_key(&sent.id))
    }
}

impl Track {
    /// A piece that did not exist before.
    pub fn new() -> Self {
        Self {
            k: 0,
            raw: String::new(),
            content: None,
            last: None,
            blurred: false,
            tombstones: BTreeSet::new(),
            deleted_ms: 0,
            created: Json::Null,
            extra: BTreeMap::new(),
            stamp_secs: 0,
            revision: 0,
            seen: Seen::default(),
            versions: BTreeMap::new(),
            pushes: Vec::new(),
            overtaken: BTreeSet::new(),
            travelled: false,
            tainted: false,
        }
    }

    /// The version that a phone's number names, if this server knows it.
    ///
    /// `None` if the number is of another life: the same version may have other content there.
    pub fn held(&self, sent: &LocalPiece) -> Option<&KnownVersion> {
        let named = self.versions.get(&((sent.version >> 32) as u32));
        named.filter(|known| known.life == sent.number_life)
    }

    /// Other content that phones pushed since then, and that the server remembers.
    ///
    /// The server can recognise these texts although they are in no version.
    pub fn pushed_since(&self, oldest_ms: i64) -> impl Iterator<Item = &Content> {
        let pushes = self.pushes.iter();
        let kept = pushes.filter(move |known| {
            (known.left_trace || known.is_in_inbox) && oldest_ms < known.at_ms
        });
        kept.map(|known| &known.content)
    }

    /// The base of a push that is the first of its delivery: the version that its number names, or
    /// the piece that its own phone made, in its first form.
    pub fn base(&self, sent: &LocalPiece) -> Option<&KnownVersion> {
        let is_made_there = sent.version < 1 << 32 && sent.synced_secs.is_none();
        let first = || self.versions.values().next().filter(|_| is_made_there);
        self.held(sent).or_else(first)
    }

    /// The version that a new client names. For a tombstone it is the piece before the delete.
    pub fn named(&self, version: u32) -> Option<&KnownVersion> {
        let before = || self.versions.range(..version).next_back().map(|(_, known)| known);
        let is_tombstone = self.tombstones.contains(&version);
        self.versions.get(&version).or_else(|| before().filter(|_| is_tombstone))
    }

    /// The stored content and `createdAt`, parsed again only if the bytes have changed; `None` for
    /// a tombstone.
    pub fn read(&self, stored: &Stored) -> Option<(Content, Json)> {
        let is_known = self.raw == stored.raw && !stored.deleted;
        match self.content.as_ref().filter(|_| is_known) {
            Some(content) => Some((content.clone(), self.created.clone())),
            None => stored.content(),
        }
    }

    /// Sets the piece to its stored state, in this life of the server.
    ///
    /// If the edits of a version became known later, for example by a push that changed nothing,
    /// the version is replaced.
    pub fn update(&mut self, stored: &Stored, life: u32) {
        if self.raw != stored.raw || self.k == 0 {
            self.content = None;
            self.deleted_ms = stored.modified_ms;
            if let Some((content, created)) = stored.content() {
                self.last = Some(content.clone());
                self.blurred = false;
                self.content = Some(content);
                self.created = created;
                self.extra = extra_of(&stored.raw);
            }
            self.raw.clone_from(&stored.raw);
        }
        self.k = stored.k;
        self.stamp_secs = stored.stamp_secs;
        self.revision = stored.revision;
        if self.content.is_none() {
            self.tombstones.insert(self.k);
        }
        let is_known = self.versions.get(&self.k).is_some_and(|known| known.seen == self.seen);
        if let Some(content) = self.content.as_ref().filter(|_| !is_known) {
            let life = self.versions.get(&self.k).map_or(life, |known| known.life);
            let known = KnownVersion {
                content: content.clone(),
                seen: self.seen.clone(),
                modified_ms: stored.modified_ms,
                life,
            };
            self.versions.insert(self.k, known);
        }
    }
}

impl Default for Track {
    fn default() -> Self {
        Self::new()
    }
}
