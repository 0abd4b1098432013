//! The end of a run: everybody syncs until nobody has anything left, and then all must agree.

use super::world::Together;
use haumana_sim::Violation;
use haumana_sim::judge::Checked;
use haumana_sync::id::{Key, KindNumber};
use std::collections::BTreeMap;

impl Together<'_> {
    pub(crate) async fn come_to_rest(&mut self) -> Checked {
        self.world.calm_down().await?;
        self.shorten().await;
        for account in 0..self.world.users.len() {
            self.come_to_agree(account).await?;
        }
        self.world.come_to_rest().await?;
        for account in 0..self.world.users.len() {
            for device in 0..self.devices.len() {
                self.sign_in(device, account).await;
                self.check_end(device).await?;
            }
        }
        for at in 0..self.places.len() {
            self.follower_syncs(at).await?;
            self.check_follower(at).await?;
        }
        Ok(())
    }

    async fn come_to_agree(&mut self, account: usize) -> Checked {
        for _ in 0..8 {
            self.world.sync_until_quiet(account).await?;
            let mut is_quiet = true;
            for device in 0..self.devices.len() {
                self.sign_in(device, account).await;
                is_quiet &= self.sync(device).await? == Some(true);
            }
            for at in 0..self.places.len() {
                is_quiet &= self.follower_syncs(at).await? == Some(true);
            }
            if is_quiet {
                return Ok(());
            }
        }
        Err(Violation::general("everybody must come to rest"))
    }

    /// The living records of the server.
    pub(super) async fn live(&self, account: usize) -> BTreeMap<Key, String> {
        let mut live = BTreeMap::new();
        let user = &self.world.users[account];
        for kind in [KindNumber::PIECE, KindNumber::SESSION] {
            let index = self.world.store.index(user, kind).await.unwrap();
            let keys: Vec<Key> = index.iter().map(|entry| Key { kind, id: entry.id }).collect();
            let found = self.world.store.read(user, &keys).await.unwrap();
            let found = found.into_iter().flatten().filter(|envelope| !envelope.deleted);
            live.extend(found.map(|envelope| (envelope.key, envelope.content)));
        }
        live
    }

    /// After a sync in which nobody was in the way, a device without edits equals the server (G3).
    pub(super) async fn check_exact(&self, number: usize) -> Checked {
        let device = &self.devices[number];
        if device.replica.status().pending != 0 {
            return Ok(());
        }
        let live: Vec<_> = self.live(device.account).await.into_iter().collect();
        let visible = device.visible().await;
        let ours = visible.iter().find(|record| !live.contains(record));
        let theirs = live.iter().find(|record| !visible.contains(record));
        match (ours, theirs) {
            (None, None) => Ok(()),
            (ours, theirs) => {
                let (key, _) = ours.or(theirs).unwrap();
                let text = format!("d{number} holds\n  {ours:?}, the server\n  {theirs:?}");
                Err(Violation::of(key.id, text))
            }
        }
    }

    async fn check_end(&mut self, number: usize) -> Checked {
        self.sync(number).await?;
        let device = &self.devices[number];
        let status = device.replica.status();
        if status.pending != 0 {
            return Err(Violation::general(format!(
                "d{number} must have nothing left: {status:?}"
            )));
        }
        let account = device.account;
        match device.wishes.iter().find(|((of, _, _), _)| *of == account) {
            Some(((_, key, field), wish)) => {
                let text = format!("d{number} never sent {field} = {:?}", wish.value);
                Err(Violation::of(key.id, text))
            }
            None => self.check_exact(number).await,
        }
    }
}
