//! Calls to the server: one, or two of which one happens in the middle of the other.
//!
//! # A call in the middle of another
//!
//! Both calls run on one task, and not on two threads. The outer one stops before one of its calls
//! of the store, the inner one is done as a whole, and the outer one goes on. It is drawn before
//! which call it stops. So every harmful interleaving is tried, and a seed repeats it. It is enough
//! to do the inner call as a whole, since a commit is atomic.
//!
//! # What is known in between
//!
//! When the inner call begins, the store is read: it shows what the outer call has done so far. The
//! ledger takes that first, then the inner call, then the rest of the outer one.

use super::faults::FaultKind;
use super::guest::GuestCall;
use super::judge::{Checked, Violation};
use super::ledger::Observed;
use super::phone::Request;
use super::server::{Answer, Course, Outcome, Start};
use super::storm::Interlude;
use super::wire::Endpoint;
use super::world::World;
use haumana_sync::engine::ErrorKind;
use haumana_sync::id::UserId;
use std::sync::{Arc, Mutex, PoisonError};

/// A caller, with its request.
///
/// It borrows the request, because its fate is written into it.
#[derive(Debug)]
pub enum Caller<'a> {
    /// A phone.
    Phone(&'a mut Request),
    /// A new client.
    Guest(&'a GuestCall),
}

/// What a caller receives.
///
/// A phone's reply is decoded and checked already. A new client's is handed to its driver.
#[derive(Debug)]
pub enum Heard {
    /// A phone.
    Phone(Answer),
    /// A new client: the body of the reply.
    Guest(Vec<u8>),
    /// A new client: the account was erased.
    Gone,
}

impl Heard {
    /// The reply of a phone.
    pub fn into_answer(self) -> Option<Answer> {
        match self {
            Heard::Phone(answer) => Some(answer),
            Heard::Guest(_) | Heard::Gone => None,
        }
    }

    /// The reply of a new client.
    pub fn into_body(self) -> Option<Vec<u8>> {
        match self {
            Heard::Phone(_) | Heard::Gone => None,
            Heard::Guest(body) => Some(body),
        }
    }
}

impl Caller<'_> {
    fn account(&self) -> usize {
        match self {
            Caller::Phone(request) => request.token,
            Caller::Guest(call) => call.account,
        }
    }

    /// The body, and the call that it is for.
    fn asking(&self) -> (Endpoint, &[u8]) {
        match self {
            Caller::Phone(request) => (Endpoint::Pieces, &request.body),
            Caller::Guest(call) => (Endpoint::Sync, &call.body),
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
    /// Brings a phone's request to a server. Perhaps another phone's whole sync happens in its
    /// middle. `None`: the request failed.
    ///
    /// # Errors
    ///
    /// If anything breaks the contract.
    pub async fn call(
        &mut self,
        request: &mut Request,
        crossing: Option<&mut Request>,
    ) -> Checked<(Option<Answer>, Option<Answer>)> {
        let crossing = crossing.map(Caller::Phone);
        let (outer, inner) = self.meet(Caller::Phone(request), crossing).await?;
        Ok((outer.and_then(Heard::into_answer), inner.and_then(Heard::into_answer)))
    }

    /// Brings a request to a server, and perhaps another one in its middle.
    ///
    /// If the outer call makes fewer calls of the store than were drawn, the inner one happens
    /// after it.
    ///
    /// # Errors
    ///
    /// If anything breaks the contract.
    pub async fn meet(
        &mut self,
        mut outer: Caller<'_>,
        mut crossing: Option<Caller<'_>>,
    ) -> Checked<(Option<Heard>, Option<Heard>)> {
        let wire = self.any_wire();
        let user = self.users[outer.account()].clone();
        let start = self.start(outer.account());
        let slot: Arc<Mutex<Option<Outcome>>> = Arc::default();
        if let Some(other) = &crossing {
            let interlude = self.interlude(other, user.clone(), Arc::clone(&slot));
            self.crossroads.cross(self.dice.below(6), interlude);
        }
        let struck = self.storm.struck();
        self.storm.blow(self.profile.faults);
        let (endpoint, sent) = outer.asking();
        let body = wire.call(&user, endpoint, sent, self.reply_limit).await;
        self.storm.blow(0);
        match self.crossroads.left_over() {
            Some(interlude) => interlude.await,
            None if crossing.is_some() => self.tally.faults.note(FaultKind::RequestCrossed),
            None => {}
        }
        let is_calm = self.storm.struck() == struck;
        let mut heard = None;
        let inner = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
        let is_alone = crossing.is_none();
        if let (Some(other), Some(inner)) = (&mut crossing, inner) {
            // What the outer request has done so far.
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

    /// Judges an outcome, for phones and for new clients.
    pub(super) async fn hear(
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

    /// Checks a failed call. Failures without an excuse are the server's mistake.
    ///
    /// A call may fail only if the store failed, or another call interfered.
    pub(super) fn check_failure(&mut self, kind: ErrorKind, course: Course) -> Checked {
        let is_expected = kind == ErrorKind::Unavailable && !(course.is_calm && course.is_alone);
        self.ensure(is_expected, || format!("the server fails with {kind:?}"))?;
        self.tally.faults.note(FaultKind::RequestFailed);
        self.note(None, || "the server fails".to_owned());
        Ok(())
    }

    /// These pieces must be in a whole reply, if they are newer than `lastSyncedAt`.
    pub(super) fn start(&self, account: usize) -> Start {
        let tracks = self.ledgers[account].tracks.iter();
        let live = tracks.filter(|(_, track)| track.content.is_some());
        live.map(|(id, track)| (*id, (track.k, track.stamp_secs))).collect()
    }

    /// The inner call has the same faults of the store as the outer one.
    pub(super) fn interlude(
        &mut self,
        caller: &Caller<'_>,
        outer: UserId,
        slot: Arc<Mutex<Option<Outcome>>>,
    ) -> Interlude {
        let (wire, watch) = (self.any_wire(), self.watch.clone());
        let user = self.users[caller.account()].clone();
        let (endpoint, sent) = caller.asking();
        let (sent, limit) = (sent.to_vec(), self.reply_limit);
        Box::pin(async move {
            let before = watch.observe(&outer).await;
            let body = wire.call(&user, endpoint, &sent, limit).await;
            let observed = watch.observe(&user).await;
            let outcome = Outcome { body, observed, before };
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
        })
    }
}

/// A violation that is not about one piece.
pub(super) fn general<T>(text: impl Into<String>) -> Checked<T> {
    Err(Violation::general(text))
}
