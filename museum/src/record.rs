//! A record as a person sees it, and the edits of it.

use std::collections::{BTreeMap, BTreeSet};

/// A record.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Record {
    pub title: String,
    pub text: String,
    pub notes: String,
    pub tags: BTreeSet<String>,
    pub count: i64,
    pub done: bool,
}

/// What a device shows, by the names that the script gives. Two devices that make a record of one
/// name may have two of it.
pub type View = BTreeMap<String, Vec<Record>>;

/// A field of lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lines {
    Text,
    Notes,
}

impl Lines {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Text, Self::Notes];

    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Notes => "notes",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.name() == name)
    }
}

impl Record {
    pub fn lines(&self, field: Lines) -> &String {
        match field {
            Lines::Text => &self.text,
            Lines::Notes => &self.notes,
        }
    }

    pub fn lines_mut(&mut self, field: Lines) -> &mut String {
        match field {
            Lines::Text => &mut self.text,
            Lines::Notes => &mut self.notes,
        }
    }

    /// Its words, in the order of a page.
    pub fn words(&self) -> Vec<String> {
        let texts = [&self.title, &self.text, &self.notes];
        let words = texts.into_iter().flat_map(|text| text.split_whitespace());
        words.map(str::to_owned).chain(self.tags.iter().cloned()).chain([self.switch()]).collect()
    }

    /// The word for a counter that shows `count`.
    pub fn count_word(count: i64) -> String {
        format!("count={count}")
    }

    /// The word for its switch.
    pub fn switch(&self) -> String {
        format!("done={}", if self.done { "yes" } else { "no" })
    }
}

/// A piece of a text that is replaced, in characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Splice {
    pub at: usize,
    pub deleted: usize,
    pub inserted: String,
}

impl Splice {
    /// What makes `new` of `old`: all between what they begin and end with alike.
    pub fn between(old: &str, new: &str) -> Self {
        let (old, new): (Vec<char>, Vec<char>) = (old.chars().collect(), new.chars().collect());
        let head = old.iter().zip(&new).take_while(|(one, other)| one == other).count();
        let (old, new) = (&old[head..], &new[head..]);
        let ends = old.iter().rev().zip(new.iter().rev());
        let tail = ends.take_while(|(one, other)| one == other).count();
        let inserted = new[..new.len() - tail].iter().collect();
        Self { at: head, deleted: old.len() - tail, inserted }
    }

    /// Makes it in a text.
    pub fn apply(&self, text: &str) -> String {
        let characters: Vec<char> = text.chars().collect();
        let head = characters[..self.at].iter();
        let tail = characters[self.at + self.deleted..].iter();
        head.copied().chain(self.inserted.chars()).chain(tail.copied()).collect()
    }
}

/// What a person does to a record.
#[derive(Clone, Debug)]
pub enum Edit {
    Add(Record),
    Title(String),
    Done(bool),
    /// Typed, cut and pasted, splice by splice.
    Typed(Lines, Vec<Splice>),
    /// The whole text is replaced.
    Whole(Lines, String),
    Tags {
        added: BTreeSet<String>,
        removed: BTreeSet<String>,
    },
    Count(i64),
    /// A form writes all of its fields.
    Save(Record),
    Delete,
}

impl Edit {
    /// Makes it on a record that is there.
    pub fn apply(&self, record: &mut Record) {
        match self {
            Self::Add(whole) | Self::Save(whole) => record.clone_from(whole),
            Self::Title(title) => title.clone_into(&mut record.title),
            Self::Done(done) => record.done = *done,
            Self::Typed(field, splices) => {
                let text = record.lines_mut(*field);
                for splice in splices {
                    *text = splice.apply(text);
                }
            }
            Self::Whole(field, text) => text.clone_into(record.lines_mut(*field)),
            Self::Tags { added, removed } => {
                record.tags.extend(added.iter().cloned());
                record.tags.retain(|tag| !removed.contains(tag));
            }
            Self::Count(by) => record.count += by,
            Self::Delete => {}
        }
    }
}
