//! The end of a run: without faults, all phones sync until nothing is left to send. Then all must
//! agree.
//!
//! # What must hold at the end
//!
//! | check | promise |
//! |---|---|
//! | phones hold what the server holds, and no edit is left | G2, G3 |
//! | the last value of a field that one phone edits is in the record | G1 |
//! | phones that start anew hold the same, and change nothing | G5 |
//! | a new phone gets exactly the live pieces | G4 |
//! | each accepted value is in the record or its history | G1 |
//! | each conflict has the value that lost, and restores it | G1 |
//! | the head's sums are those of the records, and the stored data agrees with itself | |
//!
//! Only here the model requires agreement. During the run phones differ, because replies are lost.

use super::content::{ASPECTS, CATEGORY, Content, FIELDS, NOTES};
use super::judge::{Checked, Violation};
use super::ledger::{digests, everything_of};
use super::phone::Stage;
use super::server::wrong;
use super::world::World;
use haumana_sync::id::RecordId;
use std::collections::BTreeMap;

impl World<'_> {
    /// Lets all phones sync to the end, and checks what is left.
    ///
    /// The accounts follow one after the other: phones sign in to an account and sync.
    ///
    /// # Errors
    ///
    /// If the phones and the server do not agree, or something is lost.
    pub async fn come_to_rest(&mut self) -> Checked {
        self.calm_down().await?;
        for account in 0..self.users.len() {
            self.sync_until_quiet(account).await?;
            self.check_phones(account)?;
            self.check_last_values(account)?;
            self.check_restarts(account).await?;
            self.check_fresh_phone(account).await?;
            self.check_kept(account).await?;
            self.check_inbox(account).await?;
            self.check_stored(account).await?;
        }
        Ok(())
    }

    /// Checks that the stored data of the account agrees with itself, including the sums of the
    /// head.
    ///
    /// It does nothing on a backend without an operator's calls.
    ///
    /// # Errors
    ///
    /// If it does not agree.
    pub async fn check_stored(&mut self, account: usize) -> Checked {
        let Some(all) = self.backend.operate() else { return Ok(()) };
        let verified = self.engines[0].verify(&*all, &self.users[account]).await;
        let findings = match verified {
            Ok(verified) => verified.findings,
            Err(error) => return self.ensure(false, || format!("what is stored is read: {error}")),
        };
        let told: Vec<String> = findings.iter().map(ToString::to_string).collect();
        self.ensure(told.is_empty(), || format!("what is stored agrees: {}", told.join("; ")))
    }

    /// Turns all faults off, and ends everything that is in progress.
    ///
    /// Answered syncs are finished; sent requests are given up. Texts that no server accepts are
    /// shortened, because their pieces could never agree.
    ///
    /// # Errors
    ///
    /// If the server did something wrong.
    pub async fn calm_down(&mut self) -> Checked {
        (self.profile.losses, self.profile.faults, self.profile.crossings) = (0, 0, 0);
        self.profile.invalid = false;
        self.note(None, || "from here on everything works".to_owned());
        for phone in 0..self.phones.len() {
            self.finish_sync(phone).await?;
            self.phones[phone].form = None;
            let large = self.phones[phone]
                .pieces
                .iter()
                .filter(|p| 200_000 < p.content.0[NOTES].text().len());
            for id in large.map(|piece| piece.id).collect::<Vec<_>>() {
                self.overfill(phone, id, 0);
            }
        }
        Ok(())
    }

    async fn finish_sync(&mut self, phone: usize) -> Checked {
        match std::mem::take(&mut self.phones[phone].stage) {
            Stage::Answered(request, answer) => self.deliver(&request, answer).await,
            Stage::Idle | Stage::Sent(_) => Ok(()),
        }
    }

    fn sign_in(&mut self, phone: usize, account: usize) {
        let phone = &mut self.phones[phone];
        phone.account = account;
        phone.token = account;
    }

    /// Does one whole sync without faults; returns whether it had anything to send or to receive.
    ///
    /// # Errors
    ///
    /// If the server does something wrong.
    pub async fn sync(&mut self, phone: usize) -> Checked<bool> {
        self.pass(5000);
        let mut request = self.request(phone);
        self.note_request(&request);
        let (answer, _) = self.call(&mut request, None).await?;
        let failed = || Violation::general("a sync fails although all is well");
        let answer = answer.ok_or_else(failed)?;
        let is_news = !answer.reply.server.is_empty() || !answer.reply.updated.is_empty();
        self.deliver(&request, Some(answer)).await?;
        Ok(is_news)
    }

    /// All phones sign in to an account, and sync until none has anything to send or to receive.
    ///
    /// The limit is far above what a correct server needs. So a server that answers with news for
    /// ever is found here.
    ///
    /// # Errors
    ///
    /// If the server does something wrong, or they do not come to an end.
    pub async fn sync_until_quiet(&mut self, account: usize) -> Checked {
        for phone in 0..self.phones.len() {
            self.sign_in(phone, account);
        }
        let limit = 8 + 2 * self.ledgers[account].tracks.len();
        for _ in 0..limit {
            let mut is_quiet = true;
            for phone in 0..self.phones.len() {
                is_quiet &= !self.sync(phone).await?;
            }
            if is_quiet {
                return Ok(());
            }
        }
        Err(Violation::general(format!("the phones are not done after {limit} rounds")))
    }

    /// The server's live pieces.
    fn live(&self, account: usize) -> BTreeMap<RecordId, Content> {
        let tracks = self.ledgers[account].tracks.iter();
        tracks.filter_map(|(id, track)| Some((*id, track.content.clone()?))).collect()
    }

    /// Checks that every phone holds the server's content of its pieces, and has all pieces that it
    /// must.
    ///
    /// A deleted piece may stay on a phone, because the app's protocol has no deletes.
    fn check_phones(&self, account: usize) -> Checked {
        let live = self.live(account);
        for phone in &self.phones {
            for piece in phone.pieces_of(account) {
                let number = phone.number;
                match live.get(&piece.id) {
                    Some(content) if *content == piece.content => {}
                    Some(content) => {
                        let text = format!(
                            "phone {number} holds\n  {:?}, the server\n  {content:?}",
                            piece.content
                        );
                        return wrong(piece.id, text);
                    }
                    // The app never learns of deletes.
                    None if self.ledgers[account].tracks.contains_key(&piece.id) => {}
                    None if self.ledgers[account].erased.contains(&piece.id) => {}
                    None if self.ledgers[account].doubtful.contains(&piece.id) => {}
                    None => return wrong(piece.id, format!("only phone {number} has the piece")),
                }
                if piece.flagged {
                    return wrong(piece.id, format!("phone {number} still has an edit"));
                }
            }
            let is_known = |id: &RecordId| {
                phone.piece(*id).is_some()
                    || phone.deleted.contains(id)
                    || phone.not_asked_for.contains(id)
            };
            let lacks = live.keys().find(|id| !is_known(id));
            if let Some(id) = lacks.filter(|_| !phone.may_lack.contains(&account)) {
                return wrong(*id, format!("phone {} lacks the piece", phone.number));
            }
        }
        Ok(())
    }

    /// If only one phone edits a field, its last edit that reached the server is in the record.
    ///
    /// It applies only to profiles in which each field has one such phone; otherwise two last edits
    /// may have met. The highest bit among the edits of a field is its last edit.
    fn check_last_values(&self, account: usize) -> Checked {
        if !self.profile.owned {
            return Ok(());
        }
        for (id, track) in &self.ledgers[account].tracks {
            let Some(content) = track.content.as_ref().filter(|_| !track.tainted) else { continue };
            if self.abandoned.contains(id) {
                continue;
            }
            for aspect in (0..ASPECTS).filter(|aspect| self.is_followed(*aspect)) {
                let last = 127 - track.seen.0[aspect].leading_zeros() as usize;
                // If nobody can know whose push it was, the last edit is of no user.
                let Some(typed) = self.typed[&(*id, aspect)].get(last) else { continue };
                // The form changed it to `oli` before any server saw it.
                if aspect == CATEGORY && typed.text() == "hula" {
                    continue;
                }
                if !super::content::is_unchanged(aspect, typed, &content.aspect(aspect)) {
                    let name = super::content::aspect_name(aspect);
                    let is = content.aspect(aspect);
                    return wrong(*id, format!("{name} is {is:?}, its user wrote {typed:?} last"));
                }
            }
        }
        Ok(())
    }

    fn is_followed(&self, aspect: usize) -> bool {
        let is_line = FIELDS.len() <= aspect;
        if self.profile.by_line { aspect != super::content::LYRICS } else { !is_line }
    }

    /// Checks that phones that start anew hold the same, and change nothing.
    ///
    /// A restart forgets `lastSyncedAt`, so each phone asks for everything. Pieces that its user
    /// deleted come back, as with the app.
    async fn check_restarts(&mut self, account: usize) -> Checked {
        let user = self.users[account].clone();
        let before = self.watch.observe(&user).await;
        for phone in 0..self.phones.len() {
            self.phones[phone].restart();
            self.phones[phone].deleted.clear();
            self.phones[phone].may_lack.remove(&account);
        }
        for phone in 0..self.phones.len() {
            let mut is_news = true;
            while is_news && self.profile.small_replies {
                is_news = self.sync(phone).await?;
            }
            self.sync(phone).await?;
        }
        let after = self.watch.observe(&user).await;
        if let Some((id, _)) = after.iter().find(|(id, stored)| before.get(id) != Some(stored)) {
            return wrong(*id, "a restart changed the server");
        }
        self.check_phones(account)
    }

    /// A new phone gets exactly the live pieces.
    async fn check_fresh_phone(&mut self, account: usize) -> Checked {
        let phone = self.add_phone();
        self.sign_in(phone, account);
        let limit = 4 + self.ledgers[account].tracks.len();
        for _ in 0..limit {
            if !self.sync(phone).await? {
                break;
            }
        }
        let holds = self.phones[phone].pieces_of(account);
        let holds: BTreeMap<_, _> = holds.map(|piece| (piece.id, piece.content.clone())).collect();
        let live = self.live(account);
        self.ensure(holds == live, || format!("a new phone holds {holds:?}\n  the server {live:?}"))
    }

    /// Checks that every accepted value is in the record or in its history, and that the head's
    /// sums are right.
    ///
    /// It searches for marks: each typed value has one that exists nowhere else.
    async fn check_kept(&mut self, account: usize) -> Checked {
        let user = self.users[account].clone();
        let mut texts: BTreeMap<RecordId, String> = BTreeMap::new();
        for (id, mark) in &self.ledgers[account].owed {
            if !texts.contains_key(id) {
                texts.insert(*id, everything_of(&*self.store, &user, *id).await);
            }
            if !texts[id].contains(mark) {
                return wrong(*id, format!("the accepted value {mark} is nowhere"));
            }
        }
        let Some(head) = self.store.head(&user).await.expect("the store itself does not fail")
        else {
            return Ok(());
        };
        let (versions, content) = digests(&*self.store, &user).await;
        self.ensure(head.versions == versions, || "the digest of versions is wrong".to_owned())?;
        self.ensure(head.content == content, || "the digest of content is wrong".to_owned())
    }
}
