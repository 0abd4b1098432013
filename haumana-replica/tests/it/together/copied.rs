//! Replicas whose folders are copied and put back, or whose account was erased.

use super::flight::Flight;
use super::world::Together;
use haumana_replica::Erasure;
use haumana_sim::meeting::Heard;

/// How many devices there are at most, with copies.
const DEVICES: usize = 5;

/// How the model calls an installation, whatever name it has on the server.
pub(super) fn device_name(at: usize) -> String {
    format!("device {at}")
}

impl Together<'_> {
    /// The folder is backed up, copied to another machine, or put back to what it was.
    pub(super) async fn copy_device(&mut self, at: usize) {
        let Some(folder) = self.devices[at].folder().await else { return };
        let sent = self.world.guest_edits.folder(&device_name(at));
        match self.world.dice.below(3) {
            0 => self.devices[at].backup = Some((folder, sent)),
            1 if self.devices.len() < DEVICES => {
                let copy = self.devices.len();
                self.world.note(None, || format!("d{at} is copied: d{copy}"));
                self.rare.copies += 1;
                self.world.guest_edits.set_folder(&device_name(copy), &sent);
                let account = self.devices[at].account;
                self.add_device(copy, false).await;
                let user = self.world.users[account].clone();
                self.devices[copy].account = account;
                self.devices[copy].put_back(&folder, user).await;
            }
            _ => {
                let Some((backup, sent)) = self.devices[at].backup.clone() else { return };
                self.world.note(None, || format!("the folder of d{at} is put back"));
                self.rare.copies += 1;
                self.world.guest_edits.set_folder(&device_name(at), &sent);
                let user = self.user(at);
                self.devices[at].put_back(&backup, user).await;
            }
        }
    }

    /// The body of a reply; `None` if there is none, or if the account was erased. Then its user
    /// decides at once.
    pub(super) async fn hear(
        &mut self,
        at: usize,
        flight: &Flight,
        heard: Option<Heard>,
    ) -> Option<Vec<u8>> {
        if let Some(Heard::Gone) = heard {
            self.rare.goners += 1;
            let keeps = self.world.dice.chance(50);
            self.world.note(None, || format!("the user of d{at} keeps what is there: {keeps}"));
            let device = &mut self.devices[at];
            device.replica.note_erased(&flight.outgoing).await.unwrap();
            let erasure = if keeps { Erasure::UploadAsNew } else { Erasure::Forget };
            device.replica.settle_erasure(erasure).await.unwrap();
            if !keeps {
                device.wishes.retain(|(account, _, _), _| *account != flight.account);
            }
        }
        heard.and_then(Heard::into_body)
    }
}
