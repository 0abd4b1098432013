//! Attributes of DynamoDB's items, and their form in JSON.
//!
//! Numbers are kept as their digits. DynamoDB holds up to 38 digits, and a floating-point number
//! would lose some of them. An attribute that nobody here knows must come back unchanged.
//!
//! Reading never fails as a whole. An attribute of an unknown form is [`Attribute::Unreadable`],
//! and only the item that has it is refused.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use haumana_sync::json::JsonText;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// The value of one attribute, in the words of DynamoDB's JSON: `{"N": "12"}`.
///
/// ```
/// use haumana_import::Attribute;
///
/// // A number is kept to the digit, whatever its size.
/// let digits = "12345678901234567890123456789012345678";
/// let number = Attribute::of_json(digits);
///
/// assert_eq!(Some(Attribute::N(digits.to_owned())), number);
/// assert_eq!(Some(digits.to_owned()), number.and_then(|number| number.to_json()));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Attribute {
    /// Text.
    S(String),
    /// A number, as its digits.
    N(String),
    /// A boolean.
    #[serde(rename = "BOOL")]
    Bool(bool),
    /// Null. Its own value, true or false, means nothing.
    #[serde(rename = "NULL")]
    Null(bool),
    /// A map.
    M(BTreeMap<String, Attribute>),
    /// A list.
    L(Vec<Attribute>),
    /// A set of texts.
    #[serde(rename = "SS")]
    TextSet(Vec<String>),
    /// A set of numbers.
    #[serde(rename = "NS")]
    NumberSet(Vec<String>),
    /// Bytes, in base64.
    B(String),
    /// A set of bytes, each in base64.
    #[serde(rename = "BS")]
    BytesSet(Vec<String>),
    /// Anything else.
    #[serde(skip)]
    Unreadable,
}

/// The attributes of one item, by name.
pub type Item = BTreeMap<String, Attribute>;

/// Encodes bytes as [`Attribute::B`] holds them.
pub(crate) fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Decodes what [`base64`] encodes; `None` if it is something else.
pub(crate) fn bytes(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

impl Attribute {
    /// Reads one attribute of DynamoDB's JSON.
    ///
    /// Anything that is not an attribute becomes [`Attribute::Unreadable`].
    pub fn read(raw: &RawValue) -> Self {
        serde_json::from_str(raw.get()).unwrap_or(Attribute::Unreadable)
    }

    /// Returns the text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Attribute::S(text) => Some(text),
            _ => None,
        }
    }

    /// Whether it is null.
    pub fn is_null(&self) -> bool {
        matches!(self, Attribute::Null(_))
    }

    /// Writes it as plain JSON: numbers with all their digits, sets as lists, bytes as base64.
    /// `None` if it could not be read.
    pub fn to_json(&self) -> Option<String> {
        let mut out = String::new();
        self.write(&mut out)?;
        Some(out)
    }

    /// Writes into one string for the whole item, so nested values are not copied at each level.
    fn write(&self, out: &mut String) -> Option<()> {
        match self {
            Attribute::S(text) | Attribute::B(text) => out.push_str(&quoted(text)),
            Attribute::N(digits) => out.push_str(&number(digits)),
            Attribute::Bool(flag) => out.push_str(if *flag { "true" } else { "false" }),
            Attribute::Null(_) => out.push_str("null"),
            Attribute::TextSet(texts) | Attribute::BytesSet(texts) => {
                list(out, texts, |out, text| {
                    out.push_str(&quoted(text));
                    Some(())
                })?;
            }
            Attribute::NumberSet(numbers) => list(out, numbers, |out, digits| {
                out.push_str(&number(digits));
                Some(())
            })?,
            Attribute::L(values) => list(out, values, |out, value| value.write(out))?,
            Attribute::M(fields) => {
                out.push('{');
                for (at, (name, value)) in fields.iter().enumerate() {
                    out.push_str(if at == 0 { "" } else { "," });
                    out.push_str(&quoted(name));
                    out.push(':');
                    value.write(out)?;
                }
                out.push('}');
            }
            Attribute::Unreadable => return None,
        }
        Some(())
    }

    /// Makes an attribute of plain JSON. A number with digits that DynamoDB would lose becomes
    /// text. `None` if it is not JSON.
    pub fn of_json(json: &str) -> Option<Self> {
        let raw: &RawValue = serde_json::from_str(json).ok()?;
        let text = raw.get();
        Some(match text.as_bytes().first()? {
            b'n' => Attribute::Null(true),
            b't' => Attribute::Bool(true),
            b'f' => Attribute::Bool(false),
            b'"' => Attribute::S(serde_json::from_str(text).ok()?),
            b'[' => {
                let values: Vec<&RawValue> = serde_json::from_str(text).ok()?;
                let values = values.into_iter().map(|raw| Attribute::of_json(raw.get()));
                Attribute::L(values.collect::<Option<_>>()?)
            }
            b'{' => {
                let fields: BTreeMap<String, &RawValue> = serde_json::from_str(text).ok()?;
                let field =
                    |(name, raw): (String, &RawValue)| Some((name, Attribute::of_json(raw.get())?));
                Attribute::M(fields.into_iter().map(field).collect::<Option<_>>()?)
            }
            _ if fits_number(text) => Attribute::N(text.to_owned()),
            _ => Attribute::S(text.to_owned()),
        })
    }
}

/// `None` as soon as one value is `None`.
fn list<T>(
    out: &mut String,
    values: &[T],
    mut write: impl FnMut(&mut String, &T) -> Option<()>,
) -> Option<()> {
    out.push('[');
    for (at, value) in values.iter().enumerate() {
        out.push_str(if at == 0 { "" } else { "," });
        write(out, value)?;
    }
    out.push(']');
    Some(())
}

/// `text` as a JSON string.
pub(crate) fn quoted(text: &str) -> String {
    // A string has nothing that can fail to serialize.
    serde_json::to_string(text).unwrap_or_default()
}

/// The digits, unchanged, if they are a JSON number; otherwise as text.
///
/// Digits that come from DynamoDB are always a number. Those of an export on disk may be anything.
fn number(digits: &str) -> String {
    let starts = digits.starts_with(|first: char| first == '-' || first.is_ascii_digit());
    let is_number = starts && JsonText::parse(digits).is_some_and(|json| json.as_str() == digits);
    if is_number { digits.to_owned() } else { quoted(digits) }
}

/// Whether DynamoDB keeps all digits of the number: at most 38 of them, between 1E-130 and 1E125.
///
/// DYNAMODB: <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html>
fn fits_number(text: &str) -> bool {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let Ok(exponent) = exponent.parse::<i32>() else { return false };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let whole = whole.trim_start_matches('-').trim_start_matches('0');
    let n_digits = whole.len() + fraction.len();
    let largest = exponent.saturating_add(i32::try_from(whole.len()).unwrap_or(i32::MAX));
    let smallest = exponent.saturating_sub(i32::try_from(fraction.len()).unwrap_or(i32::MAX));
    n_digits <= 38 && largest <= 126 && -130 <= smallest
}
