//! Phones that are set up from a backup of another phone, or restored to an earlier backup of their
//! own.
//!
//! A phone that is set up from a backup has the numbers and edits of the other one, and both are
//! used further. The protocol has no name for a device, so a server can only notice it by numbers
//! that were used before. [`leeway`](crate::leeway) says what a copy may lose.

use super::faults::FaultKind;
use super::phone::Stage;
use super::world::World;

/// How many backups of phones there are at most.
const BACKUPS: usize = 6;

impl World<'_> {
    /// Backs a phone up, or restores a backup: on the same phone, on another one, or on a new one.
    ///
    /// In this way at most two phones more than the profile has are made.
    pub fn copy_phones(&mut self, phone: usize) {
        if self.phone_backups.is_empty() || self.dice.chance(35) {
            return self.back_up_phone(phone);
        }
        let at = self.dice.below(self.phone_backups.len());
        let is_room = self.phones.len() < self.profile.phones + 2;
        let onto = match self.dice.below(4) {
            0 => self.phone_backups[at].number,
            1 => phone,
            _ if is_room => self.add_phone(),
            _ => phone,
        };
        self.put_phone_back(at, onto);
    }

    /// Backs a phone up.
    ///
    /// A backup has everything that is on the phone, including its open form and its sync in
    /// progress. Restoring it drops these two.
    pub fn back_up_phone(&mut self, phone: usize) {
        self.note(None, || format!("phone {phone} is backed up"));
        let copy = self.phones[phone].clone();
        if self.phone_backups.len() < BACKUPS {
            return self.phone_backups.push(copy);
        }
        let at = self.dice.below(BACKUPS);
        self.phone_backups[at] = copy;
    }

    /// Restores a backup on a phone. The phone's own content and memory are gone.
    ///
    /// The number and the clock stay those of the phone. Content that only that phone had is
    /// abandoned: nobody can bring it back.
    pub fn put_phone_back(&mut self, backup: usize, onto: usize) {
        let backup = self.phone_backups[backup].clone();
        let from = backup.number;
        self.tally.faults.note(FaultKind::PhoneCopied);
        self.note(None, || format!("phone {onto} is set up from a backup of phone {from}"));
        let old = &self.phones[onto];
        let (number, skew_ms) = (old.number, old.skew_ms);
        // A request in flight may still arrive.
        if let Stage::Sent(request) = std::mem::take(&mut self.phones[onto].stage) {
            self.remember(request);
        }
        // Nobody else knows the pieces that only this phone had.
        let lost = self.phones[onto].pieces.iter().map(|piece| piece.id);
        self.abandoned.extend(lost);
        self.phones[onto] = super::phone::Phone { number, skew_ms, ..backup };
        self.phones[onto].restart();
    }
}
