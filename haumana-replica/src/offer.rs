//! Offers to a server whose past differs from this device's: it was restored from a backup, erased
//! and imported, or set up anew.
//!
//! The device offers a record in the state that it held. An offer is no edit: the server accepts
//! what it has lost, keeps what was brought back, and puts what it did not accept into the inbox.
//! If the server has not answered what a person typed, that is an edit, and keeps its own time.
//! Versions of the other past mean nothing here, so the edit is sent without a base.

use crate::content::{Content, is_counter, write_value};
use crate::groups::has_groups;
use crate::record::{Agreed, Local, Offer, Touch};
use crate::sent::SentFields;
use haumana_sync::record::Value;
use haumana_sync::schema::Kind;
use haumana_sync::store::Version;
use haumana_sync::time::UnixMillis;
use std::sync::Arc;

impl Local {
    /// The server names a record that this device holds from another past.
    ///
    /// `sent` is what the server has just answered.
    pub(crate) fn change_lives(
        &mut self,
        kind: &Arc<Kind>,
        old: &Agreed,
        new: &Agreed,
        sent: &SentFields,
    ) {
        self.reopen_offers();
        let is_typed = self.pending.touches.values().any(|touch| touch.acked.is_none());
        if new.value.is_none() && is_typed {
            // A part of a record is no record, and the server may have lost the rest.
            self.make_whole(kind);
        } else if old.value != new.value && !self.is_pushed_whole(kind, sent) {
            self.offer(Offer::of(old));
        }
        let is_same = old.value == new.value;
        for (name, touch) in &mut self.pending.touches {
            touch.earlier = Vec::new();
            if sent.get(name).is_some_and(|(_, at)| *at == touch.at) {
                continue;
            }
            touch.acked = None;
            if is_same && touch.base == Some(old.version) {
                touch.base = Some(new.version);
            } else {
                (touch.base, touch.before) = (None, None);
            }
        }
        self.pending.clear_refusal();
        self.pending.renounce_delete();
    }

    /// Makes the whole record pending without a base, because the server has lost the base.
    pub(crate) fn make_whole(&mut self, kind: &Arc<Kind>) {
        let Some(content) = self.content_before_removal(kind) else { return };
        let offered_at = self.pending.offers.last().map(|offer| offer.at);
        let agreed_at = self.agreed.as_ref().map(|agreed| agreed.modified_at);
        let agreed_at = agreed_at.or(offered_at).unwrap_or(UnixMillis(0));
        for name in content.all_names() {
            let value = content.get(name);
            let old = self.pending.touches.get(name);
            let Some(json) = write_value(&value).filter(|_| !value.is_null() || old.is_some())
            else {
                continue;
            };
            // The user's edit is sent as it was typed. The view may show it merged.
            let typed = |old: &Touch| match is_counter(kind, name) {
                // Other devices counted, too.
                true => (json.clone(), old.at),
                false => (old.value.clone(), old.at),
            };
            let (json, at) = old.map_or((json.clone(), agreed_at), typed);
            let sent = old.is_some_and(|old| old.sent);
            let (base, before, acked, sent_at) = (None, None, None, None);
            let earlier = Vec::new();
            let touch = Touch { value: json, at, base, before, sent, acked, sent_at, earlier };
            self.pending.touches.insert(name.to_owned(), touch);
        }
        self.pending.clear_refusal();
    }

    /// Whether the server's answer covers all that was agreed, except what its user has replaced.
    fn is_pushed_whole(&self, kind: &Arc<Kind>, sent: &SentFields) -> bool {
        let touches = &self.pending.touches;
        let is_acked = |name: &str| touches.get(name).is_some_and(|touch| touch.acked.is_some());
        self.base_content(kind).is_some_and(|content| {
            let mut names = content.all_names().filter(|name| !content.get(name).is_null());
            names.all(|name| sent.contains_key(name) || is_acked(name))
        })
    }

    /// The server lacks the record. This device offers its state as new.
    pub(crate) fn be_lacked(&mut self, kind: &Arc<Kind>) {
        self.reopen_offers();
        if self.pending.removal.is_some() {
            // Nobody else has edited the record, so the delete is enough.
            self.pending.touches.clear();
            self.pending.renounce_delete();
        } else if !self.pending.touches.is_empty() {
            self.make_whole(kind);
        } else if let Some(agreed) = &self.agreed {
            self.offer(Offer::of(agreed));
        }
        (self.pending.whole, self.pending.answered_at) = (None, None);
        self.agreed = None;
    }

    /// The server lacks a record that a later page should have named. So it has lost what it had
    /// answered, and that is sent again.
    pub(crate) fn be_unanswered(&mut self) {
        for touch in self.pending.touches.values_mut() {
            touch.acked = None;
            touch.earlier.iter_mut().for_each(|earlier| earlier.is_answered = false);
        }
    }

    /// The account was erased, and its user wants it back: uploads all that is not deleted.
    pub(crate) fn upload_as_new(&mut self, kind: &Arc<Kind>) {
        if self.content(kind).is_none() {
            self.pending = Default::default();
            self.agreed = None;
        } else {
            self.be_lacked(kind);
            self.pending.offers.retain(|offer| offer.value.is_some());
        }
    }

    fn offer(&mut self, offer: Offer) {
        if !self.pending.offers.contains(&offer) {
            self.pending.offers.push(offer);
        }
    }

    /// What the server had answered may be lost with its past.
    fn reopen_offers(&mut self) {
        self.pending.offers.iter_mut().for_each(|offer| offer.acked = None);
    }

    /// The server has answered `offer`. `version` is the server's version since then. Until this
    /// device has that version, it counts on what it offered.
    pub(crate) fn acknowledge_offer(&mut self, offer: &Offer, version: Option<Version>) {
        let held = self.version();
        let comes = version.filter(|version| held.is_some_and(|held| held < *version));
        if comes.is_none() {
            return self.pending.offers.retain(|open| open != offer);
        }
        let open = self.pending.offers.iter_mut().filter(|open| *open == offer);
        open.for_each(|open| open.acked = comes);
    }

    /// Turns an offer into an edit, because its user sees the record and edits it.
    pub(crate) fn take_up_offer(&mut self, kind: &Arc<Kind>) {
        if self.agreed.is_some() || self.pending.offers.is_empty() {
            return;
        }
        self.make_whole(kind);
        if let Some(at) = self.pending.offers.iter().rposition(|offer| offer.value.is_some()) {
            self.pending.offers.remove(at);
        }
    }

    /// The fields of an offer; `None` if it is a tombstone. A field that the server has and the
    /// offer lacks is cleared.
    pub(crate) fn offered_fields(&self, kind: &Arc<Kind>, offer: &Offer) -> Option<SentFields> {
        let ours = Content::parse(kind, offer.value.as_deref()?)?;
        let theirs = self.agreed.as_ref().and_then(|agreed| agreed.value.as_deref());
        let theirs = theirs.and_then(|text| Content::parse(kind, text));
        let mut fields = SentFields::new();
        for name in ours.all_names() {
            let value = ours.get(name);
            if let (false, Some(json)) = (value.is_null(), write_value(&value)) {
                fields.insert(name.to_owned(), (json, offer.at));
            }
        }
        // In a record whose fields move together, nothing is cleared.
        for name in theirs.iter().filter(|_| !has_groups(kind)).flat_map(Content::all_names) {
            let is_there = theirs.as_ref().is_some_and(|theirs| !theirs.get(name).is_null());
            let is_cleared = is_there && !kind.named(name).is_required();
            if let (true, Some(null)) = (is_cleared, write_value(&Value::Null)) {
                fields.entry(name.to_owned()).or_insert((null, offer.at));
            }
        }
        Some(fields)
    }
}
