//! haumana-sync: its engine on a store in memory, and real replicas.

use crate::play::{Aside, Done, Network, System};
use crate::record::{Edit, Record as Seen, View};
use async_trait::async_trait;
use haumana_replica::storage::MemoryStorage;
use haumana_replica::transport::{Call, DirectTransport, Transport};
use haumana_replica::{Error, ErrorKind, Outgoing, Replica};
use haumana_sync::conformance::{SeededRandom, SetClock};
use haumana_sync::engine::EngineConfig;
use haumana_sync::id::{RecordId, UserId};
use haumana_sync::record::{Counter, Value};
use haumana_sync::schema::Schema;
use haumana_sync::store::{Generation, MemoryStore};
use haumana_sync::time::UnixMillis;
use haumana_sync::{Engine, Record};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::runtime::{Builder, Runtime};

/// Storage in memory that outlives the program on its device.
type Kept = Arc<tokio::sync::Mutex<MemoryStorage>>;

/// 2026-11-29T00:00:00Z.
const DAY: i64 = 1_795_910_400_000;

/// How many records a page of a reply has.
const PAGE: usize = 200;

#[derive(Clone, Debug, Default, PartialEq, Record)]
#[record(kind = "note", number = 3)]
struct Note {
    title: String,
    #[record(lines)]
    text: String,
    #[record(lines)]
    notes: String,
    tags: BTreeSet<String>,
    #[record(counter)]
    count: i64,
    done: bool,
}

/// Carries requests, keeps those of the last sync, and loses what it is told to lose.
#[derive(Debug)]
struct Wire {
    server: DirectTransport,
    network: Network,
    sent: Mutex<Vec<Vec<u8>>>,
}

#[async_trait]
impl Transport for Wire {
    async fn sync(&self, account: &UserId, body: Vec<u8>) -> haumana_replica::Result<Vec<u8>> {
        if self.network == Network::LosesRequest {
            return Err(Error::new("sync", ErrorKind::Offline));
        }
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).push(body.clone());
        let reply = self.server.sync(account, body).await?;
        match self.network {
            Network::LosesReply => Err(Error::new("sync", ErrorKind::Offline)),
            _ => Ok(reply),
        }
    }

    async fn call(&self, account: &UserId, call: &Call) -> haumana_replica::Result<Vec<u8>> {
        self.server.call(account, call).await
    }

    async fn export(
        &self,
        account: &UserId,
        file: &mut (dyn Write + Send),
    ) -> haumana_replica::Result<()> {
        self.server.export(account, file).await
    }
}

struct Device {
    kept: Kept,
    clock: SetClock,
    replica: Replica,
    /// A request that was answered, and the reply that has not arrived.
    awaited: Option<(Outgoing, Vec<u8>)>,
    /// The requests of its last sync.
    sent: Vec<Vec<u8>>,
    backup: Option<Kept>,
}

/// A server, and devices of one account.
pub(super) struct Ours {
    runtime: Runtime,
    schema: Schema,
    clock: SetClock,
    random: Arc<SeededRandom>,
    account: UserId,
    store: Arc<MemoryStore>,
    generation: u32,
    backup: Option<MemoryStore>,
    devices: BTreeMap<String, Device>,
    /// What the script calls the records.
    names: BTreeMap<RecordId, String>,
}

impl Ours {
    pub(super) fn new() -> Done<Self> {
        Ok(Self {
            runtime: Builder::new_current_thread().build()?,
            schema: Schema::new([Note::kind()])?,
            clock: SetClock::at(UnixMillis(DAY)),
            random: Arc::new(SeededRandom::new(16)),
            account: UserId::verified_by_caller("kai").ok_or("not a user id")?,
            store: Arc::new(MemoryStore::new()),
            generation: 0,
            backup: None,
            devices: BTreeMap::new(),
            names: BTreeMap::new(),
        })
    }

    fn server(&self) -> DirectTransport {
        let config = EngineConfig::new(Generation(self.generation));
        let (clock, random) = (Arc::new(self.clock.clone()), self.random.clone());
        let engine = Engine::of(self.schema.clone(), self.store.clone(), clock, random, config);
        DirectTransport::new(Arc::new(engine), 1 << 20)
    }

    fn wire(&self, network: Network) -> Wire {
        Wire { server: self.server(), network, sent: Mutex::default() }
    }

    /// Another storage with the same in it. Nothing in it tells that it is a copy.
    fn copy_of(&self, kept: &Kept) -> Kept {
        let copied = self.runtime.block_on(kept.lock()).clone();
        Arc::new(tokio::sync::Mutex::new(copied))
    }

    fn open(&self, kept: Kept, clock: SetClock) -> Done<Device> {
        let builder = Replica::builder(kept.clone(), self.schema.clone())
            .clock(Arc::new(clock.clone()))
            .random(self.random.clone())
            .account(self.account.clone());
        let replica = self.runtime.block_on(builder.open())?;
        Ok(Device { kept, clock, replica, awaited: None, sent: Vec::new(), backup: None })
    }

    fn at(&self, device: &str) -> Done<&Device> {
        Ok(self.devices.get(device).ok_or("no such device")?)
    }

    fn at_mut(&mut self, device: &str) -> Done<&mut Device> {
        Ok(self.devices.get_mut(device).ok_or("no such device")?)
    }

    /// The record of that name that the device shows.
    fn find(&self, device: &str, record: &str) -> Done<RecordId> {
        let shown = self.runtime.block_on(self.at(device)?.replica.list::<Note>())?;
        let mut ids = shown.into_iter().map(|(id, _)| id);
        let found = ids.find(|id| self.names.get(id).is_some_and(|name| name == record));
        Ok(found.ok_or("no such record")?)
    }

    /// A server of the next life.
    fn replace(&mut self, store: MemoryStore) {
        self.store = Arc::new(store);
        self.generation += 1;
    }
}

impl System for Ours {
    fn device(&mut self, device: &str) -> Done {
        let opened = self.open(Kept::default(), self.clock.ahead(0))?;
        self.devices.insert(device.to_owned(), opened);
        Ok(())
    }

    fn edit(&mut self, device: &str, record: &str, edit: &Edit) -> Done {
        if let Edit::Add(whole) = edit {
            let whole = note(whole);
            let id = self.runtime.block_on(self.at(device)?.replica.add(&whole))?;
            self.names.insert(id, record.to_owned());
            return Ok(());
        }
        let id = self.find(device, record)?;
        let replica = &self.at(device)?.replica;
        match edit {
            Edit::Delete => self.runtime.block_on(replica.delete(Note::key(id)))?,
            // Every field counts as edited.
            Edit::Save(whole) => {
                let fields = note(whole).to_fields();
                self.runtime.block_on(replica.set(Note::key(id), fields))?;
            }
            edit => {
                let change = |note: &mut Note| {
                    let mut changed = record_of(note);
                    edit.apply(&mut changed);
                    *note = self::note(&changed);
                };
                self.runtime.block_on(replica.edit(id, change))?;
            }
        }
        Ok(())
    }

    fn view(&mut self, device: &str) -> Done<View> {
        let mut view = View::new();
        for (id, note) in self.runtime.block_on(self.at(device)?.replica.list::<Note>())? {
            let name = self.names.get(&id).cloned().unwrap_or_default();
            view.entry(name).or_default().push(record_of(&note));
        }
        view.values_mut().for_each(|records| records.sort());
        Ok(view)
    }

    fn sync(&mut self, device: &str, network: Network) -> Done {
        let wire = self.wire(network);
        let synced = self.runtime.block_on(self.at(device)?.replica.sync(&wire));
        if network == Network::Works {
            synced?;
        }
        let sent = wire.sent.into_inner().unwrap_or_else(PoisonError::into_inner);
        self.at_mut(device)?.sent = sent;
        Ok(())
    }

    fn begin(&mut self, device: &str) -> Done {
        let outgoing = self.runtime.block_on(self.at(device)?.replica.begin())?;
        let sent = self.server();
        let reply = self.runtime.block_on(sent.sync(&outgoing.account, outgoing.body.clone()))?;
        let device = self.at_mut(device)?;
        device.sent = vec![outgoing.body.clone()];
        device.awaited = Some((outgoing, reply));
        Ok(())
    }

    fn finish(&mut self, device: &str) -> Done {
        let (outgoing, reply) = self.at_mut(device)?.awaited.take().ok_or("nothing is awaited")?;
        self.runtime.block_on(self.at(device)?.replica.finish(&outgoing, &reply))?;
        Ok(())
    }

    fn again(&mut self, device: &str) -> Done {
        let server = self.server();
        for body in self.at(device)?.sent.clone() {
            // What the server answers reaches nobody.
            let _ = self.runtime.block_on(server.sync(&self.account, body));
        }
        Ok(())
    }

    fn backup(&mut self, device: &str) -> Done {
        let copy = self.copy_of(&self.at(device)?.kept);
        self.at_mut(device)?.backup = Some(copy);
        Ok(())
    }

    fn put_back(&mut self, device: &str) -> Done {
        let at = self.at(device)?;
        let kept = at.backup.as_ref().ok_or("no backup")?;
        let opened = self.open(self.copy_of(kept), at.clock.clone())?;
        self.devices.insert(device.to_owned(), opened);
        Ok(())
    }

    fn copy(&mut self, device: &str, from: &str) -> Done {
        let kept = self.copy_of(&self.at(from)?.kept);
        let opened = self.open(kept, self.clock.ahead(0))?;
        self.devices.insert(device.to_owned(), opened);
        Ok(())
    }

    fn forget(&mut self, device: &str) -> Done {
        Ok(self.runtime.block_on(self.at(device)?.replica.start_over())?)
    }

    fn clock(&mut self, device: &str, ahead_ms: i64) -> Done {
        self.at(device)?.clock.set_ahead_ms(ahead_ms);
        Ok(())
    }

    fn server_backup(&mut self) -> Done {
        self.backup = Some(self.store.snapshot());
        Ok(())
    }

    fn server_restore(&mut self) -> Done {
        let backup = self.backup.take().ok_or("no backup")?;
        self.replace(backup);
        Ok(())
    }

    fn server_lose(&mut self) -> Done {
        self.replace(MemoryStore::new());
        Ok(())
    }

    fn wait(&mut self, ms: i64) {
        self.clock.pass_ms(ms);
    }

    fn aside(&mut self) -> Done<Aside> {
        let server = self.server();
        let asked = &self.devices.values().next().ok_or("no device")?.replica;
        let mut aside = Aside::default();
        self.runtime.block_on(async {
            let mut after = None;
            loop {
                let page = asked.conflicts(&server, after, PAGE).await?;
                for open in page.conflicts {
                    aside.told.push(text(open.field.as_deref(), &open.lost));
                }
                match page.next {
                    Some(next) => after = Some(next),
                    None => break,
                }
            }
            for id in self.names.keys() {
                let mut before = None;
                loop {
                    let page = match asked.history(&server, Note::key(*id), before, PAGE).await {
                        Ok(page) => page,
                        // It never reached the server.
                        Err(error) if error.kind() == ErrorKind::NotFound => break,
                        Err(error) => return Err(error.into()),
                    };
                    for version in page.versions {
                        let lost = version.lost.iter().map(|lost| (&lost.field, Some(&lost.value)));
                        let changed = version.changed.iter();
                        let changed = changed.map(|field| (&field.field, field.earlier.as_ref()));
                        for (field, value) in lost.chain(changed) {
                            let value = value.map(|value| text(Some(field), value));
                            aside.history.extend(value);
                        }
                    }
                    match page.next {
                        Some(next) => before = Some(next),
                        None => break,
                    }
                }
            }
            Ok(aside)
        })
    }
}

/// A value as words.
fn text(field: Option<&str>, value: &Value) -> String {
    match value {
        Value::Text(text) => text.clone(),
        Value::Flag(done) if field == Some("done") => {
            Seen { done: *done, ..Seen::default() }.switch()
        }
        Value::Json(_) if field == Some("count") => Seen::count_word(Counter::of(value).sum()),
        Value::Json(json) => json.as_str().replace(['"', '[', ']', ','], " "),
        _ => String::new(),
    }
}

fn note(record: &Seen) -> Note {
    let Seen { title, text, notes, tags, count, done } = record.clone();
    Note { title, text, notes, tags, count, done }
}

fn record_of(note: &Note) -> Seen {
    let Note { title, text, notes, tags, count, done } = note.clone();
    Seen { title, text, notes, tags, count, done }
}
