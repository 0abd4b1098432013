//! What syncs cost on DynamoDB, by the emulator's figures, which a test of the store holds against
//! AWS's published rules.

use crate::{apply, body, piece, pieces};
use haumana_api::{SystemClock, SystemRandom};
use haumana_app::Phones as _;
use haumana_app::wire::{PiecesRequest, SessionsRequest};
use haumana_store_dynamo::testing::Tables;
use haumana_store_dynamo::{Consumed, DynamoStore};
use haumana_sync::engine::{Engine, EngineConfig};
use haumana_sync::id::UserId;
use haumana_sync::store::Generation;
use haumana_sync::wire::sync::SyncRequest;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::runtime::Runtime;

/// Dollars for a million read request units, on demand, in us-east-1, of the table class Standard.
///
/// AWS halved this price and the next on 2024-11-01. They stand on
/// <https://aws.amazon.com/dynamodb/pricing/on-demand/>, whose figures a browser fills in, and in
/// AWS's price list,
/// <https://pricing.us-east-1.amazonaws.com/offers/v1.0/aws/AmazonDynamoDB/current/us-east-1/index.json>.
/// Read on 2026-11-25 where others had copied them from these: out of the price list on
/// 2026-09-13, off the page on 2026-08-01.
pub const READ_MILLION: f64 = 0.125;
/// Dollars for a million write request units, likewise.
pub const WRITE_MILLION: f64 = 0.625;

/// The least that one transaction on these tables writes where ten pieces of 1 to 2 kB change, by
/// part. DynamoDB counts kB that are begun, and twice in a transaction, but not in the index.
///
/// What comes on top is the slip for purging, and what the head remembers of large commits.
pub const LEAST_OF_TEN: [(&str, f64); 4] = [
    ("the head: 1 kB, twice", 2.0),
    ("10 records: 2 kB each, twice", 10.0 * 2.0 * 2.0),
    ("their entries in the index: each deleted and put", 10.0 * 2.0),
    ("10 superseded versions: compressed to 1 kB each, twice", 10.0 * 2.0),
];

/// Returns the write units of [`LEAST_OF_TEN`] together.
pub fn least_of_ten() -> f64 {
    LEAST_OF_TEN.iter().map(|(_, units)| units).sum()
}

/// Nothing is cut.
const REPLY_BYTES: usize = 1 << 30;
/// A user id as long as Google's.
const USER: &str = "100000000000000000001";

/// One operation and what it consumed.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// What was done.
    pub name: &'static str,
    /// What it consumed.
    pub consumed: Consumed,
}

impl Cost {
    /// Dollars for a million of them.
    pub fn million(&self) -> f64 {
        dollars(self.consumed.read_units, self.consumed.write_units) * 1e6
    }
}

/// Dollars for these units.
pub fn dollars(read_units: f64, write_units: f64) -> f64 {
    (read_units * READ_MILLION + write_units * WRITE_MILLION) / 1e6
}

/// A user with a repertoire, on tables of their own.
#[derive(Debug)]
pub struct Ledger {
    runtime: Runtime,
    engine: Engine,
    store: Arc<DynamoStore>,
    user: UserId,
    pieces: Vec<Value>,
    last: String,
}

impl Ledger {
    /// Pushes `size` pieces of about 1 kB.
    ///
    /// # Panics
    ///
    /// If there is no emulator.
    pub fn fill(size: usize) -> Self {
        let runtime = Runtime::new().unwrap_or_else(|error| panic!("{error}"));
        let store = Arc::new(runtime.block_on(Tables::create()).store());
        let config = EngineConfig::new(Generation(0));
        let engine =
            Engine::new(store.clone(), Arc::new(SystemClock), Arc::new(SystemRandom), config);
        let user = UserId::verified_by_caller(USER).unwrap_or_else(|| unreachable!("digits"));
        let last = String::new();
        let mut ledger = Self { runtime, engine, store, user, pieces: Vec::new(), last };
        let mut held = pieces(size);
        let reply = ledger.post(&body(&held, None));
        apply(&mut held, &reply);
        ledger.pieces = held;
        ledger.remember();
        ledger.store.take_consumed();
        ledger
    }

    /// Bytes of a sync of a phone on which nothing changed.
    pub fn request_bytes(&self) -> usize {
        body(&self.pieces, Some(&self.last)).len()
    }

    /// A sync of a phone on which nothing changed, with its whole repertoire.
    pub fn no_op(&mut self) -> Cost {
        let sent = body(&self.pieces, Some(&self.last));
        self.measure("no-op sync", &sent)
    }

    /// The first sync of a started app, where the digest of all contents agrees.
    pub fn first_sync_agreeing(&mut self) -> Cost {
        let sent = body(&self.pieces, None);
        self.measure("first sync of a started app, digest agrees", &sent)
    }

    /// The first sync of a started app that lacks one piece of the server's.
    pub fn first_sync_lacking_one(&mut self) -> Cost {
        let sent = body(&self.pieces[1..], None);
        self.measure("first sync of a started app, one piece differs", &sent)
    }

    /// A sync of a phone that has deleted a piece by itself.
    pub fn sync_that_differs(&mut self) -> Cost {
        let sent = body(&self.pieces[1..], Some(&self.last));
        self.measure("a phone that has deleted a piece by itself, nothing changed", &sent)
    }

    /// A push of ten edited pieces, without a pull behind it.
    pub fn push_ten(&mut self) -> Cost {
        self.edit_ten();
        let mut sent = json!({"operation": "upload", "pieces": self.pieces[..10]});
        sent["lastSyncedAt"] = json!(self.last);
        self.measure("10 changed pieces pushed", sent.to_string().as_bytes())
    }

    /// The same by the app, which sends its whole repertoire with them and pulls.
    pub fn push_ten_among_all(&mut self) -> Cost {
        self.edit_ten();
        let sent = body(&self.pieces, Some(&self.last));
        self.measure("10 changed pieces pushed among all, as the app does", &sent)
    }

    /// The next sync of a phone that pushed: nothing changed, and the server notes that its reply
    /// arrived.
    pub fn sync_after_push(&mut self) -> Cost {
        let sent = body(&self.pieces, Some(&self.last));
        self.measure("first sync after a push, nothing changed", &sent)
    }

    fn edit_ten(&mut self) {
        for held in self.pieces.iter_mut().take(10) {
            let title = held["title"].as_str().unwrap_or_default().to_owned();
            held["title"] = json!(format!("{title}!"));
            held["locallyModified"] = json!(true);
            held["modifiedAt"] = json!(format!("2026-11-23T00:00:{:02}Z", title.len() % 60));
        }
    }

    /// A pull of what `push_ten` pushed, by a phone that has everything before.
    pub fn pull_ten(&mut self) -> Cost {
        let sent = body(&[], Some(&self.last));
        self.measure("10 changed pieces pulled", &sent)
    }

    /// The same by the app, which sends its whole repertoire as it was before them.
    pub fn pull_ten_among_all(&mut self) -> Cost {
        let before = self.pieces.clone();
        self.push_ten();
        let sent = body(&before, Some(&self.last));
        let cost = self.measure("10 changed pieces pulled among all, as the app does", &sent);
        self.remember();
        cost
    }

    /// The first sync of a new phone.
    pub fn pull_all(&mut self) -> Cost {
        let sent = body(&[], None);
        self.measure("everything pulled by a new phone", &sent)
    }

    /// The first pull of a new client, which asks as replicas do until it has everything.
    pub fn pull_all_by_client(&mut self) -> Cost {
        self.store.take_consumed();
        let mut cursor = Value::Null;
        loop {
            let sent = json!({"deviceId": "ipad", "cursor": cursor, "limit": 1000, "push": []})
                .to_string();
            let request =
                SyncRequest::from_json(sent.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
            let synced = self.engine.sync(&self.user, &request, REPLY_BYTES);
            let reply = self.runtime.block_on(synced).unwrap_or_else(|error| panic!("{error}"));
            let reply: Value = serde_json::from_slice(&reply.into_json())
                .unwrap_or_else(|error| panic!("{error}"));
            cursor = reply["cursor"].clone();
            if reply["more"] != Value::Bool(true) {
                let consumed = self.store.take_consumed();
                return Cost { name: "everything pulled by a new client", consumed };
            }
        }
    }

    /// A new piece.
    pub fn push_new_piece(&mut self) -> Cost {
        let sent = body(&[piece(900_000 + self.pieces.len())], Some(&self.last));
        self.measure("1 new piece pushed", &sent)
    }

    /// From now on what was committed until now is in the past of the phone.
    fn remember(&mut self) {
        let head = self.runtime.block_on(self.engine.store().head(&self.user)).ok().flatten();
        let secs = head.map_or(0, |head| head.stamp.0);
        self.last = haumana_sync::time::UnixMillis::from_secs(secs).to_string();
        // Commits are stamped in seconds.
        std::thread::sleep(std::time::Duration::from_secs(2));
    }

    fn measure(&mut self, name: &'static str, sent: &[u8]) -> Cost {
        self.store.take_consumed();
        let reply = self.post(sent);
        let cost = Cost { name, consumed: self.store.take_consumed() };
        self.take_over(&reply);
        cost
    }

    /// As the app takes over a reply, apart from pieces that it does not have.
    fn take_over(&mut self, reply: &[u8]) {
        let known = self.pieces.len();
        apply(&mut self.pieces, reply);
        self.pieces.truncate(known);
    }

    /// Posts to `/sessions`; returns the reply and what it cost.
    pub fn sessions(&mut self, sent: &[u8]) -> (Vec<u8>, Consumed) {
        self.store.take_consumed();
        let request = SessionsRequest::from_json(sent).unwrap_or_else(|error| panic!("{error}"));
        let synced = self.engine.sync_sessions(&self.user, &request, REPLY_BYTES);
        let reply = self.runtime.block_on(synced).unwrap_or_else(|error| panic!("{error}"));
        (reply.into_json(), self.store.take_consumed())
    }

    fn post(&self, sent: &[u8]) -> Vec<u8> {
        let request = PiecesRequest::from_json(sent).unwrap_or_else(|error| panic!("{error}"));
        let synced = self.engine.sync_pieces(&self.user, &request, REPLY_BYTES);
        let reply = self.runtime.block_on(synced).unwrap_or_else(|error| panic!("{error}"));
        reply.into_json()
    }
}

/// Measures every operation on a repertoire of `size` pieces.
pub fn measure(size: usize) -> Vec<Cost> {
    let mut ledger = Ledger::fill(size);
    let mut costs =
        vec![ledger.no_op(), ledger.first_sync_agreeing(), ledger.first_sync_lacking_one()];
    costs.push(ledger.push_ten());
    costs.push(ledger.pull_ten());
    ledger.remember();
    costs.push(ledger.push_ten_among_all());
    costs.push(ledger.sync_after_push());
    ledger.remember();
    costs.push(ledger.pull_ten_among_all());
    costs.push(ledger.pull_all());
    costs.push(ledger.push_new_piece());
    ledger.remember();
    costs.push(ledger.sync_that_differs());
    costs.push(ledger.sync_that_differs());
    costs.push(ledger.pull_all_by_client());
    costs
}
