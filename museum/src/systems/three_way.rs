//! Files with a base: each device remembers what it last agreed on with the server.

use super::rig::Model;
use crate::play::{Aside, Done};
use crate::record::{Edit, Record, View};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};

/// The fields of a record, each a file of lines.
pub(super) type Files = [String; 6];

/// How one field is merged. `base` is `None` if it is not known.
pub(super) trait Merge {
    fn merge(&self, field: usize, base: Option<&str>, mine: &str, theirs: &str) -> Done<String>;
}

/// Merges record by record, field by field. A record that one side deleted and the other one changed
/// stays.
pub(super) struct ThreeWay<M>(pub(super) M);

type Folder = BTreeMap<String, Files>;

#[derive(Clone, Default)]
pub(super) struct Device {
    base: Folder,
    mine: Folder,
}

impl<M: Merge> ThreeWay<M> {
    fn merge(&self, base: &Folder, mine: &Folder, theirs: &Folder) -> Done<Folder> {
        let names: BTreeSet<&String> =
            base.keys().chain(mine.keys()).chain(theirs.keys()).collect();
        let mut merged = Folder::new();
        for name in names {
            let (base, mine, theirs) = (base.get(name), mine.get(name), theirs.get(name));
            let record = match (mine, theirs) {
                _ if mine == base => theirs.cloned(),
                _ if theirs == base => mine.cloned(),
                (Some(mine), Some(theirs)) => Some(self.fields(base, mine, theirs)?),
                (mine, theirs) => mine.or(theirs).cloned(),
            };
            if let Some(record) = record {
                merged.insert(name.clone(), record);
            }
        }
        Ok(merged)
    }

    fn fields(&self, base: Option<&Files>, mine: &Files, theirs: &Files) -> Done<Files> {
        let mut merged = mine.clone();
        for (field, into) in merged.iter_mut().enumerate() {
            let base = base.map(|base| base[field].as_str());
            let (mine, theirs) = (mine[field].as_str(), theirs[field].as_str());
            let is_theirs = base == Some(mine) || mine == theirs;
            *into = match () {
                () if is_theirs => theirs.to_owned(),
                () if base == Some(theirs) => mine.to_owned(),
                () => self.0.merge(field, base, mine, theirs)?,
            };
        }
        Ok(merged)
    }
}

impl<M: Merge> Model for ThreeWay<M> {
    type Device = Device;
    type Server = Folder;
    type Request = Device;
    type Reply = Folder;

    fn device(&self, _: u64) -> Done<Device> {
        Ok(Device::default())
    }

    fn reopen(&self, saved: &Device, _: u64) -> Done<Device> {
        Ok(saved.clone())
    }

    fn forget(&self, device: &mut Device) -> Done {
        device.base.clear();
        Ok(())
    }

    fn edit(&self, device: &mut Device, _: i64, name: &str, edit: &Edit) -> Done {
        if matches!(edit, Edit::Delete) {
            device.mine.remove(name);
            return Ok(());
        }
        // A person edits what is outside of the conflict's marks, and what is inside stays.
        let files = device.mine.entry(name.to_owned()).or_default();
        let before = record(files);
        let mut after = before.clone();
        edit.apply(&mut after);
        let (old, new) = (self::files(&before), self::files(&after));
        for (file, (old, new)) in files.iter_mut().zip(old.into_iter().zip(new)) {
            if old != new {
                *file = new + &conflicts(file).concat();
            }
        }
        Ok(())
    }

    fn view(&self, device: &Device) -> Done<View> {
        let records = device.mine.iter();
        Ok(records.map(|(name, files)| (name.clone(), vec![record(files)])).collect())
    }

    fn request(&self, device: &mut Device) -> Done<Device> {
        Ok(device.clone())
    }

    fn serve(&self, server: &mut Folder, request: &Device) -> Done<Folder> {
        *server = self.merge(&request.base, &request.mine, server)?;
        Ok(server.clone())
    }

    fn accept(&self, device: &mut Device, request: &Device, reply: &Folder) -> Done {
        device.mine = self.merge(&request.mine, &device.mine, reply)?;
        device.base.clone_from(reply);
        Ok(())
    }

    fn aside(&self, device: &Device) -> Done<Aside> {
        let mut told = Vec::new();
        for files in device.mine.values() {
            told.extend(files.iter().flat_map(|file| conflicts(file)));
            let counts = conflicts(&files[4]);
            let counts = counts.iter().filter_map(|line| line.trim().parse().ok());
            told.extend(counts.map(Record::count_word));
        }
        Ok(Aside { told, history: Vec::new() })
    }
}

fn files(record: &Record) -> Files {
    let Record { title, text, notes, tags, count, done } = record;
    let tags = tags.iter().map(|tag| format!("{tag}\n")).collect();
    let title = if title.is_empty() { String::new() } else { format!("{title}\n") };
    [title, text.clone(), notes.clone(), tags, format!("{count}\n"), format!("{}\n", done)]
}

fn record(files: &Files) -> Record {
    let [title, text, notes, tags, count, done] = files.each_ref().map(|file| clean(file));
    Record {
        title: title.trim_end().to_owned(),
        text,
        notes,
        tags: tags.lines().map(str::to_owned).collect(),
        count: count.trim().parse().unwrap_or_default(),
        done: done.trim() == "true",
    }
}

/// What stands outside of the marks of conflicts.
fn clean(file: &str) -> String {
    parts(file).into_iter().filter(|(_, is_inside)| !is_inside).map(|(line, _)| line).collect()
}

/// What stands inside of them, marks and all.
fn conflicts(file: &str) -> Vec<String> {
    let inside = parts(file).into_iter().filter(|(_, is_inside)| *is_inside);
    inside.map(|(line, _)| line.to_owned()).collect()
}

fn parts(file: &str) -> Vec<(&str, bool)> {
    let mut depth = 0_usize;
    let lines = file.split_inclusive('\n').map(|line| {
        depth += usize::from(line.starts_with("<<<<<<<"));
        let is_inside = 0 < depth;
        depth -= usize::from(line.starts_with(">>>>>>>") && 0 < depth);
        (line, is_inside)
    });
    lines.collect()
}

/// `git merge-file`. What it cannot merge stands in the file between marks.
pub(super) struct GitFiles {
    folder: PathBuf,
}

/// How many folders were made.
static FOLDERS: AtomicU64 = AtomicU64::new(0);

impl GitFiles {
    pub(super) fn new() -> Done<Self> {
        let number = FOLDERS.fetch_add(1, Ordering::Relaxed);
        let name = format!("haumana-museum-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder)?;
        Ok(Self { folder })
    }
}

impl Drop for GitFiles {
    fn drop(&mut self) {
        // What is left over is in the folder for temporary files.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Merge for GitFiles {
    fn merge(&self, _: usize, base: Option<&str>, mine: &str, theirs: &str) -> Done<String> {
        let versions = [("theirs", theirs), ("base", base.unwrap_or_default()), ("mine", mine)];
        for (name, text) in versions {
            fs::write(self.folder.join(name), text)?;
        }
        let mut git = Command::new("git");
        git.args(["merge-file", "-p", "-q", "theirs", "base", "mine"]).current_dir(&self.folder);
        let merged = git.output()?;
        // The number of conflicts; more than that is an error.
        if merged.status.code().is_none_or(|code| 127 < code) {
            return Err(String::from_utf8_lossy(&merged.stderr).into());
        }
        Ok(String::from_utf8(merged.stdout)?)
    }
}
