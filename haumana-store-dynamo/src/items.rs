//! Reading and writing the attributes of items.
//!
//! Readers return [`Bad`] with the name of the attribute and never its value, because the name may
//! be logged.

use crate::error::Bad;
use crate::schema::{ItemKey, TableSchema};
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use haumana_sync::digest::Digest;
use std::collections::HashMap;
use std::fmt::Display;
use std::str::FromStr;

/// The attributes of an item.
pub type Item = HashMap<String, AttributeValue>;

/// Returns the attributes of a key.
pub(crate) fn key_item(key: &ItemKey) -> Item {
    let text = |value: &String| AttributeValue::S(value.clone());
    HashMap::from([
        (key.table.partition.to_owned(), text(&key.partition)),
        (key.table.sort.to_owned(), text(&key.sort)),
    ])
}

/// Returns the sort key of an item of `table`.
pub(crate) fn sort_of(table: TableSchema, item: &Item) -> Result<&str, Bad> {
    text(item, table.sort)
}

/// Makes a number. Numbers hold 38 digits, so 64 bits stay exact.
pub(crate) fn n(number: impl Display) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

/// Makes a binary of 16 bytes, in big-endian order.
///
/// As a decimal number, 128 bits would not fit the 38 digits that DynamoDB keeps.
pub(crate) fn bits(bits: u128) -> AttributeValue {
    AttributeValue::B(Blob::new(bits.to_be_bytes()))
}

/// Reads a number.
///
/// A number that does not fit `T` counts as unreadable, like a missing one.
pub(crate) fn number<T: FromStr>(item: &Item, name: &'static str) -> Result<T, Bad> {
    match item.get(name) {
        Some(AttributeValue::N(number)) => number.parse().map_err(|_| Bad(name)),
        _ => Err(Bad(name)),
    }
}

/// Reads a text.
pub(crate) fn text<'a>(item: &'a Item, name: &'static str) -> Result<&'a str, Bad> {
    match item.get(name) {
        Some(AttributeValue::S(text)) => Ok(text),
        _ => Err(Bad(name)),
    }
}

/// Reads 16 bytes.
pub(crate) fn u128_of(item: &Item, name: &'static str) -> Result<u128, Bad> {
    let bytes = bytes(item, name)?.try_into().map_err(|_| Bad(name))?;
    Ok(u128::from_be_bytes(bytes))
}

/// Reads a digest.
pub(crate) fn digest(item: &Item, name: &'static str) -> Result<Digest, Bad> {
    u128_of(item, name).map(Digest::from_bits)
}

/// Reads a binary.
pub(crate) fn bytes<'a>(item: &'a Item, name: &'static str) -> Result<&'a [u8], Bad> {
    match item.get(name) {
        Some(AttributeValue::B(blob)) => Ok(blob.as_ref()),
        _ => Err(Bad(name)),
    }
}
