//! How a record changes when the server answers a push of it, sends it, or turns out to lack it.

use crate::content::{Content, base_text, builds_on_earlier, create, has_parts, put, read_value};
use crate::groups::decided_with;
use crate::record::{Agreed, Earlier, Local, Offer, Removal, Touch};
use crate::sent::{SentFields, SentOp, SentPush};
use crate::wire::Rejection;
use haumana_sync::schema::{Kind, Merge};
use haumana_sync::store::Version;
use haumana_sync::time::UnixMillis;
use std::sync::Arc;

/// Whether a reply continues what was agreed before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    Same,
    /// The server has said that its past differs from this device's.
    Other,
}

impl Local {
    /// The server has answered `sent`. What was touched again since stays pending.
    ///
    /// `version` is the server's version since then. Until this device has that version, the fields
    /// keep showing what was sent.
    pub(crate) fn acknowledge(
        &mut self,
        kind: &Arc<Kind>,
        sent: &SentFields,
        version: Option<Version>,
    ) {
        let held = self.version();
        for (name, (_, at)) in sent {
            let Some(touch) = self.pending.touches.get_mut(name) else { continue };
            if touch.at == *at {
                (touch.acked, touch.earlier) = (version.or(Some(0)), Vec::new());
            }
            let base = touch.base;
            for earlier in touch.earlier.iter_mut().filter(|earlier| earlier.at == *at) {
                earlier.is_answered = true;
            }
            // A change that builds on it needs it until its base moves on.
            let builds = builds_on_earlier(kind, name);
            let is_stood_on = |earlier: &Earlier| builds && earlier.base == base;
            touch.earlier.retain(|earlier| !earlier.is_answered || is_stood_on(earlier));
        }
        let is_held = |acked: Version| held.is_some_and(|held| acked <= held) || acked == 0;
        let is_settled = |touch: &Touch| touch.acked.is_some_and(is_held);
        let settled = self.pending.touches.values().filter(|touch| is_settled(touch));
        let answered = settled.map(|touch| touch.at).chain(self.pending.answered_at).max();
        self.pending.answered_at = answered.filter(|_| held.is_some());
        self.pending.touches.retain(|_, touch| !is_settled(touch));
        if self.pending.touches.is_empty() {
            self.pending.whole = None;
        }
    }

    /// The server has answered the delete that was made at `at`.
    pub(crate) fn acknowledge_removal(&mut self, at: UnixMillis) {
        self.pending.removal.take_if(|removal| removal.at == at);
    }

    /// The server refuses `push`. What was touched since stays pending.
    ///
    /// If its user has deleted the record meanwhile, the delete does not wait for refused edits.
    pub(crate) fn refuse(&mut self, push: &SentPush, why: Rejection<'_>) {
        if let SentOp::Set(fields) = &push.op {
            let mut had_earlier = false;
            for (name, (_, at)) in fields {
                let Some(touch) = self.pending.touches.get_mut(name) else { continue };
                let n_earlier = touch.earlier.len();
                touch.earlier.retain(|earlier| earlier.at != *at);
                had_earlier |= touch.earlier.len() < n_earlier;
            }
            // Its user has replaced it since. The rest of the push is judged without it.
            if had_earlier {
                return;
            }
        }
        if !push.is_pending(self) {
            return;
        }
        match (&push.op, &self.pending.removal) {
            (SentOp::Offer(offer, _), Some(_)) => self.acknowledge_offer(offer, None),
            (SentOp::Set(fields), Some(_)) => {
                let is_sent = |name: &str, touch: &Touch| {
                    fields.get(name).is_some_and(|(_, at)| *at == touch.at)
                };
                self.pending.touches.retain(|name, touch| !is_sent(name, touch));
            }
            _ => {
                self.pending.refused = Some(why.code.to_owned());
                self.pending.explanation = why.message.map(str::to_owned);
            }
        }
    }

    /// The agreed content after `sent` alone.
    pub(crate) fn with_sent(&self, kind: &Arc<Kind>, sent: &SentFields) -> Option<Content> {
        let Some(mut content) = self.base_content(kind) else { return made_of(kind, sent) };
        for (name, (value, _)) in sent {
            if kind.named(name).policy() != Merge::Fixed {
                put(&mut content, name, value);
            }
        }
        Some(content)
    }

    /// Stores the server's state. `sent` is what the server has just answered.
    ///
    /// Edits stay pending on the version that their user saw. An edit moves on to the new version
    /// if its field is what its user saw: unchanged, or as this device had sent it before. A delete
    /// moves on if that holds for the whole record.
    ///
    /// `life` says whether the server may have lost what was agreed before.
    pub(crate) fn take(&mut self, kind: &Arc<Kind>, new: Agreed, sent: &SentFields, life: Life) {
        let is_other_life = |old: &Agreed| {
            let is_doubtful = life == Life::Other && old.mark < new.mark;
            let is_another = new.version == old.version && new.value != old.value;
            is_doubtful || is_another || new.version < old.version
        };
        if life == Life::Other && self.agreed.is_none() {
            self.doubt_answers(kind, &new, sent);
        }
        match self.agreed.clone().filter(is_other_life) {
            Some(old) => self.change_lives(kind, &old, &new, sent),
            None => self.move_on(kind, &new, sent),
        }
        let has_come = |acked: Option<Version>| acked.is_some_and(|acked| acked <= new.version);
        let is_there = |offer: &Offer| offer.value == new.value || has_come(offer.acked);
        self.pending.offers.retain(|offer| !is_there(offer));
        self.pending.touches.retain(|_, touch| !has_come(touch.acked));
        if self.version().is_none_or(|old| old < new.version) {
            self.pending.answered_at = None;
        }
        let keeps_whole = new.value.is_none() && !self.pending.touches.is_empty();
        let whole = if keeps_whole { self.base_content(kind) } else { None };
        self.pending.whole = whole.map(|content| content.to_json());
        self.agreed = Some(new);
    }

    /// The server has another past, and names a record that this device has never received. What it
    /// had answered about the record is sent again, unless it is there or was answered just now.
    ///
    /// The versions of those answers mean nothing here.
    fn doubt_answers(&mut self, kind: &Arc<Kind>, new: &Agreed, sent: &SentFields) {
        let theirs = new.value.as_deref().and_then(|text| Content::parse(kind, text));
        for (name, touch) in &mut self.pending.touches {
            let is_new = sent.get(name).is_some_and(|(_, at)| *at == touch.at);
            if touch.acked.is_none() || is_new {
                continue;
            }
            let has = theirs.as_ref().map(|theirs| theirs.get(name));
            let is_there = has.is_some_and(|has| read_value(kind, name, &touch.value) == Some(has));
            touch.acked = is_there.then_some(new.version);
            touch.earlier.iter_mut().for_each(|earlier| earlier.is_answered = false);
        }
    }

    fn move_on(&mut self, kind: &Arc<Kind>, new: &Agreed, sent: &SentFields) {
        if self.pending.is_empty() {
            return;
        }
        let theirs = new.value.as_deref().and_then(|text| Content::parse(kind, text));
        let Some(theirs) = theirs else { return };
        let old = self.version();
        let was_deleted = self.agreed.as_ref().is_some_and(|agreed| agreed.value.is_none());
        let moves = |base: Option<Version>| base == old || was_deleted;
        let own = self.on_its_way(sent);
        let shown = self.with_sent(kind, &own);
        // Few records are deleted, so this comparison is rare.
        let moves_on = |removal: &Removal| !removal.is_offered && moves(removal.base);
        let is_due = self.pending.removal.as_ref().is_some_and(moves_on);
        let is_own = is_due && self.is_own(kind, &theirs, own.clone(), shown.as_ref());
        if let Some(removal) = self.pending.removal.as_mut().filter(|_| is_own) {
            removal.base = Some(new.version);
        }
        let Some(shown) = shown else { return };
        let is_all_seen = theirs == shown;
        for (name, touch) in &mut self.pending.touches {
            let group = decided_with(kind, name);
            let is_seen = group.iter().all(|name| theirs.get(name) == shown.get(name));
            // A change that was sent may still arrive, and is recognised by its base.
            let has_seen = is_all_seen || is_seen && !touch.is_sent();
            // A user who sees only the own change sees nothing of what it replaced.
            let moves = moves(touch.base) || own.contains_key(name) && !touch.is_sent();
            if touch.acked.is_none() && has_seen && moves {
                touch.base = Some(new.version);
                touch.before = has_parts(kind, name).then(|| base_text(&theirs.get(name)));
                touch.earlier.retain(|earlier| !earlier.is_answered);
            }
        }
    }

    /// Whether `theirs` is what was agreed plus what this device has sent: of each field any of its
    /// changes that may have arrived. Its user has seen all of that.
    ///
    /// The server's answers come later: a page can bring the result of pushes that wait to be sent
    /// again. `own` has, for each field, the change before that, and makes `shown`.
    fn is_own(
        &self,
        kind: &Arc<Kind>,
        theirs: &Content,
        own: SentFields,
        shown: Option<&Content>,
    ) -> bool {
        let open = self.pending.touches.iter().filter(|(_, touch)| touch.acked.is_none());
        let again = open.filter(|(_, touch)| touch.is_sent());
        let mut last = own;
        last.extend(again.map(|(name, touch)| (name.clone(), (touch.value.clone(), touch.at))));
        let Some(last) = self.with_sent(kind, &last) else { return false };
        let is_same = |name: &str, content: &Content| theirs.get(name) == content.get(name);
        let mut names = theirs.all_names().chain(last.all_names());
        names.all(|name| is_same(name, &last) || shown.is_some_and(|shown| is_same(name, shown)))
    }

    /// What this device has sent and the server may have accepted, the last change of each field:
    /// `sent`, which it has just answered; what it had answered before; and changes that were sent
    /// and edited again since.
    fn on_its_way(&self, sent: &SentFields) -> SentFields {
        let mut all = SentFields::new();
        for (name, touch) in &self.pending.touches {
            if touch.acked.is_some() {
                all.insert(name.clone(), (touch.value.clone(), touch.at));
            } else if let Some(earlier) = touch.earlier.last() {
                all.insert(name.clone(), (earlier.value.clone(), earlier.at));
            }
        }
        all.extend(sent.clone());
        all
    }
}

/// The record that the server makes from `sent`.
pub(crate) fn made_of(kind: &Arc<Kind>, sent: &SentFields) -> Option<Content> {
    let edited_at = sent.values().map(|(_, at)| *at).max().unwrap_or_default();
    create(kind, sent.iter().map(|(name, (value, _))| (name.as_str(), value)), edited_at)
}
