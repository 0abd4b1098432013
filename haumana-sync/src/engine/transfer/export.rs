//! All data of one user as one JSON document, or as pages, each of which is a document.
//!
//! An export contains live records, tombstones, the history and the inbox. An import of it into an
//! empty account gives an account with the same records, history and inbox.

use crate::engine::edit::record::to_json;
use crate::engine::transfer::walk::{ExportPlace, Part, Walk};
use crate::engine::{Engine, Error, ErrorKind, Result, check_state};
use crate::id::UserId;
use crate::schema::Schema;
use crate::time::UnixMillis;
use std::fmt::Write as _;

/// The form of the document.
///
/// An import accepts only documents of this form.
pub const EXPORT_VERSION: &str = "1.0";
/// How much is written before it is returned. A single record may be larger.
const CHUNK_BYTES: usize = 64 * 1024;
/// The end of a document: the remaining lists, and where the next page starts.
const TAIL_BYTES: usize = 256;

/// An export under way.
///
/// It reads the user's change feed once for each list. So it holds one page and the ids of one list
/// at a time. A record that changes meanwhile is in each list at most once.
///
/// Dropping it ends the export; the store holds nothing for it.
#[derive(Debug)]
pub struct Export {
    walk: Walk,
    document: Document,
    is_finished: bool,
}

/// One page of an export, a document by itself.
#[derive(Debug)]
pub struct ExportPage {
    /// The JSON text.
    pub json: String,
    /// Where the next page starts; `None` if this is the last one.
    pub next: Option<String>,
}

impl Engine {
    /// Begins to export all data of the user.
    ///
    /// Parts are returned as they are read, of about 64 kB each. So memory does not depend on the
    /// size of the account. A host that streams them to a client should limit the time. For a
    /// client that cannot read a stream, use [`Engine::export_page`].
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let Example { engine, kai, .. } = example();
    /// engine.push(&kai, "phone", &[push(None, "Hiʻilawe")]).await?;
    ///
    /// let mut export = engine.export(&kai).await?;
    /// let mut text = String::new();
    /// while let Some(part) = engine.export_more(&mut export).await? {
    ///     text.push_str(&part);
    /// }
    ///
    /// assert!(text.contains("Hiʻilawe"));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`] if the store cannot answer, [`ErrorKind::Erasing`] while the
    /// account is being erased, [`ErrorKind::Importing`] while an import is not finished.
    pub async fn export(&self, user: &UserId) -> Result<Export> {
        let walk = self.begin_walk(user).await?;
        let document = Document::begin(self.schema(), user, self.clock.now());
        Ok(Export { walk, document, is_finished: false })
    }

    /// Returns the next part of the JSON text; `None` at its end.
    ///
    /// # Errors
    ///
    /// As [`Engine::export`]; [`ErrorKind::Gone`] if the account was erased meanwhile. Then the
    /// earlier parts are no whole export.
    pub async fn export_more(&self, export: &mut Export) -> Result<Option<String>> {
        while !export.is_finished && export.document.out.len() < CHUNK_BYTES {
            match self.walk_on(&mut export.walk).await? {
                Some((part, entry)) => export.document.add(part, &entry),
                None => {
                    export.document.finish(None);
                    export.is_finished = true;
                }
            }
        }
        let out = std::mem::take(&mut export.document.out);
        Ok((!out.is_empty()).then_some(out))
    }

    /// Returns one page of an export: the first, or the one that starts at `place`. It has at most
    /// `limit_bytes`, but always at least one entry if there is one.
    ///
    /// All pages together contain what [`Engine::export`] returns. A record that changes meanwhile
    /// may be in several pages; the last one counts.
    ///
    /// The place of the next page is an opaque text. The client sends it back unchanged. Nothing is
    /// kept between pages, so a client may continue on another day, as long as the account is not
    /// erased.
    ///
    /// # Errors
    ///
    /// As [`Engine::export`]; [`ErrorKind::Gone`] if the account was erased or restored since the
    /// page before; [`ErrorKind::Invalid`] if this server did not give `place` to this user.
    pub async fn export_page(
        &self,
        user: &UserId,
        place: Option<&str>,
        limit_bytes: usize,
    ) -> Result<ExportPage> {
        let mut walk = self.begin_walk(user).await?;
        if let Some(text) = place {
            let invalid = || Error::new(ErrorKind::Invalid, "the page is none of this export");
            let place = ExportPlace::decode(text, user).ok_or_else(invalid)?;
            walk.resume(place)?;
        }
        let mut document = Document::begin(self.schema(), user, self.clock.now());
        let (mut last, mut is_first) = (walk.place, true);
        let next = loop {
            let Some((part, entry)) = self.walk_on(&mut walk).await? else { break None };
            let bytes = document.out.len() + entry.len() + TAIL_BYTES;
            if !is_first && limit_bytes < bytes {
                break Some(last.encode(user));
            }
            document.add(part, &entry);
            (last, is_first) = (walk.place, false);
        };
        document.finish(next.as_deref());
        Ok(ExportPage { json: document.out, next })
    }

    async fn begin_walk(&self, user: &UserId) -> Result<Walk> {
        let head = self.store.head(user).await?;
        check_state(head.as_ref())?;
        Ok(Walk::new(user, head.map(|head| head.epoch), self.config.generation))
    }
}

/// The text of a document that was not returned yet.
#[derive(Debug)]
struct Document {
    schema: Schema,
    out: String,
    part: Part,
    needs_comma: bool,
}

// Writing into a String cannot fail, so the results are ignored.
impl Document {
    fn begin(schema: &Schema, user: &UserId, now: UnixMillis) -> Self {
        let user = to_json(&user.as_str());
        let out = format!(
            r#"{{"exportDate":"{now}","exportVersion":"{EXPORT_VERSION}","user":{{"id":{user}}},"pieces":["#
        );
        Self { schema: schema.clone(), out, part: Part::Pieces, needs_comma: false }
    }

    fn add(&mut self, part: Part, entry: &str) {
        while self.part != part && self.open_next() {}
        if std::mem::replace(&mut self.needs_comma, true) {
            self.out.push(',');
        }
        self.out.push_str(entry);
    }

    /// Ends a list and opens the next; `false` if there is none.
    fn open_next(&mut self) -> bool {
        let Some(next) = self.part.next(&self.schema) else { return false };
        let _ = write!(self.out, r#"],"{}":["#, next.name());
        (self.part, self.needs_comma) = (next, false);
        true
    }

    fn finish(&mut self, next: Option<&str>) {
        while self.open_next() {}
        self.out.push(']');
        if let Some(next) = next {
            let _ = write!(self.out, r#","next":{}"#, to_json(&next));
        }
        self.out.push('}');
    }
}
