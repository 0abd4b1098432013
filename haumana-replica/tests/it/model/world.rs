//! The whole model: events, the ledger of what was typed and accepted, and the end.

mod hands;
mod moving;
mod server;

use super::device::{Device, Stage};
use super::phone::Phone;
use super::{Profile, Restores};
use crate::support::{SeededRandom, SetClock, clock, engine_on, seeded};
use haumana_sync::Engine;
use haumana_sync::engine::Clock;
use haumana_sync::id::Key;
use haumana_sync::store::MemoryStore;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// One typed text.
#[derive(Clone, Debug)]
struct Typed {
    device: usize,
    key: Key,
    field: &'static str,
}

/// What the server must have.
#[derive(Clone, Debug, Default)]
struct Ledger {
    /// Accepted, and not past its retention.
    accepted: BTreeSet<String>,
    /// Ever accepted.
    ever: BTreeSet<String>,
}

pub(crate) struct World {
    profile: Profile,
    dice: Arc<SeededRandom>,
    clock: Arc<SetClock>,
    store: Arc<MemoryStore>,
    backup: Option<(MemoryStore, Ledger)>,
    generation: u32,
    engine: Arc<Engine>,
    reply_limit: usize,
    devices: Vec<Device>,
    phone: Phone,
    typed: BTreeMap<String, Typed>,
    ledger: Ledger,
    n_typed: usize,
    pub story: Vec<String>,
}

type Checked = Result<(), String>;

impl World {
    pub(crate) async fn new(profile: Profile, seed: u64) -> Self {
        let dice = seeded(seed.wrapping_mul(0x5851_F42D_4C95_7F2D) ^ 0x6861_756D);
        let clock = clock();
        let store = Arc::new(MemoryStore::new());
        let engine = engine_on(store.clone(), clock.clone(), dice.clone(), 0);
        let n_devices = 2 + dice.below(profile.devices - 1);
        let name = |n: usize| if profile.has_twins { "twin".to_owned() } else { format!("d{n}") };
        let mut devices = Vec::new();
        for n in 0..n_devices {
            devices.push(Device::new(&name(n), clock.clone(), dice.clone()).await);
        }
        let reply_limit = if dice.chance(30) { 2000 } else { 1 << 20 };
        Self {
            profile,
            dice,
            clock,
            store,
            backup: None,
            generation: 0,
            engine,
            reply_limit,
            devices,
            phone: Phone::default(),
            typed: BTreeMap::new(),
            ledger: Ledger::default(),
            n_typed: 0,
            story: Vec::new(),
        }
    }

    pub(crate) async fn run(&mut self) -> Checked {
        let n_events = 10 + self.dice.below(50);
        for _ in 0..n_events {
            // Often no time passes: ties are where merges go wrong.
            self.clock.pass_ms([0, 0, 1, 500, 5000][self.dice.below(5)]);
            self.event().await?;
        }
        self.rest().await
    }

    async fn event(&mut self) -> Checked {
        let device = self.dice.below(self.devices.len());
        match self.dice.below(100) {
            0..35 => self.edit(device).await,
            35..40 => self.delete(device).await,
            40..45 => self.practise(device).await,
            45..55 => self.send(device).await,
            55..66 => self.arrive(device).await?,
            66..74 => self.answer(device).await?,
            74..82 => return self.sync(device).await.map(|_| ()),
            82..86 => self.repeat(device).await?,
            86..88 => self.start_over(device).await,
            88..94 => self.phone().await?,
            94..97 => self.back_up_or_restore().await?,
            _ if self.profile.ages && self.dice.chance(50) => self.age().await,
            _ => {}
        }
        Ok(())
    }

    fn tell(&mut self, device: usize, what: String) {
        let now = self.clock.now().0 % 100_000_000;
        self.story.push(format!("{now:>9} d{device}: {what}"));
    }

    async fn send(&mut self, device: usize) {
        let outgoing = self.devices[device].replica.begin().await.unwrap();
        self.tell(device, format!("sends {}", String::from_utf8_lossy(&outgoing.body)));
        self.devices[device].late.push(outgoing.body.clone());
        self.devices[device].stage = Stage::Sent(outgoing);
    }

    async fn arrive(&mut self, device: usize) -> Checked {
        let stage = std::mem::take(&mut self.devices[device].stage);
        let Stage::Sent(outgoing) = stage else {
            self.devices[device].stage = stage;
            return Ok(());
        };
        let reply = self.ask(device, &outgoing.body).await;
        // Often the reply is lost, after the commit.
        if self.dice.chance(70) {
            self.devices[device].stage = Stage::Answered(outgoing, reply);
        } else {
            self.tell(device, "never sees that reply".to_owned());
        }
        Ok(())
    }

    async fn answer(&mut self, device: usize) -> Checked {
        let stage = std::mem::take(&mut self.devices[device].stage);
        let Stage::Answered(outgoing, reply) = stage else {
            self.devices[device].stage = stage;
            return Ok(());
        };
        self.tell(device, "reads its reply".to_owned());
        let progress = self.devices[device].replica.finish(&outgoing, &reply).await.unwrap();
        self.check_mismatch(progress.mismatch)
    }

    fn check_mismatch(&self, mismatch: bool) -> Checked {
        // A replica whose record is made anew under the number that it had in a life that was lost
        // asks again from the beginning, and is right then.
        let may_differ = matches!(self.profile.restores, Restores::Silent | Restores::Moved);
        match mismatch && !may_differ {
            true => Err("the digests must be equal".to_owned()),
            false => Ok(()),
        }
    }

    /// A whole sync; returns whether it found nothing to do.
    async fn sync(&mut self, device: usize) -> Result<bool, String> {
        self.devices[device].stage = Stage::Idle;
        for round in 0..2000 {
            let outgoing = self.devices[device].replica.begin().await.unwrap();
            self.tell(device, format!("syncs {}", String::from_utf8_lossy(&outgoing.body)));
            let reply = self.ask(device, &outgoing.body).await;
            let progress = self.devices[device].replica.finish(&outgoing, &reply).await.unwrap();
            self.check_mismatch(progress.mismatch)?;
            if !progress.more {
                let sent_nothing = outgoing.body.ends_with(br#""push":[]}"#);
                return Ok(round == 0 && sent_nothing && progress.pulled == 0);
            }
        }
        Err("a sync must come to an end".to_owned())
    }

    async fn repeat(&mut self, device: usize) -> Checked {
        if self.devices[device].late.is_empty() {
            return Ok(());
        }
        let at = self.dice.below(self.devices[device].late.len());
        let body = self.devices[device].late[at].clone();
        self.tell(device, "an old request of it arrives again".to_owned());
        self.ask(device, &body).await;
        Ok(())
    }

    async fn start_over(&mut self, device: usize) {
        self.tell(device, "starts over".to_owned());
        self.devices[device].replica.start_over().await.unwrap();
    }

    /// Everybody syncs until nobody has anything left; then everybody must agree.
    async fn rest(&mut self) -> Checked {
        if self.profile.restores == Restores::Silent {
            for device in 0..self.devices.len() {
                self.start_over(device).await;
            }
        }
        for _ in 0..8 {
            let mut is_quiet = true;
            if self.profile.has_phone {
                self.sync_phone(true).await?;
            }
            for device in 0..self.devices.len() {
                is_quiet &= self.sync(device).await?;
            }
            if is_quiet {
                return self.check_end().await;
            }
        }
        Err("everybody must come to rest".to_owned())
    }

    async fn check_end(&mut self) -> Checked {
        let live: Vec<_> = self.live().await.into_iter().collect();
        for (n, device) in self.devices.iter().enumerate() {
            let visible = device.visible().await;
            if visible != live {
                let ours: Vec<_> = visible.iter().filter(|record| !live.contains(record)).collect();
                let theirs: Vec<_> =
                    live.iter().filter(|record| !visible.contains(record)).collect();
                return Err(format!("d{n} holds {ours:#?}\nnot {theirs:#?}"));
            }
            let status = device.replica.status();
            if status.pending != 0 {
                return Err(format!("d{n} must have nothing pending, not {status:?}"));
            }
        }
        let kept = self.everything().await;
        let typed = self.typed.keys().filter(|token| !self.ledger.ever.contains(*token));
        for token in self.ledger.accepted.iter().chain(typed) {
            if !kept.contains(token.as_str()) {
                return Err(format!("{token} must be in a record or in the history"));
            }
        }
        Ok(())
    }
}
