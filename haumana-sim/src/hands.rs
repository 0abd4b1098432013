//! The actions of users on their phones.
//!
//! The form of the app saves every field at once, whether its user touched it or not. So a form
//! that was open while the phone synced carries old values of other fields. The protocol has to
//! tell these from edits. The model has to know which are which: [`World::save`] gets the fields
//! that the user changed.
//!
//! Every typed value has a mark that exists nowhere else. So the model can tell which edits are in
//! any text.

use super::content::{
    ASPECTS, CATEGORY, Content, FIELDS, LANGUAGE, LINES, LYRICS, TITLE, Val, is_in_form, is_long,
    is_unchanged,
};
use super::counts::Rare;
use super::phone::{Form, LocalPiece, LocalSession};
use super::words;
use super::world::World;
use haumana_sync::engine::RETENTION_MS;
use haumana_sync::id::RecordId;

impl World<'_> {
    /// Any piece of the phone's account.
    ///
    /// It is the account that the app believes in, since its user sees no other.
    pub fn any_piece(&mut self, phone: usize) -> Option<RecordId> {
        let phone = &self.phones[phone];
        let ids: Vec<RecordId> = phone.pieces_of(phone.account).map(|piece| piece.id).collect();
        (!ids.is_empty()).then(|| *self.dice.pick(&ids))
    }

    /// The content of a new piece: from the form, or from another program.
    ///
    /// Sometimes fields have values that only another program could leave: blanks at their ends, or
    /// an unknown category.
    pub fn new_content(&mut self, user: usize) -> Content {
        let is_untidy = self.dice.chance(30);
        let mut fields = [const { Val::Nil }; FIELDS.len()];
        for (aspect, (_, class, required)) in FIELDS.iter().enumerate() {
            let mark = self.new_mark(user);
            let dice = &mut self.dice;
            fields[aspect] = match (aspect, class) {
                (_, super::content::Class::Flag) => Val::Flag(dice.chance(50)),
                (CATEGORY, _) if is_untidy && dice.chance(50) => Val::Text("hula".to_owned()),
                (CATEGORY, _) => Val::Text(dice.pick(&["oli", "mele"]).to_string()),
                (LANGUAGE, _) => Val::Text(dice.pick(&["haw", "haw", "en"]).to_string()),
                _ if !required && dice.chance(50) => Val::Nil,
                _ if is_long(aspect) => Val::Text(words::song(dice, &mark)),
                _ if is_untidy => Val::Text(words::untidy(dice, &mark)),
                _ => Val::Text(words::short(dice, &mark)),
            };
        }
        if self.profile.by_line {
            let marks: Vec<String> = (0..LINES).map(|_| self.new_mark(user)).collect();
            fields[LYRICS] = Val::Text(words::owned_lines(&marks));
        }
        Content(fields).shown()
    }

    /// Makes the pieces that exist at the beginning of the run.
    ///
    /// In profiles with copies from before this server each of these pieces becomes one.
    pub fn begin(&mut self) {
        for _ in 0..1 + self.dice.below(self.profile.pieces) {
            let phone = self.dice.below(self.phones.len());
            self.make_piece(phone);
            if self.profile.legacy {
                self.make_legacy(phone);
            }
        }
    }

    /// Makes the newest piece of a phone one that an older server knew, and copies it.
    ///
    /// Its number is a small count, as the older server gave them. So it names no version of this
    /// server.
    fn make_legacy(&mut self, phone: usize) {
        let now_ms = self.now_ms();
        let Some(mut piece) = self.phones[phone].pieces.pop() else { return };
        piece.flagged = false;
        for phone in 0..self.phones.len() {
            if !self.dice.chance(80) {
                continue;
            }
            piece.version = 1 + self.dice.below(40) as u64;
            piece.synced_secs = Some(now_ms / 1000 - 86_400);
            self.phones[phone].pieces.push(piece.clone());
            if self.dice.chance(30) {
                self.edit(phone, piece.id);
            }
        }
    }

    /// Makes a new piece on a phone.
    ///
    /// The app begins with number 1 and with the flag set.
    pub fn make_piece(&mut self, phone: usize) {
        let user = self.phones[phone].account;
        let id = self.new_id();
        let content = self.new_content(user);
        let seen = self.first_edits(id, &content);
        let now_ms = self.now_ms();
        let secs = self.phones[phone].clock_secs(now_ms);
        self.note(Some(id), || format!("phone {phone} makes the piece {content:?}"));
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
            life: Some(self.life),
            number_life: 0,
            given_ms: now_ms,
        });
    }

    /// Opens the form, to be saved later.
    ///
    /// The form keeps showing the same values, whatever a sync brings meanwhile.
    pub fn open_form(&mut self, phone: usize, id: RecordId) {
        let Some(piece) = self.phones[phone].piece(id) else { return };
        let form = Form { piece: id, content: piece.content.clone(), seen: piece.seen.clone() };
        self.note(Some(id), || format!("phone {phone} opens the form"));
        self.phones[phone].form = Some(form);
    }

    /// Changes something in the form and saves it. If a form is open, it is that one.
    pub fn edit(&mut self, phone: usize, id: RecordId) {
        if self.phones[phone].form.is_none() {
            self.open_form(phone, id);
        }
        self.save_form(phone);
    }

    /// Changes something in the open form and saves it as a whole.
    ///
    /// It changes up to three fields, or none: a form that is saved unchanged is sent all the same.
    pub fn save_form(&mut self, phone: usize) {
        let Some(form) = self.phones[phone].form.take() else { return };
        let Some(piece) = self.phones[phone].piece(form.piece).cloned() else { return };
        let mut saved = form.content.clone();
        let mut changed = Vec::new();
        let open: Vec<usize> = (0..ASPECTS)
            .filter(|aspect| is_in_form(*aspect) && self.may_edit(phone, piece.id, *aspect))
            .collect();
        let n_changes = if open.is_empty() { 0 } else { self.dice.below(4) };
        for _ in 0..n_changes {
            let aspect = *self.dice.pick(&open);
            self.type_in(&mut saved, piece.id, piece.user, aspect);
            changed.push(aspect);
        }
        self.save(phone, &form, saved, &changed);
    }

    /// Saves `saved` over the piece as a whole. Its user changed the aspects in `changed`.
    ///
    /// A long text that its user did not touch, and that is from an older version, is no edit: the
    /// server takes it as a sign of the form's age. All other values that differ from the phone's
    /// count as edits, as the app sends them.
    pub fn save(&mut self, phone: usize, form: &Form, mut saved: Content, changed: &[usize]) {
        let Some(mut piece) = self.phones[phone].piece(form.piece).cloned() else { return };
        tidy(&mut saved);
        let now_ms = self.now_ms();
        for aspect in (0..ASPECTS).filter(|aspect| is_in_form(*aspect)) {
            let (value, held) = (saved.aspect(aspect), piece.content.aspect(aspect));
            if is_unchanged(aspect, &value, &held) {
                continue;
            }
            let is_typed = changed.contains(&aspect);
            if !is_typed && self.is_old_text(piece.id, piece.user, aspect, &value, piece.version) {
                if !self.is_in_a_version(piece.id, piece.user, aspect, &value) {
                    self.tally.rare.note(Rare::PushedForm);
                }
                piece.seen.0[aspect] = form.seen.0[aspect];
                continue;
            }
            let Some(edit) = self.new_edit(piece.id, aspect, value.clone()) else { return };
            let is_current = is_unchanged(aspect, &form.content.aspect(aspect), &held);
            let shown = if is_current { piece.seen.0[aspect] } else { form.seen.0[aspect] };
            piece.seen.0[aspect] = shown | edit;
            self.note(Some(piece.id), || {
                format!(
                    "phone {phone} saves {} = {value:?}, edit {edit:b}",
                    super::content::aspect_name(aspect)
                )
            });
        }
        piece.content = saved_over(&piece.content, saved);
        piece.flagged = true;
        piece.modified_ms = self.phones[phone].clock_secs(now_ms) * 1000;
        let (secs, version) = (piece.modified_ms / 1000, piece.version);
        self.note(Some(piece.id), || {
            format!("phone {phone} saved the form at {secs}, number {version:x}")
        });
        if let Some(slot) = self.phones[phone].piece_mut(piece.id) {
            *slot = piece;
        }
    }

    /// Whether a long text is that of a version of the server before the phone's version, or a text
    /// that a phone had pushed.
    ///
    /// The server can know such a text only for the retention time.
    fn is_old_text(
        &self,
        id: RecordId,
        user: usize,
        aspect: usize,
        value: &Val,
        version: u64,
    ) -> bool {
        let Some(track) = self.ledgers[user].tracks.get(&id) else { return false };
        let base = (version >> 32) as u32;
        let Some(held) = track.versions.get(&base) else { return false };
        let equals = |content: &Content| is_unchanged(aspect, value, &content.0[aspect]);
        let oldest_ms = self.now_ms() - RETENTION_MS;
        let is_retained = |version: u32| {
            let next = track.versions.range(version + 1..).next();
            next.is_some_and(|(_, next)| oldest_ms < next.modified_ms)
        };
        aspect < FIELDS.len()
            && is_long(aspect)
            && !track.travelled
            && !value.text().trim().is_empty()
            && !equals(&held.content)
            && (track
                .versions
                .range(..base)
                .any(|(k, old)| equals(&old.content) && is_retained(*k))
                || track.pushed_since(oldest_ms).any(equals))
    }

    /// All users who have a piece edit its lyrics, so that each push meets edits of the others, and
    /// the inbox fills.
    pub(super) fn write_apart(&mut self, account: usize) {
        let live = self.ledgers[account].tracks.iter().filter(|(_, track)| track.content.is_some());
        let ids: Vec<RecordId> = live.map(|(id, _)| *id).collect();
        if ids.is_empty() {
            return;
        }
        let id = *self.dice.pick(&ids);
        for phone in 0..self.phones.len() {
            let is_here = self.phones[phone].piece(id).is_some_and(|piece| piece.user == account);
            if !is_here || !self.may_edit(phone, id, LYRICS) {
                continue;
            }
            self.open_form(phone, id);
            let Some(form) = self.phones[phone].form.take() else { continue };
            let mut saved = form.content.clone();
            self.type_in(&mut saved, id, account, LYRICS);
            self.save(phone, &form, saved, &[LYRICS]);
        }
    }

    /// Whether any version of a piece has a value. If none has, a phone has pushed it.
    fn is_in_a_version(&self, id: RecordId, user: usize, aspect: usize, value: &Val) -> bool {
        let versions =
            self.ledgers[user].tracks.get(&id).into_iter().flat_map(|t| t.versions.values());
        let mut values = versions.map(|known| known.content.aspect(aspect));
        values.any(|had| is_unchanged(aspect, value, &had))
    }

    /// One value in eight is one that was typed before, so that changing back is tested.
    fn type_in(&mut self, content: &mut Content, id: RecordId, user: usize, aspect: usize) {
        let mark = self.new_mark(user);
        if FIELDS.len() <= aspect {
            let text = words::replace_line(content.0[LYRICS].text(), aspect, &mark);
            content.0[LYRICS] = Val::Text(text);
            return;
        }
        let earlier = self.typed.get(&(id, aspect)).cloned().unwrap_or_default();
        let dice = &mut self.dice;
        let old = &content.0[aspect];
        content.0[aspect] = match aspect {
            CATEGORY => Val::Text(if old.text() == "mele" { "oli" } else { "mele" }.to_owned()),
            LANGUAGE => Val::Text(if old.text() == "haw" { "en" } else { "haw" }.to_owned()),
            _ if !earlier.is_empty() && dice.chance(12) => dice.pick(&earlier).clone(),
            _ if !FIELDS[aspect].2 && dice.chance(15) => Val::Nil,
            _ if is_long(aspect) && !old.text().is_empty() => {
                Val::Text(words::edited_song(dice, old.text(), &mark))
            }
            _ if is_long(aspect) => Val::Text(words::song(dice, &mark)),
            _ => Val::Text(words::short(dice, &mark)),
        };
    }

    /// Toggles the star, or whether practice offers the piece.
    ///
    /// It counts as a step of the number, since the app raises the number at each toggle.
    pub fn toggle(&mut self, phone: usize, id: RecordId, aspect: usize) {
        if !self.may_edit(phone, id, aspect) {
            return;
        }
        let Some(Val::Flag(old)) =
            self.phones[phone].piece(id).map(|piece| piece.content.0[aspect].clone())
        else {
            return;
        };
        let value = Val::Flag(!old);
        let Some(edit) = self.new_edit(id, aspect, value.clone()) else { return };
        self.touch(phone, id, |piece| {
            piece.content.0[aspect] = value.clone();
            piece.seen.0[aspect] |= edit;
        });
        self.note(Some(id), || {
            format!(
                "phone {phone} turns {} to {}, edit {edit:b}",
                super::content::aspect_name(aspect),
                !old
            )
        });
    }

    /// Practises a piece: no field changes, and a session begins.
    ///
    /// The app counts it as a step and flags the piece, so the server gets a piece without an edit.
    pub fn practise(&mut self, phone: usize, id: RecordId) {
        self.touch(phone, id, |_| {});
        self.note(Some(id), || format!("phone {phone} practises"));
        let now_ms = self.now_ms();
        let (session, has_ended) = (self.new_id(), self.dice.chance(30));
        let started_secs = self.phones[phone].clock_secs(now_ms);
        let user = self.phones[phone].account;
        self.phones[phone].sessions.push(LocalSession {
            id: session,
            user,
            piece: id,
            started_secs,
            ended_secs: has_ended.then_some(started_secs + 60),
            uploaded: false,
        });
    }

    /// The common part of toggling and practising.
    fn touch(&mut self, phone: usize, id: RecordId, change: impl FnOnce(&mut LocalPiece)) {
        let now_ms = self.now_ms();
        let secs = self.phones[phone].clock_secs(now_ms);
        if let Some(piece) = self.phones[phone].piece_mut(id) {
            change(piece);
            piece.version += 1;
            piece.flagged = true;
            piece.modified_ms = secs * 1000;
        }
    }

    /// Deletes a piece on the phone. No server ever learns of it.
    ///
    /// Edits that were not sent yet are abandoned.
    pub fn delete(&mut self, phone: usize, id: RecordId) {
        self.note(Some(id), || format!("phone {phone} deletes the piece"));
        self.phones[phone].pieces.retain(|piece| piece.id != id);
        self.phones[phone].deleted.insert(id);
        self.abandoned.insert(id);
    }

    /// Makes the notes of a piece longer than any server accepts, or as short as possible.
    ///
    /// The push of such a piece must be refused as too large, and nothing else of the request.
    pub fn overfill(&mut self, phone: usize, id: RecordId, bytes: usize) {
        let value = Val::Text("ʻ".repeat(bytes / 2));
        let Some(edit) = self.new_edit(id, super::content::NOTES, Val::Nil) else { return };
        let now_ms = self.now_ms();
        let secs = self.phones[phone].clock_secs(now_ms);
        self.note(Some(id), || format!("phone {phone} types notes of {bytes} bytes"));
        if let Some(piece) = self.phones[phone].piece_mut(id) {
            piece.content.0[super::content::NOTES] = value;
            piece.content = piece.content.clone().shown();
            piece.seen.0[super::content::NOTES] |= edit;
            piece.flagged = true;
            piece.modified_ms = secs * 1000;
        }
    }
}

/// What the form does when it is saved.
///
/// An unknown category becomes `oli`, because the form's picker has no entry for it.
fn tidy(content: &mut Content) {
    for aspect in [TITLE, LYRICS] {
        content.0[aspect] = Val::Text(content.0[aspect].text().trim().to_owned());
    }
    if !["oli", "mele"].contains(&content.0[CATEGORY].text()) {
        content.0[CATEGORY] = Val::Text("oli".to_owned());
    }
    *content = content.clone().shown();
}

/// Saves everything of the form over a piece, except the booleans.
///
/// Booleans are beside the form, and keep their values.
fn saved_over(held: &Content, saved: Content) -> Content {
    let mut content = saved;
    for aspect in (0..FIELDS.len()).filter(|aspect| !is_in_form(*aspect)) {
        content.0[aspect] = held.0[aspect].clone();
    }
    content
}
