//! A batch as the parameters of one statement: columns of arrays.
//!
//! One statement takes any number of records: each column is one array, and `unnest` makes rows of
//! them on the server. So the text of the statement is always the same, and is prepared once. With
//! a placeholder per record there would be another text for each size of a batch.
//!
//! Contents are borrowed from the batch, not copied.

use crate::life::Life;
use crate::{rows, schema};
use haumana_sync::id::UserId;
use haumana_sync::store::{Batch, Head};
use tokio_postgres::types::ToSql;
use uuid::Uuid;

/// The parameters `$1` to `$36` of a commit.
pub(crate) struct Parameters<'a>(Vec<Box<dyn ToSql + Sync + Send + 'a>>);

impl<'a> Parameters<'a> {
    /// Takes a batch apart into columns.
    pub(crate) fn of(
        user: &'a UserId,
        expected: Option<&Head>,
        batch: &'a Batch,
        life: Life,
    ) -> Self {
        let mut all = Self(Vec::with_capacity(36));
        all.put_head(user, &batch.head);
        all.put_expected(expected);
        all.put_records(batch);
        all.put_history(batch);
        all.put(schema::known_version());
        all.put(i64::from(life.generation.0));
        all
    }

    /// Returns them in the form that a statement takes.
    pub(crate) fn as_refs(&self) -> Vec<&(dyn ToSql + Sync)> {
        self.0.iter().map(|value| value.as_ref() as &(dyn ToSql + Sync)).collect()
    }

    fn put(&mut self, value: impl ToSql + Sync + Send + 'a) {
        self.0.push(Box::new(value));
    }

    /// `$1` to `$15`. Numbers without a sign are stored with the same 64 bits, digests and the
    /// commit id as `UUID`, which is 16 bytes.
    fn put_head(&mut self, user: &'a UserId, head: &'a Head) {
        self.put(user.as_str());
        self.put(head.epoch.0.cast_signed());
        self.put(head.revision.0.cast_signed());
        self.put(head.stamp.0);
        self.put(i64::from(head.generation.0));
        self.put(Uuid::from_u128(head.versions.bits()));
        self.put(Uuid::from_u128(head.content.bits()));
        self.put(head.records.cast_signed());
        self.put(head.bytes.cast_signed());
        self.put(i64::from(head.max_version));
        self.put(Uuid::from_u128(head.commit.0));
        self.put(i16::from(head.state.number()));
        self.put(head.erased_at.map(|at| at.0));
        self.put(head.purged_at.0);
        self.put(head.notes.as_bytes());
    }

    /// `$16` to `$18`: the fields that tell one head from another. All are null for the first
    /// commit of an account.
    fn put_expected(&mut self, expected: Option<&Head>) {
        self.put(expected.map(|head| head.epoch.0.cast_signed()));
        self.put(expected.map(|head| head.revision.0.cast_signed()));
        self.put(expected.map(|head| Uuid::from_u128(head.commit.0)));
    }

    /// `$19` to `$27`. Revision and stamp are those of the head, so they have no columns here.
    fn put_records(&mut self, batch: &'a Batch) {
        // In the order of the keys, so that neighbours go to the same page one after the other.
        let mut records: Vec<_> = batch.records.iter().collect();
        records.sort_unstable_by_key(|record| record.key);
        self.put(column(&records, |record| rows::kind_number(record.key.kind)));
        self.put(column(&records, |record| rows::uuid(record.key.id)));
        self.put(column(&records, |record| i64::from(record.version)));
        self.put(column(&records, |record| record.modified_at.0));
        self.put(column(&records, |record| record.deleted));
        self.put(column(&records, |record| Uuid::from_u128(record.hash.bits())));
        self.put(column(&records, |record| i32::from(record.format)));
        self.put(column(&records, |record| record.content.as_bytes()));
        self.put(column(&records, |record| record.meta.as_bytes()));
    }

    /// `$28` to `$34`.
    fn put_history(&mut self, batch: &'a Batch) {
        let entries: Vec<_> = batch.history.iter().collect();
        self.put(column(&entries, |entry| rows::kind_number(entry.key.key.kind)));
        self.put(column(&entries, |entry| rows::uuid(entry.key.key.id)));
        self.put(column(&entries, |entry| i64::from(entry.key.version)));
        self.put(column(&entries, |entry| i64::from(entry.key.side)));
        self.put(column(&entries, |entry| entry.at.0));
        self.put(column(&entries, |entry| entry.content.as_bytes()));
        self.put(column(&entries, |entry| entry.meta.as_bytes()));
    }
}

fn column<'a, T, V>(items: &[&'a T], value: impl Fn(&'a T) -> V) -> Vec<V> {
    items.iter().map(|item| value(item)).collect()
}
