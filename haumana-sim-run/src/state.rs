//! The finished work, in a file: which seeds of which profile on which store, what they consisted
//! of, and what they found.
//!
//! The file is replaced as a whole, now and then. Each seed that is done since is a line of the
//! journal beside it, written at once. A line about a seed that the file already has changes
//! nothing. So a run may be killed at any point between the two writes.

use crate::findings::Finding;
use crate::ranges::Ranges;
use crate::totals::Totals;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The finished work of one profile on one store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Its seeds.
    pub seeds: Ranges,
    /// What they consisted of.
    pub totals: Totals,
}

/// All finished work.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// By store, then by profile.
    pub stores: BTreeMap<String, BTreeMap<String, Part>>,
    /// What was found.
    pub findings: Vec<Finding>,
}

/// One finished seed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Done {
    /// The store.
    pub store: String,
    /// The profile.
    pub profile: String,
    /// The seed.
    pub seed: u64,
    /// What it consisted of.
    pub totals: Totals,
    /// What it found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finding: Option<Finding>,
}

impl State {
    /// Reads a state file with its journal. If there is no file, nothing is done yet.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, or is not a state.
    pub fn read(path: &Path) -> io::Result<Self> {
        let mut state: Self = match fs::read(path) {
            Ok(text) => serde_json::from_slice(&text)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::default(),
            Err(error) => return Err(error),
        };
        match fs::read_to_string(journal_of(path)) {
            // The last line may be incomplete: its seed was in progress.
            Ok(lines) => {
                lines.lines().filter_map(|line| serde_json::from_str(line).ok()).for_each(|done| {
                    state.add(done);
                });
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        Ok(state)
    }

    /// Adds a finished seed; `false` if the state has it already.
    pub fn add(&mut self, done: Done) -> bool {
        let Done { store, profile, seed, totals, finding } = done;
        let part = self.stores.entry(store).or_default().entry(profile).or_default();
        if !part.seeds.insert(seed) {
            return false;
        }
        part.totals.add(&totals);
        self.findings.extend(finding);
        true
    }

    /// The finished work of a profile on a store.
    pub fn part(&self, store: &str, profile: &str) -> Option<&Part> {
        self.stores.get(store)?.get(profile)
    }

    /// The finished work on a store.
    pub fn totals(&self, store: &str) -> Totals {
        let mut totals = Totals::default();
        for part in self.stores.get(store).into_iter().flat_map(BTreeMap::values) {
            totals.add(&part.totals);
        }
        totals
    }
}

/// A state and its files.
#[derive(Debug)]
pub struct Saved {
    path: PathBuf,
    journal: File,
    /// The finished work.
    pub state: State,
}

impl Saved {
    /// Opens the state file of a store, and adds the content of its journal.
    ///
    /// # Errors
    ///
    /// Those of [`State::read`]; and if the file cannot be written, if another run has it open, or
    /// if it belongs to another store. Such a file is left unchanged.
    pub fn open(path: &Path, store: &str) -> io::Result<Self> {
        let journal = OpenOptions::new().create(true).append(true).open(journal_of(path))?;
        journal.try_lock().map_err(|_| io::Error::other("another run uses this state file"))?;
        let state = State::read(path)?;
        if let Some(other) = state.stores.keys().find(|name| *name != store) {
            return Err(io::Error::other(format!(
                "{} is the state file of the store {other}; choose another file for the store {store} \
                 with --state",
                path.display()
            )));
        }
        let mut saved = Self { state, journal, path: path.to_owned() };
        saved.save()?;
        Ok(saved)
    }

    /// Adds a finished seed, and writes it to the journal at once.
    ///
    /// # Errors
    ///
    /// If the journal cannot be written.
    pub fn add(&mut self, done: Done) -> io::Result<()> {
        let mut line = serde_json::to_vec(&done)?;
        line.push(b'\n');
        self.journal.write_all(&line)?;
        self.state.add(done);
        Ok(())
    }

    /// Replaces the file as a whole, and starts a new journal.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn save(&mut self) -> io::Result<()> {
        replace(&self.path, &serde_json::to_vec(&self.state)?)?;
        self.journal.set_len(0)
    }
}

/// Replaces a file. A reader gets the old content or the new one.
///
/// # Errors
///
/// If it cannot be written.
pub fn replace(path: &Path, text: &[u8]) -> io::Result<()> {
    let new = beside(path, "new");
    let mut file = File::create(&new)?;
    file.write_all(text)?;
    file.sync_data()?;
    fs::rename(new, path)
}

/// The path of the file whose name is that of `path` with this suffix.
pub fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(end);
    name.into()
}

fn journal_of(path: &Path) -> PathBuf {
    beside(path, "journal")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn done(seed: u64) -> Done {
        let totals = Totals { histories: 1, edits: 3, ..Totals::default() };
        let (store, profile) = ("memory".to_owned(), "everyday".to_owned());
        Done { store, profile, seed, totals, finding: None }
    }

    #[test]
    fn a_journal_that_the_file_has_already_counts_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        let mut saved = Saved::open(&path, "memory").unwrap();
        (0..3).for_each(|seed| saved.add(done(seed)).unwrap());
        let journal = fs::read(journal_of(&path)).unwrap();
        saved.save().unwrap();
        drop(saved);
        // As if the run had been killed in the middle of a line, before the journal was started
        // anew.
        fs::write(journal_of(&path), [&journal[..], br#"{"store":"mem"#].concat()).unwrap();

        let state = State::read(&path).unwrap();

        assert_eq!((3, 9), (state.totals("memory").histories, state.totals("memory").edits));
    }

    #[test]
    fn two_runs_do_not_share_a_state_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        let _first = Saved::open(&path, "memory").unwrap();

        assert!(Saved::open(&path, "memory").is_err());
    }

    #[test]
    fn a_state_file_belongs_to_one_store() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        Saved::open(&path, "memory").unwrap().add(done(0)).unwrap();

        let refused = Saved::open(&path, "sqlite").unwrap_err().to_string();

        assert!(refused.contains("of the store memory; choose another file"), "{refused}");
        assert_eq!(1, Saved::open(&path, "memory").unwrap().state.totals("memory").histories);
    }
}
