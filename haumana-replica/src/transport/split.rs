//! Cuts an export that is larger than a request into pages that fit.
//!
//! The document is read as a stream, so only one page is in memory.

use crate::error::{Error, ErrorKind, Result};
use serde::Deserializer as _;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;
use std::io::{BufReader, Read};

/// The lists of an export. The last one is there only if the account has such records.
const LISTS: [&str; 6] =
    ["pieces", "practiceSessions", "history", "conflicts", "tombstones", RECORDS];
const RECORDS: &str = "records";
/// The keys before the lists. Each page repeats them.
const HEADINGS: [&str; 3] = ["exportDate", "exportVersion", "user"];

/// An export that was read to its end: its counts, and the top of each page.
///
/// Read the document once for the outline, then again for its pages, from the same file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportOutline {
    /// Live pieces.
    pub pieces: usize,
    /// Live sessions.
    pub sessions: usize,
    /// Superseded versions, and pushes of which a part lost.
    pub history: usize,
    /// Conflicts, open and closed.
    pub conflicts: usize,
    /// Deleted records.
    pub tombstones: usize,
    /// Live records of other kinds.
    pub records: usize,
    /// Whether it is itself a page of an export, and not the last one.
    pub has_next: bool,
    heading: String,
}

/// One page: a document of the same form.
#[derive(Debug)]
pub struct ExportPage {
    heading: String,
    entries: Vec<(usize, Box<RawValue>)>,
    bytes: usize,
    /// How many entries of each list are in earlier pages.
    before: [usize; LISTS.len()],
    is_last: bool,
}

impl ExportOutline {
    /// Reads an export to its end.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] if it is no export or not complete; the source says where.
    /// [`ErrorKind::Storage`] if it cannot be read.
    pub fn read(export: impl Read) -> Result<Self> {
        let mut counts = [0; LISTS.len()];
        let top = walk(export, &mut |list, _| {
            counts[list] += 1;
            Ok(())
        })?;
        if !top.headings.iter().any(|(name, _)| *name == "exportVersion") {
            return Err(
                Error::new("import", ErrorKind::Invalid).caused_by("exportVersion is missing")
            );
        }
        let headings = top.headings.iter().map(|(name, json)| format!(r#""{name}":{json},"#));
        let [pieces, sessions, history, conflicts, tombstones, records] = counts;
        let (has_next, heading) = (top.has_next, headings.collect());
        Ok(Self { pieces, sessions, history, conflicts, tombstones, records, has_next, heading })
    }

    /// Returns how many entries it has.
    pub fn entries(&self) -> usize {
        self.pieces + self.sessions + self.history + self.conflicts + self.tombstones + self.records
    }

    /// Reads the same export again and passes its pages to `each`, in order. There is at least one
    /// page. A page is at most `limit_bytes` long, unless it has a single entry.
    ///
    /// # Errors
    ///
    /// As [`ExportOutline::read`]; or the error of `each`, and then nothing more is read.
    pub fn pages(
        &self,
        export: impl Read,
        limit_bytes: usize,
        each: &mut dyn FnMut(ExportPage) -> Result<()>,
    ) -> Result<()> {
        let mut page = ExportPage::first(self.heading.clone());
        walk(export, &mut |list, entry| {
            if !page.entries.is_empty() && limit_bytes < page.bytes + entry.get().len() + 1 {
                let next = page.next();
                each(std::mem::replace(&mut page, next))?;
            }
            page.bytes += entry.get().len() + 1;
            page.entries.push((list, entry));
            Ok(())
        })?;
        each(ExportPage { is_last: !self.has_next, ..page })
    }
}

impl ExportPage {
    fn first(heading: String) -> Self {
        let names: usize = LISTS.iter().map(|name| name.len() + r#""":[],"#.len()).sum();
        let bytes = heading.len() + names + r#"{"next":""}"#.len();
        Self { heading, entries: Vec::new(), bytes, before: [0; LISTS.len()], is_last: false }
    }

    /// The page after this one, empty.
    fn next(&self) -> Self {
        let mut next = Self::first(self.heading.clone());
        next.before = self.before;
        self.entries.iter().for_each(|(list, _)| next.before[*list] += 1);
        next
    }

    /// Whether it is the last page.
    pub fn is_last(&self) -> bool {
        self.is_last
    }

    /// Returns how many entries it has.
    pub fn entries(&self) -> usize {
        self.entries.len()
    }

    /// Returns how many entries of `list` are in earlier pages. The server's errors name an entry
    /// by its place in the page.
    pub fn before(&self, list: &str) -> usize {
        let at = LISTS.iter().position(|name| *name == list);
        at.and_then(|at| self.before.get(at)).copied().unwrap_or(0)
    }

    /// Writes it as a document.
    pub fn to_json(&self) -> Vec<u8> {
        let mut out = format!("{{{}", self.heading);
        let has_records = self.entries.iter().any(|(of, _)| LISTS.get(*of) == Some(&RECORDS));
        for (list, name) in LISTS.iter().enumerate() {
            if *name == RECORDS && !has_records {
                continue;
            }
            let comma = if list == 0 { "" } else { "," };
            out.push_str(&format!("{comma}\"{name}\":["));
            let entries = self.entries.iter().filter(|(of, _)| *of == list);
            for (n, (_, entry)) in entries.enumerate() {
                out.push_str(if n == 0 { "" } else { "," });
                out.push_str(entry.get());
            }
            out.push(']');
        }
        // An import does not read the value. The key says that a page follows.
        out.push_str(if self.is_last { "}" } else { r#","next":""}"# });
        out.into_bytes()
    }

    /// Splits the page into two halves, if a server finds it too large after all; `None` if it has
    /// a single entry.
    pub fn halves(mut self) -> Option<(Self, Self)> {
        let half = self.entries.len() / 2;
        if half == 0 {
            return None;
        }
        let entries = self.entries.split_off(half);
        let is_last = std::mem::replace(&mut self.is_last, false);
        let second = Self { entries, is_last, ..self.next() };
        Some((self, second))
    }
}

/// The keys of the document beside its lists.
#[derive(Default)]
struct Top {
    headings: Vec<(&'static str, Box<RawValue>)>,
    has_next: bool,
}

type Each<'e> = &'e mut dyn FnMut(usize, Box<RawValue>) -> Result<()>;

/// Reads a document, and passes each entry of its lists to `each`.
fn walk(export: impl Read, each: Each<'_>) -> Result<Top> {
    let mut stopped = None;
    let mut json = serde_json::Deserializer::from_reader(BufReader::new(export));
    let read = json.deserialize_map(Document { each, stopped: &mut stopped });
    let read = read.and_then(|top| json.end().map(|()| top));
    if let Some(error) = stopped {
        return Err(error);
    }
    read.map_err(|error| {
        let kind = if error.is_io() { ErrorKind::Storage } else { ErrorKind::Invalid };
        Error::new("import", kind).caused_by(error)
    })
}

/// Reads the object. If `each` fails, its error is in `stopped`.
struct Document<'e, 's> {
    each: Each<'e>,
    stopped: &'s mut Option<Error>,
}

impl<'de> Visitor<'de> for Document<'_, '_> {
    type Value = Top;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an export")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Top, A::Error> {
        let mut top = Top::default();
        while let Some(name) = map.next_key::<String>()? {
            let list = LISTS.iter().position(|list| *list == name);
            let heading = HEADINGS.iter().find(|heading| **heading == name);
            match (list, heading) {
                (Some(list), _) => {
                    let (each, stopped) = (&mut *self.each, &mut *self.stopped);
                    map.next_value_seed(List { list, each, stopped })?;
                }
                (_, Some(heading)) => top.headings.push((*heading, map.next_value()?)),
                _ if name == "next" => {
                    top.has_next = map.next_value::<Option<IgnoredAny>>()?.is_some();
                }
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(top)
    }
}

/// Reads one list.
struct List<'e, 's> {
    list: usize,
    each: Each<'e>,
    stopped: &'s mut Option<Error>,
}

impl<'de> DeserializeSeed<'de> for List<'_, '_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for List<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of an export")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        while let Some(entry) = entries.next_element::<Box<RawValue>>()? {
            if let Err(error) = (self.each)(self.list, entry) {
                *self.stopped = Some(error);
                return Err(serde::de::Error::custom("stopped"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXPORT: &str = r#"{"conflicts":[{"c":1.0}], "user": {"id":"kai"}, "more": [1],
        "pieces":[{"p":"ʻā"},{"p":2}],"practiceSessions":[],"history":[{"h":1},{"h":2},{"h":3}],
        "tombstones":[{"t":1}],"exportVersion":"1.0"}"#;

    fn cut(limit_bytes: usize) -> Vec<String> {
        let outline = ExportOutline::read(EXPORT.as_bytes()).unwrap();
        let mut pages = Vec::new();
        let mut each = |page: ExportPage| {
            pages.push(String::from_utf8(page.to_json()).unwrap());
            Ok(())
        };
        outline.pages(EXPORT.as_bytes(), limit_bytes, &mut each).unwrap();
        pages
    }

    #[test]
    fn an_export_that_fits_is_one_page_in_the_order_of_the_lists() {
        let expected = r#"{"user":{"id":"kai"},"exportVersion":"1.0","pieces":[{"p":"ʻā"},{"p":2}],"practiceSessions":[],"history":[{"h":1},{"h":2},{"h":3}],"conflicts":[{"c":1.0}],"tombstones":[{"t":1}]}"#;

        assert_eq!(vec![expected.to_owned()], cut(1000));
    }

    #[test]
    fn pages_fit_the_limit_and_have_every_entry_once() {
        for limit in [1, 150, 160, 170, 180, 190, 200] {
            let pages = cut(limit);

            let all = pages.concat();
            for entry in [r#"{"p":2}"#, r#"{"p":"ʻā"}"#, r#"{"h":3}"#, r#"{"c":1.0}"#, r#"{"t":1}"#]
            {
                assert_eq!(1, all.matches(entry).count(), "{limit}: {entry} in {all}");
            }
            let fits = |page: &String| page.len() <= limit || page.matches("{\"").count() == 3;
            assert!(pages.iter().all(fits), "{limit}: {pages:#?}");
            let followed = pages.iter().filter(|page| page.contains(r#""next""#)).count();
            assert_eq!(pages.len() - 1, followed, "all but the last say that another follows");
        }
        assert_eq!(7, cut(1).len());
    }

    #[test]
    fn a_page_that_is_too_large_after_all_is_halved_and_knows_its_place() {
        let outline = ExportOutline::read(EXPORT.as_bytes()).unwrap();
        let mut whole = None;
        let mut each = |page| {
            whole = Some(page);
            Ok(())
        };
        outline.pages(EXPORT.as_bytes(), 1000, &mut each).unwrap();

        let (first, second) = whole.unwrap().halves().unwrap();

        assert_eq!((3, 4), (first.entries(), second.entries()));
        assert_eq!((false, true), (first.is_last(), second.is_last()));
        assert_eq!(
            (2, 0, 0),
            (second.before("pieces"), second.before("history"), second.before("x"))
        );
        assert_eq!(None, first.halves().unwrap().0.halves().map(drop));
    }

    #[test]
    fn what_is_no_whole_export_is_refused_before_any_page_is_made() {
        let wholes = [EXPORT, r#"{"exportVersion":"1.0","next":null}"#];
        for text in wholes {
            assert!(!ExportOutline::read(text.as_bytes()).unwrap().has_next);
        }
        assert!(
            ExportOutline::read(r#"{"exportVersion":"1","next":"n"}"#.as_bytes()).unwrap().has_next
        );
        let cut_off = &EXPORT[..EXPORT.len() - 20];
        for text in
            ["", "{}", "[]", "<html>", cut_off, "{\"exportVersion\":\"1\"}x", r#"{"pieces":{}}"#]
        {
            let error = ExportOutline::read(text.as_bytes()).unwrap_err();
            assert_eq!(ErrorKind::Invalid, error.kind(), "{text}");
        }
    }

    #[test]
    fn records_of_other_kinds_are_in_the_pages() {
        let record = |id: u8| format!(r#"{{"kind":"recipe","id":"{id}","value":{{}}}}"#);
        let export = format!(
            r#"{{"exportVersion":"1.0","pieces":[],"practiceSessions":[],"records":[{},{},{}]}}"#,
            record(1),
            record(2),
            record(3)
        );
        let outline = ExportOutline::read(export.as_bytes()).unwrap();

        let mut pages = Vec::new();
        let keep = &mut |page: ExportPage| {
            pages.push(String::from_utf8(page.to_json()).unwrap());
            Ok(())
        };
        outline.pages(export.as_bytes(), 200, keep).unwrap();

        assert_eq!((3, 3), (outline.records, outline.entries()));
        assert!(1 < pages.len(), "{pages:?}");
        let all = pages.concat();
        assert!((1..=3).all(|id| all.contains(&record(id))), "{all}");
    }
}
