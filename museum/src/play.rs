//! The interpreter of scripts.

use crate::exhibit::{Exhibit, lines, tokens};
use crate::record::{Edit, Lines, Record, Splice, View};
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;

/// What a call of a system may fail with.
pub type Done<T = ()> = Result<T, Box<dyn Error>>;

/// What was kept beside the records.
#[derive(Clone, Debug, Default)]
pub struct Aside {
    /// What a person is told of: an inbox, conflicts.
    pub told: Vec<String>,
    /// What is found in the history.
    pub history: Vec<String>,
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    Works,
    LosesReply,
    LosesRequest,
}

/// A system that plays scripts: a server and devices, by name.
pub trait System {
    /// Makes a device that is not there yet.
    fn device(&mut self, device: &str) -> Done;
    fn edit(&mut self, device: &str, record: &str, edit: &Edit) -> Done;
    fn view(&mut self, device: &str) -> Done<View>;
    fn sync(&mut self, device: &str, network: Network) -> Done;
    /// The request is made and answered.
    fn begin(&mut self, device: &str) -> Done;
    /// The reply arrives.
    fn finish(&mut self, device: &str) -> Done;
    /// The last request arrives at the server once more.
    fn again(&mut self, device: &str) -> Done;
    fn backup(&mut self, device: &str) -> Done;
    fn put_back(&mut self, device: &str) -> Done;
    fn copy(&mut self, device: &str, from: &str) -> Done;
    fn forget(&mut self, device: &str) -> Done;
    fn clock(&mut self, device: &str, ahead_ms: i64) -> Done;
    fn server_backup(&mut self) -> Done;
    fn server_restore(&mut self) -> Done;
    fn server_lose(&mut self) -> Done;
    fn wait(&mut self, ms: i64);
    fn aside(&mut self) -> Done<Aside>;
}

/// How often everything is synced at the end.
const ROUNDS: usize = 4;

/// What was there at the end.
pub struct Ending {
    pub views: Vec<View>,
    pub aside: Aside,
}

/// Plays a script to its end, and syncs every device after it.
pub fn play(exhibit: &Exhibit, system: &mut dyn System) -> Done<Ending> {
    let mut player = Player { system, devices: BTreeSet::new(), forms: BTreeMap::new() };
    for line in &exhibit.script {
        player.system.wait(1000);
        player.line(&tokens(line)).map_err(|error| format!("{}: {line}: {error}", exhibit.name))?;
    }
    let devices: Vec<String> = player.devices.iter().cloned().collect();
    for _ in 0..ROUNDS {
        for device in &devices {
            system.wait(1000);
            system.sync(device, Network::Works)?;
        }
    }
    let views = devices.iter().map(|device| system.view(device)).collect::<Done<_>>()?;
    Ok(Ending { views, aside: system.aside()? })
}

struct Player<'a> {
    system: &'a mut dyn System,
    devices: BTreeSet<String>,
    /// What forms show, by device and record.
    forms: BTreeMap<(String, String), Record>,
}

impl Player<'_> {
    fn line(&mut self, parts: &[String]) -> Done {
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        match parts[..] {
            ["wait", time] => {
                self.system.wait(milliseconds(time)?);
                Ok(())
            }
            ["server", "backup"] => self.system.server_backup(),
            ["server", "restore"] => self.system.server_restore(),
            ["server", "lose"] => self.system.server_lose(),
            [device, "copy", from] => {
                self.devices.insert(device.to_owned());
                self.system.copy(device, from)
            }
            [device, ref rest @ ..] => {
                if self.devices.insert(device.to_owned()) {
                    self.system.device(device)?;
                }
                self.command(device, rest)
            }
            [] => Ok(()),
        }
    }

    fn command(&mut self, device: &str, parts: &[&str]) -> Done {
        let system = &mut self.system;
        match *parts {
            ["sync"] => system.sync(device, Network::Works),
            ["sync-lost"] => system.sync(device, Network::LosesReply),
            ["sync-never"] => system.sync(device, Network::LosesRequest),
            ["begin"] => system.begin(device),
            ["finish"] => system.finish(device),
            ["again"] => system.again(device),
            ["backup"] => system.backup(device),
            ["put-back"] => system.put_back(device),
            ["forget"] => system.forget(device),
            ["clock", ahead] => system.clock(device, milliseconds(ahead)?),
            ["add", record, ref fields @ ..] => {
                let mut whole = Record::default();
                fields.iter().try_for_each(|field| set(&mut whole, field))?;
                system.edit(device, record, &Edit::Add(whole))
            }
            [command, record, ref rest @ ..] => {
                let Some(shown) = self.shown(device, record)? else { return Ok(()) };
                self.edit(device, command, record, rest, shown)
            }
            _ => Err("not understood".into()),
        }
    }

    /// The record as the device shows it; a person edits no other.
    fn shown(&mut self, device: &str, record: &str) -> Done<Option<Record>> {
        let mut view = self.system.view(device)?;
        Ok(view.get_mut(record).and_then(Vec::pop))
    }

    fn edit(
        &mut self,
        device: &str,
        command: &str,
        record: &str,
        rest: &[&str],
        shown: Record,
    ) -> Done {
        let form = (device.to_owned(), record.to_owned());
        let edits = match (command, rest) {
            ("open", []) => {
                self.forms.insert(form, shown);
                return Ok(());
            }
            ("save", fields) => {
                let mut saved = self.forms.remove(&form).ok_or("no form is open")?;
                fields.iter().try_for_each(|field| set(&mut saved, field))?;
                vec![Edit::Save(saved)]
            }
            ("touch", []) => vec![Edit::Save(shown)],
            ("delete", []) => vec![Edit::Delete],
            ("count", [by]) => vec![Edit::Count(by.parse()?)],
            ("tag", tags) => vec![tagged(tags)],
            ("set", fields) => {
                let mut whole = shown;
                fields.iter().try_for_each(|field| set(&mut whole, field))?;
                let names = fields.iter().filter_map(|field| field.split_once('='));
                names.map(|(name, _)| replaced(name, &whole)).collect::<Done<_>>()?
            }
            (command, [field, rest @ ..]) => {
                let field = Lines::named(field).ok_or("no such field")?;
                vec![Edit::Typed(field, typed(command, rest, shown.lines(field))?)]
            }
            _ => return Err("not understood".into()),
        };
        edits.iter().try_for_each(|edit| self.system.edit(device, record, edit))
    }
}

fn replaced(name: &str, record: &Record) -> Done<Edit> {
    Ok(match name {
        "title" => Edit::Title(record.title.clone()),
        "done" => Edit::Done(record.done),
        name => {
            let field = Lines::named(name).ok_or("no such field")?;
            Edit::Whole(field, record.lines(field).clone())
        }
    })
}

fn set(record: &mut Record, field: &str) -> Done {
    let (name, value) = field.split_once('=').ok_or("no value")?;
    match name {
        "title" => value.clone_into(&mut record.title),
        "text" => record.text = lines(value),
        "notes" => record.notes = lines(value),
        "tags" => record.tags = value.split(',').map(str::to_owned).collect(),
        "count" => record.count = value.parse()?,
        "done" => record.done = value == "yes",
        _ => return Err("no such field".into()),
    }
    Ok(())
}

fn tagged(tags: &[&str]) -> Edit {
    let of = |sign: char| tags.iter().filter_map(move |tag| tag.strip_prefix(sign));
    let (added, removed) = (of('+').map(str::to_owned), of('-').map(str::to_owned));
    Edit::Tags { added: added.collect(), removed: removed.collect() }
}

/// What a person types for an edit of lines.
fn typed(command: &str, rest: &[&str], text: &str) -> Done<Vec<Splice>> {
    let ends: Vec<usize> = std::iter::once(0)
        .chain(text.chars().enumerate().filter(|(_, is)| *is == '\n').map(|(at, _)| at + 1))
        .collect();
    let start = |line: usize| ends.get(line - 1).copied().ok_or("no such line");
    let insert = |at: usize, inserted: String| Splice { at, deleted: 0, inserted };
    let cut =
        |from: usize, to: usize| Splice { at: from, deleted: to - from, inserted: String::new() };
    let part = |from: usize, to: usize| text.chars().skip(from).take(to - from).collect::<String>();
    Ok(match (command, rest) {
        ("append", [line]) => vec![insert(text.chars().count(), lines(line))],
        ("insert", [at, line]) => vec![insert(start(at.parse()?)?, lines(line))],
        ("replace", [at, line]) => {
            let at: usize = at.parse()?;
            let (from, to) = (start(at)?, start(at + 1)?);
            let splice = Splice::between(&part(from, to), &lines(line));
            vec![Splice { at: from + splice.at, ..splice }]
        }
        ("remove", [range]) => {
            let (from, to) = lines_of(range)?;
            vec![cut(start(from)?, start(to + 1)?)]
        }
        ("move", [range, before]) => {
            let (from, to) = lines_of(range)?;
            let (from, to, before) = (start(from)?, start(to + 1)?, start(before.parse()?)?);
            let at = if to <= before { before - (to - from) } else { before };
            vec![cut(from, to), insert(at, part(from, to))]
        }
        _ => return Err("not understood".into()),
    })
}

fn lines_of(range: &str) -> Done<(usize, usize)> {
    let (from, to) = range.split_once('-').unwrap_or((range, range));
    Ok((from.parse()?, to.parse()?))
}

fn milliseconds(time: &str) -> Done<i64> {
    let unit = match time.chars().last() {
        Some('s') => 1000,
        Some('m') => 60_000,
        Some('h') => 3_600_000,
        Some('d') => 86_400_000,
        _ => return Ok(time.parse::<i64>()? * 1000),
    };
    Ok(time[..time.len() - 1].parse::<i64>()? * unit)
}
