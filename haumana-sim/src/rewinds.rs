//! Accounts that go back to an earlier time while phones have edits and requests in flight.
//!
//! A rewind consists of ordinary edits, so the judges only need to know which records it changes.
//! The state of each record at a moment is noted at that moment, and compared after the rewind.
//!
//! A rewind may happen in the middle of a phone's sync, and a phone's sync in the middle of a
//! rewind, while calls of the store fail. Then a record may also be what the phone made of it after
//! the rewind had reached it. Whatever a rewind replaces must be in the history.
//!
//! # How a moment is noted
//!
//! A moment is a time, and the state of every record at it. Five seconds pass before and after it,
//! so that servers whose clocks differ agree on what was earlier. It can be used until the
//! retention time, less a day, has passed, or another life begins.
//!
//! # What is checked
//!
//! - A dry run writes nothing, and returns the same counts as the rewind.
//! - Each record is as it was at the moment. Records that did not exist then are deleted.
//! - What was replaced is in the history.
//! - The rewind can itself be rewound.

use super::asks::Call;
use super::counts::Rare;
use super::judge::{Checked, Violation};
use super::ledger::{Observed, Stored};
use super::meeting::{Caller, Heard};
use super::phone::{Request, Stage};
use super::server::{Answer, Course, Outcome, wrong};
use super::watch::Watch;
use super::wire::Endpoint;
use super::world::World;
use haumana_sync::engine::{ErrorKind, RETENTION_MS, RewindMode, RewindRequest, Rewound};
use haumana_sync::id::{Key, KindNumber, RecordId, UserId};
use haumana_sync::store::Store;
use haumana_sync::time::UnixMillis;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// How many moments are kept.
///
/// There are few, so that an account goes back to the same moment more than once.
const PAST: usize = 4;
/// Longer than the difference of the servers' clocks. So for every clock, commits before it are
/// earlier than commits after it.
const APART_MS: i64 = 5000;
/// More versions than a record of a run has.
const ALL_VERSIONS: usize = 10_000;

/// The content of the records of an account at a moment; `None` for a tombstone.
///
/// It is the stored text, so that equality is byte for byte.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Contents {
    pieces: BTreeMap<RecordId, Option<String>>,
    sessions: BTreeMap<RecordId, Option<String>>,
}

/// A moment that an account may go back to.
#[derive(Clone, Debug)]
pub struct Moment {
    account: usize,
    /// The life of the server at that moment.
    life: u32,
    at: UnixMillis,
    contents: Contents,
}

/// A rewind in the middle of a sync.
///
/// It is filled in by the interlude, and read when the outer call has ended.
struct Interrupting {
    /// What the sync had done when the rewind came.
    reached: Observed,
    before: Contents,
    done: haumana_sync::engine::Result<Rewound>,
    after: Contents,
    /// What the rewind left.
    left: Observed,
}

impl World<'_> {
    /// Rewinds an account to an earlier moment, or notes a moment for that.
    ///
    /// Two calls in five note a moment, so that there are some to go back to.
    ///
    /// # Errors
    ///
    /// If a record is not as it was at that moment.
    pub(super) async fn rewind_any(&mut self) -> Checked {
        self.forget_moments();
        if self.moments.is_empty() || self.dice.chance(40) {
            let account = self.dice.below(self.users.len());
            self.note_moment(account).await;
            return Ok(());
        }
        let at = self.dice.below(self.moments.len());
        let moment = self.moments[at].clone();
        let others = self.idle_phones_of(moment.account);
        if !others.is_empty() && self.dice.chance(self.profile.crossings) {
            let other = *self.dice.pick(&others);
            return self.rewind_over_sync(&moment, other).await;
        }
        let undoes = self.dice.chance(30);
        let now = self.contents(moment.account).await;
        let rewound = self.rewind(&moment).await?;
        if undoes {
            let back = Moment { at: rewound.before, contents: now, ..moment };
            self.rewind(&back).await?;
            self.tally.rare.note(Rare::RewindUndone);
        }
        Ok(())
    }

    /// Time passes before and after it, so that no edit is at the moment itself.
    async fn note_moment(&mut self, account: usize) {
        self.pass(APART_MS);
        let at = UnixMillis(self.now_ms());
        let contents = self.contents(account).await;
        self.pass(APART_MS);
        let moment = Moment { account, life: self.life, at, contents };
        if self.moments.len() < PAST {
            self.moments.push(moment);
        } else {
            let place = self.dice.below(PAST);
            self.moments[place] = moment;
        }
    }

    /// Rewinds an account to a moment. A dry run always comes first.
    async fn rewind(&mut self, moment: &Moment) -> Checked<Rewound> {
        let Moment { account, at, contents, .. } = moment;
        self.pass(APART_MS);
        self.note(None, || format!("account {account} goes back to {at}"));
        let (engine, user) = (self.any_engine(), self.users[*account].clone());
        let before = self.contents(*account).await;
        let mut request = RewindRequest { to: *at, mode: RewindMode::DryRun, request_id: None };
        let tried = engine.rewind(&user, &request).await.map_err(failed)?;
        let is_same = self.contents(*account).await == before;
        self.ensure(is_same, || "a dry run of a rewind writes something".to_owned())?;
        request = RewindRequest {
            mode: RewindMode::Write,
            request_id: Some(self.new_id().to_string()),
            ..request
        };
        let rewound = engine.rewind(&user, &request).await.map_err(failed)?;
        let counts = |of: &Rewound| [of.changed, of.deleted, of.brought_back, of.kept];
        let (tried, done) = (counts(&tried), counts(&rewound));
        self.ensure(tried == done, || format!("a rewind does {done:?}, its dry run {tried:?}"))?;
        let after = self.contents(*account).await;
        check(contents, &after)?;
        let n_changed = differences(&before, &after);
        let told = done.iter().sum::<usize>();
        self.ensure(told == n_changed, || {
            format!("{n_changed} records differ, {done:?} are told")
        })?;
        if 0 < n_changed {
            self.tally.rare.note(Rare::Rewound);
        }
        let left = self.watch.observe(&user).await;
        self.follow_rewind(*account, &before, &after, &left).await?;
        self.keep_ask(*account, Call::Rewind(request)).await?;
        Ok(rewound)
    }

    /// Rewinds with a phone's whole sync in the middle, while calls of the store fail.
    ///
    /// If the rewind fails because of the store, the person asks again with the same name.
    async fn rewind_over_sync(&mut self, moment: &Moment, phone: usize) -> Checked {
        let Moment { account, at, contents: wanted, .. } = moment;
        self.pass(APART_MS);
        let mut crossing = self.request(phone);
        self.note(None, || format!("account {account} goes back to {at}, and meanwhile:"));
        self.note_request(&crossing);
        let (engine, user) = (self.any_engine(), self.users[*account].clone());
        let slot: Arc<Mutex<Option<Outcome>>> = Arc::default();
        let caller = Caller::Phone(&mut crossing);
        let interlude = self.interlude(&caller, user.clone(), Arc::clone(&slot));
        self.crossroads.cross(self.dice.below(8), interlude);
        let before = self.contents(*account).await;
        let request = RewindRequest {
            to: *at,
            mode: RewindMode::Write,
            request_id: Some(self.new_id().to_string()),
        };
        let struck = self.storm.struck();
        self.storm.blow(self.profile.faults);
        let first = engine.rewind(&user, &request).await;
        self.storm.blow(0);
        match self.crossroads.left_over() {
            Some(interlude) => interlude.await,
            None => self.tally.rare.note(Rare::RewindCrossed),
        }
        let is_calm = self.storm.struck() == struck;
        if let Err(error) = first {
            self.check_failure(error.kind(), Course { is_calm, is_alone: true })?;
            // The person asks again, until it is done.
            engine.rewind(&user, &request).await.map_err(failed)?;
        }
        let after = self.contents(*account).await;

        let inner = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
        let inner = inner.ok_or_else(|| Violation::general("the sync in the middle is lost"))?;
        // A phone's call for pieces does not change sessions, so the rewind made all their
        // differences.
        let reached = Contents { pieces: pieces_of(&inner.before), ..after.clone() };
        let left = Contents { pieces: pieces_of(&inner.observed), ..after.clone() };
        self.follow_rewind(*account, &before, &reached, &inner.before).await?;
        let start = self.start(*account);
        let course = Course { is_calm, is_alone: true };
        let heard = self.hear(&mut Caller::Phone(&mut crossing), inner, &start, course).await?;
        self.note(None, || "… and the rewind goes on".to_owned());
        let end = self.watch.observe(&user).await;
        self.follow_rewind(*account, &left, &after, &end).await?;
        check_crossed(wanted, &reached, &left, &after)?;
        self.remember(crossing.clone());
        self.phones[phone].stage = Stage::Answered(crossing, heard.and_then(Heard::into_answer));
        self.keep_ask(*account, Call::Rewind(request)).await
    }

    /// Does a phone's sync with a whole rewind in the middle.
    ///
    /// The rewind itself has no faults: it uses an engine of its own, without the storm.
    ///
    /// # Errors
    ///
    /// If anything breaks the contract.
    pub(super) async fn call_over_rewind(
        &mut self,
        request: &mut Request,
        moment: &Moment,
    ) -> Checked<Option<Answer>> {
        let Moment { account, at, contents: wanted, .. } = moment;
        self.pass(APART_MS);
        let (wire, user) = (self.any_wire(), self.users[*account].clone());
        let start = self.start(*account);
        let rewinding = RewindRequest {
            to: *at,
            mode: RewindMode::Write,
            request_id: Some(self.new_id().to_string()),
        };
        let slot: Arc<Mutex<Option<Interrupting>>> = Arc::default();
        let interlude = {
            let (watch, store) = (self.watch.clone(), Arc::clone(&self.store));
            let (slot, user, asked) = (Arc::clone(&slot), user.clone(), rewinding.clone());
            Box::pin(async move {
                let reached = watch.observe(&user).await;
                let before = contents_of(&store, &watch, &user).await;
                let done = watch.engine().rewind(&user, &asked).await;
                let after = contents_of(&store, &watch, &user).await;
                let left = watch.observe(&user).await;
                let rewound = Interrupting { reached, before, done, after, left };
                *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(rewound);
            })
        };
        self.crossroads.cross(self.dice.below(6), interlude);
        let struck = self.storm.struck();
        self.storm.blow(self.profile.faults);
        let body = wire.call(&user, Endpoint::Pieces, &request.body, self.reply_limit).await;
        self.storm.blow(0);
        match self.crossroads.left_over() {
            Some(interlude) => interlude.await,
            None => self.tally.rare.note(Rare::SyncCrossedByRewind),
        }
        let is_calm = self.storm.struck() == struck;
        let observed = self.watch.observe(&user).await;

        let rewound = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
        let rewound = rewound.ok_or_else(|| Violation::general("the rewind is lost"))?;
        let Interrupting { reached, before, done, after, left } = rewound;
        // What the sync has done so far.
        let half = Course { is_calm: false, is_alone: false };
        self.take_in(request, None, &reached, half)?;
        self.note(None, || format!("… in the middle of it, account {account} goes back to {at}"));
        done.map_err(failed)?;
        check(wanted, &after)?;
        self.follow_rewind(*account, &before, &after, &left).await?;
        self.note(None, || "… and the sync goes on".to_owned());
        let outcome = Outcome { body, observed, before: Observed::new() };
        let course = Course { is_calm, is_alone: false };
        let answer = self.account(request, outcome, &start, course).await?;
        self.keep_ask(*account, Call::Rewind(rewinding)).await?;
        Ok(answer)
    }

    /// Draws a moment to which an account may go back in the middle of a sync.
    pub(super) fn moment_to_cross(&mut self, account: usize) -> Option<Moment> {
        if !self.profile.rewinds || !self.dice.chance(self.profile.crossings) {
            return None;
        }
        self.forget_moments();
        let of_account = self.moments.iter().filter(|moment| moment.account == account);
        let moments: Vec<Moment> = of_account.cloned().collect();
        if moments.is_empty() { None } else { Some(self.dice.pick(&moments).clone()) }
    }

    /// Drops moments of another life, and those past the retention.
    fn forget_moments(&mut self) {
        let (life, oldest) = (self.life, self.now_ms() - RETENTION_MS + 86_400_000);
        self.moments.retain(|moment| moment.life == life && oldest < moment.at.0);
    }

    fn idle_phones_of(&self, account: usize) -> Vec<usize> {
        let is_idle = |phone: &usize| {
            let phone = &self.phones[*phone];
            phone.token == account && matches!(phone.stage, Stage::Idle)
        };
        (0..self.phones.len()).filter(is_idle).collect()
    }

    /// Adds the changes of a rewind to the ledger, as if a person had edited each record by hand.
    ///
    /// Sessions come back and disappear by it as well.
    ///
    /// # Errors
    ///
    /// If a replaced value is not in the history.
    async fn follow_rewind(
        &mut self,
        account: usize,
        before: &Contents,
        after: &Contents,
        observed: &Observed,
    ) -> Checked {
        self.check_history(account, before, after).await?;
        for (id, content) in &after.pieces {
            if before.pieces.get(id) != Some(content) {
                self.follow_hand(account, *id, observed);
            }
        }
        for (id, content) in &after.sessions {
            if before.sessions.get(id) == Some(content) {
                continue;
            }
            match content {
                Some(_) => {
                    self.buried.remove(id);
                    self.ledgers[account].sessions.insert(*id);
                }
                None => {
                    self.buried.insert(*id);
                    self.ledgers[account].sessions.remove(id);
                }
            }
            self.ledgers[account].mended.insert(*id, content.clone());
        }
        Ok(())
    }

    /// Checks that nothing is lost without a trace: earlier contents are among the versions of the
    /// records.
    ///
    /// Records that are equal before and after are not looked for.
    async fn check_history(&self, account: usize, before: &Contents, after: &Contents) -> Checked {
        let user = &self.users[account];
        let kinds = [
            (&before.pieces, &after.pieces, Key::piece as fn(RecordId) -> Key),
            (&before.sessions, &after.sessions, Key::session),
        ];
        for (before, after, key) in kinds {
            for (id, content) in before {
                let Some(old) = content.as_ref().filter(|_| after.get(id) != Some(content)) else {
                    continue;
                };
                let entries = self.store.history_of(user, &key(*id), None, ALL_VERSIONS).await;
                let entries = entries.expect("the store works");
                if !entries.iter().any(|entry| entry.content == *old) {
                    return wrong(*id, format!("a rewind has replaced {old:?} without a trace"));
                }
            }
        }
        Ok(())
    }

    async fn contents(&self, account: usize) -> Contents {
        contents_of(&self.store, &self.watch, &self.users[account]).await
    }
}

async fn contents_of(store: &Arc<dyn Store>, watch: &Watch, user: &UserId) -> Contents {
    let pieces = pieces_of(&watch.observe(user).await);
    let index = store.index(user, KindNumber::SESSION).await.expect("the store works");
    let keys: Vec<Key> = index.iter().map(|entry| Key::session(entry.id)).collect();
    let found = store.read(user, &keys).await.expect("the store works");
    let found = found.into_iter().flatten();
    let sessions = found.map(|one| (one.key.id, (!one.deleted).then_some(one.content)));
    Contents { pieces, sessions: sessions.collect() }
}

fn pieces_of(observed: &Observed) -> BTreeMap<RecordId, Option<String>> {
    let content = |stored: &Stored| (!stored.deleted).then(|| stored.raw.clone());
    observed.iter().map(|(id, stored)| (*id, content(stored))).collect()
}

/// Checks that every record is as it was, or is what the sync in the middle of the rewind made of
/// it.
///
/// `reached` is what the rewind had done when the sync came; `left` is what the sync left.
///
/// Only pieces can differ in this way, since the sync in the middle sends no sessions.
fn check_crossed(
    wanted: &Contents,
    reached: &Contents,
    left: &Contents,
    after: &Contents,
) -> Checked {
    let mut allowed = wanted.clone();
    for (id, content) in &after.pieces {
        let of = |contents: &Contents| contents.pieces.get(id).cloned().flatten();
        let is_edited = of(reached) == of(wanted) && of(left) == *content;
        if is_edited && of(wanted) != *content {
            allowed.pieces.insert(*id, content.clone());
        }
    }
    check(&allowed, after)
}

/// Checks that every record is as it was, and that records that did not exist are deleted.
fn check(wanted: &Contents, after: &Contents) -> Checked {
    let kinds = [(&wanted.pieces, &after.pieces), (&wanted.sessions, &after.sessions)];
    for (wanted, after) in kinds {
        for (id, content) in after {
            let was = wanted.get(id).cloned().flatten();
            if was != *content {
                return wrong(*id, format!("it was {was:?}, and a rewind made it {content:?}"));
            }
        }
        if let Some(id) = wanted.keys().find(|id| !after.contains_key(*id)) {
            return wrong(*id, "a rewind has removed a record");
        }
    }
    Ok(())
}

/// A record that exists only afterwards counts as well.
fn differences(before: &Contents, after: &Contents) -> usize {
    let differs = |(id, content): &(&RecordId, &Option<String>), old: &BTreeMap<_, _>| {
        old.get(*id) != Some(*content)
    };
    after.pieces.iter().filter(|one| differs(one, &before.pieces)).count()
        + after.sessions.iter().filter(|one| differs(one, &before.sessions)).count()
}

fn failed(error: haumana_sync::engine::Error) -> Violation {
    let kind: ErrorKind = error.kind();
    Violation::general(format!("a rewind fails although all is well: {kind:?}"))
}
