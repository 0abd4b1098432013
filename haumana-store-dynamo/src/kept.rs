//! The schema that the records were last served with.
//!
//! It is in a partition of its own in the table of the history, whose items there never expire. The
//! text is cut into parts, because DynamoDB limits the size of an item. The keys of the parts name
//! the text, and one item says which text counts. So a reader never combines parts of two texts.
//!
//! To replace it, the new parts are written first, under a name of their own: the hash of the new
//! text. Then one conditional write points to them. Parts of earlier texts stay. They are few, and
//! a reader that has just read the old name can still read them.

use crate::error::Bad;
use crate::items::{Item, bytes, digest, key_item, number};
use crate::requests::{Asked, Condition, Order, Range, Through};
use crate::schema::{HISTORY, KEPT, KEPT_SORT, kept_key};
use crate::store::{DynamoStore, corrupt};
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use haumana_sync::digest::Digest;
use haumana_sync::store::{Error, ErrorKind, Result};

/// DYNAMODB: an item has at most 400 kB, its names and keys included.
const PART_BYTES: usize = 350_000;

const TEXT: &str = "_text";
const PARTS: &str = "_parts";
const PART: &str = "_part";

impl DynamoStore {
    /// The hash is checked after the parts are joined. So a missing part is `Corrupt`, and not a
    /// shorter schema.
    pub(crate) async fn read_kept(&self) -> Result<Option<String>> {
        let op = "kept_schema";
        let Some(item) = self.get(&mut self.reading(op), &kept_key(KEPT_SORT)).await? else {
            return Ok(None);
        };
        let name = digest(&item, TEXT).map_err(corrupt(op))?;
        let n_parts: usize = number(&item, PARTS).map_err(corrupt(op))?;
        let asked = Asked {
            table: HISTORY,
            partition: KEPT.to_owned(),
            through: Through::Table,
            range: Range::Between(sort_of_part(name, 0), sort_of_part(name, n_parts)),
            order: Order::Ascending,
            page: None,
            consistent: true,
        };
        let mut text = Vec::new();
        let take = |item: Item| {
            text.extend_from_slice(bytes(&item, PART).map_err(corrupt(op))?);
            Ok(())
        };
        self.query_all(&mut self.reading(op), &asked, take).await?;
        if name_of(&text) != name {
            return Err(corrupt(op)(Bad(PART)));
        }
        let text = String::from_utf8(text);
        text.map(Some).map_err(|_| corrupt(op)(Bad(PART)))
    }

    /// Repeating it is safe: parts are named by their content, and the condition also accepts the
    /// new text.
    pub(crate) async fn write_kept(&self, expected: Option<&str>, next: &str) -> Result<()> {
        let name = name_of(next.as_bytes());
        let parts = next.as_bytes().chunks(PART_BYTES);
        let n_parts = parts.len();
        for (n, part) in parts.enumerate() {
            let mut item = key_item(&kept_key(&sort_of_part(name, n)));
            item.insert(PART.to_owned(), AttributeValue::B(Blob::new(part)));
            self.put("keep_schema", HISTORY, &item).await?;
        }
        let mut item = key_item(&kept_key(KEPT_SORT));
        item.insert(TEXT.to_owned(), crate::items::bits(name.bits()));
        item.insert(PARTS.to_owned(), crate::items::n(n_parts));
        self.point(expected, item).await
    }

    /// Sets which text counts, if the expected one counts now, or already this one.
    async fn point(&self, expected: Option<&str>, item: Item) -> Result<()> {
        let op = "keep_schema";
        let expected = expected.map(|text| crate::items::bits(name_of(text.as_bytes()).bits()));
        let text = match &expected {
            None => "attribute_not_exists(#text) OR #text = :next",
            Some(_) => "#text = :expected OR #text = :next",
        };
        let values = values(&item, expected.as_ref());
        let condition = Condition { text, name: ("#text", TEXT), values };
        match self.put_if(op, HISTORY, &item, &condition).await? {
            true => Ok(()),
            false => Err(Error::new(op, ErrorKind::Conflict)),
        }
    }
}

/// The values of the condition.
fn values(item: &Item, expected: Option<&AttributeValue>) -> Item {
    let next = item.get(TEXT).map(|next| (":next".to_owned(), next.clone()));
    let expected = expected.map(|expected| (":expected".to_owned(), expected.clone()));
    next.into_iter().chain(expected).collect()
}

fn name_of(text: &[u8]) -> Digest {
    Digest::of([b"schema\0".as_slice(), text])
}

/// The range of a read goes from part 0 to one after the last, which does not exist.
fn sort_of_part(name: Digest, n: usize) -> String {
    format!("{:032x}#{n:04}", name.bits())
}
