//! Rows: text under a key, and what a replica keeps in them.

use async_trait::async_trait;
use haumana_replica::storage::{State, Unanswered};
use haumana_replica::{Agreed, Local, MaybeSend, Pending, Result};
use haumana_sync::digest::Digest;
use haumana_sync::id::{Key, KindNumber, RecordId};
use haumana_sync::time::UnixMillis;
use serde::{Deserialize, Serialize};
use std::fmt::Debug;

/// A key, and the text under it.
pub type Row = (String, String);

/// One change of the rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum RowChange {
    /// Puts text under a key.
    Put(String, String),
    /// Removes a key, if it is there.
    Remove(String),
    /// Removes all keys that begin so.
    RemoveAll(String),
}

/// Keeps rows, such as a browser's IndexedDB.
#[cfg_attr(not(target_arch = "wasm32"), async_trait)]
#[cfg_attr(target_arch = "wasm32", async_trait(?Send))]
pub trait Rows: Debug + MaybeSend + 'static {
    /// Reads all rows.
    ///
    /// # Errors
    ///
    /// If they cannot be read.
    async fn load(&mut self) -> Result<Vec<Row>>;

    /// Makes `changes`, one after the other: all of them or none.
    ///
    /// # Errors
    ///
    /// If they cannot be written, or another tab writes now; nothing has changed then.
    async fn write(&mut self, changes: &[RowChange]) -> Result<()>;
}

/// The key of the device's id.
pub(crate) const DEVICE: &str = "device";
/// The key of the kinds.
pub(crate) const DECLARED: &str = "declared";

/// An account's name within a key: without a slash.
pub(crate) fn name_in_key(account: &str) -> String {
    account.replace('%', "%25").replace('/', "%2F")
}

/// The inverse of [`name_in_key`].
pub(crate) fn account_of(name: &str) -> String {
    name.replace("%2F", "/").replace("%25", "%")
}

pub(crate) fn state_key(account: &str) -> String {
    format!("state/{}", name_in_key(account))
}

pub(crate) fn record_key(account: &str, key: Key) -> String {
    format!("record/{}/{}/{}", name_in_key(account), key.kind.get(), key.id)
}

pub(crate) fn index_key(account: &str, key: Key) -> String {
    format!("index/{}/{}/{}", name_in_key(account), key.kind.get(), key.id)
}

/// Reads what stands behind `record/` or `index/`.
pub(crate) fn read_key(rest: &str) -> Option<(String, Key)> {
    let mut parts = rest.split('/');
    let (account, kind, id) = (parts.next()?, parts.next()?, parts.next()?);
    let kind = KindNumber::new(kind.parse().ok()?);
    Some((account_of(account), Key { kind, id: RecordId::parse(id)? }))
}

#[derive(Serialize, Deserialize)]
struct LocalRow {
    agreed: Option<AgreedRow>,
    pending: Pending,
}

#[derive(Serialize, Deserialize)]
struct AgreedRow {
    version: u32,
    at: i64,
    value: Option<String>,
    mark: u64,
}

/// Writes a record as the text of a row.
pub(crate) fn write_local(local: &Local) -> Option<String> {
    let agreed = local.agreed.as_ref().map(|agreed| AgreedRow {
        version: agreed.version,
        at: agreed.modified_at.0,
        value: agreed.value.clone(),
        mark: agreed.mark,
    });
    serde_json::to_string(&LocalRow { agreed, pending: local.pending.clone() }).ok()
}

/// Reads a record from the text of its row.
pub(crate) fn read_local(key: Key, text: &str) -> Option<Local> {
    let row: LocalRow = serde_json::from_str(text).ok()?;
    let agreed = row.agreed.map(|agreed| Agreed {
        version: agreed.version,
        modified_at: UnixMillis(agreed.at),
        value: agreed.value,
        mark: agreed.mark,
    });
    Some(Local { key, agreed, pending: row.pending })
}

#[derive(Serialize, Deserialize)]
struct StateRow {
    cursor: Option<String>,
    mark: u64,
    is_listing: bool,
    is_other_life: bool,
    /// In hexadecimal.
    digest: String,
    is_erased: bool,
    probe: Option<String>,
    unanswered: Option<Unanswered>,
    /// Rows of before do not have it.
    open_conflicts: Option<u64>,
}

/// Writes an account's state as the text of a row.
pub(crate) fn write_state(state: &State) -> Option<String> {
    let state = state.clone();
    let row = StateRow {
        cursor: state.cursor,
        mark: state.mark,
        is_listing: state.is_listing,
        is_other_life: state.is_other_life,
        digest: format!("{:032x}", state.digest.bits()),
        is_erased: state.is_erased,
        probe: state.probe,
        unanswered: state.unanswered,
        open_conflicts: state.open_conflicts,
    };
    serde_json::to_string(&row).ok()
}

/// Reads an account's state from the text of its row.
pub(crate) fn read_state(text: &str) -> Option<State> {
    let row: StateRow = serde_json::from_str(text).ok()?;
    Some(State {
        cursor: row.cursor,
        mark: row.mark,
        is_listing: row.is_listing,
        is_other_life: row.is_other_life,
        digest: Digest::from_bits(u128::from_str_radix(&row.digest, 16).ok()?),
        is_erased: row.is_erased,
        probe: row.probe,
        unanswered: row.unanswered,
        open_conflicts: row.open_conflicts,
    })
}
