//! Calls to the server: one, or two of which one happens in the middle of the other.

use super::guest::GuestCall;
use super::judge::{Checked, Violation};
use super::ledger::Observed;
use super::phone::Request;
use super::server::{Answer, Course, Outcome, Start};
use super::storm::Interlude;
use super::world::World;
use haumana_app::Phones as _;
use haumana_app::wire::PiecesRequest;
use haumana_sync::engine::{Engine, ErrorKind};
use haumana_sync::id::UserId;
use haumana_sync::wire::sync::SyncRequest;
use std::sync::{Arc, Mutex, PoisonError};

/// Who calls.
#[derive(Debug)]
pub enum Caller<'a> {
    /// A phone.
    Phone(&'a mut Request),
    /// A new client.
    Guest(&'a GuestCall),
}

/// What a caller hears.
#[derive(Debug)]
pub enum Heard {
    /// A phone.
    Phone(Answer),
    /// A new client: the body of the reply.
    Guest(Vec<u8>),
    /// A new client: that the account was erased.
    Gone,
}

impl Heard {
    /// What a phone heard.
    pub fn into_answer(self) -> Option<Answer> {
        match self {
            Heard::Phone(answer) => Some(answer),
            Heard::Guest(_) | Heard::Gone => None,
        }
    }

    /// What a new client heard.
    pub fn into_body(self) -> Option<Vec<u8>> {
        match self {
            Heard::Phone(_) | Heard::Gone => None,
            Heard::Guest(body) => Some(body),
        }
    }
}

/// A body, and where it is sent.
#[derive(Clone, Debug)]
enum Asking {
    Pieces(Vec<u8>),
    Sync(Vec<u8>),
}

async fn ask(
    engine: &Engine,
    user: &UserId,
    asking: &Asking,
    limit: usize,
) -> Result<Vec<u8>, ErrorKind> {
    let shape = "what a client sends has the right shape";
    let reply = match asking {
        Asking::Pieces(body) => {
            let request = PiecesRequest::from_json(body).expect(shape);
            let reply = engine.sync_pieces(user, &request, limit).await;
            reply.map(|reply| reply.into_json())
        }
        Asking::Sync(body) => {
            let request = SyncRequest::from_json(body).expect(shape);
            engine.sync(user, &request, limit).await.map(|reply| reply.into_json())
        }
    };
    reply.map_err(|error| error.kind())
}

impl Caller<'_> {
    fn account(&self) -> usize {
        match self {
            Caller::Phone(request) => request.token,
            Caller::Guest(call) => call.account,
        }
    }

    fn name(&self) -> String {
        match self {
            Caller::Phone(request) => format!("phone {}", request.phone),
            Caller::Guest(call) => format!("new client {}", call.device),
        }
    }
}

impl World<'_> {
    /// Lets a phone's request reach a server; perhaps another phone's whole sync happens in its
    /// middle. `None`: the request failed.
    ///
    /// # Errors
    ///
    /// If anything went against the contract.
    pub async fn call(
        &mut self,
        request: &mut Request,
        crossing: Option<&mut Request>,
    ) -> Checked<(Option<Answer>, Option<Answer>)> {
        let crossing = crossing.map(Caller::Phone);
        let (outer, inner) = self.meet(Caller::Phone(request), crossing).await?;
        Ok((outer.and_then(Heard::into_answer), inner.and_then(Heard::into_answer)))
    }

    /// Lets a request reach a server, and perhaps another one in its middle.
    ///
    /// # Errors
    ///
    /// If anything went against the contract.
    pub async fn meet(
        &mut self,
        mut outer: Caller<'_>,
        mut crossing: Option<Caller<'_>>,
    ) -> Checked<(Option<Heard>, Option<Heard>)> {
        let engine = self.any_engine();
        let user = self.users[outer.account()].clone();
        let start = self.start(outer.account());
        let slot: Arc<Mutex<Option<Outcome>>> = Arc::default();
        if let Some(other) = &crossing {
            let interlude = self.interlude(other, user.clone(), Arc::clone(&slot));
            self.crossroads.cross(self.dice.below(6), interlude);
        }
        let struck = self.storm.struck();
        let asking = self.asking(&outer);
        self.storm.blow(self.profile.faults);
        let body = ask(&engine, &user, &asking, self.reply_limit).await;
        self.storm.blow(0);
        if let Some(interlude) = self.crossroads.left_over() {
            interlude.await;
        }
        let is_calm = self.storm.struck() == struck;
        let mut heard = None;
        let inner = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
        let is_alone = crossing.is_none();
        if let (Some(other), Some(inner)) = (&mut crossing, inner) {
            // What the outer request had done by then.
            let half = Course { is_calm: false, is_alone: false };
            match &outer {
                Caller::Phone(request) => self.take_in(request, None, &inner.before, half)?,
                Caller::Guest(call) => self.take_in_guest(call, None, &inner.before)?,
            }
            let name = other.name();
            self.note(None, || format!("… in the middle of it, the request of {name}:"));
            let start = self.start(other.account());
            heard = self.hear(other, inner, &start, Course { is_calm, is_alone: true }).await?;
            self.note(None, || "… and the first one goes on".to_owned());
        }
        let observed = self.watch.observe(&user).await;
        let outcome = Outcome { body, observed, before: Observed::new() };
        let answer = self.hear(&mut outer, outcome, &start, Course { is_calm, is_alone }).await?;
        Ok((answer, heard))
    }

    async fn hear(
        &mut self,
        caller: &mut Caller<'_>,
        outcome: Outcome,
        start: &Start,
        course: Course,
    ) -> Checked<Option<Heard>> {
        match caller {
            Caller::Phone(request) => {
                let answer = self.account(request, outcome, start, course).await?;
                Ok(answer.map(Heard::Phone))
            }
            Caller::Guest(call) => {
                if matches!(outcome.body, Err(ErrorKind::Gone)) {
                    self.check_gone(call, &outcome.observed)?;
                    return Ok(Some(Heard::Gone));
                }
                let reply = self.account_guest(call, outcome, course).await?;
                Ok(reply.map(Heard::Guest))
            }
        }
    }

    /// A failed call; every other failure than this is the server's mistake.
    pub(super) fn check_failure(&mut self, kind: ErrorKind, course: Course) -> Checked {
        let is_expected = kind == ErrorKind::Unavailable && !(course.is_calm && course.is_alone);
        self.ensure(is_expected, || format!("the server fails with {kind:?}"))?;
        self.note(None, || "the server fails".to_owned());
        Ok(())
    }

    fn start(&self, account: usize) -> Start {
        let tracks = self.ledgers[account].tracks.iter();
        let live = tracks.filter(|(_, track)| track.content.is_some());
        live.map(|(id, track)| (*id, (track.k, track.stamp_secs))).collect()
    }

    /// What is sent; a new client's request perhaps with what cannot be accepted before the rest.
    fn asking(&mut self, caller: &Caller<'_>) -> Asking {
        match caller {
            Caller::Phone(request) => Asking::Pieces(request.body.clone()),
            Caller::Guest(call) => Asking::Sync(call.body.clone()),
        }
    }

    fn interlude(
        &mut self,
        caller: &Caller<'_>,
        outer: UserId,
        slot: Arc<Mutex<Option<Outcome>>>,
    ) -> Interlude {
        let (engine, watch) = (self.any_engine(), self.watch.clone());
        let user = self.users[caller.account()].clone();
        let (asking, limit) = (self.asking(caller), self.reply_limit);
        Box::pin(async move {
            let before = watch.observe(&outer).await;
            let body = ask(&engine, &user, &asking, limit).await;
            let observed = watch.observe(&user).await;
            let outcome = Outcome { body, observed, before };
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
        })
    }
}

/// A violation about a call as a whole.
pub(super) fn general<T>(text: impl Into<String>) -> Checked<T> {
    Err(Violation::general(text))
}
