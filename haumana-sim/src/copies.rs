//! Phones that are set up from a backup of another one, or put back to an earlier one of their own.
//!
//! A phone that is set up from a backup has the numbers and edits of the other one, and both go on.
//! The protocol has no name for a device, so a server can only notice it by numbers that were used
//! before. What a copy may lose, and what not, is in [`leeway`](crate::leeway).

use super::faults::FaultKind;
use super::phone::Stage;
use super::world::World;

/// How many backups of phones there are at most.
const BACKUPS: usize = 6;

impl World<'_> {
    /// A phone is backed up, or a backup is put back: over itself, over another phone, or onto a
    /// new one.
    ///
    /// At most two phones more than the profile has come into being this way.
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

    /// A phone is backed up.
    ///
    /// A backup has everything that is on the phone, its open form and its sync under way too;
    /// putting it back drops those.
    pub fn back_up_phone(&mut self, phone: usize) {
        self.note(None, || format!("phone {phone} is backed up"));
        let copy = self.phones[phone].clone();
        if self.phone_backups.len() < BACKUPS {
            return self.phone_backups.push(copy);
        }
        let at = self.dice.below(BACKUPS);
        self.phone_backups[at] = copy;
    }

    /// A backup is put onto a phone, whose own content is gone; what was in memory is too.
    ///
    /// The number and the clock are those of the phone that it is put onto. What only that phone
    /// had is abandoned: nobody can bring it back.
    pub fn put_phone_back(&mut self, backup: usize, onto: usize) {
        let backup = self.phone_backups[backup].clone();
        let from = backup.number;
        self.tally.faults.note(FaultKind::PhoneCopied);
        self.note(None, || format!("phone {onto} is set up from a backup of phone {from}"));
        let old = &self.phones[onto];
        let (number, skew_ms) = (old.number, old.skew_ms);
        // What was on its way may still arrive.
        if let Stage::Sent(request) = std::mem::take(&mut self.phones[onto].stage) {
            self.remember(request);
        }
        // Of what only it had, nobody else can know.
        let lost = self.phones[onto].pieces.iter().map(|piece| piece.id);
        self.abandoned.extend(lost);
        self.phones[onto] = super::phone::Phone { number, skew_ms, ..backup };
        self.phones[onto].restart();
    }
}
