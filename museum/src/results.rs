//! What every system did with every exhibit, as it is kept in a file.

use crate::judge::Verdict;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Verdicts by system and exhibit, and the versions of the systems.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Results {
    /// In the order of the columns.
    pub systems: Vec<(String, String)>,
    pub verdicts: BTreeMap<(String, String), Verdict>,
}

impl Results {
    pub fn get(&self, system: &str, exhibit: &str) -> Option<&Verdict> {
        self.verdicts.get(&(system.to_owned(), exhibit.to_owned()))
    }

    /// Reads the file.
    pub fn read(text: &str) -> Result<Self, String> {
        let mut results = Self::default();
        for line in text.lines() {
            let failed = || format!("results: {line}");
            let [system, exhibit, rest]: [&str; 3] =
                line.split('\t').collect::<Vec<_>>().try_into().map_err(|_| failed())?;
            if exhibit == "version" {
                results.systems.push((system.to_owned(), rest.to_owned()));
            } else {
                let verdict = Verdict::read(rest).ok_or_else(failed)?;
                results.verdicts.insert((system.to_owned(), exhibit.to_owned()), verdict);
            }
        }
        Ok(results)
    }

    /// Prints the file.
    pub fn print(&self) -> String {
        let mut text = String::new();
        for (system, version) in &self.systems {
            let _ = writeln!(text, "{system}\tversion\t{version}");
            for ((of, exhibit), verdict) in &self.verdicts {
                if of == system {
                    let _ = writeln!(text, "{system}\t{exhibit}\t{verdict}");
                }
            }
        }
        text
    }
}
