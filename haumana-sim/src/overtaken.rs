//! Records of new clients whose delete arrives before their creation, or whose creation is
//! repeated.
//!
//! A client that makes a record and deletes it sends two requests if the first reply was lost. The
//! network may bring the second one first. Then the server gets a delete of an unknown record, and
//! later a creation that its own device has undone. The record must not come to life.

use super::content::CATEGORY;
use super::counts::Rare;
use super::judge::Checked;
use super::server::wrong;
use super::words;
use super::world::World;
use haumana_sync::engine::{EditTimes, Push, PushOp, RETENTION_MS};
use haumana_sync::id::{Key, RecordId};
use haumana_sync::record::Value;
use haumana_sync::store::Envelope;
use haumana_sync::time::UnixMillis;

/// The most creations that are in flight.
///
/// Above that, one of them arrives before another is made.
const LATE: usize = 6;

/// A creation that is still in flight, or is repeated.
///
/// Each has a device id of its own, because the delete and the creation must come from one device.
#[derive(Clone, Debug)]
pub struct LateCreation {
    account: usize,
    device: String,
    push: Push,
    life: u32,
    at_ms: i64,
}

impl World<'_> {
    /// A new client makes a record and deletes it, and the delete arrives first. Or such a creation
    /// arrives at last.
    pub(super) async fn overtake(&mut self, account: usize) -> Checked {
        let (now_ms, life) = (self.now_ms(), self.life);
        // Another life does not remember the delete.
        self.late.retain(|late| late.life == life && now_ms < late.at_ms + RETENTION_MS);
        if self.late.len() == LATE || (!self.late.is_empty() && self.dice.chance(60)) {
            let at = self.dice.below(self.late.len());
            let late = self.late[at].clone();
            return self.create_late(&late).await;
        }
        self.delete_early(account).await
    }

    /// Once in three times the creation arrives first, and then again after the delete.
    async fn delete_early(&mut self, account: usize) -> Checked {
        let (now_ms, id) = (self.now_ms(), self.new_id());
        let is_piece = self.dice.chance(70);
        let key = if is_piece { Key::piece(id) } else { Key::session(id) };
        let device = format!("late-{}", self.new_id());
        let fields =
            if is_piece { self.fields_of_piece(account) } else { self.fields_of_session() };
        let edited = |at_ms: i64| EditTimes::One(UnixMillis(at_ms));
        let op = PushOp::Set(fields.into_iter().map(|(name, v)| (name.to_owned(), v)).collect());
        let push = Push { key, base: None, edited_at: edited(now_ms - 2000), op };
        let comes_before = self.dice.chance(30);
        let base = if comes_before { Some(1) } else { None };
        let delete = Push { key, base, edited_at: edited(now_ms - 1000), op: PushOp::Delete };
        let pushes = if comes_before { vec![push.clone(), delete] } else { vec![delete] };
        let (user, engine) = (self.users[account].clone(), self.any_engine());
        for one in pushes {
            let pushed = engine.push(&user, &device, &[one]).await;
            self.ensure(pushed.is_ok(), || "a push fails although all is well".to_owned())?;
        }
        self.note(Some(id), || format!("{device} deletes what it made, {comes_before}"));
        self.follow_late(account, key).await;
        if self.stored(account, key).await.is_none_or(|stored| !stored.deleted) {
            // After a leap the account's first version has another number, so that delete had no
            // base.
            return match comes_before && self.is_after_another_life(account) {
                true => Ok(()),
                false => wrong(id, "what its device deleted is there"),
            };
        }
        self.late.push(LateCreation { account, device, push, life: self.life, at_ms: now_ms });
        Ok(())
    }

    /// Then the numbers of versions begin above those of the earlier life, so a delete that names
    /// version 1 names none.
    fn is_after_another_life(&self, account: usize) -> bool {
        0 < self.life || !self.ledgers[account].erased.is_empty()
    }

    /// Checks that the delete stays, whatever its device had said before. A person's edit must stay
    /// too.
    ///
    /// The version must stay the same.
    async fn create_late(&mut self, late: &LateCreation) -> Checked {
        let LateCreation { account, device, push, .. } = late;
        let (user, engine) = (self.users[*account].clone(), self.any_engine());
        let before = self.stored(*account, push.key).await.map(|stored| stored.version);
        let pushed = engine.push(&user, device, std::slice::from_ref(push)).await;
        self.ensure(pushed.is_ok(), || "a push fails although all is well".to_owned())?;
        self.note(Some(push.key.id), || format!("what {device} had made comes late"));
        if before != self.stored(*account, push.key).await.map(|stored| stored.version) {
            return wrong(push.key.id, "a creation that came late undid its own delete");
        }
        self.follow_late(*account, push.key).await;
        self.tally.rare.note(Rare::LateCreation);
        Ok(())
    }

    /// The stored record.
    pub(super) async fn stored(&self, account: usize, key: Key) -> Option<Envelope> {
        let found = self.store.read(&self.users[account], &[key]).await;
        found.expect("the store itself does not fail").into_iter().flatten().next()
    }

    /// No device holds the record, so the ledger takes it as it is.
    async fn follow_late(&mut self, account: usize, key: Key) {
        let (user, life) = (self.users[account].clone(), self.life);
        let observed = self.watch.observe(&user).await;
        if let Some(stored) = observed.get(&key.id) {
            let track = self.ledgers[account].tracks.entry(key.id).or_default();
            track.tainted = true;
            track.update(stored, life);
        }
        if key == Key::session(key.id) {
            self.buried.insert(key.id);
        }
    }

    fn fields_of_piece(&mut self, account: usize) -> Vec<(&'static str, Value)> {
        let mark = self.new_mark(account);
        let title = words::short(&mut self.dice, &mark);
        let (category, _, _) = super::content::FIELDS[CATEGORY];
        vec![
            ("title", Value::Text(title.clone())),
            ("lyrics", Value::Text(title)),
            (category, Value::Text("oli".to_owned())),
        ]
    }

    fn fields_of_session(&mut self) -> Vec<(&'static str, Value)> {
        let piece: RecordId = self.new_id();
        let started = UnixMillis(self.now_ms()).to_string();
        let text = |text: String| Value::Text(text);
        vec![("pieceId", text(piece.to_string())), ("startedAt", text(started))]
    }
}
