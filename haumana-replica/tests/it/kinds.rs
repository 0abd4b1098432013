//! Records of an app's own kinds: declared ones, and those that this app does not know yet.

use crate::support::{SeededRandom, SetClock, clock, fields, seeded, text, user};
use haumana_replica::storage::{MemoryStorage, SqliteStorage, Storage};
use haumana_replica::transport::{DirectTransport, Transport};
use haumana_replica::{ErrorKind, Reason, Replica};
use haumana_sync::Record;
use haumana_sync::engine::{Engine, EngineConfig, Resolution};
use haumana_sync::id::{Key, RecordId};
use haumana_sync::json::JsonText;
use haumana_sync::record::Value;
use haumana_sync::schema::{Field, FieldType, Group, Kind, Merge, Schema};
use haumana_sync::store::{Generation, MemoryStore};
use haumana_sync::time::UnixMillis;
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;
use std::sync::Arc;

#[derive(Clone, Debug, Default, PartialEq, Record)]
#[record(kind = "setlist", number = 3)]
pub(crate) struct Setlist {
    pub title: String,
    #[record(lines)]
    pub notes: Option<String>,
    pub pieces: Vec<RecordId>,
    pub tags: BTreeSet<String>,
    #[record(counter)]
    pub performed: i64,
    #[record(merge = "greatest", indexed)]
    pub rating: Option<i64>,
    #[record(indexed)]
    pub leader: Option<String>,
    #[record(merge = "fixed")]
    pub created_at: UnixMillis,
}

/// A server for any schema.
pub(crate) struct AnyServer {
    pub clock: Arc<SetClock>,
    pub random: Arc<SeededRandom>,
    store: Arc<MemoryStore>,
    pub engine: Arc<Engine>,
}

impl AnyServer {
    pub(crate) fn new(schema: Schema) -> Self {
        let (clock, random) = (clock(), seeded(7));
        let store = Arc::new(MemoryStore::new());
        let engine = engine(&store, &clock, &random, schema);
        Self { clock, random, store, engine }
    }

    pub(crate) fn setlists() -> Self {
        Self::new(setlists())
    }

    pub(crate) fn transport(&self) -> DirectTransport {
        DirectTransport::new(self.engine.clone(), 1 << 20)
    }

    pub(crate) async fn open(
        &self,
        storage: impl Storage,
        schema: Schema,
    ) -> haumana_replica::Result<Replica> {
        let builder = Replica::builder(storage, schema).account(user("kai"));
        builder.clock(self.clock.clone()).random(self.random.clone()).open().await
    }

    pub(crate) async fn device(&self) -> Replica {
        self.open(MemoryStorage::new(), setlists()).await.unwrap()
    }

    pub(crate) async fn sync(&self, device: &Replica) {
        device.sync(&self.transport()).await.unwrap();
    }
}

fn engine(
    store: &Arc<MemoryStore>,
    clock: &Arc<SetClock>,
    random: &Arc<SeededRandom>,
    schema: Schema,
) -> Arc<Engine> {
    let config = EngineConfig::new(Generation(0));
    let engine = Engine::new(store.clone(), clock.clone(), random.clone(), config);
    Arc::new(engine.with_schema(schema))
}

pub(crate) fn setlists() -> Schema {
    Schema::new([Setlist::kind()]).unwrap()
}

fn setlists_and(more: Kind) -> Schema {
    Schema::new([Setlist::kind(), more]).unwrap()
}

fn venue(number: u8) -> Kind {
    Kind::new(number, "venue").field(Field::new(1, "name", FieldType::text(100)).required(""))
}

#[tokio::test]
async fn two_devices_that_edit_one_record_offline_agree_on_what_both_did() {
    let server = AnyServer::setlists();
    let (a, b) = (server.device().await, server.device().await);
    let piece = RecordId::from_bits;
    let id = a
        .add(&Setlist {
            title: "Merrie Monarch".to_owned(),
            notes: Some("one\ntwo\nthree\n".to_owned()),
            pieces: vec![piece(1), piece(2)],
            tags: BTreeSet::from(["old".to_owned()]),
            performed: 2,
            rating: Some(3),
            ..Setlist::default()
        })
        .await
        .unwrap();
    server.sync(&a).await;
    server.sync(&b).await;
    server.clock.pass_ms(1000);

    a.edit(id, |set: &mut Setlist| {
        set.notes = Some("ONE\ntwo\nthree\n".to_owned());
        set.pieces.insert(0, piece(9));
        set.tags.insert("kahiko".to_owned());
        set.performed += 1;
        set.rating = Some(5);
    })
    .await
    .unwrap();
    server.clock.pass_ms(1000);
    b.edit(id, |set: &mut Setlist| {
        set.notes = Some("one\ntwo\nTHREE\n".to_owned());
        set.pieces.push(piece(8));
        set.tags.remove("old");
        set.performed += 10;
        set.rating = Some(4);
        set.title = "Queen Emma".to_owned();
    })
    .await
    .unwrap();
    for device in [&a, &b, &a] {
        server.sync(device).await;
    }

    let (here, there) = (a.get::<Setlist>(id).await.unwrap(), b.get::<Setlist>(id).await.unwrap());
    let merged = here.clone().unwrap();
    assert_eq!(here, there);
    assert_eq!("Queen Emma", merged.title);
    assert_eq!(Some("ONE\ntwo\nTHREE\n"), merged.notes.as_deref());
    assert_eq!([9, 1, 2, 8].map(piece).to_vec(), merged.pieces);
    assert_eq!(BTreeSet::from(["kahiko".to_owned()]), merged.tags);
    assert_eq!((13, Some(5)), (merged.performed, merged.rating));
    assert_eq!((0, 0), (a.status().pending, b.status().pending));
}

#[tokio::test]
async fn what_others_wrote_is_seen_beside_what_waits() {
    let server = AnyServer::setlists();
    let (a, b) = (server.device().await, server.device().await);
    let pieces = vec![RecordId::from_bits(7)];
    let id = a.add(&Setlist { performed: 1, pieces, ..Setlist::default() }).await.unwrap();
    server.sync(&a).await;
    server.sync(&b).await;
    b.edit(id, |set: &mut Setlist| {
        set.performed += 5;
        set.pieces.insert(0, RecordId::from_bits(1));
    })
    .await
    .unwrap();
    server.sync(&b).await;

    // It is edited while the reply with the other's edit is on its way.
    let outgoing = a.begin().await.unwrap();
    let transport = server.transport();
    use haumana_replica::transport::Transport;
    let reply = transport.sync(&outgoing.account, outgoing.body.clone()).await.unwrap();
    a.edit(id, |set: &mut Setlist| {
        set.performed += 2;
        set.pieces.push(RecordId::from_bits(2));
    })
    .await
    .unwrap();
    a.finish(&outgoing, &reply).await.unwrap();

    let seen = a.get::<Setlist>(id).await.unwrap().unwrap();
    assert_eq!((8, 3, 1), (seen.performed, seen.pieces.len(), a.status().pending));
}

#[tokio::test]
async fn a_counter_counts_each_edit_once_whatever_is_lost_repeated_or_copied() {
    let server = AnyServer::setlists();
    let memory = MemoryStorage::new();
    let a = server.open(memory.clone(), setlists()).await.unwrap();
    let id = a.add(&Setlist::default()).await.unwrap();
    server.sync(&a).await;
    for _ in 0..3 {
        a.edit(id, |set: &mut Setlist| set.performed += 1).await.unwrap();
        let lost = a.begin().await.unwrap();
        server.transport().sync(&lost.account, lost.body.clone()).await.unwrap();
    }
    a.edit(id, |set: &mut Setlist| set.performed -= 1).await.unwrap();
    server.sync(&a).await;
    server.sync(&a).await;

    let b = server.device().await;
    server.sync(&b).await;

    let counted = |set: Option<Setlist>| set.map(|set| set.performed);
    assert_eq!(Some(2), counted(a.get(id).await.unwrap()));
    assert_eq!(Some(2), counted(b.get(id).await.unwrap()));
}

/// Found by the model, `schemas` with backups, seeds 995 and 1100: the count was added to the backup's
/// count, which is less than what the device offers, and was lost.
#[tokio::test]
async fn who_counts_while_a_restored_server_lists_its_records_is_counted() {
    let server = AnyServer::setlists();
    let a = server.device().await;
    let id = a.add(&Setlist { performed: 2, ..Setlist::default() }).await.unwrap();
    server.sync(&a).await;
    let backup = Arc::new(server.store.snapshot());
    a.edit(id, |set: &mut Setlist| set.performed += 2).await.unwrap();
    server.sync(&a).await;
    let restored = restored(&server, backup);
    finish(&a, &restored, |_| {}).await;
    assert_eq!(1, a.status().pending, "what the backup lacks waits");

    a.edit(id, |set: &mut Setlist| set.performed += 1).await.unwrap();
    a.sync(&restored).await.unwrap();

    assert_eq!(5, a.get::<Setlist>(id).await.unwrap().unwrap().performed);
}

/// Found by the model, `schemas` with backups, seed 2126: once the offer was answered, the backup's
/// count was shown until the page with the record came.
#[tokio::test]
async fn who_counts_before_the_answer_to_an_offer_has_come_as_a_record_is_counted() {
    let server = AnyServer::setlists();
    let a = server.device().await;
    let id = a.add(&Setlist { performed: 2, ..Setlist::default() }).await.unwrap();
    server.sync(&a).await;
    let backup = Arc::new(server.store.snapshot());
    a.edit(id, |set: &mut Setlist| set.performed += 2).await.unwrap();
    server.sync(&a).await;
    let restored = restored(&server, backup);
    finish(&a, &restored, |_| {}).await;
    finish(&a, &restored, |reply| {
        // Only the answers come, and the listing goes on.
        (reply["changes"], reply["more"]) = (json!([]), json!(true));
        reply.as_object_mut().unwrap().remove("digest");
    })
    .await;
    assert_eq!(0, a.status().pending, "the offer is answered");

    a.edit(id, |set: &mut Setlist| set.performed += 1).await.unwrap();
    a.sync(&restored).await.unwrap();

    assert_eq!(5, a.get::<Setlist>(id).await.unwrap().unwrap().performed);
}

/// Found by the model, `schemas` with backups, seeds 3502 and 4365: the device had asked about the
/// past of the server long before it asked for the first page.
#[tokio::test]
async fn a_backup_restored_after_a_device_began_to_start_over_is_offered_what_it_lacks() {
    let server = AnyServer::setlists();
    let a = server.device().await;
    let id = a.add(&Setlist { title: "0".to_owned(), ..Setlist::default() }).await.unwrap();
    server.sync(&a).await;
    let backup = Arc::new(server.store.snapshot());
    a.edit(id, |set: &mut Setlist| set.title = "a".to_owned()).await.unwrap();
    server.sync(&a).await;
    a.start_over().await.unwrap();
    let asked = a.begin().await.unwrap();
    let answer = server.transport().sync(&asked.account, asked.body.clone()).await.unwrap();
    a.finish(&asked, &answer).await.unwrap();
    drop(a.begin().await.unwrap());
    let restored = restored(&server, backup);
    let b = server.device().await;
    b.sync(&restored).await.unwrap();
    b.edit(id, |set: &mut Setlist| set.leader = Some("b".to_owned())).await.unwrap();
    b.sync(&restored).await.unwrap();

    a.sync(&restored).await.unwrap();

    assert_eq!("a", a.get::<Setlist>(id).await.unwrap().unwrap().title);
}

/// The server from its backup.
fn restored(server: &AnyServer, backup: Arc<MemoryStore>) -> DirectTransport {
    let config = EngineConfig::new(Generation(1));
    let engine = Engine::new(backup, server.clock.clone(), server.random.clone(), config);
    DirectTransport::new(Arc::new(engine.with_schema(setlists())), 1 << 20)
}

/// Makes one request. The reply is changed on its way, and its cursor does not move on.
async fn finish(device: &Replica, server: &DirectTransport, change: impl FnOnce(&mut Json)) {
    let asked = device.begin().await.unwrap();
    let request: Json = serde_json::from_slice(&asked.body).unwrap();
    let reply = server.sync(&asked.account, asked.body.clone()).await.unwrap();
    let mut reply: Json = serde_json::from_slice(&reply).unwrap();
    change(&mut reply);
    if reply["more"] == true {
        reply["cursor"] = request["cursor"].clone();
    }
    device.finish(&asked, reply.to_string().as_bytes()).await.unwrap();
}

#[tokio::test]
async fn conflicts_history_and_restore_work_for_every_kind() {
    let server = AnyServer::setlists();
    let transport = server.transport();
    let (a, b) = (server.device().await, server.device().await);
    let id = a.add(&Setlist { title: "0".to_owned(), ..Setlist::default() }).await.unwrap();
    server.sync(&a).await;
    server.sync(&b).await;
    for (device, title) in [(&a, "a"), (&b, "b")] {
        server.clock.pass_ms(1000);
        device.edit(id, |set: &mut Setlist| set.title = title.to_owned()).await.unwrap();
    }
    server.sync(&a).await;
    server.sync(&b).await;

    assert_eq!(Some(1), b.status().open_conflicts);
    let open = b.conflicts(&transport, None, 9).await.unwrap().conflicts;
    assert_eq!((1, &text("a")), (open.len(), &open[0].lost));
    assert_eq!(Setlist::key(id), open[0].key);
    let key = Some(Setlist::key(id));
    b.resolve(&transport, open[0].id, key, Resolution::Restore).await.unwrap();
    server.sync(&b).await;
    assert_eq!("a", b.get::<Setlist>(id).await.unwrap().unwrap().title);
    assert_eq!(Some(0), b.status().open_conflicts);

    let history = b.history(&transport, Setlist::key(id), None, 9).await.unwrap();
    let first = history.versions.last().unwrap().version;
    b.restore(&transport, Setlist::key(id), first).await.unwrap();
    server.sync(&b).await;
    assert_eq!("0", b.get::<Setlist>(id).await.unwrap().unwrap().title);
}

#[tokio::test]
async fn records_of_an_unknown_kind_are_there_once_the_schema_declares_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("replica.db");
    let server = AnyServer::new(setlists_and(venue(4)));
    let newer = server.open(MemoryStorage::new(), setlists_and(venue(4))).await.unwrap();
    let name = fields([("name", text("Edith Kanakaʻole Stadium")), ("size", json("5000"))]);
    let id = newer.create("venue", name).await.unwrap();
    server.sync(&newer).await;
    let older = server.open(SqliteStorage::open(&path).unwrap(), setlists()).await.unwrap();

    server.sync(&older).await;
    newer.set(key(4, id), fields([("size", json("5001"))])).await.unwrap();
    server.sync(&newer).await;
    let again = older.sync(&server.transport()).await.unwrap();

    assert_eq!((1, 1), (again.rounds, again.pulled), "the digest counts it");
    let refused = older.create("venue", fields([])).await.unwrap_err();
    assert_eq!(
        "add failed: Invalid: kind venue: the schema has no such kind; there are setlist",
        refused.to_string()
    );
    drop(older);

    // The app's next version knows it, and a field of it that was an unknown key.
    let size = Field::new(2, "size", FieldType::Integer);
    let now = setlists_and(venue(4).field(size));
    let updated = server.open(SqliteStorage::open(&path).unwrap(), now).await.unwrap();

    let view = updated.record(key(4, id)).await.unwrap().unwrap();
    assert_eq!(text("Edith Kanakaʻole Stadium"), view.content.get("name"));
    assert_eq!(json("5001"), view.content.get("size"));
    assert_eq!(0, updated.sync(&server.transport()).await.unwrap().pulled);
}

#[tokio::test]
async fn a_schema_that_does_not_succeed_the_one_of_before_is_refused() {
    let server = AnyServer::setlists();
    let memory = SharedMemory::default();
    drop(server.open(memory.clone(), setlists()).await.unwrap());
    let other = Kind::new(3, "setlist").field(Field::new(1, "title", FieldType::Flag));

    let refused = server.open(memory.clone(), Schema::new([other]).unwrap()).await.unwrap_err();

    assert_eq!(ErrorKind::Schema, refused.kind());
    let why = std::error::Error::source(&refused).unwrap().to_string();
    assert_eq!("kind setlist, field title: a field keeps its type", why);
    assert!(server.open(memory, setlists_and(venue(9))).await.is_ok());
}

#[tokio::test]
async fn a_server_that_lacks_everything_is_offered_records_of_every_kind() {
    let mut server = AnyServer::setlists();
    let (a, b) = (server.device().await, server.device().await);
    let id = a
        .add(&Setlist { title: "kept".to_owned(), performed: 4, ..Setlist::default() })
        .await
        .unwrap();
    server.sync(&a).await;
    server.sync(&b).await;
    b.edit(id, |set: &mut Setlist| set.performed += 1).await.unwrap();
    server.store = Arc::new(MemoryStore::new());
    server.engine = engine(&server.store, &server.clock, &server.random, setlists());

    for device in [&b, &a, &b] {
        server.sync(device).await;
    }

    for device in [&a, &b] {
        let set = device.get::<Setlist>(id).await.unwrap().unwrap();
        assert_eq!(("kept", 5), (set.title.as_str(), set.performed));
    }
}

#[tokio::test]
async fn a_fixed_field_is_decided_once_and_a_record_of_defaults_arrives() {
    let tally = Kind::new(5, "tally")
        .field(Field::new(1, "word", FieldType::text(9)).required("").merge(Merge::Fixed))
        .field(Field::new(2, "n", FieldType::Integer));
    let schema = Schema::new([tally]).unwrap();
    let server = AnyServer::new(schema.clone());
    let a = server.open(MemoryStorage::new(), schema.clone()).await.unwrap();
    let b = server.open(MemoryStorage::new(), schema).await.unwrap();
    let id = a.create("tally", fields([])).await.unwrap();

    let refused = a.set(key(5, id), fields([("word", text("x"))])).await.unwrap_err();
    server.sync(&a).await;
    server.sync(&b).await;

    assert_eq!(Some(Reason::Fixed), refused.flaw().map(|flaw| flaw.reason));
    let view = b.record(key(5, id)).await.unwrap().unwrap();
    assert_eq!((text(""), Value::Null), (view.content.get("word"), view.content.get("n")));
    assert_eq!(0, a.sync(&server.transport()).await.unwrap().pulled);
}

#[tokio::test]
async fn a_record_of_a_kind_with_groups_can_be_made_of_nothing() {
    let place = Kind::new(5, "place")
        .field(Field::new(1, "north", FieldType::Number))
        .field(Field::new(2, "east", FieldType::Number))
        .group(Group::new("north", ["north", "east"]));
    let schema = Schema::new([place]).unwrap();
    let server = AnyServer::new(schema.clone());
    let a = server.open(MemoryStorage::new(), schema.clone()).await.unwrap();
    let b = server.open(MemoryStorage::new(), schema).await.unwrap();

    let id = a.create("place", fields([])).await.unwrap();
    server.sync(&a).await;
    server.sync(&b).await;

    let view = b.record(key(5, id)).await.unwrap().unwrap();
    assert_eq!(Value::Null, view.content.get("north"));
}

fn json(text: &str) -> Value {
    Value::Json(JsonText::parse(text).unwrap())
}

fn key(kind: u8, id: RecordId) -> Key {
    Key { kind: haumana_sync::id::KindNumber::new(kind), id }
}

/// Memory that outlives the replica on it.
pub(crate) use crate::together::Kept as SharedMemory;
