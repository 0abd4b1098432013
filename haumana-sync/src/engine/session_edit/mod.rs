//! What an edit of a session does: the one path of phones, new clients and earlier servers.
//!
//! Each dialect turns what it was sent into a [`SessionEdit`]; everything else is decided here.

mod keep;

use super::commit::Draft;
use super::edit::Setting;
use super::push::PushOutcome;
use super::session_record::SessionRecord;
use super::{Conflict, Error, ErrorKind, OtherLife};
use crate::id::{Key, RecordId};
use crate::merge::{Reason, compare_sessions};
use crate::record::{Session, SessionGroup, SessionSet};
use crate::store::{Envelope, HistoryKey, Version};
use crate::time::UnixMillis;
use crate::wire::Refusal;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

/// An edit of one session.
#[derive(Clone, Debug)]
pub struct SessionEdit {
    pub id: RecordId,
    /// The device, where it has a name; phones have none.
    pub device: Option<String>,
    /// The version that it was made on; `None` if its device knew none.
    pub base: Option<Version>,
    /// Whether it is of another life of the server, whatever its base's number says. A base that
    /// this life has not reached, or has skipped, needs no such word.
    pub is_of_other_life: bool,
    /// A hash of the request, to know it when it comes again.
    pub name: Option<u64>,
    pub op: SessionOp,
}

/// What an edit does.
#[derive(Clone, Debug)]
pub enum SessionOp {
    /// Sets fields; with what its device says of each group that it sets.
    Set(SessionSet, BTreeMap<SessionGroup, Claimed>),
    /// Deletes the session.
    Delete(Claimed),
}

/// What a device says of a group that it sets, or of a delete.
#[derive(Clone, Copy, Debug)]
pub struct Claimed {
    /// When it was edited, by the device's clock.
    pub at: UnixMillis,
    /// A hash by which it is known when it comes again.
    pub identity: u64,
}

/// What becomes of an edit.
#[derive(Clone, Debug)]
pub struct Decision {
    /// What is to be written, if anything is.
    pub draft: Option<Draft>,
    pub outcome: PushOutcome,
    /// The session's version then; `None` if there is no such session.
    pub version: Option<Version>,
    /// A delete that lost; it is in the inbox.
    pub conflicts: Vec<Conflict>,
}

impl SessionEdit {
    /// Where the content of its base is kept, if the session has changed since.
    pub fn base_key(&self, old: &Envelope) -> Option<HistoryKey> {
        let version = self.base.filter(|base| *base < old.version)?;
        Some(HistoryKey { key: Key::session(self.id), version, side: 0 })
    }
}

/// Decides an edit of the session as it stands in `old`. `base` is the content of the edit's base,
/// where that is an earlier version and still retained.
///
/// # Errors
///
/// [`Refusal`] if the edit cannot be taken; an error of the engine if `old` cannot be read.
pub fn decide(
    edit: &SessionEdit,
    old: Option<&Envelope>,
    base: Option<&Session>,
    setting: Setting,
) -> super::Result<Result<Decision, Refusal>> {
    let record = match old {
        Some(envelope) => SessionRecord::open(envelope)?,
        None => SessionRecord::none(edit.id, setting.now),
    };
    let mut work = Work::begin(edit, record, base, setting);
    let worked = match &edit.op {
        SessionOp::Delete(claimed) => {
            work.delete(*claimed);
            Ok(())
        }
        SessionOp::Set(set, claims) if old.is_none() => work.create(set, claims),
        SessionOp::Set(set, claims) if edit.name.is_some() => work.put_back(set, claims),
        SessionOp::Set(set, claims) => work.set(set, claims),
    };
    Ok(worked.and_then(|()| work.finish(old)))
}

/// Deletes a session as a person sees it; `None` if it is deleted already.
pub fn delete_as_it_stands(old: &Envelope, setting: Setting) -> super::Result<Option<Draft>> {
    let op = SessionOp::Delete(Claimed { at: setting.now, identity: 0 });
    let (id, base) = (old.key.id, Some(old.version));
    let edit = SessionEdit { id, device: None, base, is_of_other_life: false, name: None, op };
    let decided = decide(&edit, Some(old), None, setting)?;
    Ok(decided.map_err(|_| Error::new(ErrorKind::Invalid, "there is no room for it"))?.draft)
}

/// How the server's value of a group stands to what the edit's device knew.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Against {
    /// The device knew it, or had made it itself and has gone on.
    Known,
    /// The same device has said something newer meanwhile.
    Outdated,
    /// Neither knew of the other.
    Concurrent,
}

/// A group that changes.
struct Change {
    group: SessionGroup,
    claimed_at: UnixMillis,
    /// The hash of the value before.
    before: u64,
}

struct Work<'a> {
    edit: &'a SessionEdit,
    record: SessionRecord,
    base: Option<&'a Session>,
    setting: Setting,
    /// The version before, 0 if there was none.
    old_version: Version,
    /// Whether the edit's base belongs to another life of the server.
    is_of_other_life: bool,
    /// Whether the version is raised even if no group changes.
    raised: bool,
    changes: Vec<Change>,
    /// Whether the session is not as the edit says.
    differs: bool,
    /// What the edit made of the version that its device knew.
    pushed: Option<Session>,
    /// Fields of it that are in no version, and why.
    lost: Vec<(String, Reason)>,
    /// Whether a delete lost.
    lost_delete: bool,
    identities: BTreeSet<u64>,
}

impl<'a> Work<'a> {
    fn begin(
        edit: &'a SessionEdit,
        record: SessionRecord,
        base: Option<&'a Session>,
        setting: Setting,
    ) -> Self {
        let old_version = record.version;
        let is_foreign = |base: Version| {
            let is_of_life_before = setting.is_of_life_before(base);
            old_version < base || record.meta.is_foreign(base) || is_of_life_before
        };
        let is_of_other_life = edit.is_of_other_life || edit.base.is_some_and(is_foreign);
        let is_ahead = edit.base.is_some_and(|base| old_version < base);
        Self {
            edit,
            raised: is_ahead && record.session.is_some(),
            record,
            base: base.filter(|_| !is_of_other_life),
            setting,
            old_version,
            is_of_other_life,
            changes: Vec::new(),
            differs: false,
            pushed: None,
            lost: Vec::new(),
            lost_delete: false,
            identities: BTreeSet::new(),
        }
    }

    /// Part of a session is no session; a device that had it sends the whole, without a base.
    fn create(
        &mut self,
        set: &SessionSet,
        claims: &BTreeMap<SessionGroup, Claimed>,
    ) -> Result<(), Refusal> {
        let had_it = self.edit.base.is_some();
        let lacking = if had_it { Refusal::BaseGone } else { Refusal::InvalidField };
        self.record.session = Some(set.make().ok_or(lacking)?);
        let claimed_at = claims.values().map(|claimed| claimed.at).max();
        self.record.meta.created = self.touch(claimed_at.unwrap_or(self.setting.now));
        self.raised = true;
        Ok(())
    }

    fn set(
        &mut self,
        set: &SessionSet,
        claims: &BTreeMap<SessionGroup, Claimed>,
    ) -> Result<(), Refusal> {
        // Of a deleted session whose content is gone only a whole one can be kept.
        let pushed = self.record.session.as_ref().or(self.base).cloned();
        let mut pushed = pushed.or_else(|| set.make()).ok_or(Refusal::BaseGone)?;
        for group in set.groups() {
            let unknown = Claimed { at: self.setting.now, identity: 0 };
            let claimed = claims.get(&group).copied().unwrap_or(unknown);
            let against = self.against(&group, claimed.at);
            let current = self.record.session.as_ref();
            let start = current.filter(|_| against == Against::Known).or(self.base);
            if !set.put(&group, start, &mut pushed) {
                return Err(Refusal::BaseGone);
            }
            self.weigh(group, claimed, against, &pushed);
        }
        self.pushed = Some(pushed);
        Ok(())
    }

    /// A person asks for it, who knows of a delete.
    fn put_back(
        &mut self,
        set: &SessionSet,
        claims: &BTreeMap<SessionGroup, Claimed>,
    ) -> Result<(), Refusal> {
        if self.record.session.is_some() {
            return self.set(set, claims);
        }
        cov_mark::hit!(deleted_session_is_put_back);
        let session = set.make().ok_or(Refusal::BaseGone)?;
        for group in session.groups() {
            let before = self.record.meta.last.get(group.name()).copied().unwrap_or_default();
            let claimed_at = claims.get(&group).map_or(self.setting.now, |claimed| claimed.at);
            self.changes.push(Change { group, claimed_at, before });
        }
        self.record.meta.last = BTreeMap::new();
        self.record.meta.last_version = 0;
        self.record.meta.last_created_at = None;
        self.record.session = Some(session);
        Ok(())
    }

    fn against(&self, group: &SessionGroup, claimed_at: UnixMillis) -> Against {
        let touch = self.record.meta.touch(group.name());
        let is_own = self.edit.device.is_some() && touch.device == self.edit.device;
        let base = self.edit.base.filter(|_| !self.is_of_other_life);
        if base.is_some_and(|base| touch.version <= base) {
            Against::Known
        } else if self.is_of_other_life || !is_own {
            Against::Concurrent
        } else if claimed_at < touch.claimed_at {
            Against::Outdated
        } else {
            Against::Known
        }
    }

    /// Decides one group of what was pushed.
    fn weigh(&mut self, group: SessionGroup, claimed: Claimed, against: Against, pushed: &Session) {
        let since = self.edit.base.filter(|_| !self.is_of_other_life).unwrap_or(0);
        let is_known = self.record.has_had(&group, group.hash(pushed), since);
        // Who knew no value says nothing against one.
        let is_news = !is_known && (0 < since || !group.is_empty(pushed));
        let Some(current) = &self.record.session else {
            self.differs = true;
            if is_news {
                cov_mark::hit!(edit_of_a_deleted_session_is_kept);
                self.lose(&group, claimed, Reason::LaterEdit);
            }
            return;
        };
        if group.is_same(pushed, current) {
            return;
        }
        let wins = compare_sessions(&group, current, pushed) == Ordering::Less;
        match against {
            Against::Known => {
                cov_mark::hit!(edit_of_a_known_value_applies);
                self.take(group, claimed, pushed);
            }
            _ if !is_news => {
                cov_mark::hit!(what_the_session_has_had_is_no_news);
                self.differs = true;
            }
            _ if self.is_discarded() => self.lose(&group, claimed, Reason::OtherLife),
            Against::Outdated => self.lose(&group, claimed, Reason::LaterEdit),
            Against::Concurrent if wins => {
                cov_mark::hit!(greater_value_of_a_session_wins);
                self.take(group, claimed, pushed);
            }
            Against::Concurrent => {
                cov_mark::hit!(smaller_value_of_a_session_is_kept_aside);
                self.lose(&group, claimed, Reason::EarlierRecord);
            }
        }
    }

    /// Whether the backup that was put back wins against what devices hold of another life.
    fn is_discarded(&self) -> bool {
        self.is_of_other_life && self.setting.other_life == OtherLife::Discarded
    }

    fn take(&mut self, group: SessionGroup, claimed: Claimed, pushed: &Session) {
        let Some(current) = &mut self.record.session else { return };
        let before = group.hash(current);
        group.copy(pushed, current);
        self.changes.push(Change { group, claimed_at: claimed.at, before });
    }

    fn lose(&mut self, group: &SessionGroup, claimed: Claimed, reason: Reason) {
        self.differs = true;
        if self.is_seen(claimed) {
            return;
        }
        let reason = if self.is_of_other_life { Reason::OtherLife } else { reason };
        self.identities.insert(claimed.identity);
        let fields = group.fields().into_iter();
        self.lost.extend(fields.map(|name| (name.to_owned(), reason)));
    }

    fn is_seen(&self, claimed: Claimed) -> bool {
        self.record.meta.seen.iter().any(|seen| seen.hash == claimed.identity)
    }

    fn delete(&mut self, claimed: Claimed) {
        if self.old_version == 0 {
            cov_mark::hit!(delete_of_an_unknown_session_leaves_a_tombstone);
            self.record.meta.created = self.touch(claimed.at);
            self.raised = true;
            return;
        }
        let Some(current) = self.record.session.clone() else { return };
        if self.is_of_other_life {
            cov_mark::hit!(delete_of_another_life_leaves_the_session);
            self.differs = true;
            self.lost_delete = !self.is_seen(claimed);
            self.identities.insert(claimed.identity);
            return;
        }
        self.bury(&current);
    }
}
