//! What the head should say about the records.

use super::Fault;
use crate::engine::commit::{OldFacts, count};
use crate::schema::Schema;
use crate::store::{Envelope, Epoch, Generation, Head};
use crate::time::UnixMillis;

/// The sums of records, one added after the other.
#[derive(Clone, Debug)]
pub(super) struct Sums {
    head: Head,
    /// Whether there is a record whose part of the sums is unknown.
    has_unknown: bool,
}

impl Sums {
    pub(super) fn new() -> Self {
        let head = Head::before_all(Epoch(0), Generation(0), UnixMillis(0));
        Self { head, has_unknown: false }
    }

    /// Adds a record.
    pub(super) fn add(&mut self, schema: &Schema, record: &Envelope) {
        count(schema, &mut self.head, None::<OldFacts>, record);
    }

    /// Adds a record whose part of the sums is unknown.
    pub(super) fn add_unknown(&mut self) {
        self.head.records += 1;
        self.has_unknown = true;
    }

    /// Whether all that the head should say is known.
    pub(super) fn are_known(&self) -> bool {
        !self.has_unknown
    }

    /// Reports where `head` differs.
    pub(super) fn compare(&self, head: &Head, tell: &mut impl FnMut(Fault, String)) {
        let Self { head: sums, .. } = self;
        let mut differ = |fault, there: u64, wanted: u64| {
            if there != wanted {
                tell(fault, format!("{there}, and the records come to {wanted}"));
            }
        };
        differ(Fault::RecordCount, head.records, sums.records);
        if self.has_unknown {
            return;
        }
        differ(Fault::ByteCount, head.bytes, sums.bytes);
        differ(Fault::MaxVersion, head.max_version.into(), sums.max_version.into());
        if head.versions != sums.versions {
            tell(Fault::VersionsDigest, String::new());
        }
        if head.content != sums.content {
            tell(Fault::ContentDigest, String::new());
        }
    }

    /// Writes the sums into a head.
    pub(super) fn write(&self, head: &mut Head) {
        let Self { head: sums, .. } = self;
        head.records = sums.records;
        head.bytes = sums.bytes;
        head.max_version = sums.max_version;
        head.versions = sums.versions;
        head.content = sums.content;
    }
}
