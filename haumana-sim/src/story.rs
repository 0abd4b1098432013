//! Runs in which a test decides what happens. Every check of the random runs holds in them too.
//!
//! A regression is written like this: the phones and their edits are named one by one, and the
//! judge of the random runs checks everything. So a story needs few assertions of its own.

use super::content::{Content, FAVORITE, LANGUAGE, LYRICS, PRACTICE, TITLE, Val};
use super::judge::{Checked, Violation};
use super::phone::{LocalPiece, Request};
use super::profile::{EVERYDAY, Profile};
use super::server::Answer;
use super::world::{Backend, World};
use haumana_sync::id::RecordId;

/// No faults by chance.
pub const STORY: Profile = Profile { name: "story", losses: 0, clock_jumps: false, ..EVERYDAY };

impl<'a> World<'a> {
    /// Sets up a story with `n_phones` phones, whose clocks are right.
    ///
    /// The seed is always 1, so ids and marks are the same each time.
    pub fn story(profile: Profile, n_phones: usize, backend: &'a mut dyn Backend) -> Self {
        let mut world = World::new(profile, 1, backend, false);
        world.phones.clear();
        for _ in 0..n_phones {
            let phone = world.add_phone();
            world.phones[phone].skew_ms = 0;
        }
        world
    }

    /// A phone makes a piece.
    pub fn write_piece(&mut self, phone: usize, title: &str, lyrics: &str) -> RecordId {
        let id = self.new_id();
        self.write_piece_as(phone, id, title, lyrics);
        id
    }

    /// A phone makes a piece with an id that was chosen elsewhere.
    pub fn write_piece_as(&mut self, phone: usize, id: RecordId, title: &str, lyrics: &str) {
        let mut content = Content([const { Val::Nil }; super::content::FIELDS.len()]);
        content.0[TITLE] = Val::Text(title.to_owned());
        content.0[super::content::CATEGORY] = Val::Text("oli".to_owned());
        content.0[LYRICS] = Val::Text(lyrics.to_owned());
        content.0[LANGUAGE] = Val::Text("haw".to_owned());
        content.0[PRACTICE] = Val::Flag(true);
        content.0[FAVORITE] = Val::Flag(false);
        let seen = self.first_edits(id, &content);
        let (now_ms, life) = (self.now_ms(), Some(self.life));
        let secs = self.phones[phone].clock_secs(now_ms);
        let user = self.phones[phone].account;
        self.phones[phone].pieces.push(LocalPiece {
            id,
            user,
            content,
            created_secs: secs,
            modified_ms: secs * 1000,
            synced_secs: None,
            version: 1,
            flagged: true,
            seen,
            life,
            number_life: 0,
            given_ms: now_ms,
        });
    }

    /// A phone's user changes one text in the form and saves it.
    pub fn write(&mut self, phone: usize, id: RecordId, aspect: usize, text: &str) {
        self.open_form(phone, id);
        self.save_with(phone, &[(aspect, text)]);
    }

    /// A phone's user changes texts in the form that is open and saves it.
    pub fn save_with(&mut self, phone: usize, texts: &[(usize, &str)]) {
        let Some(form) = self.phones[phone].form.take() else { return };
        let mut saved = form.content.clone();
        for (aspect, text) in texts {
            saved.0[*aspect] = Val::Text((*text).to_owned());
        }
        let changed: Vec<usize> = texts.iter().map(|(aspect, _)| *aspect).collect();
        self.save(phone, &form, saved, &changed);
    }

    /// The text that a phone shows.
    pub fn text(&self, phone: usize, id: RecordId, aspect: usize) -> &str {
        self.phones[phone].piece(id).map_or("", |piece| piece.content.0[aspect].text())
    }

    /// Whether a phone shows the star.
    pub fn has_star(&self, phone: usize, id: RecordId) -> bool {
        self.phones[phone]
            .piece(id)
            .is_some_and(|piece| piece.content.0[FAVORITE] == Val::Flag(true))
    }

    /// The server's version of a piece; 0 if it has none.
    pub fn version(&self, account: usize, id: RecordId) -> u32 {
        self.ledgers[account].tracks.get(&id).map_or(0, |track| track.k)
    }

    /// A phone sends its request; the reply stays in flight.
    ///
    /// Use it for a story in which a reply is late or lost.
    ///
    /// # Errors
    ///
    /// If the server does something wrong.
    pub async fn send(&mut self, phone: usize) -> Checked<(Request, Answer)> {
        self.pass(5000);
        let mut request = self.request(phone);
        let (answer, _) = self.call(&mut request, None).await?;
        let failed = || Violation::general("a sync fails although all is well");
        Ok((request, answer.ok_or_else(failed)?))
    }

    /// Every phone syncs, `rounds` times.
    ///
    /// # Errors
    ///
    /// If the server does something wrong.
    pub async fn sync_all(&mut self, rounds: usize) -> Checked {
        for _ in 0..rounds {
            for phone in 0..self.phones.len() {
                self.sync(phone).await?;
            }
        }
        Ok(())
    }
}
