//! Accounts that go back to an earlier time while phones have edits and requests under way.
//!
//! A rewind is made of ordinary edits, so the judges need to know only which records it changes. What
//! each record was at a moment is written down at that moment, and compared after the rewind.

use super::asks::Call;
use super::counts::Rare;
use super::judge::{Checked, Violation};
use super::ledger::Stored;
use super::server::wrong;
use super::world::World;
use haumana_sync::engine::{ErrorKind, RETENTION_MS, RewindMode, RewindRequest, Rewound};
use haumana_sync::id::{Key, KindNumber, RecordId};
use haumana_sync::time::UnixMillis;
use std::collections::BTreeMap;

/// How many moments are kept to go back to.
const PAST: usize = 4;
/// Longer than the clocks of servers are apart: whatever is committed on one side of it is earlier, by
/// every clock, than what is committed on the other.
const APART_MS: i64 = 5000;

/// What the records of an account were at a moment; `None` of a tombstone.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Contents {
    pieces: BTreeMap<RecordId, Option<String>>,
    sessions: BTreeMap<RecordId, Option<String>>,
}

/// A moment that an account may go back to.
#[derive(Clone, Debug)]
pub struct Moment {
    account: usize,
    /// The life of the server in which it was.
    life: u32,
    at: UnixMillis,
    contents: Contents,
}

impl World<'_> {
    /// An account goes back to an earlier moment, or a moment is noted for that.
    ///
    /// # Errors
    ///
    /// If a record is not what it was at that moment.
    pub(super) async fn rewind_any(&mut self) -> Checked {
        let (life, oldest) = (self.life, self.now_ms() - RETENTION_MS + 86_400_000);
        self.moments.retain(|moment| moment.life == life && oldest < moment.at.0);
        if self.moments.is_empty() || self.dice.chance(40) {
            let account = self.dice.below(self.users.len());
            self.note_moment(account).await;
            return Ok(());
        }
        let at = self.dice.below(self.moments.len());
        let moment = self.moments[at].clone();
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

    /// Rewinds the account of a moment; first nothing is written.
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
        self.follow_rewind(*account, &before, &after).await;
        self.keep_ask(*account, Call::Rewind(request)).await?;
        Ok(rewound)
    }

    /// Takes over what a rewind did: as if a person had edited each record by hand.
    async fn follow_rewind(&mut self, account: usize, before: &Contents, after: &Contents) {
        let observed = self.watch.observe(&self.users[account]).await;
        for (id, content) in &after.pieces {
            if before.pieces.get(id) != Some(content) {
                self.follow_hand(account, *id, &observed);
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
    }

    async fn contents(&self, account: usize) -> Contents {
        let user = &self.users[account];
        let pieces = self.watch.observe(user).await.into_iter();
        let content = |stored: Stored| (!stored.deleted).then_some(stored.raw);
        let pieces = pieces.map(|(id, stored)| (id, content(stored))).collect();
        let index = self.store.index(user, KindNumber::SESSION).await.expect("the store works");
        let keys: Vec<Key> = index.iter().map(|entry| Key::session(entry.id)).collect();
        let found = self.store.read(user, &keys).await.expect("the store works");
        let found = found.into_iter().flatten();
        let sessions = found.map(|one| (one.key.id, (!one.deleted).then_some(one.content)));
        Contents { pieces, sessions: sessions.collect() }
    }
}

/// Every record is what it was, and what did not exist is deleted.
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
