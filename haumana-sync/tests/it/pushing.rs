//! Pushes of new clients, as the tests of part 2 write them.

use crate::support::{DAY, Server, kai};
use haumana_sync::engine::{EditTimes, Push, PushOp, PushResult};
use haumana_sync::id::{Key, RecordId};
use haumana_sync::record::Value;
use haumana_sync::store::{Store, Version};
use haumana_sync::time::UnixMillis;

pub(crate) fn piece(n: u128) -> Key {
    Key::piece(RecordId::from_bits(n))
}

pub(crate) fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

/// A push of fields, edited `secs` after midnight.
pub(crate) fn set(key: Key, base: Option<Version>, secs: i64, fields: &[(&str, Value)]) -> Push {
    let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
    Push {
        key,
        base,
        edited_at: EditTimes::One(UnixMillis(DAY - 86_400_000 + secs * 1000)),
        op: PushOp::Set(fields.collect()),
    }
}

pub(crate) fn delete(key: Key, base: Option<Version>) -> Push {
    Push { key, base, edited_at: EditTimes::One(UnixMillis(DAY - 1000)), op: PushOp::Delete }
}

pub(crate) async fn push(server: &Server, device: &str, push: Push) -> PushResult {
    let results = server.engine.push(&kai(), device, &[push]).await.unwrap();
    results.into_iter().next().unwrap()
}

/// The fields of the piece now; `None` if it is deleted.
pub(crate) async fn fields(server: &Server, key: Key) -> Option<serde_json::Value> {
    let found = server.memory.read(&kai(), &[key]).await.unwrap();
    let envelope = found.into_iter().flatten().next().unwrap();
    (!envelope.deleted).then(|| serde_json::from_str(&envelope.content).unwrap())
}

/// A delete, decided `secs` after midnight.
pub(crate) fn delete_at(key: Key, base: Option<Version>, secs: i64) -> Push {
    Push { op: PushOp::Delete, ..set(key, base, secs, &[]) }
}
