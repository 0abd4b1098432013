//! One history, step by step, on either server.
//!
//! Phones, users and words are those of the model. Only the server is exchanged. On ours the checks
//! of the model hold as always; `repeat` and `call` do them.
//!
//! Each step has a new generator, made from one that nothing else draws from. So a step draws the
//! same numbers on both servers, although the step before may have drawn more or fewer.

use super::functions::Functions;
use super::score::{Diary, End, Score, TYPED};
use super::{Rules, Violation};
use crate::InMemory;
use crate::content::{Content, FAVORITE, Val, is_long};
use crate::dice::Dice;
use crate::judge::Checked;
use crate::ledger::everything_of;
use crate::phone::{Phone, Request, Stage};
use crate::profile::Profile;
use crate::server::Answer;
use crate::story::STORY;
use crate::words;
use crate::world::World;
use haumana_sync::id::RecordId;
use std::collections::BTreeMap;

/// How many steps a history has.
///
/// Enough that edits meet, and few enough for thousands of histories.
const STEPS: u64 = 40;

/// `functions` is `None` if our server answers.
struct History<'w> {
    world: World<'w>,
    functions: Option<Functions>,
    pieces: Vec<RecordId>,
    diary: Diary,
}

pub(super) async fn run(rules: Rules, seed: u64, pieces: usize) -> Result<Score, Violation> {
    let mut dice = Dice::new(seed);
    let mut backend = InMemory::default();
    let profile = Profile { name: "before", ..STORY };
    let mut world = World::story(profile, 2 + dice.below(3), &mut backend);
    for phone in &mut world.phones {
        let far = dice.chance(30);
        phone.skew_ms = if far { dice.between(-172_800_000, 172_800_000) } else { 0 };
    }
    let functions = match rules {
        Rules::Ours => None,
        Rules::Before { page_bytes } => Some(Functions::new(page_bytes)),
    };
    let (pieces_made, diary) = (Vec::new(), Diary::default());
    let mut history = History { world, functions, pieces: pieces_made, diary };
    // As many dice as there are steps, so that no answer decides what happens next.
    history.world.dice = Dice::new(dice.bits());
    for _ in 0..1 + dice.below(pieces) {
        history.make_piece(0);
    }
    for phone in [0].into_iter().chain(0..history.world.phones.len()) {
        history.sync(phone, false).await?;
    }
    for _ in 0..STEPS {
        history.world.dice = Dice::new(dice.bits());
        history.step().await?;
    }
    history.end().await
}

impl History<'_> {
    async fn step(&mut self) -> Checked {
        let is_long = self.world.dice.chance(10);
        let gap = self.world.dice.between(0, if is_long { 7_200_000 } else { 3000 });
        self.world.pass(gap);
        let phone = self.world.dice.below(self.world.phones.len());
        let id = *self.world.dice.pick(&self.pieces);
        let has_it = self.world.phones[phone].piece(id).is_some();
        match self.world.dice.below(100) {
            0..=39 => return self.sync(phone, true).await,
            40..=47 => return self.send(phone).await,
            48..=51 => return self.old_request().await,
            52..=53 => self.world.phones[phone].restart(),
            54 => self.make_piece(phone),
            55..=79 if has_it => self.edit(phone, id),
            80..=84 if has_it => self.world.open_form(phone, id),
            85..=94 if has_it => self.world.practise(phone, id),
            95..=99 if has_it => self.world.toggle(phone, id, FAVORITE),
            _ => {}
        }
        Ok(())
    }

    /// The diary begins with the first values.
    fn make_piece(&mut self, phone: usize) {
        self.world.make_piece(phone);
        let piece = self.world.phones[phone].pieces.last();
        let Some((id, content)) = piece.map(|piece| (piece.id, piece.content.clone())) else {
            return;
        };
        self.pieces.push(id);
        for field in TYPED {
            self.diary.write(id, field, "", content.0[field].text());
        }
    }

    /// The user changes one or two texts in the form, which may have been open for long.
    ///
    /// The diary notes what the form showed and what was saved. Both come from the form and not
    /// from the server.
    fn edit(&mut self, phone: usize, id: RecordId) {
        if self.world.phones[phone].form.is_none() {
            self.world.open_form(phone, id);
        }
        let Some(form) = self.world.phones[phone].form.take() else { return };
        let mut saved = form.content.clone();
        let mut changed = Vec::new();
        for _ in 0..1 + self.world.dice.below(2) {
            let field = *self.world.dice.pick(&TYPED);
            if !changed.contains(&field) {
                self.type_in(&mut saved, field);
                changed.push(field);
            }
        }
        self.world.save(phone, &form, saved, &changed);
        let Some(piece) = self.world.phones[phone].piece(form.piece) else { return };
        for field in changed {
            let (before, after) = (form.content.0[field].text(), piece.content.0[field].text());
            self.diary.write(form.piece, field, before, after);
        }
    }

    fn type_in(&mut self, content: &mut Content, field: usize) {
        let mark = self.world.new_mark(0);
        let old = content.0[field].text();
        let dice = &mut self.world.dice;
        content.0[field] = Val::Text(match is_long(field) {
            true if old.is_empty() => words::song(dice, &mark),
            true => words::edited_song(dice, old, &mark),
            false => words::short(dice, &mark),
        });
    }

    /// Does a whole sync, or the rest of the one in progress. With `by_chance`, faults happen.
    ///
    /// One request in ten is lost, one in twelve comes twice, and one reply in seven is not heard.
    async fn sync(&mut self, phone: usize, by_chance: bool) -> Checked {
        if let Stage::Answered(request, answer) = self.take_stage(phone) {
            return self.deliver(&request, answer).await;
        }
        self.world.pass(1000);
        let mut request = self.world.request(phone);
        let [is_lost, twice, unheard] =
            [10, 8, 15].map(|percent| by_chance && self.world.dice.chance(percent));
        if is_lost {
            self.world.remember(request);
            return Ok(());
        }
        let mut answer = self.arrive(&mut request, false).await?;
        if twice {
            answer = self.arrive(&mut request, true).await?;
        }
        self.world.remember(request.clone());
        if unheard {
            return Ok(());
        }
        self.deliver(&request, answer).await
    }

    /// Answers the request of a phone. The answer stays in flight until the phone syncs again.
    async fn send(&mut self, phone: usize) -> Checked {
        let stage = self.take_stage(phone);
        if matches!(stage, Stage::Idle) {
            let mut request = self.world.request(phone);
            let answer = self.arrive(&mut request, false).await?;
            self.world.remember(request.clone());
            self.world.phones[phone].stage = Stage::Answered(request, answer);
        } else {
            self.world.phones[phone].stage = stage;
        }
        Ok(())
    }

    /// Brings an old request to the server.
    ///
    /// Nobody receives its answer.
    async fn old_request(&mut self) -> Checked {
        if self.world.past.is_empty() {
            return Ok(());
        }
        let at = self.world.dice.below(self.world.past.len());
        let mut request = self.world.past[at].clone();
        self.arrive(&mut request, true).await?;
        self.world.past[at].is_done = request.is_done;
        Ok(())
    }

    /// Brings a request to the server. The caller decides whether the reply arrives.
    async fn arrive(&mut self, request: &mut Request, again: bool) -> Checked<Option<Answer>> {
        for sent in &request.sent {
            self.diary.arrive(sent.id, &sent.content);
        }
        let (now_ms, user) = (self.world.now_ms(), self.world.users[0].as_str().to_owned());
        if let Some(functions) = &mut self.functions {
            let reply = functions.answer(request, &user, now_ms);
            return Ok(Some(Answer { reply, settled: Vec::new() }));
        }
        match again {
            true => self.world.repeat(request).await,
            false => Ok(self.world.call(request, None).await?.0),
        }
    }

    /// On both servers the app's own rules decide which copies it accepts.
    async fn deliver(&mut self, request: &Request, answer: Option<Answer>) -> Checked {
        let Some(mut answer) = answer else { return Ok(()) };
        if self.functions.is_none() {
            return self.world.deliver(request, Some(answer)).await;
        }
        let now_ms = self.world.now_ms();
        let phone = &mut self.world.phones[request.phone];
        // A copy that the app ignores is no fault of the model: that is how these rules lose edits.
        let is_taken = |id, version, modified_ms| {
            phone.piece(id).is_none_or(|ours| {
                let is_later = ours.modified_ms < modified_ms && !ours.flagged;
                ours.version < version || (ours.version == version && is_later)
            })
        };
        answer.reply.server.retain(|one| is_taken(one.id, one.version, one.modified_ms));
        let taken = phone.take_over(request, &answer.reply, now_ms, &|_| 0);
        taken.map_err(|(id, text)| Violation::of(id, text))?;
        phone.last_synced = Some((answer.reply.synced_secs, 0));
        Ok(())
    }

    fn take_stage(&mut self, phone: usize) -> Stage {
        std::mem::take(&mut self.world.phones[phone].stage)
    }

    /// Lets all phones sync without faults until nothing is left to send, and counts.
    ///
    /// Values in the history of our server count as kept. The functions kept nothing besides the
    /// items.
    async fn end(mut self) -> Result<Score, Violation> {
        self.settle().await?;
        let mut kept = BTreeMap::new();
        let server = match &self.functions {
            None => {
                let user = self.world.users[0].clone();
                for id in &self.pieces {
                    kept.insert(*id, everything_of(&*self.world.store, &user, *id).await);
                }
                let tracks = self.world.ledgers[0].tracks.iter();
                tracks.filter_map(|(id, track)| Some((*id, track.content.clone()?))).collect()
            }
            Some(functions) => functions.held(),
        };
        let shown = |phone: &Phone| {
            phone.pieces.iter().map(|piece| (piece.id, piece.content.clone())).collect()
        };
        let phones = self.world.phones.iter().map(shown).collect();
        let score = self.diary.score(&End { server, kept, phones });
        if self.functions.is_none() {
            self.world.come_to_rest().await?;
        }
        Ok(score)
    }

    /// Before the last of four rounds all apps are restarted, so that nothing is missing only
    /// because it was not asked for.
    async fn settle(&mut self) -> Checked {
        for phone in 0..self.world.phones.len() {
            if let Stage::Answered(request, answer) = self.take_stage(phone) {
                self.deliver(&request, answer).await?;
            }
            self.world.phones[phone].form = None;
        }
        // A restarted app has no `lastSyncedAt`, so the last round gives each phone everything.
        for round in 0..4 {
            for phone in 0..self.world.phones.len() {
                if round == 3 {
                    self.world.phones[phone].restart();
                }
                self.world.pass(5000);
                self.sync(phone, false).await?;
            }
        }
        Ok(())
    }
}
