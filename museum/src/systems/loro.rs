//! Loro: a map of records; lines are texts, the counter is a counter, tags are keys of a map.

use super::rig::Model;
use crate::play::{Aside, Done};
use crate::record::{Edit, Lines, Record, View};
use loro::{
    Container, ExportMode, Frontiers, ID, LoroDoc, LoroMap, LoroText, LoroValue, UpdateOptions,
    ValueOrContainer,
};
use std::collections::BTreeSet;
use std::ops::ControlFlow;

/// Documents that are sent whole, as snapshots.
pub(super) struct Documents;

#[derive(Clone)]
pub(super) struct Device {
    /// A clone is the same document; what is kept is kept as a snapshot.
    document: LoroDoc,
}

/// What a server stores.
pub(super) type Snapshot = Option<Vec<u8>>;

/// The map of records, at the root.
const RECORDS: &str = "records";

fn snapshot(document: &LoroDoc) -> Done<Vec<u8>> {
    document.commit();
    Ok(document.export(ExportMode::Snapshot)?)
}

impl Model for Documents {
    type Device = Device;
    type Server = Snapshot;
    type Request = Vec<u8>;
    type Reply = Vec<u8>;

    fn device(&self, number: u64) -> Done<Device> {
        let document = LoroDoc::new();
        document.set_peer_id(number)?;
        Ok(Device { document })
    }

    fn reopen(&self, saved: &Device, number: u64) -> Done<Device> {
        let opened = self.device(number)?;
        opened.document.import(&snapshot(&saved.document)?)?;
        Ok(opened)
    }

    fn forget(&self, _: &mut Device) -> Done {
        Ok(())
    }

    fn edit(&self, device: &mut Device, _: i64, record: &str, edit: &Edit) -> Done {
        let records = device.document.get_map(RECORDS);
        if let Edit::Delete = edit {
            records.delete(record)?;
            device.document.commit();
            return Ok(());
        }
        // Two installations that make one key have one container.
        let map = records.ensure_mergeable_map(record)?;
        change(&map, edit)?;
        device.document.commit();
        Ok(())
    }

    fn view(&self, device: &Device) -> Done<View> {
        Ok(view_of(&device.document))
    }

    fn request(&self, device: &mut Device) -> Done<Vec<u8>> {
        snapshot(&device.document)
    }

    fn serve(&self, server: &mut Snapshot, request: &Vec<u8>) -> Done<Vec<u8>> {
        let merged = LoroDoc::new();
        for part in server.iter().chain([request]) {
            merged.import(part)?;
        }
        let merged = snapshot(&merged)?;
        *server = Some(merged.clone());
        Ok(merged)
    }

    fn accept(&self, device: &mut Device, _: &Vec<u8>, reply: &Vec<u8>) -> Done {
        device.document.import(reply)?;
        Ok(())
    }

    /// It tells of no conflicts. The history has every operation.
    fn aside(&self, device: &Device) -> Done<Aside> {
        let document = LoroDoc::new();
        document.import(&snapshot(&device.document)?)?;
        let heads: Vec<ID> = document.oplog_frontiers().iter().collect();
        let mut operations = Vec::new();
        document.travel_change_ancestors(&heads, &mut |change| {
            let len = i32::try_from(change.len).unwrap_or(i32::MAX);
            let counters = change.id.counter..change.id.counter.saturating_add(len);
            operations.extend(counters.map(|counter| ID::new(change.id.peer, counter)));
            ControlFlow::Continue(())
        })?;
        let mut history = Vec::new();
        for operation in operations {
            document.checkout(&Frontiers::from_id(operation))?;
            let view = view_of(&document);
            history.extend(view.values().flatten().flat_map(Record::words));
        }
        Ok(Aside { told: Vec::new(), history })
    }
}

fn change(map: &LoroMap, edit: &Edit) -> Done {
    let text_of = |field: Lines| -> Done<LoroText> { Ok(map.ensure_mergeable_text(field.name())?) };
    match edit {
        Edit::Title(title) => map.insert("title", title.as_str())?,
        Edit::Done(done) => map.insert("done", *done)?,
        Edit::Typed(field, splices) => {
            let text = text_of(*field)?;
            for splice in splices {
                text.splice(splice.at, splice.deleted, &splice.inserted)?;
            }
        }
        Edit::Whole(field, whole) => text_of(*field)?.update(whole, UpdateOptions::default())?,
        Edit::Tags { added, removed } => {
            let tags = map.ensure_mergeable_map("tags")?;
            added.iter().try_for_each(|tag| tags.insert(tag, true))?;
            removed.iter().try_for_each(|tag| tags.delete(tag))?;
        }
        Edit::Count(by) => map.ensure_mergeable_counter("count")?.increment(*by as f64)?,
        Edit::Add(whole) | Edit::Save(whole) => {
            let shown = record_of(map);
            map.insert("title", whole.title.as_str())?;
            map.insert("done", whole.done)?;
            for field in Lines::ALL {
                text_of(field)?.update(whole.lines(field), UpdateOptions::default())?;
            }
            let without = |one: &BTreeSet<String>, other: &BTreeSet<String>| {
                one.difference(other).cloned().collect::<BTreeSet<_>>()
            };
            let added = without(&whole.tags, &shown.tags);
            let removed = without(&shown.tags, &whole.tags);
            change(map, &Edit::Tags { added, removed })?;
            change(map, &Edit::Count(whole.count - shown.count))?;
        }
        Edit::Delete => {}
    }
    Ok(())
}

fn view_of(document: &LoroDoc) -> View {
    let records = document.get_map(RECORDS);
    let mut view = View::new();
    records.for_each(|name, value| {
        if let ValueOrContainer::Container(Container::Map(map)) = value {
            view.insert(name.to_owned(), vec![record_of(&map)]);
        }
    });
    view
}

fn record_of(map: &LoroMap) -> Record {
    let mut record = Record::default();
    map.for_each(|field, value| match (field, value) {
        ("title", ValueOrContainer::Value(LoroValue::String(title))) => {
            record.title = title.to_string();
        }
        ("done", ValueOrContainer::Value(LoroValue::Bool(done))) => record.done = done,
        ("tags", ValueOrContainer::Container(Container::Map(tags))) => {
            record.tags = tags.keys().map(|tag| tag.to_string()).collect();
        }
        ("count", ValueOrContainer::Container(Container::Counter(count))) => {
            record.count = count.get_value() as i64;
        }
        (field, ValueOrContainer::Container(Container::Text(text))) => {
            if let Some(field) = Lines::named(field) {
                *record.lines_mut(field) = text.to_string();
            }
        }
        _ => {}
    });
    record
}
