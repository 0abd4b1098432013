//! A full disk: nothing that was saved is held back from the server, and what cannot be stored
//! changes nothing.

use crate::kinds::{AnyServer, Setlist, setlists};
use crate::support::user;
use async_trait::async_trait;
use haumana_replica::storage::{
    Batch, Declared, IndexRange, MemoryStorage, OpenCount, State, Storage,
};
use haumana_replica::transport::{Call, DirectTransport, Transport};
use haumana_replica::{Error, ErrorKind, Local, Phase, Replica, ReplicaConfig, Result};
use haumana_sync::Record;
use haumana_sync::id::{Key, KindNumber, RecordId, UserId};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// What the disk has room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Room {
    Everything,
    /// For an edit, and for the note that it was sent, but not for a reply.
    Edits,
    Nothing,
}

/// A disk that outlives its replica and can be full.
#[derive(Clone, Debug)]
struct Disk {
    kept: Arc<tokio::sync::Mutex<MemoryStorage>>,
    room: Arc<Mutex<Room>>,
}

impl Disk {
    fn new() -> Self {
        Self { kept: Arc::default(), room: Arc::new(Mutex::new(Room::Everything)) }
    }

    fn has(&self, room: Room) {
        *self.room.lock().unwrap() = room;
    }

    fn fits(&self, batch: &Batch) -> Result<()> {
        match *self.room.lock().unwrap() {
            Room::Everything => Ok(()),
            Room::Edits if batch.state.is_none() => Ok(()),
            Room::Edits | Room::Nothing => Err(Error::new("write", ErrorKind::NoSpace)),
        }
    }

    /// Everything that it holds, as text.
    async fn all(&self) -> String {
        let mut kept = self.kept.lock().await;
        let records = kept.list("kai", KindNumber::new(3)).await.unwrap();
        format!("{:?} {records:?}", kept.state("kai").await.unwrap())
    }
}

#[async_trait]
impl Storage for Disk {
    async fn device(&mut self, fresh: &str) -> Result<String> {
        self.kept.lock().await.device(fresh).await
    }
    async fn set_device(&mut self, id: &str) -> Result<()> {
        self.fits(&Batch::default())?;
        self.kept.lock().await.set_device(id).await
    }
    async fn declared(&mut self) -> Result<Declared> {
        self.kept.lock().await.declared().await
    }
    async fn declare(
        &mut self,
        declared: &Declared,
        moves: &[(KindNumber, KindNumber)],
    ) -> Result<()> {
        self.kept.lock().await.declare(declared, moves).await
    }
    async fn accounts(&mut self) -> Result<Vec<String>> {
        self.kept.lock().await.accounts().await
    }
    async fn find(
        &mut self,
        account: &str,
        kind: KindNumber,
        field: u16,
        range: &IndexRange,
    ) -> Result<Vec<RecordId>> {
        self.kept.lock().await.find(account, kind, field, range).await
    }
    async fn state(&mut self, account: &str) -> Result<State> {
        self.kept.lock().await.state(account).await
    }
    async fn read(&mut self, account: &str, keys: &[Key]) -> Result<Vec<Option<Local>>> {
        self.kept.lock().await.read(account, keys).await
    }
    async fn list(&mut self, account: &str, kind: KindNumber) -> Result<Vec<Local>> {
        self.kept.lock().await.list(account, kind).await
    }
    async fn due(&mut self, account: &str, limit: usize) -> Result<Vec<Local>> {
        self.kept.lock().await.due(account, limit).await
    }
    async fn refused(
        &mut self,
        account: &str,
        after: Option<Key>,
        limit: usize,
    ) -> Result<Vec<Local>> {
        self.kept.lock().await.refused(account, after, limit).await
    }
    async fn unmarked(&mut self, account: &str, mark: u64) -> Result<Vec<Local>> {
        self.kept.lock().await.unmarked(account, mark).await
    }
    async fn count_open(&mut self, account: &str) -> Result<OpenCount> {
        self.kept.lock().await.count_open(account).await
    }
    async fn write(&mut self, account: &str, batch: Batch) -> Result<()> {
        self.fits(&batch)?;
        self.kept.lock().await.write(account, batch).await
    }
    async fn forget(&mut self, account: &str) -> Result<()> {
        self.kept.lock().await.forget(account).await
    }
}

/// Counts the requests of a device.
#[derive(Debug)]
struct Counted {
    inner: DirectTransport,
    n_syncs: AtomicUsize,
}

impl Counted {
    fn of(server: &AnyServer) -> Self {
        Self { inner: server.transport(), n_syncs: AtomicUsize::new(0) }
    }

    fn count(&self) -> usize {
        self.n_syncs.swap(0, Ordering::Relaxed)
    }
}

#[async_trait]
impl Transport for Counted {
    async fn sync(&self, account: &UserId, body: Vec<u8>) -> Result<Vec<u8>> {
        self.n_syncs.fetch_add(1, Ordering::Relaxed);
        self.inner.sync(account, body).await
    }

    async fn call(&self, account: &UserId, call: &Call) -> Result<Vec<u8>> {
        self.inner.call(account, call).await
    }

    async fn export(&self, account: &UserId, file: &mut (dyn Write + Send)) -> Result<()> {
        self.inner.export(account, file).await
    }
}

/// A device on a disk; its requests have two edits at most.
async fn open(server: &AnyServer, disk: &Disk) -> Replica {
    let mut config = ReplicaConfig::usual();
    config.push_records = 2;
    let builder = Replica::builder(disk.clone(), setlists()).config(config).account(user("kai"));
    builder.clock(server.clock.clone()).random(server.random.clone()).open().await.unwrap()
}

fn titled(title: &str) -> Setlist {
    Setlist { title: title.to_owned(), ..Setlist::default() }
}

async fn titles(device: &Replica) -> Vec<String> {
    let mut all: Vec<String> =
        device.list::<Setlist>().await.unwrap().into_iter().map(|(_, set)| set.title).collect();
    all.sort_unstable();
    all
}

async fn fails(device: &Replica, transport: &dyn Transport) {
    let error = device.sync(transport).await.unwrap_err();
    assert_eq!(ErrorKind::NoSpace, error.kind());
    assert_eq!(Phase::Failed(ErrorKind::NoSpace), device.status().phase);
}

/// How many conflicts the inbox has.
async fn clashes(device: &Replica, server: &AnyServer) -> usize {
    device.conflicts(&server.transport(), None, 99).await.unwrap().conflicts.len()
}

#[tokio::test]
async fn what_is_saved_is_sent_though_the_disk_has_become_full() {
    for room in [Room::Edits, Room::Nothing] {
        let (server, disk) = (AnyServer::setlists(), Disk::new());
        let (phone, ipad) = (open(&server, &disk).await, server.device().await);
        for title in ["a", "b", "c", "d", "e"] {
            phone.add(&titled(title)).await.unwrap();
        }
        disk.has(room);

        fails(&phone, &server.transport()).await;

        server.sync(&ipad).await;
        assert_eq!(["a", "b", "c", "d", "e"].as_slice(), titles(&ipad).await, "{room:?}");
        assert_eq!(5, phone.status().pending, "it cannot note the answers");
        disk.has(Room::Everything);
        server.sync(&phone).await;
        assert_eq!((0, 0), (phone.status().pending, clashes(&phone, &server).await));
        server.sync(&ipad).await;
        assert_eq!(5, titles(&ipad).await.len(), "nothing is there twice");
    }
}

#[tokio::test]
async fn what_the_server_has_is_not_sent_again_before_there_is_space() {
    let (server, disk) = (AnyServer::setlists(), Disk::new());
    let (phone, ipad) = (open(&server, &disk).await, server.device().await);
    phone.add(&titled("a")).await.unwrap();
    disk.has(Room::Nothing);
    let transport = Counted::of(&server);
    fails(&phone, &transport).await;
    assert_eq!(1, transport.count());

    fails(&phone, &transport).await;

    assert_eq!(0, transport.count(), "there is nothing to say and no place for an answer");
    // An edit that somebody found room for is sent alone.
    disk.has(Room::Edits);
    phone.add(&titled("b")).await.unwrap();
    disk.has(Room::Nothing);
    fails(&phone, &transport).await;
    assert_eq!(1, transport.count());
    server.sync(&ipad).await;
    assert_eq!(["a", "b"].as_slice(), titles(&ipad).await);
}

#[tokio::test]
async fn a_reply_that_there_is_no_space_for_changes_nothing_and_comes_again() {
    for room in [Room::Edits, Room::Nothing] {
        let (server, disk) = (AnyServer::setlists(), Disk::new());
        let (phone, ipad) = (open(&server, &disk).await, server.device().await);
        let id = phone.add(&titled("a")).await.unwrap();
        server.sync(&phone).await;
        server.sync(&ipad).await;
        ipad.edit(id, |set: &mut Setlist| set.leader = Some("Kai".to_owned())).await.unwrap();
        ipad.add(&titled("from elsewhere")).await.unwrap();
        server.sync(&ipad).await;
        disk.has(room);
        let before = disk.all().await;

        fails(&phone, &server.transport()).await;
        fails(&phone, &server.transport()).await;

        assert_eq!(before, disk.all().await, "{room:?}");
        assert_eq!(["a"].as_slice(), titles(&phone).await);
        disk.has(Room::Everything);
        server.sync(&phone).await;
        assert_eq!(["a", "from elsewhere"].as_slice(), titles(&phone).await);
        assert_eq!(Some("Kai"), phone.get::<Setlist>(id).await.unwrap().unwrap().leader.as_deref());
    }
}

#[tokio::test]
async fn who_edits_again_what_went_out_unnoted_has_no_conflict_with_themselves() {
    for room in [Room::Edits, Room::Nothing] {
        let (server, disk) = (AnyServer::setlists(), Disk::new());
        let (phone, ipad) = (open(&server, &disk).await, server.device().await);
        let id = phone.add(&titled("0")).await.unwrap();
        server.sync(&phone).await;
        phone.edit(id, |set: &mut Setlist| set.title = "1".to_owned()).await.unwrap();
        disk.has(room);
        fails(&phone, &server.transport()).await;
        disk.has(Room::Everything);

        phone.edit(id, |set: &mut Setlist| set.title = "2".to_owned()).await.unwrap();
        server.sync(&phone).await;

        server.sync(&ipad).await;
        assert_eq!(["2"].as_slice(), titles(&ipad).await);
        assert_eq!(0, clashes(&phone, &server).await, "{room:?}");
    }
}

#[tokio::test]
async fn who_deletes_what_went_out_unnoted_deletes_it_everywhere() {
    for room in [Room::Edits, Room::Nothing] {
        let (server, disk) = (AnyServer::setlists(), Disk::new());
        let (phone, ipad) = (open(&server, &disk).await, server.device().await);
        // More than a request holds, so that the first reply brings what is sent again later.
        let mut ids = Vec::new();
        for title in ["a", "b", "c", "d", "e"] {
            ids.push(phone.add(&titled(title)).await.unwrap());
        }
        disk.has(room);
        fails(&phone, &server.transport()).await;
        if room == Room::Edits {
            for id in &ids {
                phone.edit(*id, |set: &mut Setlist| set.title.push('2')).await.unwrap();
            }
            fails(&phone, &server.transport()).await;
        }
        disk.has(Room::Everything);
        server.clock.pass_ms(1000);

        for id in ids {
            phone.delete(Setlist::key(id)).await.unwrap();
        }
        server.sync(&phone).await;

        server.sync(&ipad).await;
        assert!(titles(&phone).await.is_empty() && titles(&ipad).await.is_empty(), "{room:?}");
    }
}

/// The process ends while the disk is full, and with it what the disk could not note. The edit is sent
/// again as it is, which the server knows.
#[tokio::test]
async fn a_device_that_starts_again_on_a_full_disk_says_it_once_more() {
    let (server, disk) = (AnyServer::setlists(), Disk::new());
    let (phone, ipad) = (open(&server, &disk).await, server.device().await);
    phone.add(&titled("a")).await.unwrap();
    disk.has(Room::Nothing);
    fails(&phone, &server.transport()).await;
    drop(phone);

    let phone = open(&server, &disk).await;
    fails(&phone, &server.transport()).await;
    disk.has(Room::Everything);
    server.sync(&phone).await;

    server.sync(&ipad).await;
    assert_eq!(["a"].as_slice(), titles(&ipad).await);
    assert_eq!((0, 0), (phone.status().pending, clashes(&phone, &server).await));
}

/// Devices whose disks are full now and then edit a record together and one each alone.
#[tokio::test]
async fn disks_that_are_full_at_any_moment_lose_nothing_and_make_no_conflict() {
    for seed in 0..200 {
        let mut dice = Dice(seed);
        let server = AnyServer::setlists();
        let disks: Vec<Disk> = (0..3).map(|_| Disk::new()).collect();
        let mut devices = Vec::new();
        for disk in &disks {
            devices.push(open(&server, disk).await);
        }
        let shared = devices[0].add(&titled("shared")).await.unwrap();
        for device in &devices {
            server.sync(device).await;
        }
        let (mut performed, mut tags) = (0, BTreeSet::new());
        // The title that each record of one device was given last; none if it was deleted.
        let mut own: Vec<BTreeMap<RecordId, Option<String>>> = vec![BTreeMap::new(); 3];
        for step in 0..60 {
            server.clock.pass_ms(1000);
            let at = dice.below(3);
            let (device, disk) = (&devices[at], &disks[at]);
            let title = format!("{step}");
            let known: Vec<RecordId> = own[at].keys().copied().collect();
            match dice.below(10) {
                0 | 1 => disk.has([Room::Everything, Room::Edits, Room::Nothing][dice.below(3)]),
                2 => {
                    let edit = |set: &mut Setlist| {
                        set.performed += 1;
                        set.tags.insert(title.clone());
                    };
                    if device.edit(shared, edit).await.is_ok() {
                        performed += 1;
                        tags.insert(title);
                    }
                }
                3 => {
                    if let Ok(id) = device.add(&titled(&title)).await {
                        own[at].insert(id, Some(title));
                    }
                }
                4 | 5 if !known.is_empty() => {
                    let id = known[dice.below(known.len())];
                    let edit = |set: &mut Setlist| set.title.clone_from(&title);
                    if device.edit(id, edit).await.is_ok() {
                        own[at].insert(id, Some(title));
                    }
                }
                6 if !known.is_empty() => {
                    let id = known[dice.below(known.len())];
                    if device.delete(Setlist::key(id)).await.is_ok() {
                        own[at].insert(id, None);
                    }
                }
                _ => match device.sync(&server.transport()).await {
                    Ok(_) => {}
                    Err(error) => assert_eq!(ErrorKind::NoSpace, error.kind(), "seed {seed}"),
                },
            }
        }
        disks.iter().for_each(|disk| disk.has(Room::Everything));
        for device in devices.iter().chain(&devices) {
            server.sync(device).await;
        }
        for device in &devices {
            let all = device.list::<Setlist>().await.unwrap();
            let mut all: BTreeMap<RecordId, Setlist> = all.into_iter().collect();
            let both = all.remove(&shared).unwrap();
            assert_eq!((performed, &tags), (both.performed, &both.tags), "seed {seed}");
            let shown: BTreeMap<RecordId, String> =
                all.into_iter().map(|(id, set)| (id, set.title)).collect();
            let due = own.iter().flatten();
            let due: BTreeMap<RecordId, String> =
                due.filter_map(|(id, title)| Some((*id, title.clone()?))).collect();
            assert_eq!(due, shown, "seed {seed}");
            assert_eq!(0, device.status().pending, "seed {seed}");
        }
        assert_eq!(0, clashes(&devices[0], &server).await, "seed {seed}");
    }
}

/// Numbers that are the same in each run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        usize::try_from((self.0 >> 33) % n as u64).unwrap()
    }
}
