//! Compressed text, for attributes that nobody reads in the console.
//!
//! The type of the attribute says which it is: a text is plain, a binary is compressed. So no flag
//! is stored, and somebody may replace a value by plain text in the console.

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use std::io::{Read, Write};

/// Shorter text does not get smaller by compression.
const WORTH_BYTES: usize = 128;
/// LIMIT: the largest unpacked text. An item of 400 kB that holds more was not written by us.
const UNPACKED_BYTES: u64 = 64 << 20;

/// Packs `text`: a binary with zlib's format if that is smaller, otherwise the text itself.
///
/// Texts shorter than [`WORTH_BYTES`] are never compressed.
pub(crate) fn pack(text: &str) -> AttributeValue {
    match deflate(text) {
        Some(packed) if packed.len() < text.len() => AttributeValue::B(Blob::new(packed)),
        _ => AttributeValue::S(text.to_owned()),
    }
}

/// Unpacks a value of [`pack`]; `None` for anything else. The format's checksum is verified.
pub(crate) fn unpack(value: &AttributeValue) -> Option<String> {
    match value {
        AttributeValue::S(text) => Some(text.clone()),
        AttributeValue::B(packed) => {
            let mut text = String::new();
            let decoder = ZlibDecoder::new(packed.as_ref());
            decoder.take(UNPACKED_BYTES).read_to_string(&mut text).ok()?;
            Some(text)
        }
        _ => None,
    }
}

/// `None` for a short text, or if compression fails, which it does not in memory.
fn deflate(text: &str) -> Option<Vec<u8>> {
    if text.len() < WORTH_BYTES {
        return None;
    }
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).ok()?;
    encoder.finish().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_packed_comes_back() {
        for text in ["", "{}", &"ʻO ka hui ".repeat(1_000)] {
            assert_eq!(Some(text.to_owned()), unpack(&pack(text)));
        }
    }

    #[test]
    fn a_text_that_repeats_becomes_small_and_a_broken_one_is_noticed() {
        let AttributeValue::B(packed) = pack(&"ʻO ka hui ".repeat(1_000)) else {
            panic!("a long text is compressed");
        };
        let mut broken = packed.into_inner();
        assert!(broken.len() < 200, "{} bytes", broken.len());
        let last = broken.len() - 1;
        broken[last] ^= 1;

        assert_eq!(None, unpack(&AttributeValue::B(Blob::new(broken))));
    }
}
