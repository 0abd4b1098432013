//! Last writer wins: of each record, or of each field, the value with the latest time stays.

use super::rig::Model;
use crate::play::{Aside, Done};
use crate::record::{Edit, Record, View};
use std::collections::BTreeMap;
use std::marker::PhantomData;

/// A time of a device's clock; equal times are decided by the installation.
type Stamp = (i64, u64);

/// What an installation holds.
#[derive(Clone)]
pub(super) struct Held<T> {
    number: u64,
    records: BTreeMap<String, T>,
}

/// The whole record has one time. A delete is a record without content.
#[derive(Clone, Default)]
pub(super) struct Whole {
    at: Stamp,
    record: Option<Record>,
}

/// Each field has its own time. A deleted record stays deleted.
#[derive(Clone, Default)]
pub(super) struct Parts {
    record: Record,
    is_deleted: bool,
    at: [Stamp; 6],
}

/// What can be merged by time.
pub(super) trait Timed: Clone + Default {
    fn edit(&mut self, at: Stamp, edit: &Edit);
    fn merge(&mut self, other: &Self);
    fn shown(&self) -> Option<&Record>;
}

impl Timed for Whole {
    fn edit(&mut self, at: Stamp, edit: &Edit) {
        self.at = at;
        match edit {
            Edit::Delete => self.record = None,
            edit => edit.apply(self.record.get_or_insert_default()),
        }
    }

    fn merge(&mut self, other: &Self) {
        if self.at < other.at {
            self.clone_from(other);
        }
    }

    fn shown(&self) -> Option<&Record> {
        self.record.as_ref()
    }
}

impl Timed for Parts {
    fn edit(&mut self, at: Stamp, edit: &Edit) {
        edit.apply(&mut self.record);
        self.is_deleted |= matches!(edit, Edit::Delete);
        let fields: &[usize] = match edit {
            Edit::Add(_) | Edit::Save(_) => &[0, 1, 2, 3, 4, 5],
            Edit::Title(_) => &[0],
            Edit::Typed(field, _) | Edit::Whole(field, _) => match field.name() {
                "text" => &[1],
                _ => &[2],
            },
            Edit::Tags { .. } => &[3],
            Edit::Count(_) => &[4],
            Edit::Done(_) => &[5],
            Edit::Delete => &[],
        };
        fields.iter().for_each(|field| self.at[*field] = at);
    }

    fn merge(&mut self, other: &Self) {
        let is_later: Vec<bool> = self.at.iter().zip(&other.at).map(|(own, at)| own < at).collect();
        let (own, theirs) = (&mut self.record, other.record.clone());
        if is_later[0] {
            own.title = theirs.title;
        }
        if is_later[1] {
            own.text = theirs.text;
        }
        if is_later[2] {
            own.notes = theirs.notes;
        }
        if is_later[3] {
            own.tags = theirs.tags;
        }
        if is_later[4] {
            own.count = theirs.count;
        }
        if is_later[5] {
            own.done = theirs.done;
        }
        for (own, at) in self.at.iter_mut().zip(other.at) {
            *own = at.max(*own);
        }
        self.is_deleted |= other.is_deleted;
    }

    fn shown(&self) -> Option<&Record> {
        (!self.is_deleted).then_some(&self.record)
    }
}

/// Merges by the time of whole records or of fields.
pub(super) struct ByTime<T>(PhantomData<T>);

impl<T> Default for ByTime<T> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

fn merge<T: Timed>(own: &mut BTreeMap<String, T>, other: &BTreeMap<String, T>) {
    for (name, record) in other {
        own.entry(name.clone()).or_default().merge(record);
    }
}

impl<T: Timed> Model for ByTime<T> {
    type Device = Held<T>;
    type Server = BTreeMap<String, T>;
    type Request = BTreeMap<String, T>;
    type Reply = BTreeMap<String, T>;

    fn device(&self, number: u64) -> Done<Self::Device> {
        Ok(Held { number, records: BTreeMap::new() })
    }

    fn reopen(&self, saved: &Self::Device, number: u64) -> Done<Self::Device> {
        Ok(Held { number, records: saved.records.clone() })
    }

    // It compares everything each time.
    fn forget(&self, _: &mut Self::Device) -> Done {
        Ok(())
    }

    fn edit(&self, device: &mut Self::Device, at_ms: i64, record: &str, edit: &Edit) -> Done {
        let stamp = (at_ms, device.number);
        device.records.entry(record.to_owned()).or_default().edit(stamp, edit);
        Ok(())
    }

    fn view(&self, device: &Self::Device) -> Done<View> {
        let shown = device.records.iter().filter_map(|(name, of)| Some((name, of.shown()?)));
        Ok(shown.map(|(name, record)| (name.clone(), vec![record.clone()])).collect())
    }

    fn request(&self, device: &mut Self::Device) -> Done<Self::Request> {
        Ok(device.records.clone())
    }

    fn serve(&self, server: &mut Self::Server, request: &Self::Request) -> Done<Self::Reply> {
        merge(server, request);
        Ok(server.clone())
    }

    fn accept(&self, device: &mut Self::Device, _: &Self::Request, reply: &Self::Reply) -> Done {
        merge(&mut device.records, reply);
        Ok(())
    }

    fn aside(&self, _: &Self::Device) -> Done<Aside> {
        Ok(Aside::default())
    }
}
