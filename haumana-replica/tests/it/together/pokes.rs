//! Pokes: after a commit of anybody, the devices of that account are told, or not, or twice, now or much
//! later, and they sync then.

use super::world::Together;
use haumana_sim::judge::Checked;
use haumana_sync::store::Revision;
use std::collections::BTreeMap;

/// Pokes that are under way.
#[derive(Debug, Default)]
pub(super) struct Waves {
    /// The latest revision of each account that devices were told of.
    told: BTreeMap<usize, Revision>,
    /// Which device is told, and of which account.
    due: Vec<(usize, usize)>,
}

impl Together<'_> {
    /// Looks for commits. A poke is lost, comes once, or comes twice.
    pub(super) async fn hear_commits(&mut self) {
        for account in 0..self.world.users.len() {
            let head = self.world.store.head(&self.world.users[account]).await.unwrap();
            let revision = head.map(|head| head.revision).unwrap_or_default();
            if self.waves.told.insert(account, revision) == Some(revision) {
                continue;
            }
            for device in 0..self.devices.len() {
                if self.devices[device].account == account {
                    let times = *self.world.dice.pick(&[0, 1, 1, 2]);
                    self.waves.due.extend(vec![(device, account); times]);
                }
            }
        }
    }

    /// One of the pokes arrives, whichever; what is left for long is lost.
    pub(super) async fn poked(&mut self) -> Checked {
        if self.waves.due.is_empty() {
            return Ok(());
        }
        let at = self.world.dice.below(self.waves.due.len());
        let (device, account) = self.waves.due.swap_remove(at);
        // It is for an account that is no more the one of the device.
        if self.devices[device].account != account {
            return Ok(());
        }
        self.rare.pokes += 1;
        self.world.note(None, || format!("d{device} is poked"));
        self.sync(device).await.map(drop)
    }
}
