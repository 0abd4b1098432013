//! Calls of a person without a phone: restoring a version, resolving a conflict, deleting, erasing,
//! importing and rewinding. Each may come twice, and once more long after.
//!
//! # What is checked
//!
//! Such a call is an edit like any other, and is done at once, because nothing fails here. So its
//! effect is known exactly if the base is certain: a restored version is the content, a resolved
//! conflict is closed, an erased account is empty, an imported one is as it was exported.
//!
//! A repeated call must change nothing: neither records nor inbox nor history. All of that is
//! compared, before and after. Most often a call is repeated long after, when others have edited
//! since. If the server has forgotten the first call, it would do harm then.
//!
//! # What cannot be known
//!
//! After the retention time, or in another life of the server, a version may be gone. Then a call
//! may fail, and is not checked.

use super::content::{ASPECTS, FIELDS, Val, is_unchanged};
use super::counts::Rare;
use super::judge::{Checked, Violation, phantom};
use super::ledger::{Ledger, Observed, everything_of};
use super::server::wrong;
use super::traces::{Meeting, is_alike};
use super::watch::Lost;
use super::world::World;
use haumana_sync::engine::{Asked, ErrorKind, Push, RETENTION_MS, Resolution, RewindRequest};
use haumana_sync::id::{Key, RecordId};
use haumana_sync::store::Version;
use haumana_sync::wire::import::ImportRequest;
use std::collections::BTreeMap;

/// How many calls are kept to be repeated.
const PAST: usize = 30;

/// An answered call.
///
/// It is kept until the retention time has passed, or another life begins.
#[derive(Clone, Debug)]
pub struct Ask {
    /// The account that it is about.
    account: usize,
    /// The life of the server in which it came.
    life: u32,
    /// When it came.
    at_ms: i64,
    call: Call,
}

/// What the call does.
#[derive(Clone, Debug)]
pub(super) enum Call {
    /// Restores a version.
    Restore(RecordId, Version, Asked),
    /// Resolves a conflict.
    Resolve(RecordId, Resolution, Option<Version>),
    /// A delete of a new client.
    Delete(Push),
    /// Erases the account. The text is the name of the request.
    Erase(String),
    /// Imports an export into the account.
    Import(String),
    /// Rewinds the account.
    Rewind(RewindRequest),
}

/// Everything of an account that a repeated call must not change.
///
/// Compared with `==`, so that no change goes unnoticed.
#[derive(PartialEq)]
struct Everything {
    records: Observed,
    inbox: Vec<Lost>,
    history: BTreeMap<RecordId, String>,
}

impl World<'_> {
    /// Makes a call of a person, or repeats one.
    ///
    /// # Errors
    ///
    /// If the server did something wrong.
    pub async fn ask(&mut self) -> Checked {
        let account = self.dice.below(self.users.len());
        match self.dice.below(10) {
            0..=2 => self.ask_restore(account).await,
            3 | 4 => self.ask_resolution(account).await,
            5 => self.overtake(account).await,
            6 => {
                self.write_apart(account);
                Ok(())
            }
            _ => self.ask_again().await,
        }
    }

    /// Keeps a call to be repeated. Perhaps it is repeated at once.
    ///
    /// If too many are kept, one at random is dropped.
    pub(super) async fn keep_ask(&mut self, account: usize, call: Call) -> Checked {
        let ask = Ask { account, life: self.life, at_ms: self.now_ms(), call };
        if self.dice.chance(30) {
            self.repeat_ask(&ask).await?;
        }
        if self.asked.len() < PAST {
            self.asked.push(ask);
        } else {
            let at = self.dice.below(PAST);
            self.asked[at] = ask;
        }
        Ok(())
    }

    /// Repeats a call that was answered long ago.
    ///
    /// # Errors
    ///
    /// If it changes anything.
    pub async fn ask_again(&mut self) -> Checked {
        let (now_ms, life) = (self.now_ms(), self.life);
        // Another life of the server does not remember the call.
        self.asked.retain(|ask| ask.life == life && now_ms < ask.at_ms + RETENTION_MS);
        if self.asked.is_empty() {
            return Ok(());
        }
        let at = self.dice.below(self.asked.len());
        let ask = self.asked[at].clone();
        self.repeat_ask(&ask).await
    }

    /// It counts as rare only if time has passed since the first call; otherwise it is no test of
    /// memory.
    async fn repeat_ask(&mut self, ask: &Ask) -> Checked {
        let Ask { account, call, .. } = ask;
        self.note(call.about(), || format!("the call comes again: {}", call.name()));
        let before = self.everything(*account).await;
        let answer = self.make_call(*account, call).await;
        self.ensure(answer.is_ok(), || format!("{}, again: {answer:?}", call.name()))?;
        let after = self.everything(*account).await;
        let gap = if before == after { None } else { Some(before.differs_from(&after)) };
        if let Some((about, what)) = gap {
            let text = format!("a call that came again changed {what}: {}", call.name());
            return Err(Violation { piece: about.or(call.about()), text });
        }
        let is_late = ask.at_ms < self.now_ms();
        if let Some(rare) = call.rare().filter(|_| is_late) {
            self.tally.rare.note(rare);
        }
        Ok(())
    }

    /// A call goes to any of the server processes, so a repeated one may reach another process than
    /// the first.
    pub(super) async fn make_call(&mut self, account: usize, call: &Call) -> Result<(), ErrorKind> {
        let (user, engine) = (self.users[account].clone(), self.any_engine());
        let answer = match call {
            Call::Restore(id, version, asked) => {
                engine.restore_record(&user, Key::piece(*id), *version, asked).await.map(drop)
            }
            Call::Resolve(id, resolution, base) => {
                engine.resolve_as(&user, *id, resolution, *base).await
            }
            Call::Delete(push) => {
                engine.push(&user, "new-client", std::slice::from_ref(push)).await.map(drop)
            }
            Call::Erase(name) => engine.erase_as(&user, Some(name)).await.map(drop),
            Call::Rewind(request) => engine.rewind(&user, request).await.map(drop),
            Call::Import(text) => {
                let request =
                    ImportRequest::from_json(text.as_bytes()).expect("an export can be read");
                let import =
                    engine.check_import(&user, request).expect("an export can be imported");
                engine.import(&import).await.map(drop)
            }
        };
        answer.map_err(|error| error.kind())
    }

    async fn everything(&self, account: usize) -> Everything {
        let user = &self.users[account];
        let records = self.watch.observe(user).await;
        let mut history = BTreeMap::new();
        for id in records.keys() {
            history.insert(*id, everything_of(&*self.store, user, *id).await);
        }
        let inbox = self.watch.inbox(user).await;
        Everything { records, inbox, history }
    }

    /// Restores a version of a piece, deleted or not.
    ///
    /// Half of the new calls have a name (`request_id`). A call without a name is recognised by its
    /// content, so the same content may be used only once.
    async fn ask_restore(&mut self, account: usize) -> Checked {
        let tracks = self.ledgers[account].tracks.iter();
        let places = tracks.flat_map(|(id, track)| track.versions.keys().map(|k| (*id, *k)));
        let places: Vec<(RecordId, Version)> = places.collect();
        if places.is_empty() {
            return Ok(());
        }
        let (id, version) = *self.dice.pick(&places);
        let known = self.ledgers[account].tracks[&id].versions.keys().copied();
        let bases: Vec<Version> = known.collect();
        let base = if self.dice.chance(40) { Some(*self.dice.pick(&bases)) } else { None };
        // Without a name, the same content may be used only once.
        let is_new = self.restored.insert((id, version, base));
        let is_named = !is_new || self.dice.chance(50);
        let request_id = if is_named { Some(self.new_id().to_string()) } else { None };
        let call = Call::Restore(id, version, Asked { base, request_id });
        self.note(Some(id), || call.name());
        let is_sure = !self.profile.ages && !self.ledgers[account].tracks[&id].travelled;
        match self.make_call(account, &call).await {
            Err(_) if !is_sure => return Ok(()),
            Err(kind) => return wrong(id, format!("{}: {kind:?}", call.name())),
            Ok(()) => {}
        }
        self.follow_restore(account, id, version, base).await?;
        self.keep_ask(account, call).await
    }

    /// The restored version is the content, except for others' edits since its base.
    ///
    /// A restore on the current version must give exactly that content. On an older base, fields
    /// that others changed since then may stay, and a value that loses must be in the inbox.
    async fn follow_restore(
        &mut self,
        account: usize,
        id: RecordId,
        version: Version,
        base: Option<Version>,
    ) -> Checked {
        let observed = self.watch.observe(&self.users[account]).await;
        let track = &self.ledgers[account].tracks[&id];
        let Some((content, _)) = observed[&id].content() else {
            return wrong(id, "a piece that was restored is deleted");
        };
        let (wanted, seen) =
            (&track.versions[&version].content, base.map(|base| &track.versions[&base]));
        for (aspect, (name, _, _)) in FIELDS.iter().enumerate() {
            let (is, value) = (content.aspect(aspect), wanted.aspect(aspect));
            let was = track.content.as_ref().map(|content| content.aspect(aspect));
            let is_current = base.is_none() || base == Some(track.k);
            if is_current && is != value {
                let text = format!("{name}: {value:?} is restored, it is {is:?}");
                return wrong(id, text);
            }
            let (Some(seen), Some(was)) = (seen.filter(|_| !is_current), was) else { continue };
            let held = seen.content.aspect(aspect);
            if track.travelled || held == was || is_alike(aspect, &is, &was) {
                continue;
            }
            let meeting = Meeting {
                id,
                aspect,
                typed: &self.typed,
                lost: &observed[&id].lost,
                held: Some(held),
                number: u64::from(version),
            };
            meeting.check(&was, &is, seen.seen.0[aspect], "the server's value")?;
        }
        self.follow_hand(account, id, &observed);
        Ok(())
    }

    /// Closes an open conflict, in one of the possible ways.
    ///
    /// It picks any open conflict of a piece that the ledger knows.
    async fn ask_resolution(&mut self, account: usize) -> Checked {
        let user = self.users[account].clone();
        let inbox = self.watch.inbox(&user).await;
        let tracks = &self.ledgers[account].tracks;
        let open: Vec<Lost> =
            inbox.into_iter().filter(|lost| tracks.contains_key(&lost.key.id)).collect();
        if open.is_empty() {
            return Ok(());
        }
        let Lost { id, key, field, value } = self.dice.pick(&open).clone();
        let track = &self.ledgers[account].tracks[&key.id];
        let (current, is_sure) = (track.k, !track.travelled && !self.profile.ages);
        let resolution = if self.dice.chance(30) { Resolution::Keep } else { Resolution::Restore };
        let base = if self.dice.chance(40) { Some(current) } else { None };
        let call = Call::Resolve(id, resolution.clone(), base);
        self.note(Some(key.id), || format!("{}, {field:?} {value:?}", call.name()));
        match self.make_call(account, &call).await {
            Err(_) if !is_sure => return Ok(()),
            Err(kind) => return wrong(key.id, format!("{}: {kind:?}", call.name())),
            Ok(()) => {}
        }
        let observed = self.watch.observe(&user).await;
        let is_open = self.watch.inbox(&user).await.iter().any(|lost| lost.id == id);
        let stored = &observed[&key.id];
        let aspect = FIELDS.iter().position(|(name, _, _)| Some(*name) == field.as_deref());
        let restored = aspect.zip(value).filter(|_| resolution == Resolution::Restore);
        let is_done = match (restored, stored.content()) {
            (Some((aspect, value)), Some((content, _))) => {
                let lost = Lost { id, key, field, value: Some(value) };
                let wanted = lost.shown(aspect).unwrap_or(Val::Nil);
                is_unchanged(aspect, &wanted, &content.aspect(aspect))
            }
            (Some(_), None) => false,
            (None, _) => true,
        };
        if is_open || !is_done {
            return wrong(key.id, format!("{}: it is open, or not done", call.name()));
        }
        self.follow_hand(account, key.id, &observed);
        self.keep_ask(account, call).await
    }

    /// Notes in the ledger what a person did to a piece without a device: nobody has seen it.
    ///
    /// Each field that differs gets an edit of no user, so that no phone counts as having seen it.
    pub(super) fn follow_hand(&mut self, account: usize, id: RecordId, observed: &Observed) {
        let life = self.life;
        let track = self.ledgers[account].tracks.get_mut(&id);
        let Some((track, stored)) = track.zip(observed.get(&id)) else { return };
        let (before, after) = (track.last.clone(), stored.content().map(|(content, _)| content));
        for aspect in 0..ASPECTS {
            let [was, is] = [&before, &after].map(|c| c.as_ref().map(|c| c.aspect(aspect)));
            if was != is {
                track.seen.0[aspect] |= phantom(track.seen.0[aspect]);
            }
        }
        if track.k != stored.k {
            self.tally.versions += 1;
            if let Some(trace) = &mut self.trace {
                let text =
                    format!("the server goes from {} to {}: {}", track.k, stored.k, stored.raw);
                trace.push((Some(id), text));
            }
        }
        track.tainted = true;
        track.update(stored, life);
    }

    /// Exports, erases and imports an account, perhaps twice.
    ///
    /// The ledger from before the erasure counts again afterwards.
    ///
    /// # Errors
    ///
    /// If the account is not as it was.
    pub async fn take_along(&mut self) -> Checked {
        let account = self.dice.below(self.users.len());
        if self.ledgers[account].tracks.is_empty() {
            return Ok(());
        }
        let user = self.users[account].clone();
        let text = super::readable::exported(self.watch.engine(), &user).await;
        let text = text.map_err(|error| Violation::general(format!("no export: {error}")))?;
        let (before, ledger) = (self.watch.observe(&user).await, self.ledgers[account].clone());
        self.erase(account).await?;
        self.note(None, || format!("account {account} is imported again"));
        let call = Call::Import(text);
        let answer = self.make_call(account, &call).await;
        self.ensure(answer.is_ok(), || format!("the import fails: {answer:?}"))?;
        let after = self.watch.observe(&user).await;
        self.follow_import(account, ledger, &before, &after)?;
        self.keep_ask(account, call).await
    }

    /// Versions may rise by an import but never fall. Contents, deletes and open conflicts must be
    /// equal.
    fn follow_import(
        &mut self,
        account: usize,
        ledger: Ledger,
        before: &Observed,
        after: &Observed,
    ) -> Checked {
        let life = self.life;
        let erased = std::mem::replace(&mut self.ledgers[account], ledger);
        let ledger = &mut self.ledgers[account];
        // What phones hold counts as imported again, also from a life before the export.
        ledger.spared.extend(std::mem::take(&mut ledger.erased));
        ledger.forgotten = erased.forgotten;
        ledger.doubtful.extend(erased.erased);
        for (id, old) in before {
            let is_whole = after.get(id).is_some_and(|new| {
                let content = |stored: &super::ledger::Stored| stored.content().map(|(c, _)| c);
                new.deleted == old.deleted && content(new) == content(old) && old.k <= new.k
            });
            if !is_whole {
                return wrong(*id, format!("imported as {:?}, exported as {old:?}", after.get(id)));
            }
            if let Some((track, stored)) = ledger.tracks.get_mut(id).zip(after.get(id)) {
                track.travelled = true;
                // An export does not say which replies have arrived.
                for known in &mut track.pushes {
                    (known.given, known.ended) = (0, false);
                }
                // A server whose clock is behind limits it.
                if let Some(known) = track.versions.get_mut(&stored.k) {
                    known.modified_ms = stored.modified_ms;
                }
                track.update(stored, life);
            }
        }
        let values = |observed: &Observed| {
            let lost = observed.values().flat_map(|stored| &stored.lost);
            let mut values: Vec<_> =
                lost.map(|lost| (lost.key, lost.field.clone(), lost.value.clone())).collect();
            values.sort_by_key(|value| format!("{value:?}"));
            values
        };
        let is_same = values(before) == values(after);
        self.ensure(is_same, || "an import loses something of the inbox".to_owned())
    }
}

impl Call {
    fn about(&self) -> Option<RecordId> {
        match self {
            Call::Restore(id, _, _) => Some(*id),
            Call::Delete(push) => Some(push.key.id),
            Call::Resolve(..) | Call::Erase(_) | Call::Import(_) | Call::Rewind(_) => None,
        }
    }

    fn rare(&self) -> Option<Rare> {
        Some(match self {
            Call::Restore(..) => Rare::RestoreAgain,
            Call::Resolve(..) => Rare::ResolutionAgain,
            Call::Delete(_) => Rare::DeleteAgain,
            Call::Erase(_) => Rare::ErasureAgain,
            Call::Import(_) => Rare::ImportAgain,
            Call::Rewind(_) => Rare::RewindAgain,
        })
    }

    fn name(&self) -> String {
        match self {
            Call::Restore(id, version, asked) => format!("restore {id} to {version}, {asked:?}"),
            Call::Resolve(id, resolution, base) => format!("{resolution:?} {id}, base {base:?}"),
            Call::Delete(push) => format!("delete {} of version {:?}", push.key.id, push.base),
            Call::Erase(name) => format!("erase, request {name}"),
            Call::Import(_) => "import".to_owned(),
            Call::Rewind(request) => format!("rewind to {}", request.to),
        }
    }
}

impl Everything {
    /// What differs, and in which piece.
    ///
    /// It names the first record that differs, so that the story is about that one.
    fn differs_from(&self, after: &Self) -> (Option<RecordId>, String) {
        let mut records = after.records.iter();
        let record = records.find(|(id, stored)| self.records.get(id) != Some(stored));
        let mut histories = after.history.iter();
        let history = histories.find(|(id, text)| self.history.get(id) != Some(text));
        match (record, history) {
            (Some((id, stored)), _) => {
                let before = self.records.get(id);
                (Some(*id), format!("a record\n  before {before:?}\n  after {stored:?}\n "))
            }
            (None, Some((id, _))) => (Some(*id), "the history".to_owned()),
            (None, None) => (None, "the inbox, or what there is".to_owned()),
        }
    }
}
