//! What was brought back stays: a restored backup, an imported export, a database that was lost. And
//! what becomes of a device's copy, which is another device.

use crate::host::{Host, get};
use crate::inbox::both;
use crate::support::{SeededRandom, SetClock, clock, engine_on, fields, seeded, text, user};
use haumana_replica::storage::MemoryStorage;
use haumana_replica::transport::{Call, DirectTransport};
use haumana_replica::{Conflict, Replica, ReplicaConfig};
use haumana_sync::id::{Key, KindNumber};
use haumana_sync::store::MemoryStore;
use std::path::Path;
use std::sync::Arc;

/// A server in memory that can be lost, and devices on it.
struct Fragile {
    clock: Arc<SetClock>,
    random: Arc<SeededRandom>,
    transport: DirectTransport,
    store: Arc<MemoryStore>,
}

impl Fragile {
    fn new() -> Self {
        Self::on(MemoryStore::new(), clock(), seeded(7), 0)
    }

    fn on(
        store: MemoryStore,
        clock: Arc<SetClock>,
        random: Arc<SeededRandom>,
        generation: u32,
    ) -> Self {
        let store = Arc::new(store);
        let engine = engine_on(store.clone(), clock.clone(), random.clone(), generation);
        let transport = DirectTransport::new(engine, 1 << 20);
        Self { clock, random, transport, store }
    }

    /// The same server with what `store` holds.
    fn with(&self, store: MemoryStore, generation: u32) -> Self {
        Self::on(store, self.clock.clone(), self.random.clone(), generation)
    }

    async fn device(&self) -> Replica {
        let (clock, random) = (self.clock.clone(), self.random.clone());
        let config = ReplicaConfig::usual();
        let replica = Replica::open(MemoryStorage::new(), clock, random, config).await.unwrap();
        replica.sign_in(user("kai")).await.unwrap();
        replica
    }

    async fn sync(&self, device: &Replica) {
        self.clock.pass_ms(1000);
        device.sync(&self.transport).await.unwrap();
    }

    async fn open(&self, device: &Replica) -> Vec<Conflict> {
        device.conflicts(&self.transport, None, 9).await.unwrap().conflicts
    }
}

async fn add_three(device: &Replica) -> Vec<Key> {
    let mut keys = Vec::new();
    for title in ["one", "two", "three"] {
        let id = device.add_piece(fields([("title", text(title))])).await.unwrap();
        keys.push(Key::piece(id));
    }
    keys
}

async fn n_pieces(device: &Replica) -> usize {
    device.records(KindNumber::PIECE).await.unwrap().len()
}

fn deletes(open: &[Conflict]) -> usize {
    let deletes = open.iter().filter(|open| open.field.is_none());
    deletes.filter(|open| open.reason == "other_life").count()
}

#[tokio::test]
async fn a_backup_that_is_put_back_after_a_mass_delete_stays_on_every_device() {
    let server = Fragile::new();
    let (a, b) = (server.device().await, server.device().await);
    let keys = add_three(&a).await;
    server.sync(&a).await;
    server.sync(&b).await;
    let backup = server.store.snapshot();
    for key in &keys {
        a.delete(*key).await.unwrap();
    }
    server.sync(&a).await;
    let restored = server.with(backup, 1);

    for device in [&a, &b, &a] {
        restored.sync(device).await;
    }

    assert_eq!((3, 3), (n_pieces(&a).await, n_pieces(&b).await));
    assert_eq!(3, deletes(&restored.open(&a).await), "and the deletes stand in the inbox");
    assert_eq!((0, 0), (a.status().pending, b.status().pending));
}

#[tokio::test]
async fn a_delete_whose_reply_was_lost_deletes_nothing_of_a_backup() {
    let server = Fragile::new();
    let a = server.device().await;
    let keys = add_three(&a).await;
    server.sync(&a).await;
    let backup = server.store.snapshot();
    for key in &keys {
        a.delete(*key).await.unwrap();
    }
    a.begin().await.unwrap();
    let restored = server.with(backup, 1);

    restored.sync(&a).await;
    restored.sync(&a).await;

    assert_eq!((3, 3), (n_pieces(&a).await, deletes(&restored.open(&a).await)));
}

#[tokio::test]
async fn edits_that_a_restored_server_lost_come_back_and_what_they_replace_is_in_the_inbox() {
    let server = Fragile::new();
    let (a, b) = (server.device().await, server.device().await);
    let keys = add_three(&a).await;
    server.sync(&a).await;
    server.sync(&b).await;
    let backup = server.store.snapshot();
    b.set(keys[0], fields([("author", text("lost"))])).await.unwrap();
    server.sync(&b).await;
    let restored = server.with(backup, 1);
    a.set(keys[0], fields([("author", text("of the backup"))])).await.unwrap();
    restored.sync(&a).await;

    for device in [&b, &a, &b] {
        restored.sync(device).await;
    }

    let authors = [get(&a, keys[0], "author").await, get(&b, keys[0], "author").await];
    assert_eq!([text("of the backup"), text("of the backup")], authors, "the later edit");
    let lost: Vec<_> = restored.open(&a).await.into_iter().map(|open| open.lost).collect();
    assert!(lost.contains(&text("lost")), "{lost:?}");
}

#[tokio::test]
async fn after_a_lost_database_a_delete_that_the_other_device_had_not_heard_of_is_in_the_inbox() {
    for deleter_first in [true, false] {
        let server = Fragile::new();
        let (a, b) = (server.device().await, server.device().await);
        let keys = add_three(&a).await;
        server.sync(&a).await;
        server.sync(&b).await;
        a.delete(keys[0]).await.unwrap();
        server.sync(&a).await;
        let empty = server.with(MemoryStore::new(), 0);
        let order = if deleter_first { [&a, &b] } else { [&b, &a] };

        for device in order.into_iter().chain(order).chain(order) {
            empty.sync(device).await;
        }

        assert_eq!((3, 3), (n_pieces(&a).await, n_pieces(&b).await), "nothing is deleted unseen");
        let open = empty.open(&a).await;
        assert!(open.iter().any(|open| open.key == keys[0] && open.field.is_none()), "{open:?}");
    }
}

#[tokio::test]
async fn what_an_import_brings_back_after_everything_was_deleted_and_erased_stays() {
    let host = Host::start().await;
    let transport = host.transport();
    let a = host.device().await;
    let keys = add_three(&a).await;
    host.sync(&a).await;
    let mut export = Vec::new();
    a.export(&transport, &mut export).await.unwrap();
    host.clock.pass_ms(1000);
    for key in &keys {
        a.delete(*key).await.unwrap();
    }
    host.sync(&a).await;
    assert_eq!(0, n_pieces(&a).await);
    let other = host.device().await;
    other.erase(&transport).await.unwrap();
    other.import(&transport, export).await.unwrap();

    host.sync(&a).await;
    host.sync(&other).await;
    host.sync(&a).await;

    assert_eq!((3, 3), (n_pieces(&a).await, n_pieces(&other).await));
    let open = a.conflicts(&transport, None, 9).await.unwrap().conflicts;
    assert_eq!(3, deletes(&open), "{open:?}");
}

/// `cp -r`.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for file in std::fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

/// A laptop's folder with one synced piece, and its copy.
async fn laptop_and_copy(host: &Host, is_pending: bool) -> (Replica, Replica, Key) {
    let [laptop, copied] = ["laptop", "copy"].map(|name| host.folder.path().join(name));
    std::fs::create_dir(&laptop).unwrap();
    let device = host.device_on(&laptop.join("replica.db")).await;
    let set = fields([("title", text("t")), ("lyrics", text("one\ntwo\nthree\nfour\nfive"))]);
    let key = Key::piece(device.add_piece(set).await.unwrap());
    host.sync(&device).await;
    host.clock.pass_ms(1000);
    if is_pending {
        device.set(key, fields([("author", text("pending"))])).await.unwrap();
    }
    drop(device);
    copy(&laptop, &copied);
    let on = async |folder: &Path| host.device_on(&folder.join("replica.db")).await;
    (on(&laptop).await, on(&copied).await, key)
}

#[tokio::test]
async fn edits_of_a_folder_and_of_its_copy_meet_as_two_devices_edits() {
    let host = Host::start().await;
    let (laptop, copied, key) = laptop_and_copy(&host, false).await;
    let edit =
        |lyrics: &str, author: &str| fields([("lyrics", text(lyrics)), ("author", text(author))]);
    laptop.set(key, edit("ONE\ntwo\nthree\nfour\nfive", "laptop")).await.unwrap();
    host.clock.pass_ms(1000);
    copied.set(key, edit("one\ntwo\nthree\nfour\nFIVE", "copy")).await.unwrap();

    for device in [&laptop, &copied, &laptop] {
        host.sync(device).await;
    }

    for device in [&laptop, &copied] {
        assert_eq!(text("ONE\ntwo\nthree\nfour\nFIVE"), get(device, key, "lyrics").await);
        assert_eq!(text("copy"), get(device, key, "author").await);
    }
    let open = laptop.conflicts(&host.transport(), None, 9).await.unwrap().conflicts;
    let lost: Vec<_> = open.into_iter().map(|open| open.lost).collect();
    assert_eq!(vec![text("laptop")], lost);
}

#[tokio::test]
async fn what_was_edited_here_and_deleted_on_the_copy_lives_and_the_inbox_says_so() {
    let host = Host::start().await;
    let (laptop, copied, key) = laptop_and_copy(&host, false).await;
    laptop.set(key, fields([("author", text("laptop"))])).await.unwrap();
    host.sync(&laptop).await;
    copied.delete(key).await.unwrap();

    for device in [&copied, &laptop, &copied] {
        host.sync(device).await;
    }

    for device in [&laptop, &copied] {
        assert_eq!(text("laptop"), get(device, key, "author").await);
    }
    let open = laptop.conflicts(&host.transport(), None, 9).await.unwrap().conflicts;
    assert_eq!((1, None), (open.len(), open[0].field.as_deref()));
}

#[tokio::test]
async fn an_edit_that_was_pending_in_a_folder_and_its_copy_is_one_edit() {
    let host = Host::start().await;
    let (laptop, copied, key) = laptop_and_copy(&host, true).await;

    for device in [&laptop, &copied, &laptop] {
        host.sync(device).await;
    }

    for device in [&laptop, &copied] {
        assert_eq!(
            (text("pending"), 0),
            (get(device, key, "author").await, device.status().pending)
        );
    }
    let open = laptop.conflicts(&host.transport(), None, 9).await.unwrap().conflicts;
    assert!(open.is_empty(), "{open:?}");
}

#[tokio::test]
async fn a_restore_that_is_asked_for_twice_takes_back_no_edit_of_others() {
    let host = Host::start().await;
    for transport in both(&host) {
        let (a, b) = (host.device().await, host.device().await);
        let key = Key::piece(a.add_piece(fields([("author", text("first"))])).await.unwrap());
        host.sync(&a).await;
        a.set(key, fields([("author", text("second"))])).await.unwrap();
        host.sync(&a).await;
        let (id, request_id) = (key.id, key.id.to_string());
        let restore =
            Call::Restore { kind: "piece".to_owned(), id, version: 1, base: Some(2), request_id };
        transport.call(&user("kai"), &restore).await.unwrap();
        host.sync(&b).await;
        assert_eq!(text("first"), get(&b, key, "author").await);
        host.clock.pass_ms(1000);
        b.set(key, fields([("author", text("of another"))])).await.unwrap();
        host.sync(&b).await;

        transport.call(&user("kai"), &restore).await.unwrap();
        host.sync(&b).await;

        assert_eq!(text("of another"), get(&b, key, "author").await);
    }
}

#[tokio::test]
async fn a_restore_merges_with_what_its_user_had_not_seen_and_the_loser_is_in_the_inbox() {
    let host = Host::start().await;
    for transport in both(&host) {
        let transport = transport.as_ref();
        let (a, b) = (host.device().await, host.device().await);
        let key = Key::piece(a.add_piece(fields([("author", text("first"))])).await.unwrap());
        host.sync(&a).await;
        a.set(key, fields([("author", text("second"))])).await.unwrap();
        host.sync(&a).await;
        host.sync(&b).await;
        host.clock.pass_ms(1000);
        let theirs = fields([("author", text("unseen")), ("notes", text("unseen"))]);
        b.set(key, theirs).await.unwrap();
        host.sync(&b).await;
        host.clock.pass_ms(1000);

        a.restore(transport, key, 1).await.unwrap();
        host.sync(&a).await;

        assert_eq!(text("first"), get(&a, key, "author").await);
        assert_eq!(text("unseen"), get(&a, key, "notes").await);
        let open = a.conflicts(transport, None, 9).await.unwrap().conflicts;
        let lost: Vec<_> = open.iter().filter(|open| open.key == key).map(|o| &o.lost).collect();
        assert_eq!(vec![&text("unseen")], lost);
    }
}

#[tokio::test]
async fn an_erasure_that_is_asked_for_twice_erases_nothing_that_was_begun_since() {
    let host = Host::start().await;
    for transport in both(&host) {
        let device = host.device().await;
        add_three(&device).await;
        host.sync(&device).await;
        let request_id = device.device().await;
        let erase = Call::Erase { request_id };
        transport.call(&user("kai"), &erase).await.unwrap();
        let new = host.device().await;
        add_three(&new).await;
        host.sync(&new).await;

        transport.call(&user("kai"), &erase).await.unwrap();
        host.sync(&new).await;

        assert_eq!(3, n_pieces(&new).await);
    }
}

/// The first change of each record on a restored server skips numbers. Found by the model, backups,
/// seed 0.
#[tokio::test]
async fn a_delete_that_skips_numbers_and_is_left_out_of_the_reply_is_held() {
    let server = Fragile::new();
    let a = server.device().await;
    let keys = add_three(&a).await;
    server.sync(&a).await;
    let restored = server.with(server.store.snapshot(), 1);
    restored.sync(&a).await;
    a.delete(keys[0]).await.unwrap();

    let summary = a.sync(&restored.transport).await.unwrap();

    assert_eq!((1, 0), (summary.rounds, summary.pulled), "the digests are equal at once");
    assert_eq!(2, n_pieces(&a).await);
}
