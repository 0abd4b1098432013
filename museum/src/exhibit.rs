//! An exhibit: a situation, what must come of it, and the script that plays it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// The most lines of a script.
const LINES: usize = 30;

/// One situation.
#[derive(Clone, Debug, Default)]
pub struct Exhibit {
    /// The name of its file, without the ending.
    pub name: String,
    pub title: String,
    pub system: String,
    pub link: String,
    pub situation: String,
    pub elsewhere: String,
    pub expect: String,
    /// Words that must be on every device, or kept aside.
    pub keep: Vec<String>,
    /// Words that must not be there twice.
    pub once: Vec<String>,
    /// Words that must not come back.
    pub gone: Vec<String>,
    /// Words that must stand together.
    pub blocks: Vec<Vec<String>>,
    /// What the counters of records must show.
    pub counters: Vec<(String, i64)>,
    pub script: Vec<String>,
}

impl Exhibit {
    /// Reads one file.
    fn read(name: &str, text: &str) -> Result<Self, String> {
        let mut exhibit = Self { name: name.to_owned(), ..Self::default() };
        let (head, script) = text.split_once("\n---\n").ok_or(format!("{name}: no script"))?;
        for line in head.lines() {
            let (key, value) = line.split_once(": ").ok_or(format!("{name}: {line}"))?;
            exhibit.take(key, value).ok_or(format!("{name}: {line}"))?;
        }
        exhibit.script = script.lines().map(str::to_owned).collect();
        if LINES < exhibit.script.len() {
            return Err(format!("{name}: more than {LINES} lines"));
        }
        Ok(exhibit)
    }

    fn take(&mut self, key: &str, value: &str) -> Option<()> {
        let words = || value.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        match key {
            "title" => value.clone_into(&mut self.title),
            "system" => value.clone_into(&mut self.system),
            "link" => value.clone_into(&mut self.link),
            "situation" => value.clone_into(&mut self.situation),
            "elsewhere" => value.clone_into(&mut self.elsewhere),
            "expect" => value.clone_into(&mut self.expect),
            "keep" => self.keep = words(),
            "once" => self.once = words(),
            "gone" => self.gone = words(),
            "block" => self.blocks.push(words()),
            "counter" => {
                let (record, count) = value.split_once(' ')?;
                self.counters.push((record.to_owned(), count.parse().ok()?));
            }
            _ => return None,
        }
        Some(())
    }

    /// How often each word was typed.
    pub fn typed(&self) -> BTreeMap<String, usize> {
        let mut typed = BTreeMap::new();
        for line in &self.script {
            let values = tokens(line).into_iter().skip(3);
            for word in values.flat_map(|token| words_of_token(&token)) {
                *typed.entry(word).or_insert(0) += 1;
            }
        }
        typed
    }
}

/// The words that somebody typed with a part of a line.
fn words_of_token(token: &str) -> Vec<String> {
    let value = token.split_once('=').map_or(token, |(_, value)| value);
    let value = value.trim_start_matches(['+', '-']);
    let value = if token.starts_with("tags=") { value.replace(',', " ") } else { lines(value) };
    value.split_whitespace().map(str::to_owned).collect()
}

/// `|` ends a line and `\r` is a carriage return.
pub fn lines(value: &str) -> String {
    if value.is_empty() {
        return String::new();
    }
    format!("{}\n", value.replace('|', "\n").replace("\\r", "\r"))
}

/// The parts of a line of a script. What is quoted is one part.
pub fn tokens(line: &str) -> Vec<String> {
    let (mut parts, mut part, mut is_quoted, mut is_open) =
        (Vec::new(), String::new(), false, false);
    for character in line.chars() {
        match character {
            '"' => (is_quoted, is_open) = (!is_quoted, true),
            ' ' if !is_quoted => {
                if is_open {
                    parts.push(std::mem::take(&mut part));
                }
                is_open = false;
            }
            _ => {
                part.push(character);
                is_open = true;
            }
        }
    }
    if is_open {
        parts.push(part);
    }
    parts
}

/// All exhibits of a folder, by name.
pub fn all(folder: &Path) -> Result<Vec<Exhibit>, String> {
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    let mut exhibits = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        exhibits.push(Exhibit::read(&name, &fs::read_to_string(&path).map_err(failed)?)?);
    }
    exhibits.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(exhibits)
}
