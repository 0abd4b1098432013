//! The law that a store answers random scripts as the model does.

use super::chance::SeededRandom;
use super::sample::{entry, everything, piece, record, stamped_batch, tombstone, user};
use crate::Store;
use crate::id::{Key, RecordId, UserId};
use crate::store::{
    After, Batch, CommitId, Envelope, Head, HistoryEntry, MemoryStore, Place, Revision, Stamp,
};
use crate::time::UnixMillis;

/// How many scripts are run. Each has its own pair of users.
const SCRIPTS: u64 = 12;
/// How many calls one script makes.
const STEPS: u32 = 80;

/// Commits, reads, purges and erasures in any order get the answers of [`MemoryStore`].
pub async fn the_same_script_gets_the_same_answers_as_the_model(store: &dyn Store) {
    for seed in 1..=SCRIPTS {
        run_script(&[store], seed, STEPS).await;
    }
}

/// Runs the script of `seed` on the model and on `stores`. All must give the same answers. Each
/// script on one store needs another seed, since the seed names its users.
///
/// # Panics
///
/// If an answer differs from the model's. The message has the seed, the step and the call.
pub async fn run_script(stores: &[&dyn Store], seed: u64, steps: u32) {
    let model = MemoryStore::new();
    let mut script = Script::new(seed);

    for step in 0..steps {
        let call = script.next_call(step);
        let of_model = script.answer(&model, &call).await;
        for store in stores {
            let of_store = script.answer(*store, &call).await;
            assert_eq!(of_model, of_store, "seed {seed}, step {step}: {call:?} of {store:?}");
        }
        script.remember(&model).await;
    }

    for user in &script.users {
        let of_model = everything(&model, user, &script.keys).await;
        for store in stores {
            let of_store = everything(*store, user, &script.keys).await;
            assert_eq!(of_model, of_store, "seed {seed}: everything at the end of {store:?}");
        }
    }
}

/// One call. The first number is the user.
#[derive(Debug)]
enum Call {
    Commit(usize, Box<(Option<Head>, Batch)>),
    Read(usize, Vec<Key>),
    Changes(usize, After, usize),
    HistoryOf(usize, Key, Option<u32>, usize),
    Purge(usize, UnixMillis),
    Erase(usize),
}

struct Script {
    random: SeededRandom,
    users: [UserId; 2],
    keys: Vec<Key>,
    /// All heads that each user had, the current one last. A commit may expect any of them.
    heads: [Vec<Option<Head>>; 2],
    asked: usize,
}

impl Script {
    fn new(seed: u64) -> Self {
        // A narrow domain: a few keys are used again and again, and that is where stores go wrong.
        let id = RecordId::from_bits;
        let ids = [id(1), id(1 << 127)];
        let sessions = ids.map(Key::session);
        let keys = ids.map(Key::piece).into_iter().chain(sessions).chain([piece(2)]);
        Self {
            random: SeededRandom::new(seed),
            users: [user(&format!("kai {seed}")), user(&format!("noe {seed}"))],
            keys: keys.collect(),
            heads: [vec![None], vec![None]],
            asked: 0,
        }
    }

    fn next_call(&mut self, step: u32) -> Call {
        let who = self.random.below(2);
        self.asked = who;
        match self.random.below(100) {
            0..60 => self.next_commit(who, step),
            60..70 => Call::Read(who, (0..4).map(|_| self.key()).collect()),
            70..85 => Call::Changes(who, self.after(who), 1 + self.random.below(4)),
            85..95 => {
                let before = (self.random.below(2) == 0).then(|| self.random.below(90) as u32);
                Call::HistoryOf(who, self.key(), before, 1 + self.random.below(5))
            }
            95..98 => Call::Purge(who, UnixMillis(self.random.below(100) as i64)),
            _ => Call::Erase(who),
        }
    }

    fn next_commit(&mut self, who: usize, step: u32) -> Call {
        let heads = &self.heads[who];
        let last = heads.len() - 1;
        // One commit in four expects an earlier head.
        let at = if self.random.below(4) == 0 { self.random.below(last + 1) } else { last };
        let expected = heads[at].clone();
        let mut records: Vec<Envelope> = Vec::new();
        let mut history: Vec<HistoryEntry> = Vec::new();
        for key in self.keys.clone() {
            match self.random.below(6) {
                0 => records.push(tombstone(key, step)),
                1 | 2 => records.push(record(key, step, &format!("step {step}"))),
                3 => history.push(entry(key, step, self.random.below(3) as u32, i64::from(step))),
                _ => {}
            }
        }
        let before = expected.as_ref().map_or(1_000, |head| head.stamp.0);
        let stamp = Stamp(before + self.random.below(2) as i64);
        let mut batch = stamped_batch(expected.as_ref(), stamp, records, history);
        batch.head.commit = CommitId(u128::from(step));
        Call::Commit(who, Box::new((expected, batch)))
    }

    fn key(&mut self) -> Key {
        let at = self.random.below(self.keys.len());
        self.keys[at]
    }

    fn after(&mut self, who: usize) -> After {
        let most = self.heads[who].len() as u64 + 1;
        let revision = Revision(self.random.below(most as usize) as u64);
        match self.random.below(4) {
            0 => After::Start,
            1 => After::Place(Place { revision, within: None }),
            2 => After::Place(Place { revision, within: Some(self.key()) }),
            _ => After::Stamp(Stamp(999 + self.random.below(most as usize) as i64)),
        }
    }

    /// Makes the call. Returns the answer as text, so that answers of any type can be compared.
    async fn answer(&self, store: &dyn Store, call: &Call) -> String {
        let user = |who: &usize| &self.users[*who];
        match call {
            Call::Commit(who, commit) => {
                let (expected, batch) = commit.as_ref();
                let answer = store.commit(user(who), expected.as_ref(), batch).await;
                format!("{:?}", answer.map_err(|error| error.kind()))
            }
            Call::Read(who, keys) => format!("{:?}", store.read(user(who), keys).await.unwrap()),
            Call::Changes(who, after, limit) => {
                // Pages may be cut at different places. All pages together must not differ.
                let found = super::sample::follow(store, user(who), *after, *limit).await;
                format!("{found:?}")
            }
            Call::HistoryOf(who, key, before, limit) => {
                let found = store.history_of(user(who), key, *before, *limit).await;
                format!("{:?}", found.unwrap())
            }
            Call::Purge(who, at) => format!("{:?}", store.purge(user(who), *at).await.unwrap()),
            // When the bytes leave the files is the backend's own matter.
            Call::Erase(who) => format!("{:?}", store.erase(user(who)).await.map(drop).unwrap()),
        }
    }

    /// Remembers the user's head, if it is a new one.
    async fn remember(&mut self, model: &MemoryStore) {
        let head = model.head(&self.users[self.asked]).await.unwrap();
        let heads = &mut self.heads[self.asked];
        if heads.last() != Some(&head) {
            heads.push(head);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The calls of a script, and what the model answers.
    async fn told(seed: u64) -> Vec<String> {
        let (model, mut script) = (MemoryStore::new(), Script::new(seed));
        let mut told = Vec::new();
        for step in 0..STEPS {
            let call = script.next_call(step);
            let answer = script.answer(&model, &call).await;
            script.remember(&model).await;
            told.push(format!("{call:?}: {answer}"));
        }
        told
    }

    #[tokio::test]
    async fn a_seed_gives_the_same_script_each_time_and_another_seed_another() {
        assert_eq!(told(7).await, told(7).await);
        assert_ne!(told(7).await, told(8).await);
    }
}
