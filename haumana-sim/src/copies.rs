//! Phones that are set up from a backup of another one, or put back to an earlier one of their own.

use super::faults::FaultKind;
use super::phone::Stage;
use super::world::World;

/// How many backups of phones there are at most.
const BACKUPS: usize = 6;

impl World<'_> {
    /// A phone is backed up, or a backup is put back: over itself, over another phone, or onto a
    /// new one.
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
