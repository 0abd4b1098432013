//! Phones and devices on the same accounts, and what happens next.

use super::Profile;
use super::copied::device_name;
use super::device::{Device, Shelf, Stage};
use super::flight::{Flight, sent, taken};
use super::followers::Place;
use super::pokes::Waves;
use haumana_replica::ReplicaConfig;
use haumana_sim::content::FIELDS;
use haumana_sim::dice::SeededRandom;
use haumana_sim::guest::GuestCall;
use haumana_sim::guest_reply::with_strange_cursor;
use haumana_sim::judge::Checked;
use haumana_sim::meeting::{Caller, Heard};
use haumana_sim::phone;
use haumana_sim::{Backend, Violation, World};
use haumana_sync::id::{Key, UserId};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What happens to devices and clients that does not happen every day.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rare {
    /// Folders that were copied or put back.
    pub copies: usize,
    /// Installations that were told that their account was erased.
    pub goners: usize,
    /// Pokes that arrived.
    pub pokes: usize,
}

/// One run.
pub(crate) struct Together<'a> {
    pub profile: Profile,
    pub world: World<'a>,
    pub devices: Vec<Device>,
    /// Clients that were written from the docs.
    pub places: Vec<Place>,
    /// How many names they have used.
    pub n_names: usize,
    /// Pieces that a device made larger than any server takes, each with its account.
    pub overfilled: BTreeSet<(usize, usize, Key)>,
    pub rare: Rare,
    pub waves: Waves,
}

impl<'a> Together<'a> {
    pub(crate) async fn new(
        profile: Profile,
        seed: u64,
        backend: &'a mut dyn Backend,
        is_traced: bool,
    ) -> Self {
        let mut world = World::new(profile.phones, seed, backend, is_traced);
        world.has_twins = profile.has_twins;
        world.has_copied_guests = profile.has_copies || profile.has_copied_devices;
        let is_alone = profile.phones.erasures && profile.has_followers;
        let n_devices = if is_alone { 0 } else { 1 + world.dice.below(3) };
        let mut run = Self {
            profile,
            world,
            devices: Vec::new(),
            places: Vec::new(),
            n_names: 0,
            overfilled: BTreeSet::new(),
            rare: Rare::default(),
            waves: Waves::default(),
        };
        for number in 0..n_devices {
            run.add_device(number, seed.is_multiple_of(16) && number == 0).await;
        }
        run.add_followers();
        run
    }

    pub(super) async fn add_device(&mut self, number: usize, has_file: bool) {
        let dice = &mut self.world.dice;
        let skew_ms = if dice.chance(50) { dice.between(-TWO_DAYS_MS, TWO_DAYS_MS) } else { 0 };
        let clock = self.world.clock.ahead(skew_ms);
        let random = SeededRandom::scattered(dice.bits());
        // Narrow pages make everything that happens between pages likely.
        let mut config = ReplicaConfig::usual();
        config.page_records = 1 + dice.below(4);
        config.push_records = 1 + dice.below(4);
        config.push_bytes = if dice.chance(30) { 100 } else { 1_000_000 };
        let name = if self.profile.has_twins { "twin".to_owned() } else { format!("d{number}") };
        let shelf = match has_file {
            true => Shelf::File(tempfile::tempdir().unwrap()),
            false => Shelf::Memory,
        };
        let (clock, random) = (Arc::new(clock), Arc::new(random));
        let device = Device::new(number, &name, clock, random, config, shelf).await;
        device.replica.sign_in(self.world.users[0].clone()).await.unwrap();
        self.devices.push(device);
    }

    pub(super) async fn event(&mut self) -> Checked {
        if self.profile.has_pokes {
            self.hear_commits().await;
            if self.world.dice.chance(25) {
                return self.poked().await;
            }
        }
        if self.world.dice.chance(45) {
            return self.world.event().await;
        }
        if !self.places.is_empty() && (self.devices.is_empty() || self.world.dice.chance(60)) {
            let gap = *self.world.dice.pick(&[0, 0, 1, 500, 5000]);
            self.world.pass(gap);
            return self.follow().await;
        }
        // Often no time passes: ties are where merges go wrong.
        let gap = *self.world.dice.pick(&[0, 0, 1, 500, 5000]);
        self.world.pass(gap);
        let device = self.world.dice.below(self.devices.len());
        match self.world.dice.below(100) {
            0..40 => self.act(device).await,
            40..50 => self.send(device).await?,
            50..64 => self.arrive(device).await?,
            64..74 => self.take_over(device).await?,
            74..84 => drop(self.sync(device).await?),
            84..89 => self.repeat(device).await?,
            89..92 => self.start_over(device).await,
            92..95 => self.restart(device).await,
            95..97 => self.turn_clock(device),
            97.. if self.profile.has_copied_devices => self.copy_device(device).await,
            _ => self.switch(device).await,
        }
        self.check_wishes(device).await
    }

    pub(super) async fn check_wishes(&self, device: usize) -> Checked {
        self.devices[device].check_wishes().await.map_err(|(key, text)| Violation::of(key.id, text))
    }

    /// A field is not pushed on a version with somebody else's value that its user never saw.
    fn check_bases(&self, device: usize, call: &GuestCall) -> Checked {
        for push in &call.pushes {
            let key = Key { kind: push.kind, id: push.id };
            for field in push.set.iter().flat_map(|set| &set.fields) {
                let name = (call.account, key, FIELDS[field.aspect].0.to_owned());
                let Some(wish) = self.devices[device].wishes.get(&name) else { continue };
                if self.world.is_hidden(call, push, field.aspect, wish.seen) {
                    let (base, seen) = (push.base, wish.seen);
                    let text = format!(
                        "d{device} pushes {} on {base:?}, its user saw {seen:?}, and not what \
                         somebody else wrote since",
                        name.2
                    );
                    return Err(Violation::of(push.id, text));
                }
            }
        }
        Ok(())
    }

    async fn begin(&mut self, device: usize) -> Checked<Flight> {
        let outgoing = self.devices[device].replica.begin().await.unwrap();
        let account = self.world.account_of(outgoing.account.as_str());
        let call = match self.profile.has_copied_devices {
            true => self.world.guest_call_of(account, &outgoing.body, &device_name(device)),
            false => self.world.guest_call(account, &outgoing.body),
        };
        let body = String::from_utf8_lossy(&call.body).into_owned();
        self.world.note(None, || format!("d{device} sends {body}"));
        let touches = self.devices[device].touches;
        let sent = sent(&outgoing.body);
        let own = &mut self.devices[device].late;
        if own.len() < 20 {
            own.push(call.clone());
        }
        self.check_bases(device, &call)?;
        Ok(Flight { outgoing, call, account, sent, touches })
    }

    async fn send(&mut self, device: usize) -> Checked {
        let flight = self.begin(device).await?;
        self.devices[device].stage = Stage::Sent(flight);
        Ok(())
    }

    async fn arrive(&mut self, device: usize) -> Checked {
        let mut flight = match std::mem::take(&mut self.devices[device].stage) {
            Stage::Sent(flight) => flight,
            stage => {
                self.devices[device].stage = stage;
                return Ok(());
            }
        };
        if self.world.dice.chance(3) {
            self.world.note(None, || format!("the cursor of d{device} is garbled"));
            flight.call.body = with_strange_cursor(&flight.call.body, "strange");
        }
        let reply = self.meet(&flight.call).await?;
        let reply = self.hear(device, &flight, reply).await;
        match reply {
            Some(reply) if !self.world.dice.chance(30) => {
                self.devices[device].stage = Stage::Answered(flight, reply);
            }
            _ => self.world.note(None, || format!("d{device} never sees the reply")),
        }
        Ok(())
    }

    /// Lets a request reach a server; perhaps somebody else's in its middle, or it in another's.
    async fn meet(&mut self, call: &GuestCall) -> Checked<Option<Heard>> {
        if !self.world.dice.chance(self.world.profile.crossings) {
            return Ok(self.world.meet(Caller::Guest(call), None).await?.0);
        }
        let idle = |phone: &&phone::Phone| matches!(phone.stage, phone::Stage::Idle);
        let idle: Vec<usize> =
            self.world.phones.iter().filter(idle).map(|phone| phone.number).collect();
        if idle.is_empty() || self.world.dice.chance(30) {
            let other = self.world.dice.below(self.devices.len());
            let other = self.begin(other).await?;
            let crossing = Some(Caller::Guest(&other.call));
            let (reply, _) = self.world.meet(Caller::Guest(call), crossing).await?;
            return Ok(reply);
        }
        let phone = *self.world.dice.pick(&idle);
        let mut request = self.world.request(phone);
        self.world.note_request(&request);
        let (reply, answer) = if self.world.dice.chance(50) {
            let crossing = Some(Caller::Phone(&mut request));
            self.world.meet(Caller::Guest(call), crossing).await?
        } else {
            let crossing = Some(Caller::Guest(call));
            let (answer, reply) = self.world.meet(Caller::Phone(&mut request), crossing).await?;
            (reply, answer)
        };
        self.world.remember(request.clone());
        let answer = answer.and_then(Heard::into_answer);
        self.world.phones[phone].stage = phone::Stage::Answered(request, answer);
        Ok(reply)
    }

    async fn take_over(&mut self, device: usize) -> Checked {
        match std::mem::take(&mut self.devices[device].stage) {
            Stage::Answered(flight, reply) => self.finish(device, &flight, &reply).await.map(drop),
            stage => {
                self.devices[device].stage = stage;
                Ok(())
            }
        }
    }

    async fn finish(
        &mut self,
        device: usize,
        flight: &Flight,
        reply: &[u8],
    ) -> Checked<haumana_replica::Progress> {
        self.world.note(None, || format!("d{device} reads {}", String::from_utf8_lossy(reply)));
        let device = &mut self.devices[device];
        for (sent, taken) in flight.sent.iter().zip(taken(reply)) {
            if taken {
                device.settle(flight.account, flight.touches, sent);
            }
        }
        let progress = device.replica.finish(&flight.outgoing, reply).await.unwrap();
        if progress.mismatch {
            let number = device.number;
            return Err(Violation::general(format!(
                "the digest of d{number} must be the server's"
            )));
        }
        let number = device.number;
        self.check_wishes(number).await?;
        Ok(progress)
    }

    /// A whole sync; returns whether it found nothing to do, `None` if the server failed.
    pub(super) async fn sync(&mut self, device: usize) -> Checked<Option<bool>> {
        self.devices[device].stage = Stage::Idle;
        for round in 0..2000 {
            let flight = self.begin(device).await?;
            let (reply, _) = self.world.meet(Caller::Guest(&flight.call), None).await?;
            let Some(reply) = self.hear(device, &flight, reply).await else { return Ok(None) };
            let progress = self.finish(device, &flight, &reply).await?;
            if !progress.more {
                self.check_exact(device).await?;
                return Ok(Some(round == 0 && flight.sent.is_empty() && progress.pulled == 0));
            }
        }
        Err(Violation::general("a sync must come to an end"))
    }

    /// A request that was sent long ago reaches the server: again, or for the first time.
    async fn repeat(&mut self, device: usize) -> Checked {
        if self.devices[device].late.is_empty() {
            return Ok(());
        }
        let at = self.world.dice.below(self.devices[device].late.len());
        let call = self.devices[device].late[at].clone();
        self.world.note(None, || {
            format!("an old request of d{device} arrives: {}", String::from_utf8_lossy(&call.body))
        });
        self.world.tally.repeats += 1;
        self.world.meet(Caller::Guest(&call), None).await.map(drop)
    }

    async fn start_over(&mut self, device: usize) {
        self.world.note(None, || format!("d{device} starts over"));
        self.devices[device].replica.start_over().await.unwrap();
    }

    pub(super) fn user(&self, device: usize) -> UserId {
        self.world.users[self.devices[device].account].clone()
    }

    async fn restart(&mut self, device: usize) {
        self.world.note(None, || format!("d{device} restarts"));
        let user = self.user(device);
        self.devices[device].restart(user).await;
    }

    fn turn_clock(&mut self, device: usize) {
        let skew_ms = self.world.dice.between(-TWO_DAYS_MS, TWO_DAYS_MS);
        self.world.note(None, || format!("the clock of d{device} is off by {skew_ms} ms"));
        self.devices[device].clock.set_ahead_ms(skew_ms);
    }

    async fn switch(&mut self, device: usize) {
        let account = self.world.dice.below(self.world.users.len());
        self.sign_in(device, account).await;
    }

    pub(super) async fn sign_in(&mut self, device: usize, account: usize) {
        if self.devices[device].account != account {
            self.world.note(None, || format!("d{device} signs in to {account}"));
            self.devices[device].account = account;
            let user = self.user(device);
            self.devices[device].replica.sign_in(user).await.unwrap();
        }
    }
}

const TWO_DAYS_MS: i64 = 172_800_000;
