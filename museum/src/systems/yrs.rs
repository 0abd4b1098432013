//! Yrs: a map of records; lines are texts, tags are keys of a map. It has no counter, so each
//! installation has a number of its own, and they are added.

use super::rig::Model;
use crate::play::{Aside, Done};
use crate::record::{Edit, Lines, Record, Splice, View};
use std::collections::BTreeSet;
use yrs::types::map::MapPrelim;
use yrs::updates::decoder::Decode;
use yrs::{
    Any, ClientID, Doc, GetString, Map, MapRef, OffsetKind, Options, Out, ReadTxn, StateVector,
    Text, TextPrelim, TextRef, Transact, TransactionMut, Update,
};

/// Documents that are sent whole, as updates. What was deleted is collected, as it is by default.
pub(super) struct Documents;

#[derive(Clone)]
pub(super) struct Device {
    document: Doc,
    number: u64,
}

/// The map of records, at the root.
const RECORDS: &str = "records";

fn document(number: u64) -> Doc {
    // Positions count UTF-16 here; no exhibit has a character of two units.
    let options = Options {
        client_id: ClientID::new(number),
        offset_kind: OffsetKind::Utf16,
        ..Options::default()
    };
    let document = Doc::with_options(options);
    document.get_or_insert_map(RECORDS);
    document
}

fn state(document: &Doc) -> Vec<u8> {
    document.transact().encode_state_as_update_v1(&StateVector::default())
}

fn take(document: &Doc, update: &[u8]) -> Done {
    Ok(document.transact_mut().apply_update(Update::decode_v1(update)?)?)
}

impl Model for Documents {
    type Device = Device;
    /// The state that the server stores.
    type Server = Option<Vec<u8>>;
    type Request = Vec<u8>;
    type Reply = Vec<u8>;

    fn device(&self, number: u64) -> Done<Device> {
        Ok(Device { document: document(number), number })
    }

    fn reopen(&self, saved: &Device, number: u64) -> Done<Device> {
        let opened = document(number);
        take(&opened, &state(&saved.document))?;
        Ok(Device { document: opened, number })
    }

    fn forget(&self, _: &mut Device) -> Done {
        Ok(())
    }

    fn edit(&self, device: &mut Device, _: i64, record: &str, edit: &Edit) -> Done {
        let records = device.document.get_or_insert_map(RECORDS);
        let mut transaction = device.document.transact_mut();
        if let Edit::Add(whole) = edit {
            let map = records.insert(&mut transaction, record, MapPrelim::default());
            map.insert(&mut transaction, "title", whole.title.as_str());
            map.insert(&mut transaction, "done", whole.done);
            for field in Lines::ALL {
                map.insert(&mut transaction, field.name(), TextPrelim::new(whole.lines(field)));
            }
            let tags = map.insert(&mut transaction, "tags", MapPrelim::default());
            for tag in &whole.tags {
                tags.insert(&mut transaction, tag.as_str(), true);
            }
            let counts = map.insert(&mut transaction, "count", MapPrelim::default());
            counts.insert(&mut transaction, device.number.to_string(), whole.count);
            return Ok(());
        }
        if let Edit::Delete = edit {
            records.remove(&mut transaction, record);
            return Ok(());
        }
        let map = map_of(&transaction, &records, record)?;
        change(&mut transaction, &map, device.number, edit)
    }

    fn view(&self, device: &Device) -> Done<View> {
        let records = device.document.get_or_insert_map(RECORDS);
        let transaction = device.document.transact();
        let mut view = View::new();
        for (name, value) in records.iter(&transaction) {
            let Out::YMap(map) = value else { continue };
            view.insert(name.to_owned(), vec![record_of(&transaction, &map)?]);
        }
        Ok(view)
    }

    fn request(&self, device: &mut Device) -> Done<Vec<u8>> {
        Ok(state(&device.document))
    }

    fn serve(&self, server: &mut Self::Server, request: &Vec<u8>) -> Done<Vec<u8>> {
        // The server makes no edits.
        let merged = document(u64::from(u32::MAX));
        for update in server.iter().chain([request]) {
            take(&merged, update)?;
        }
        let merged = state(&merged);
        *server = Some(merged.clone());
        Ok(merged)
    }

    fn accept(&self, device: &mut Device, _: &Vec<u8>, reply: &Vec<u8>) -> Done {
        take(&device.document, reply)
    }

    /// It tells of no conflicts, and what was overwritten or deleted is collected.
    fn aside(&self, _: &Device) -> Done<Aside> {
        Ok(Aside::default())
    }
}

fn text_of(transaction: &impl ReadTxn, map: &MapRef, field: Lines) -> Done<TextRef> {
    match map.get(transaction, field.name()) {
        Some(Out::YText(text)) => Ok(text),
        _ => Err("no such text".into()),
    }
}

fn map_of(transaction: &impl ReadTxn, map: &MapRef, key: &str) -> Done<MapRef> {
    match map.get(transaction, key) {
        Some(Out::YMap(map)) => Ok(map),
        _ => Err("no such map".into()),
    }
}

fn splice(transaction: &mut TransactionMut<'_>, text: &TextRef, splice: &Splice) -> Done {
    let at = u32::try_from(splice.at)?;
    text.remove_range(transaction, at, u32::try_from(splice.deleted)?);
    text.insert(transaction, at, &splice.inserted);
    Ok(())
}

fn change(transaction: &mut TransactionMut<'_>, map: &MapRef, number: u64, edit: &Edit) -> Done {
    match edit {
        Edit::Title(title) => drop(map.insert(transaction, "title", title.as_str())),
        Edit::Done(done) => drop(map.insert(transaction, "done", *done)),
        Edit::Typed(field, splices) => {
            let text = text_of(transaction, map, *field)?;
            splices.iter().try_for_each(|of| splice(transaction, &text, of))?;
        }
        // It has no call that replaces a text; an editor's binding sends what differs.
        Edit::Whole(field, whole) => {
            let text = text_of(transaction, map, *field)?;
            let old = text.get_string(transaction);
            splice(transaction, &text, &Splice::between(&old, whole))?;
        }
        Edit::Tags { added, removed } => {
            let tags = map_of(transaction, map, "tags")?;
            for tag in added {
                tags.insert(transaction, tag.as_str(), true);
            }
            for tag in removed {
                tags.remove(transaction, tag);
            }
        }
        Edit::Count(by) => {
            let counts = map_of(transaction, map, "count")?;
            let own = match counts.get(transaction, &number.to_string()) {
                Some(Out::Any(Any::Number(own))) => own.as_i64().unwrap_or_default(),
                _ => 0,
            };
            counts.insert(transaction, number.to_string(), own + by);
        }
        Edit::Save(whole) => {
            let shown = record_of(transaction, map)?;
            change(transaction, map, number, &Edit::Title(whole.title.clone()))?;
            change(transaction, map, number, &Edit::Done(whole.done))?;
            for field in Lines::ALL {
                let whole = whole.lines(field).clone();
                change(transaction, map, number, &Edit::Whole(field, whole))?;
            }
            let without = |one: &BTreeSet<String>, other: &BTreeSet<String>| {
                one.difference(other).cloned().collect::<BTreeSet<_>>()
            };
            let added = without(&whole.tags, &shown.tags);
            let removed = without(&shown.tags, &whole.tags);
            change(transaction, map, number, &Edit::Tags { added, removed })?;
            if whole.count != shown.count {
                change(transaction, map, number, &Edit::Count(whole.count - shown.count))?;
            }
        }
        Edit::Add(_) | Edit::Delete => {}
    }
    Ok(())
}

fn record_of(transaction: &impl ReadTxn, map: &MapRef) -> Done<Record> {
    let mut record = Record::default();
    if let Some(Out::Any(Any::String(title))) = map.get(transaction, "title") {
        record.title = title.to_string();
    }
    if let Some(Out::Any(Any::Bool(done))) = map.get(transaction, "done") {
        record.done = done;
    }
    for field in Lines::ALL {
        if let Some(Out::YText(text)) = map.get(transaction, field.name()) {
            *record.lines_mut(field) = text.get_string(transaction);
        }
    }
    if let Some(Out::YMap(tags)) = map.get(transaction, "tags") {
        record.tags = tags.keys(transaction).map(str::to_owned).collect();
    }
    if let Some(Out::YMap(counts)) = map.get(transaction, "count") {
        for (_, value) in counts.iter(transaction) {
            if let Out::Any(Any::Number(count)) = value {
                record.count += count.as_i64().unwrap_or_default();
            }
        }
    }
    Ok(record)
}
