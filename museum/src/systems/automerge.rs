//! Automerge: a map of records; lines are texts, the counter is a counter, tags are keys of a map.

use super::rig::Model;
use crate::play::{Aside, Done};
use crate::record::{Edit, Lines, Record, View};
use automerge::transaction::Transactable;
use automerge::{
    ActorId, AutoCommit, ChangeHash, ObjId, ObjType, ROOT, ReadDoc, ScalarValue, Value,
};
use std::collections::BTreeSet;

/// Documents that are saved, sent whole, and merged.
pub(super) struct Documents;

#[derive(Clone)]
pub(super) struct Device {
    document: AutoCommit,
}

fn actor(number: u64) -> ActorId {
    ActorId::from(number.to_be_bytes().to_vec())
}

impl Model for Documents {
    type Device = Device;
    type Server = AutoCommit;
    type Request = Vec<u8>;
    type Reply = Vec<u8>;

    fn device(&self, number: u64) -> Done<Device> {
        Ok(Device { document: AutoCommit::new().with_actor(actor(number)) })
    }

    // A document that is loaded has a new actor.
    fn reopen(&self, saved: &Device, number: u64) -> Done<Device> {
        let bytes = saved.document.clone().save();
        Ok(Device { document: AutoCommit::load(&bytes)?.with_actor(actor(number)) })
    }

    fn forget(&self, _: &mut Device) -> Done {
        Ok(())
    }

    fn edit(&self, device: &mut Device, _: i64, record: &str, edit: &Edit) -> Done {
        let document = &mut device.document;
        if let Edit::Add(whole) = edit {
            let map = document.put_object(ROOT, record, ObjType::Map)?;
            document.put(&map, "title", whole.title.as_str())?;
            document.put(&map, "done", whole.done)?;
            document.put(&map, "count", ScalarValue::counter(whole.count))?;
            for field in Lines::ALL {
                let text = document.put_object(&map, field.name(), ObjType::Text)?;
                document.splice_text(&text, 0, 0, whole.lines(field))?;
            }
            let tags = document.put_object(&map, "tags", ObjType::Map)?;
            whole.tags.iter().try_for_each(|tag| document.put(&tags, tag.as_str(), true))?;
            document.commit();
            return Ok(());
        }
        if let Edit::Delete = edit {
            document.delete(ROOT, record)?;
            document.commit();
            return Ok(());
        }
        let (_, map) = document.get(ROOT, record)?.ok_or("no such record")?;
        change(document, &map, edit)?;
        document.commit();
        Ok(())
    }

    fn view(&self, device: &Device) -> Done<View> {
        let mut document = device.document.clone();
        let heads = document.get_heads();
        let mut view = View::new();
        for name in document.keys(ROOT) {
            let found = document.get(ROOT, name.as_str())?;
            let Some((Value::Object(_), map)) = found else { continue };
            view.insert(name, vec![record_of(&document, &map, &heads)?]);
        }
        Ok(view)
    }

    fn request(&self, device: &mut Device) -> Done<Vec<u8>> {
        Ok(device.document.save())
    }

    fn serve(&self, server: &mut AutoCommit, request: &Vec<u8>) -> Done<Vec<u8>> {
        server.merge(&mut AutoCommit::load(request)?)?;
        Ok(server.save())
    }

    fn accept(&self, device: &mut Device, _: &Vec<u8>, reply: &Vec<u8>) -> Done {
        device.document.merge(&mut AutoCommit::load(reply)?)?;
        Ok(())
    }

    /// People can be told of conflicts (`get_all`). The history has every change.
    fn aside(&self, device: &Device) -> Done<Aside> {
        let mut document = device.document.clone();
        let mut aside = Aside::default();
        let heads = document.get_heads();
        for name in document.keys(ROOT).collect::<Vec<_>>() {
            for (value, map) in document.get_all(ROOT, name.as_str())? {
                if !matches!(value, Value::Object(_)) {
                    continue;
                }
                // The record that won, too: of it only the values that lost are beside.
                aside.told.extend(record_of(&document, &map, &heads)?.words());
                for field in ["title", "done"] {
                    for (value, _) in document.get_all(&map, field)? {
                        aside.told.push(word(&value));
                    }
                }
            }
        }
        for change in document.get_changes(&[]) {
            let heads = [change.hash()];
            for name in document.keys_at(ROOT, &heads).collect::<Vec<_>>() {
                let found = document.get_at(ROOT, name.as_str(), &heads)?;
                let Some((Value::Object(_), map)) = found else { continue };
                aside.history.extend(record_of(&document, &map, &heads)?.words());
            }
        }
        Ok(aside)
    }
}

fn word(value: &Value<'_>) -> String {
    match value.as_bool() {
        Some(done) => Record { done, ..Record::default() }.switch(),
        None => value.as_str().unwrap_or_default().to_owned(),
    }
}

fn change(document: &mut AutoCommit, map: &ObjId, edit: &Edit) -> Done {
    let text_of = |document: &AutoCommit, field: Lines| -> Done<ObjId> {
        Ok(document.get(map, field.name())?.ok_or("no such field")?.1)
    };
    match edit {
        Edit::Title(title) => document.put(map, "title", title.as_str())?,
        Edit::Done(done) => document.put(map, "done", *done)?,
        Edit::Typed(field, splices) => {
            let text = text_of(document, *field)?;
            for splice in splices {
                let deleted = isize::try_from(splice.deleted)?;
                document.splice_text(&text, splice.at, deleted, &splice.inserted)?;
            }
        }
        Edit::Whole(field, whole) => {
            let text = text_of(document, *field)?;
            document.update_text(&text, whole)?;
        }
        Edit::Tags { added, removed } => {
            let (_, tags) = document.get(map, "tags")?.ok_or("no tags")?;
            added.iter().try_for_each(|tag| document.put(&tags, tag.as_str(), true))?;
            removed.iter().try_for_each(|tag| document.delete(&tags, tag.as_str()))?;
        }
        Edit::Count(by) => document.increment(map, "count", *by)?,
        Edit::Save(whole) => {
            let heads = document.get_heads();
            let shown = record_of(document, map, &heads)?;
            document.put(map, "title", whole.title.as_str())?;
            document.put(map, "done", whole.done)?;
            document.increment(map, "count", whole.count - shown.count)?;
            for field in Lines::ALL {
                let text = text_of(document, field)?;
                document.update_text(&text, whole.lines(field))?;
            }
            let without = |one: &BTreeSet<String>, other: &BTreeSet<String>| {
                one.difference(other).cloned().collect::<BTreeSet<_>>()
            };
            let added = without(&whole.tags, &shown.tags);
            let removed = without(&shown.tags, &whole.tags);
            change(document, map, &Edit::Tags { added, removed })?;
        }
        Edit::Add(_) | Edit::Delete => {}
    }
    Ok(())
}

fn record_of(document: &AutoCommit, map: &ObjId, heads: &[ChangeHash]) -> Done<Record> {
    let mut record = Record::default();
    if let Some((value, _)) = document.get_at(map, "title", heads)? {
        value.as_str().unwrap_or_default().clone_into(&mut record.title);
    }
    if let Some((value, _)) = document.get_at(map, "done", heads)? {
        record.done = value.as_bool().unwrap_or_default();
    }
    if let Some((value, _)) = document.get_at(map, "count", heads)? {
        record.count = value.as_i64().unwrap_or_default();
    }
    for field in Lines::ALL {
        if let Some((_, text)) = document.get_at(map, field.name(), heads)? {
            *record.lines_mut(field) = document.text_at(&text, heads)?;
        }
    }
    if let Some((_, tags)) = document.get_at(map, "tags", heads)? {
        record.tags = document.keys_at(&tags, heads).collect();
    }
    Ok(record)
}
