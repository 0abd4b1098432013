//! Storage of a replica in rows.
//!
//! All rows are read once and kept in memory; each batch is one write of the rows, and is in memory
//! only after it is in the rows.

use crate::rows::{
    DECLARED, DEVICE, RowChange, Rows, account_of, index_key, name_in_key, read_key, read_local,
    read_state, record_key, state_key, write_local, write_state,
};
use async_trait::async_trait;
use haumana_replica::storage::{
    Batch, Declared, IndexEntries, IndexRange, IndexValue, MemoryStorage, OpenCount, State, Storage,
};
use haumana_replica::{Error, ErrorKind, Local, Result};
use haumana_sync::id::{Key, KindNumber, RecordId};
use std::collections::BTreeMap;

/// Keeps a replica in [`Rows`].
#[derive(Debug)]
pub struct RowStorage<R> {
    rows: R,
    /// What the rows hold; `None` while that is not known: before the first read, and after a write
    /// whose end nobody waited for.
    memory: Option<MemoryStorage>,
}

impl<R: Rows> RowStorage<R> {
    /// Keeps a replica in `rows`.
    pub fn new(rows: R) -> Self {
        Self { rows, memory: None }
    }

    async fn memory(&mut self) -> Result<&mut MemoryStorage> {
        let memory = match self.memory.take() {
            Some(memory) => memory,
            None => self.read_all().await?,
        };
        Ok(self.memory.insert(memory))
    }

    async fn read_all(&mut self) -> Result<MemoryStorage> {
        let mut memory = MemoryStorage::new();
        let mut batches: BTreeMap<String, Batch> = BTreeMap::new();
        for (key, text) in self.rows.load().await? {
            match key.split_once('/') {
                None if key == DEVICE => memory.set_device(&text).await?,
                None if key == DECLARED => {
                    memory.declare(&read_declared(&text).ok_or_else(unreadable)?, &[]).await?;
                }
                Some((table, rest)) => {
                    add(&mut batches, table, rest, &text).ok_or_else(unreadable)?;
                }
                None => return Err(unreadable()),
            }
        }
        for (account, batch) in batches {
            memory.write(&account, batch).await?;
        }
        Ok(memory)
    }

    /// Writes the rows, and then does the same in memory.
    async fn commit(&mut self, changes: &[RowChange]) -> Result<MemoryStorage> {
        self.memory().await?;
        // If this call is dropped while the rows are written, memory is read anew.
        let memory = self.memory.take();
        match self.rows.write(changes).await {
            Ok(()) => memory.ok_or_else(unreadable),
            Err(error) => {
                self.memory = memory;
                Err(error)
            }
        }
    }
}

/// Adds a row to what its account holds.
fn add(batches: &mut BTreeMap<String, Batch>, table: &str, rest: &str, text: &str) -> Option<()> {
    match table {
        "state" => batches.entry(account_of(rest)).or_default().state = Some(read_state(text)?),
        "record" => {
            let (account, key) = read_key(rest)?;
            batches.entry(account).or_default().records.push(read_local(key, text)?);
        }
        "index" => {
            let (account, key) = read_key(rest)?;
            let fields = read_fields(text)?;
            batches.entry(account).or_default().indexed.push(IndexEntries { key, fields });
        }
        _ => return None,
    }
    Some(())
}

#[cfg_attr(not(target_arch = "wasm32"), async_trait)]
#[cfg_attr(target_arch = "wasm32", async_trait(?Send))]
impl<R: Rows> Storage for RowStorage<R> {
    async fn device(&mut self, fresh: &str) -> Result<String> {
        // Empty: none is known yet.
        let known = self.memory().await?.device("").await?;
        if known.is_empty() {
            self.set_device(fresh).await?;
            return Ok(fresh.to_owned());
        }
        Ok(known)
    }

    async fn set_device(&mut self, id: &str) -> Result<()> {
        let mut memory = self.commit(&[RowChange::Put(DEVICE.into(), id.into())]).await?;
        memory.set_device(id).await?;
        self.memory = Some(memory);
        Ok(())
    }

    async fn declared(&mut self) -> Result<Declared> {
        self.memory().await?.declared().await
    }

    async fn declare(
        &mut self,
        declared: &Declared,
        moves: &[(KindNumber, KindNumber)],
    ) -> Result<()> {
        let mut next = self.memory().await?.clone();
        next.declare(declared, moves).await?;
        let mut changes = Vec::new();
        let text = write_declared(declared).ok_or_else(unreadable)?;
        changes.push(RowChange::Put(DECLARED.into(), text));
        let accounts = if moves.is_empty() { Vec::new() } else { next.accounts().await? };
        for account in accounts {
            let moved = moves.iter().flat_map(|(from, to)| [*from, *to]);
            for kind in moved.collect::<std::collections::BTreeSet<_>>() {
                let all = format!("record/{}/{}/", name_in_key(&account), kind.get());
                changes.push(RowChange::RemoveAll(all));
                for local in next.list(&account, kind).await? {
                    changes.push(put(&account, &local)?);
                }
            }
        }
        self.commit(&changes).await?;
        self.memory = Some(next);
        Ok(())
    }

    async fn accounts(&mut self) -> Result<Vec<String>> {
        self.memory().await?.accounts().await
    }

    async fn state(&mut self, account: &str) -> Result<State> {
        self.memory().await?.state(account).await
    }

    async fn read(&mut self, account: &str, keys: &[Key]) -> Result<Vec<Option<Local>>> {
        self.memory().await?.read(account, keys).await
    }

    async fn list(&mut self, account: &str, kind: KindNumber) -> Result<Vec<Local>> {
        self.memory().await?.list(account, kind).await
    }

    async fn due(&mut self, account: &str, limit: usize) -> Result<Vec<Local>> {
        self.memory().await?.due(account, limit).await
    }

    async fn refused(
        &mut self,
        account: &str,
        after: Option<Key>,
        limit: usize,
    ) -> Result<Vec<Local>> {
        self.memory().await?.refused(account, after, limit).await
    }

    async fn unmarked(&mut self, account: &str, mark: u64) -> Result<Vec<Local>> {
        self.memory().await?.unmarked(account, mark).await
    }

    async fn find(
        &mut self,
        account: &str,
        kind: KindNumber,
        field: u16,
        range: &IndexRange,
    ) -> Result<Vec<RecordId>> {
        self.memory().await?.find(account, kind, field, range).await
    }

    async fn count_open(&mut self, account: &str) -> Result<OpenCount> {
        self.memory().await?.count_open(account).await
    }

    async fn write(&mut self, account: &str, batch: Batch) -> Result<()> {
        let mut changes = Vec::new();
        match &batch.state {
            Some(state) => {
                let text = write_state(state).ok_or_else(unreadable)?;
                changes.push(RowChange::Put(state_key(account), text));
            }
            // A row of its own makes the account known.
            None if !self.memory().await?.accounts().await?.iter().any(|a| a == account) => {
                let text = write_state(&State::default()).ok_or_else(unreadable)?;
                changes.push(RowChange::Put(state_key(account), text));
            }
            None => {}
        }
        for local in &batch.records {
            changes.push(put(account, local)?);
        }
        for IndexEntries { key, fields } in &batch.indexed {
            let key = index_key(account, *key);
            changes.push(match write_fields(fields).ok_or_else(unreadable)? {
                _ if fields.is_empty() => RowChange::Remove(key),
                text => RowChange::Put(key, text),
            });
        }
        let mut memory = self.commit(&changes).await?;
        memory.write(account, batch).await?;
        self.memory = Some(memory);
        Ok(())
    }

    async fn forget(&mut self, account: &str) -> Result<()> {
        let name = name_in_key(account);
        let changes = [
            RowChange::Remove(state_key(account)),
            RowChange::RemoveAll(format!("record/{name}/")),
            RowChange::RemoveAll(format!("index/{name}/")),
        ];
        let mut memory = self.commit(&changes).await?;
        memory.forget(account).await?;
        self.memory = Some(memory);
        Ok(())
    }
}

/// A record as it is from now on; one of which nothing is known is removed.
fn put(account: &str, local: &Local) -> Result<RowChange> {
    let key = record_key(account, local.key);
    if local.is_nothing() {
        return Ok(RowChange::Remove(key));
    }
    Ok(RowChange::Put(key, write_local(local).ok_or_else(unreadable)?))
}

fn write_declared(declared: &Declared) -> Option<String> {
    let strays = declared.strays.iter().map(|(kind, name)| (kind.get(), name));
    serde_json::to_string(&(&declared.schema, strays.collect::<Vec<_>>())).ok()
}

fn read_declared(text: &str) -> Option<Declared> {
    let (schema, strays): (Option<String>, Vec<(u8, String)>) = serde_json::from_str(text).ok()?;
    let mut declared = Declared::default();
    declared.schema = schema;
    declared.strays = strays.into_iter().map(|(n, name)| (KindNumber::new(n), name)).collect();
    Some(declared)
}

/// The fields of an index entry: the number of each, and its value as a word for its type with text.
fn write_fields(fields: &[(u16, IndexValue)]) -> Option<String> {
    let written = fields.iter().map(|(field, value)| {
        let (word, text) = match value {
            IndexValue::Integer(number) => ("integer", number.to_string()),
            // The bits: text would lose some of them.
            IndexValue::Real(number) => ("real", number.to_bits().to_string()),
            IndexValue::Text(text) => ("text", text.clone()),
            _ => ("absent", String::new()),
        };
        (*field, word, text)
    });
    serde_json::to_string(&written.collect::<Vec<_>>()).ok()
}

fn read_fields(text: &str) -> Option<Vec<(u16, IndexValue)>> {
    let written: Vec<(u16, String, String)> = serde_json::from_str(text).ok()?;
    let read = written.into_iter().map(|(field, word, text)| {
        let value = match word.as_str() {
            "integer" => IndexValue::Integer(text.parse().ok()?),
            "real" => IndexValue::Real(f64::from_bits(text.parse().ok()?)),
            "text" => IndexValue::Text(text),
            "absent" => IndexValue::Absent,
            _ => return None,
        };
        Some((field, value))
    });
    read.collect()
}

fn unreadable() -> Error {
    Error::new("open", ErrorKind::Storage).caused_by("a row cannot be read")
}
