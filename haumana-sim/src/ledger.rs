//! What the server holds, followed from outside: after each call the store is read, and every
//! change of it must be explained by the push that was made.
//!
//! For each aspect (field or owned line) of each piece the ledger knows which edits are in the
//! server's value. An edit is one bit; a value's [`Seen`] holds the edits that its maker saw, and
//! so says which of two values is older, or that neither is.
//!
//! # Why a ledger
//!
//! The model does not know how the server merges. It knows who typed what, having seen what. With
//! that, and with the stored record before and after each call, it can say which changes are right.
//!
//! # One bit for each edit
//!
//! Each edit of an aspect gets the next bit of a 128-bit number. `A & !B == 0` means that
//! everything in A is in B, too: whoever made B had seen A. If neither contains the other, the
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
/// Never forgotten within a run, though the server may forget it after the retention time.
#[derive(Clone, Debug)]
pub struct KnownVersion {
    /// Its content.
    pub content: Content,
    /// Which edits are in it.
    pub seen: Seen,
    /// When it was committed, as the server says.
    pub modified_ms: i64,
    /// The life of the server in which it was made: after a restored backup the same number may be
    /// given out again.
    pub life: u32,
}

/// A push that the server has to remember.
///
/// The server keeps such receipts, too, to find the base of a push whose reply was lost.
#[derive(Clone, Debug)]
pub struct KnownPush {
    /// `version >> 12`, or 0 for the device that made the piece.
    pub delivery: u64,
    /// `version mod 2^12` and `modifiedAt`.
    pub order: (u64, i64),
    /// What it contained.
    pub content: Content,
    /// When it came.
    pub at_ms: i64,
    /// When it was sent.
    pub sent_ms: i64,
    /// Whether something was written for it, so that the server remembers it.
    pub left_trace: bool,
    /// Whether it lost and a long text of it is in the inbox: the server remembers that too.
    pub is_in_inbox: bool,
    /// The delivery that its reply began; 0 if no reply is known.
    pub given: u64,
    /// Whether a later request has shown that delivery: this one has ended.
    pub ended: bool,
}

/// What is known of one piece on the server.
///
/// One for each piece that the server ever had in this life, deleted or not.
#[derive(Clone, Debug)]
pub struct Track {
    /// The version.
    pub k: u32,
    /// The stored content, as bytes.
    pub raw: String,
    /// The content; `None` of a deleted piece.
    pub content: Option<Content>,
    /// The content that a deleted piece had last, or `content`.
    pub last: Option<Content>,
    /// Whether the request that deleted it had edited it first, so that `last` may not be the last.
    pub blurred: bool,
    /// The versions in which it was deleted.
    pub tombstones: BTreeSet<u32>,
    /// When a deleted piece was deleted.
    pub deleted_ms: i64,
    /// Its `createdAt`.
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
    /// Deliveries of which an older push came after a newer one, and the server could not know.
    pub overtaken: BTreeSet<u64>,
    /// Whether the server lost versions of it when a backup was restored.
    pub travelled: bool,
    /// Whether the protocol could not know the base of some push.
    pub tainted: bool,
}

/// The pieces of one account, and what must still be found of them.
///
/// One for each account. A backup of the server keeps a copy of it, which is put back with the
/// backup.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// The pieces on the server.
    pub tracks: BTreeMap<RecordId, Track>,
    /// Marks of accepted values: each is in the record or in its history.
    pub owed: BTreeSet<(RecordId, String)>,
    /// Values that a device replaced in the request that brought them.
    pub replaced: BTreeSet<(RecordId, String)>,
    /// Sessions that were accepted.
    pub sessions: BTreeSet<RecordId>,
    /// Sessions as new clients left them; `None` if they deleted them.
    pub mended: BTreeMap<RecordId, Option<String>>,
    /// Pieces of which a restored backup knows nothing, or that were erased.
    pub forgotten: BTreeSet<RecordId>,
    /// Pieces that were erased with the account: nobody brings them back unasked.
    pub erased: BTreeSet<RecordId>,
    /// Pieces that were erased before an import: until the next erasure phones bring them back.
    pub spared: BTreeSet<RecordId>,
}

/// A piece as the store holds it.
///
/// Two are equal if nobody could tell them apart, the inbox included.
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
    /// What lost against it and waits in the inbox.
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

    /// Whether a long text of `content` waits in the inbox.
    pub(super) fn has_lost(&self, content: &Content) -> bool {
        let is_it = |lost: &Lost, at: usize| {
            lost.field.as_deref() == Some(FIELDS[at].0)
                && lost.shown(at).as_ref() == Some(&content.0[at])
        };
        let mut texts = (0..FIELDS.len()).filter(|at| is_long(*at));
        texts.any(|at| self.lost.iter().any(|lost| is_it(lost, at)))
    }

    /// Whether nobody can tell the two apart. Beside a tombstone it may be noted which copy a phone
    /// holds under the number of its repeated request: that renews the stamp, and brings nobody
    /// anything new.
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
/// Reads through the store itself, past all faults.
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
/// Pages through the whole history.
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

/// The digests of the head, added up anew from the records: of versions, and of content.
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
    /// Whether a phone's copy is of before an erasure: it is acknowledged, and not taken.
    ///
    /// A piece that the phone made itself and never synced is no copy of an erased one.
    pub fn is_erased(&self, sent: &LocalPiece) -> bool {
        let is_made_there = sent.version < 1 << 32 && sent.synced_secs.is_none();
        !self.tracks.contains_key(&sent.id) && self.erased.contains(&sent.id) && !is_made_there
    }
}

impl Track {
    /// A piece that was not there before.
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

    /// What phones pushed since then and the server remembers, other than this.
    ///
    /// These are texts that the server can recognise although they are in no version.
    pub fn pushed_since(&self, oldest_ms: i64) -> impl Iterator<Item = &Content> {
        let pushes = self.pushes.iter();
        let kept = pushes.filter(move |known| {
            (known.left_trace || known.is_in_inbox) && oldest_ms < known.at_ms
        });
        kept.map(|known| &known.content)
    }

    /// The base of a push that is the first of its delivery: the version that its number names, or
    /// what its phone made, as that came first.
    pub fn base(&self, sent: &LocalPiece) -> Option<&KnownVersion> {
        let is_made_there = sent.version < 1 << 32 && sent.synced_secs.is_none();
        let first = || self.versions.values().next().filter(|_| is_made_there);
        self.held(sent).or_else(first)
    }

    /// The version that a new client names; of a tombstone what the piece was before.
    pub fn named(&self, version: u32) -> Option<&KnownVersion> {
        let before = || self.versions.range(..version).next_back().map(|(_, known)| known);
        let is_tombstone = self.tombstones.contains(&version);
        self.versions.get(&version).or_else(|| before().filter(|_| is_tombstone))
    }

    /// The content that the store holds now, and when it was made, read anew only if it has changed;
    /// `None` of a tombstone.
    pub fn read(&self, stored: &Stored) -> Option<(Content, Json)> {
        let is_known = self.raw == stored.raw && !stored.deleted;
        match self.content.as_ref().filter(|_| is_known) {
            Some(content) => Some((content.clone(), self.created.clone())),
            None => stored.content(),
        }
    }

    /// Takes over what the store holds now, in this life of the server.
    ///
    /// A version whose edits became known later, as by a push that changed nothing, is replaced.
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
