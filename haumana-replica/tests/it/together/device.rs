//! A device: a replica, what it has under way, and what its user waits for.

use super::flight::{Flight, Sent};
use haumana_replica::storage::{MemoryStorage, SqliteStorage, Storage};
use haumana_replica::{Replica, ReplicaConfig, View};
use haumana_sim::guest::GuestCall;
use haumana_sim::words::marks;
use haumana_sync::conformance::{SeededRandom, SetClock};
use haumana_sync::id::{Key, KindNumber, UserId};
use haumana_sync::record::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::Mutex;

/// Storage in memory that outlives the program on the device.
pub(crate) type Kept = Arc<Mutex<MemoryStorage>>;

/// Another folder with the same in it. Nothing tells that it is a copy: a disk's image is one.
fn copy_of(kept: &Kept) -> Kept {
    Arc::new(Mutex::new(kept.try_lock().unwrap().clone()))
}

/// What is in a folder, and what its user typed and waits for.
#[derive(Clone, Debug)]
pub(crate) struct Folder {
    memory: Kept,
    wishes: BTreeMap<(usize, Key, String), Wish>,
    touches: usize,
}

/// Where a device keeps its records.
#[derive(Debug)]
pub(crate) enum Shelf {
    Memory,
    File(tempfile::TempDir),
}

/// Fields that are shown merged while they are pending.
const LONG: [&str; 3] = ["lyrics", "notes", "englishTranslation"];

/// What a user typed and the server has not answered for.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    pub value: Value,
    /// When it was typed, by the device's own count.
    pub touched: usize,
    /// The version that its user saw; while a short field is pending, it hides every later one.
    pub seen: Option<u32>,
    /// Whether it is what was there before: of a long text others' words replace it then.
    pub is_kept: bool,
}

/// Where a device's sync stands.
#[derive(Debug, Default)]
pub(crate) enum Stage {
    #[default]
    Idle,
    /// The request is on its way.
    Sent(Flight),
    /// The reply is on its way.
    Answered(Flight, Vec<u8>),
}

#[derive(Debug)]
pub(crate) struct Device {
    pub number: usize,
    pub replica: Replica,
    pub clock: Arc<SetClock>,
    pub account: usize,
    pub stage: Stage,
    /// Requests that may arrive once more, whenever they like.
    pub late: Vec<GuestCall>,
    pub wishes: BTreeMap<(usize, Key, String), Wish>,
    pub touches: usize,
    config: ReplicaConfig,
    random: Arc<SeededRandom>,
    memory: Kept,
    shelf: Shelf,
    /// A backup of the folder, with what the device had sent by then.
    pub backup: Option<(Folder, haumana_sim::guest::Folder)>,
}

impl Device {
    pub(crate) async fn new(
        number: usize,
        name: &str,
        clock: Arc<SetClock>,
        random: Arc<SeededRandom>,
        config: ReplicaConfig,
        shelf: Shelf,
    ) -> Self {
        let memory = Kept::default();
        let replica = open(&shelf, &memory, name, &clock, &random, config).await;
        Self {
            number,
            replica,
            clock,
            account: 0,
            stage: Stage::Idle,
            late: Vec::new(),
            wishes: BTreeMap::new(),
            touches: 0,
            config,
            random,
            memory,
            shelf,
            backup: None,
        }
    }

    /// A copy of the folder; `None` of a file, whose storage would notice.
    pub(crate) async fn folder(&self) -> Option<Folder> {
        let (wishes, touches) = (self.wishes.clone(), self.touches);
        let memory = copy_of(&self.memory);
        matches!(self.shelf, Shelf::Memory).then_some(Folder { memory, wishes, touches })
    }

    /// The device goes on with a copy of `folder`.
    pub(crate) async fn put_back(&mut self, folder: &Folder, user: UserId) {
        self.memory = copy_of(&folder.memory);
        (self.wishes, self.touches) = (folder.wishes.clone(), folder.touches);
        self.restart(user).await;
    }

    /// Ends the program, with what it had under way, and starts it again.
    pub(crate) async fn restart(&mut self, user: UserId) {
        self.stage = Stage::Idle;
        // The file can be opened only once it is closed.
        let nobody = Kept::default();
        self.replica =
            open(&Shelf::Memory, &nobody, "", &self.clock, &self.random, self.config).await;
        let (shelf, memory) = (&self.shelf, &self.memory);
        self.replica = open(shelf, memory, "", &self.clock, &self.random, self.config).await;
        self.replica.sign_in(user).await.unwrap();
    }

    pub(crate) fn wish(
        &mut self,
        key: Key,
        field: &str,
        value: Value,
        (seen, is_kept): (Option<u32>, bool),
    ) {
        self.touches += 1;
        let name = (self.account, key, field.to_owned());
        let hidden = self.wishes.get(&name).filter(|_| !LONG.contains(&field));
        let seen = hidden.map_or(seen, |old| old.seen.min(seen));
        self.wishes.insert(name, Wish { value, touched: self.touches, seen, is_kept });
    }

    pub(crate) fn forget_wishes(&mut self, key: Key) {
        let account = self.account;
        self.wishes.retain(|(of, about, _), _| *of != account || *about != key);
    }

    /// What the server has answered for nobody waits for, if it was not touched since.
    pub(crate) fn settle(&mut self, account: usize, touches: usize, sent: &Sent) {
        for field in sent.fields.keys() {
            let name = (account, sent.key, field.clone());
            if self.wishes.get(&name).is_some_and(|wish| wish.touched <= touches) {
                self.wishes.remove(&name);
            }
        }
    }

    /// Everything that its user typed and the server has not answered for is there and pending.
    pub(crate) async fn check_wishes(&self) -> std::result::Result<(), (Key, String)> {
        let own = self.wishes.iter().filter(|((account, _, _), _)| *account == self.account);
        for ((_, key, field), wish) in own {
            let number = self.number;
            let Some(view) = self.replica.record(*key).await.unwrap() else {
                return Err((*key, format!("an edit of {field} is gone from d{number}")));
            };
            if !view.is_pending {
                return Err((*key, format!("an edit of {field} is not pending on d{number}")));
            }
            if !shows(&view, field, wish) {
                let (shown, value) = (view.content.get(field), &wish.value);
                let text =
                    format!("d{number} shows {field} as\n  {shown:?}, its user typed\n  {value:?}");
                return Err((*key, text));
            }
        }
        Ok(())
    }

    /// Everything that its user sees, as text.
    pub(crate) async fn visible(&self) -> Vec<(Key, String)> {
        let mut all = self.replica.records(KindNumber::PIECE).await.unwrap();
        all.extend(self.replica.records(KindNumber::SESSION).await.unwrap());
        all.into_iter().map(|view| (view.key, view.content.to_json())).collect()
    }
}

/// Whether a view shows what was typed; a long text is shown merged with what others wrote.
fn shows(view: &View, field: &str, wish: &Wish) -> bool {
    let (shown, value) = (view.content.get(field), &wish.value);
    let is_long = LONG.contains(&field);
    match (is_long, value.as_text(), shown.as_text()) {
        (true, ..) if wish.is_kept => true,
        (true, Some(typed), Some(shown)) => {
            let mine = marks(typed).pop();
            mine.is_none_or(|mark| shown.contains(&mark))
        }
        (true, _, _) => true,
        _ => shown == *value,
    }
}

async fn open(
    shelf: &Shelf,
    memory: &Kept,
    name: &str,
    clock: &Arc<SetClock>,
    random: &Arc<SeededRandom>,
    config: ReplicaConfig,
) -> Replica {
    let (clock, random) = (Arc::clone(clock), Arc::clone(random));
    match shelf {
        Shelf::Memory => {
            let mut storage = memory.clone();
            storage.device(name).await.unwrap();
            Replica::open(storage, clock, random, config).await.unwrap()
        }
        Shelf::File(folder) => {
            let mut storage = SqliteStorage::open(&folder.path().join("replica.db")).unwrap();
            storage.device(name).await.unwrap();
            Replica::open(storage, clock, random, config).await.unwrap()
        }
    }
}
