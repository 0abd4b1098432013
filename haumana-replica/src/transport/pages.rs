//! Joins the pages of an export into the document of an export in one piece.
//!
//! Functions on AWS limit a reply to some megabytes, so their export comes in pages.

use crate::error::{Error, ErrorKind, Result};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::HashSet;
use std::io::Write;

/// The lists of an export, in their order. Pages keep this order: no list continues after a later
/// one has begun. The last list is there only if the server has records without a separate list.
const LISTS: [&str; 6] =
    ["pieces", "practiceSessions", "history", "conflicts", "tombstones", "records"];
/// LIMIT: entries of an export. No account of this project has nearly as many.
const ENTRIES: usize = 10_000_000;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page<'a> {
    #[serde(borrow)]
    export_date: &'a RawValue,
    #[serde(borrow)]
    export_version: &'a RawValue,
    #[serde(borrow)]
    user: &'a RawValue,
    #[serde(borrow)]
    pieces: Vec<&'a RawValue>,
    #[serde(borrow)]
    practice_sessions: Vec<&'a RawValue>,
    #[serde(borrow)]
    history: Vec<&'a RawValue>,
    #[serde(borrow)]
    conflicts: Vec<&'a RawValue>,
    #[serde(borrow)]
    tombstones: Vec<&'a RawValue>,
    #[serde(borrow, default)]
    records: Option<Vec<&'a RawValue>>,
    #[serde(default)]
    next: Option<String>,
}

/// What identifies an entry within its list.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Name<'a> {
    #[serde(borrow, default)]
    piece_id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    session_id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    conflict_id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    id: Option<Cow<'a, str>>,
    #[serde(default)]
    version: Option<u64>,
    #[serde(default)]
    side: Option<u64>,
}

impl Name<'_> {
    fn in_list(self, list: &str) -> String {
        let Self { piece_id, session_id, conflict_id, kind, id, version, side } = self;
        match list {
            "pieces" => format!("{piece_id:?}"),
            "practiceSessions" => format!("{session_id:?}"),
            "history" => format!("{kind:?} {id:?} {version:?} {side:?}"),
            "conflicts" => format!("{conflict_id:?}"),
            _ => format!("{kind:?} {id:?}"),
        }
    }
}

/// Joins pages to one document, for transports of your own. Request page after page
/// ([`Request::export`](super::Request::export)) and [add](Joined::add) each.
///
/// ```
/// use haumana_replica::transport::Joined;
///
/// let page = |piece: &str, next: &str| format!(
///     r#"{{"exportDate":"d","exportVersion":"1.0","user":{{"id":"kai"}},"pieces":[{{"pieceId":"{piece}"}}],
///     "practiceSessions":[],"history":[],"conflicts":[],"tombstones":[]{next}}}"#
/// );
/// let mut file = Vec::new();
/// let mut joined = Joined::new(&mut file);
///
/// let second = joined.add(page("A", r#","next":"n""#).as_bytes())?;
/// let end = joined.add(page("B", "").as_bytes())?;
///
/// assert_eq!((Some("n".to_owned()), None), (second, end));
/// assert!(String::from_utf8(file)?.contains(r#""pieces":[{"pieceId":"A"},{"pieceId":"B"}]"#));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Joined<'f> {
    file: &'f mut (dyn Write + Send),
    /// The list that is being written, by its place; `None` before the first page.
    list: Option<usize>,
    needs_comma: bool,
    /// The entries that are written in that list. An entry that changes between two pages is in
    /// both. The document has it once, in its first state, like an export in one piece.
    written: HashSet<String>,
    /// How many entries were added.
    entries: usize,
    has_records: bool,
    /// The `next` of the page before.
    next: Option<String>,
}

impl std::fmt::Debug for Joined<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Joined").field("entries", &self.entries).finish_non_exhaustive()
    }
}

impl<'f> Joined<'f> {
    /// The `page` of the first one.
    pub const FIRST: &'static str = "first";

    /// Begins a document, which is written into `file`.
    pub fn new(file: &'f mut (dyn Write + Send)) -> Self {
        Self {
            file,
            list: None,
            needs_comma: false,
            written: HashSet::new(),
            entries: 0,
            has_records: false,
            next: None,
        }
    }

    /// Returns what the failure of a page means. If the account was erased or restored since the
    /// page before, the export must begin again.
    pub fn refused(error: Error) -> Error {
        match error.kind() {
            ErrorKind::PastRetention => {
                Error::new("export", ErrorKind::Unavailable).caused_by(error)
            }
            _ => error,
        }
    }

    /// Adds a page. Returns where the next one starts; `None` if the document is complete.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Protocol`] if it does not follow the page before, [`ErrorKind::Storage`] if it
    /// cannot be written.
    pub fn add(&mut self, page: &[u8]) -> Result<Option<String>> {
        let protocol = || Error::new("export", ErrorKind::Protocol);
        let page: Page<'_> = serde_json::from_slice(page).map_err(|_| protocol())?;
        if self.list.is_none() {
            let (date, version, user) = (page.export_date, page.export_version, page.user);
            self.write(&format!(
                r#"{{"exportDate":{date},"exportVersion":{version},"user":{user},"{}":["#,
                LISTS[0]
            ))?;
            self.list = Some(0);
        }
        let Page { pieces, practice_sessions, history, conflicts, tombstones, next, .. } = page;
        self.has_records |= page.records.is_some();
        let records = page.records.unwrap_or_default();
        let lists = [pieces, practice_sessions, history, conflicts, tombstones, records];
        let entries = self.entries;
        for (list, entries) in lists.into_iter().enumerate() {
            for entry in entries {
                if Some(list) < self.list {
                    return Err(protocol());
                }
                self.entries += 1;
                self.open(list)?;
                self.entry(list, entry.get())?;
            }
        }
        match next {
            None => {
                self.open(LISTS.len() - if self.has_records { 1 } else { 2 })?;
                self.write("]}")?;
            }
            // A server must make progress with each page, and must come to an end.
            Some(_) if self.entries == entries || ENTRIES < self.entries || next == self.next => {
                return Err(protocol().caused_by("the pages of the export do not end"));
            }
            Some(_) => self.next.clone_from(&next),
        }
        Ok(next)
    }

    /// Ends lists and begins others, up to `list`.
    fn open(&mut self, list: usize) -> Result<()> {
        while let Some(open) = self.list.filter(|open| *open < list) {
            self.write(&format!(r#"],"{}":["#, LISTS[open + 1]))?;
            (self.list, self.needs_comma) = (Some(open + 1), false);
            self.written.clear();
        }
        Ok(())
    }

    fn entry(&mut self, list: usize, entry: &str) -> Result<()> {
        let name: Name<'_> = serde_json::from_str(entry)
            .map_err(|error| Error::new("export", ErrorKind::Protocol).caused_by(error))?;
        if !self.written.insert(name.in_list(LISTS[list])) {
            return Ok(());
        }
        if std::mem::replace(&mut self.needs_comma, true) {
            self.write(",")?;
        }
        self.write(entry)
    }

    fn write(&mut self, text: &str) -> Result<()> {
        self.file
            .write_all(text.as_bytes())
            .map_err(|error| Error::new("export", ErrorKind::Storage).caused_by(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(pieces: &str, history: &str, next: &str) -> String {
        format!(
            r#"{{"exportDate":"d","exportVersion":"1.0","user":{{"id":"kai"}},"pieces":[{pieces}],
            "practiceSessions":[],"history":[{history}],"conflicts":[],"tombstones":[]{next}}}"#
        )
    }

    fn join(pages: &[String]) -> Result<String> {
        let mut file = Vec::new();
        let mut joined = Joined::new(&mut file);
        for page in pages {
            joined.add(page.as_bytes())?;
        }
        Ok(String::from_utf8(file).unwrap_or_default())
    }

    #[test]
    fn a_piece_that_changed_between_two_pages_stands_once_and_its_history_whole() {
        let next = r#","next":"n""#;
        let (a, a2) = (r#"{"pieceId":"A","version":1}"#, r#"{"pieceId":"A","version":2}"#);
        let b = r#"{"pieceId":"B","version":1}"#;
        let history = |version: u32| {
            format!(
                r#"{{"kind":"piece","id":"A","version":{version},"side":0,"value":{{"x":1.0}}}}"#
            )
        };
        let pages = [
            page(a, "", next),
            page(&format!("{b},{a2}"), &history(2), r#","next":"m""#),
            page("", &history(1), ""),
        ];

        let joined = join(&pages);

        let expected = format!(
            r#"{{"exportDate":"d","exportVersion":"1.0","user":{{"id":"kai"}},"pieces":[{a},{b}],"practiceSessions":[],"history":[{},{}],"conflicts":[],"tombstones":[]}}"#,
            history(2),
            history(1)
        );
        assert_eq!(Some(expected), joined.ok());
    }

    #[test]
    fn a_page_that_goes_back_to_an_earlier_list_or_is_none_is_refused() {
        let history = r#"{"kind":"piece","id":"A","version":1,"side":0}"#;
        let piece = r#"{"pieceId":"A","version":1}"#;
        let next = r#","next":"n""#;
        for second in [page(piece, "", ""), "{}".to_owned(), "<html>".to_owned()] {
            let joined = join(&[page("", history, next), second]);
            assert_eq!(Some(ErrorKind::Protocol), joined.err().map(|error| error.kind()));
        }
    }

    #[test]
    fn records_of_kinds_without_a_list_of_their_own_are_in_the_document() {
        let record = |id: &str| format!(r#"{{"kind":"recipe","id":"{id}","version":1}}"#);
        let with = |records: &str, next: &str| {
            page("", "", "").replace(
                r#""tombstones":[]"#,
                &format!(r#""tombstones":[],"records":[{records}]{next}"#),
            )
        };
        let pages = [with(&record("A"), r#","next":"n""#), with(&record("B"), "")];

        let joined = join(&pages).unwrap();

        let expected = format!(r#""tombstones":[],"records":[{},{}]}}"#, record("A"), record("B"));
        assert!(joined.ends_with(&expected), "{joined}");
    }

    #[test]
    fn a_page_that_leads_to_itself_is_refused() {
        let next = r#","next":"n""#;
        let piece = |id: &str| page(&format!(r#"{{"pieceId":"{id}"}}"#), "", next);

        let refused = join(&[piece("A"), piece("B")]);

        assert_eq!(Some(ErrorKind::Protocol), refused.err().map(|error| error.kind()));
    }

    #[test]
    fn pages_that_bring_nothing_and_promise_more_are_refused() {
        let refused = join(&[page("", "", r#","next":"n""#)]);

        assert_eq!(Some(ErrorKind::Protocol), refused.err().map(|error| error.kind()));
    }
}
