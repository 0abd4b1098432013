//! What happens next.
//!
//! One call of [`World::event`] is one event. A history is a list of events, and shrinking leaves
//! some out. So an event draws what it needs when it happens, and depends on earlier ones only
//! through the state of the world.
//!
//! # How often each event happens
//!
//! Of a hundred events, 45 are a step of a sync and 35 are actions of a user. The rest are old
//! requests, restarts, jumps of a clock, deletes, backups and switches of account, if the profile
//! has them. In profiles about calls of people, corrections or rewinds, one event in eight is of
//! that sort.
//!
//! # The stages of a sync
//!
//! `Idle`, `Sent`, `Answered`, and back. In six of ten syncs all stages happen in one event. In the
//! others anything may happen between two stages: edits while a reply is in flight, a restart,
//! another account.

use super::content::{FAVORITE, FIELDS, PRACTICE, is_long};
use super::faults::FaultKind;
use super::judge::{Checked, Violation};
use super::phone::{LocalPiece, Request, Stage};
use super::profile::Profile;
use super::reply::ReplyPiece;
use super::server::Answer;
use super::world::World;

/// How many requests are kept to be repeated.
///
/// Old ones matter as much as new ones: a late request tests what the server remembers.
const PAST: usize = 40;

impl World<'_> {
    /// Makes one event happen, by chance.
    ///
    /// # Errors
    ///
    /// If the server did something wrong.
    pub async fn event(&mut self) -> Checked {
        let gap = if self.dice.chance(10) {
            self.dice.between(60_000, 7_200_000)
        } else {
            self.dice.between(0, 3000)
        };
        self.pass(gap);
        let phone = self.dice.below(self.phones.len());
        let Profile { asks, mends, rewinds, .. } = self.profile;
        if asks && self.dice.chance(12) {
            return self.ask().await;
        }
        if mends && self.dice.chance(12) {
            return self.mend().await;
        }
        if rewinds && self.dice.chance(12) {
            return self.rewind_any().await;
        }
        match self.dice.below(100) {
            0..=44 => self.advance(phone).await,
            45..=79 => {
                self.act(phone);
                Ok(())
            }
            84..=93 if self.profile.is_eventful() && self.dice.chance(70) => {
                self.upheave(phone).await
            }
            80..=87 => self.old_request().await,
            88..=91 => {
                self.tally.faults.note(FaultKind::PhoneRestarted);
                self.note(None, || format!("phone {phone} restarts"));
                self.phones[phone].restart();
                Ok(())
            }
            92..=93 if self.profile.clock_jumps => {
                self.phones[phone].skew_ms = self.dice.between(-172_800_000, 172_800_000);
                let skew_ms = self.phones[phone].skew_ms;
                self.tally.faults.note(FaultKind::ClockJumped);
                self.note(None, || format!("the clock of phone {phone} is off by {skew_ms} ms"));
                Ok(())
            }
            94..=95 if self.profile.deletes => self.delete_elsewhere().await,
            94..=97 => self.rare().await,
            _ => self.switch(phone),
        }
    }

    /// An action of a user.
    ///
    /// If the phone has no piece, and otherwise once in ten times, the user makes a new one.
    fn act(&mut self, phone: usize) {
        let Some(id) = self.any_piece(phone).filter(|_| !self.dice.chance(10)) else {
            if self.phones[phone].pieces.len() < 2 * self.profile.pieces {
                self.make_piece(phone);
            }
            return;
        };
        let is_open = self.phones[phone].form.is_some();
        match self.dice.below(100) {
            0..=34 => self.edit(phone, id),
            35..=49 => self.toggle(phone, id, FAVORITE),
            50..=57 => self.toggle(phone, id, PRACTICE),
            58..=72 => self.practise(phone, id),
            73..=89 if self.profile.forms && is_open => self.save_form(phone),
            73..=89 if self.profile.forms => self.open_form(phone, id),
            90..=93 => self.delete(phone, id),
            94..=95 if self.profile.invalid => self.overfill(phone, id, 200_002),
            _ => self.edit(phone, id),
        }
    }

    /// The next step of a phone's sync; usually the whole sync at once.
    ///
    /// A phone has at most one sync in progress, like the app.
    async fn advance(&mut self, phone: usize) -> Checked {
        let at_once = self.dice.chance(60);
        loop {
            match std::mem::take(&mut self.phones[phone].stage) {
                Stage::Idle => {
                    let request = self.request(phone);
                    self.note_request(&request);
                    self.phones[phone].stage = Stage::Sent(request);
                }
                Stage::Sent(request) => self.arrive(request).await?,
                Stage::Answered(request, answer) => return self.deliver(&request, answer).await,
            }
            if !at_once {
                return Ok(());
            }
        }
    }

    /// Writes a sent request into the story.
    pub fn note_request(&mut self, request: &Request) {
        if self.trace.is_none() {
            return;
        }
        let (phone, last) = (request.phone, request.last_secs);
        self.note(None, || format!("phone {phone} sends a request, lastSyncedAt {last:?}"));
        for sent in request.sent.clone() {
            self.note(Some(sent.id), || {
                let flag = if sent.flagged { ", flagged" } else { "" };
                format!(
                    "phone {phone} sends number {:x}{flag}, modified {}",
                    sent.version,
                    sent.modified_ms / 1000
                )
            });
        }
    }

    /// The request reaches a server, or is lost.
    ///
    /// In order: the request may be lost; it is answered, perhaps with another call or a rewind in
    /// its middle; it may be repeated at once, up to four times; the reply may be lost. Each
    /// request is kept, to be repeated much later.
    async fn arrive(&mut self, mut request: Request) -> Checked {
        let phone = request.phone;
        if self.dice.chance(self.profile.losses / 2) {
            self.tally.faults.note(FaultKind::RequestLost);
            self.note(None, || format!("the request of phone {phone} is lost"));
            self.remember(request.clone());
            self.phones[phone].stage = Stage::Answered(request, None);
            return Ok(());
        }
        let idle =
            |other: &usize| *other != phone && matches!(self.phones[*other].stage, Stage::Idle);
        let others: Vec<usize> = (0..self.phones.len()).filter(idle).collect();
        let crosses = !others.is_empty() && self.dice.chance(self.profile.crossings);
        let moment = self.moment_to_cross(request.token);
        let mut answer = if let Some(moment) = moment {
            self.call_over_rewind(&mut request, &moment).await?
        } else if crosses {
            let other = *self.dice.pick(&others);
            let mut crossing = self.request(other);
            self.note_request(&crossing);
            let (answer, other_answer) = self.call(&mut request, Some(&mut crossing)).await?;
            self.remember(crossing.clone());
            self.phones[other].stage = Stage::Answered(crossing, other_answer);
            answer
        } else {
            self.call(&mut request, None).await?.0
        };
        let repeats = if self.dice.chance(12) { 1 + self.dice.below(4) } else { 0 };
        for _ in 0..repeats {
            self.tally.faults.note(FaultKind::RequestRepeated);
            self.note(None, || format!("the request of phone {phone} comes again"));
            answer = self.repeat(&mut request).await?.or(answer);
        }
        self.remember(request.clone());
        if self.dice.chance(self.profile.losses) {
            self.tally.faults.note(FaultKind::ReplyLost);
            self.note(None, || format!("the reply to phone {phone} is lost"));
            answer = None;
        }
        self.phones[phone].stage = Stage::Answered(request, answer);
        Ok(())
    }

    /// Keeps a request to be repeated.
    ///
    /// If too many are kept, one at random is dropped.
    pub fn remember(&mut self, request: Request) {
        if self.past.len() < PAST {
            self.past.push(request);
        } else {
            let at = self.dice.below(PAST);
            self.past[at] = request;
        }
    }

    /// The reply reaches the phone; then it sends its sessions.
    ///
    /// For the app a sync is complete only if `POST /sessions` succeeded, too. Otherwise
    /// `lastSyncedAt` stays the same.
    pub async fn deliver(&mut self, request: &Request, answer: Option<Answer>) -> Checked {
        let phone = request.phone;
        let Some(answer) = answer else { return Ok(()) };
        if self.profile.asks && self.dice.chance(90) {
            self.open_on_what_was_pushed(request, &answer);
        }
        let now_ms = self.now_ms();
        let users: Vec<String> = self.users.iter().map(|user| user.as_str().to_owned()).collect();
        let user_of = |name: &str| users.iter().position(|user| user == name).unwrap_or(usize::MAX);
        self.note(None, || format!("the reply reaches phone {phone}"));
        let taken = self.phones[phone].take_over(request, &answer.reply, now_ms, &user_of);
        taken.map_err(|(id, text)| Violation::of(id, text))?;
        for id in &answer.settled {
            if let Some(piece) = self.phones[phone].piece_mut(*id) {
                piece.life = Some(request.life);
            }
        }
        let is_whole = !self.profile.small_replies;
        if self.sync_sessions(phone, request.token).await? {
            self.phones[phone].last_synced = Some((answer.reply.synced_secs, request.token));
        }
        if request.life != self.life {
            self.note_what_is_not_asked_for(phone);
        }
        if is_whole && request.last_secs.is_none() {
            self.phones[phone].may_lack.remove(&request.token);
        }
        Ok(())
    }

    /// Opens the form with a text that its user has just saved, before the merged text comes.
    ///
    /// So a form can show a text that was pushed, and that is in no version because the server
    /// merged it.
    fn open_on_what_was_pushed(&mut self, request: &Request, answer: &Answer) {
        let phone = request.phone;
        let is_merged = |sent: &LocalPiece, theirs: &ReplyPiece| {
            let differs = |at: &usize| sent.content.0[*at] != theirs.content.0[*at];
            (0..FIELDS.len()).filter(|at| is_long(*at)).any(|at| differs(&at))
        };
        let pairs = request.sent.iter().filter(|sent| sent.flagged).filter_map(|sent| {
            Some((sent, answer.reply.server.iter().find(|theirs| theirs.id == sent.id)?))
        });
        let merged = pairs.into_iter().find(|(sent, theirs)| is_merged(sent, theirs));
        let id = merged.map(|(sent, _)| sent.id);
        if let Some(id) = id.filter(|_| self.phones[phone].form.is_none()) {
            self.open_form(phone, id);
        }
    }

    /// Brings an old request to the server: again, or for the first time.
    ///
    /// Nobody receives the answer. If the request was done before, it must change nothing.
    async fn old_request(&mut self) -> Checked {
        if self.past.is_empty() {
            return Ok(());
        }
        let at = self.dice.below(self.past.len());
        let mut request = self.past[at].clone();
        let (phone, at_ms) = (request.phone, request.at_ms);
        self.tally.faults.note(FaultKind::RequestLate);
        self.note(None, || {
            let at = haumana_sync::time::UnixMillis(at_ms);
            format!("the request that phone {phone} sent at {at} comes again, late")
        });
        self.note_request(&request);
        self.repeat(&mut request).await?;
        self.past[at].is_done = request.is_done;
        Ok(())
    }

    /// Signs the phone in to another account: first the token changes, then the app notices.
    ///
    /// Between the two steps the app sends pieces of one account with the token of another. The
    /// server must refuse all of them.
    fn switch(&mut self, phone: usize) -> Checked {
        if self.users.len() < 2 {
            return Ok(());
        }
        let forgets = self.dice.chance(50);
        self.tally.faults.note(FaultKind::AccountSwitched);
        let is_half = self.phones[phone].account != self.phones[phone].token;
        let other = 1 - self.phones[phone].token;
        let phone = &mut self.phones[phone];
        if is_half {
            phone.account = phone.token;
            phone.form = None;
        } else {
            phone.token = other;
        }
        if forgets {
            phone.last_synced = None;
        }
        let (number, account, token) = (phone.number, phone.account, phone.token);
        self.note(None, || {
            format!("phone {number}: the app believes in {account}, the token is of {token}")
        });
        Ok(())
    }
}
