//! The types of fields, and the merge policies.
//!
//! A type says what JSON a field holds and whether two edits of it can both be kept.

use crate::limits;

/// What a field holds.
///
/// | types | of two concurrent edits |
/// |---|---|
/// | `Lines`, `List`, `Set`, `Counter` | both are kept; what clashes goes to the later one |
/// | all others | one is kept, by the field's [`Merge`] policy |
///
/// Which type a field has can never change; its limit and its words can.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FieldType {
    /// Text that is merged as a whole.
    ///
    /// Use it for titles, names and addresses, where a mixture of two edits would be wrong.
    Text {
        /// The most characters.
        max_chars: usize,
    },
    /// Text that is merged by line, then by word.
    ///
    /// Use it for notes and lyrics. At most [`LONG_TEXT_BYTES`](limits::LONG_TEXT_BYTES). See
    /// [`crate::text`] for what merges and what clashes.
    Lines {
        /// The most bytes.
        max_bytes: usize,
    },
    /// True or false.
    Flag,
    /// A whole number.
    ///
    /// It has 64 bits and a sign. If two devices add to it at the same time, one addition is lost;
    /// use `Counter` for that.
    Integer,
    /// A number, as JSON writes it.
    ///
    /// Its digits are kept as they come: `1.0` stays `1.0`.
    Number,
    /// A point in time, RFC 3339.
    ///
    /// It is stored in UTC with milliseconds, whatever offset it comes with.
    Time,
    /// The id of a record. It is not a foreign key: the record may be deleted, or may not exist yet.
    Id,
    /// One of several words.
    Enum {
        /// The words, from the weakest to the strongest.
        words: Vec<String>,
        /// Whether words that are not in the list are kept, too.
        open: bool,
    },
    /// Any JSON value, kept byte for byte.
    ///
    /// It is nested at most [`UNKNOWN_KEY_DEPTH`](limits::UNKNOWN_KEY_DEPTH) deep, and merges as a
    /// whole.
    Json,
    /// An ordered list of values. Elements that both sides insert are all kept.
    ///
    /// An element may occur twice. Elements are compared as a whole and never cut.
    List {
        /// The type of the elements.
        of: Element,
        /// The most values.
        max: usize,
    },
    /// Values without an order, each once.
    ///
    /// If an element was added again after the base, it stays even if a device that had not seen
    /// this removes it.
    Set {
        /// The type of the elements.
        of: Element,
        /// The most values.
        max: usize,
    },
    /// A sum that every device adds to.
    ///
    /// Its value is an object. For each device it has two totals: what the device has added, and
    /// what it has removed, since it first counted.
    ///
    /// At most [`COUNTER_DEVICES`](limits::COUNTER_DEVICES) devices count.
    /// [`Counter`](crate::record::Counter) reads it and adds to it.
    Counter,
}

/// The type of the elements of a list or a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Element {
    /// Text of at most [`Element::TEXT_CHARS`] characters.
    Text,
    /// Ids of records.
    Id,
}

impl Element {
    /// The most characters of a text in a list or a set.
    pub const TEXT_CHARS: usize = 1024;
}

impl FieldType {
    /// Text of at most `max_chars` characters.
    pub fn text(max_chars: usize) -> Self {
        Self::Text { max_chars }
    }

    /// Text of at most `max_bytes` bytes that is merged by line.
    pub fn lines(max_bytes: usize) -> Self {
        Self::Lines { max_bytes }
    }

    /// A list of at most `max` ids of records.
    pub fn list_of_ids(max: usize) -> Self {
        Self::List { of: Element::Id, max }
    }

    /// A list of at most `max` texts.
    pub fn list_of_texts(max: usize) -> Self {
        Self::List { of: Element::Text, max }
    }

    /// A set of at most `max` ids of records.
    pub fn set_of_ids(max: usize) -> Self {
        Self::Set { of: Element::Id, max }
    }

    /// A set of at most `max` texts.
    pub fn set_of_texts(max: usize) -> Self {
        Self::Set { of: Element::Text, max }
    }

    /// One of these words, from the weakest to the strongest, and no other.
    ///
    /// The order counts for [`Merge::Greatest`] and [`Merge::Least`]. Add new words at the end. An
    /// older app keeps a word that it does not know, but reads the field as its default.
    pub fn one_of<'a>(words: impl IntoIterator<Item = &'a str>) -> Self {
        Self::Enum { words: words.into_iter().map(str::to_owned).collect(), open: false }
    }

    /// Returns the type's name in schema files.
    pub fn name(&self) -> &'static str {
        match self {
            FieldType::Text { .. } => "text",
            FieldType::Lines { .. } => "lines",
            FieldType::Flag => "flag",
            FieldType::Integer => "integer",
            FieldType::Number => "number",
            FieldType::Time => "time",
            FieldType::Id => "id",
            FieldType::Enum { .. } => "enum",
            FieldType::Json => "json",
            FieldType::List { .. } => "list",
            FieldType::Set { .. } => "set",
            FieldType::Counter => "counter",
        }
    }

    /// Whether its values are text.
    pub fn is_text(&self) -> bool {
        matches!(
            self,
            FieldType::Text { .. }
                | FieldType::Lines { .. }
                | FieldType::Time
                | FieldType::Id
                | FieldType::Enum { .. }
        )
    }

    /// Whether its values have an order that people expect, and are short enough for an index.
    pub fn is_ordered(&self) -> bool {
        let is_number = matches!(self, FieldType::Integer | FieldType::Number);
        let is_text = self.is_text() && !matches!(self, FieldType::Lines { .. });
        is_number || is_text || *self == FieldType::Flag
    }

    /// Whether merging two edits needs the value of the base, and not only its hash.
    pub fn needs_base(&self) -> bool {
        matches!(self, FieldType::Lines { .. } | FieldType::List { .. } | FieldType::Set { .. })
    }

    /// Whether its values merge by their parts. Such a field has no merge policy of its own.
    pub fn is_structural(&self) -> bool {
        self.needs_base() || *self == FieldType::Counter
    }

    /// The limit that the schema sets, and the greatest limit that a schema may set.
    pub(super) fn limit(&self) -> Option<(usize, usize)> {
        match self {
            FieldType::Text { max_chars } => Some((*max_chars, limits::RECORD_BYTES)),
            FieldType::Lines { max_bytes } => Some((*max_bytes, limits::LONG_TEXT_BYTES)),
            FieldType::List { max, .. } | FieldType::Set { max, .. } => {
                Some((*max, limits::ELEMENTS))
            }
            _ => None,
        }
    }
}

/// The merge policy of a field: which of two concurrent edits stays.
///
/// An edit of the current version always applies, except under [`Merge::Fixed`].
///
/// ```
/// # use haumana_sync::conformance::{SeededRandom, SetClock};
/// # use haumana_sync::Engine;
/// # use haumana_sync::engine::{EditTimes, EngineConfig, Push, PushOp};
/// # use haumana_sync::id::{Key, KindNumber, RecordId, UserId};
/// # use haumana_sync::record::{Content, Value};
/// # use haumana_sync::schema::{Field, FieldType, Kind, Merge, Schema};
/// # use haumana_sync::store::{Generation, MemoryStore};
/// # use haumana_sync::time::UnixMillis;
/// # use std::collections::BTreeMap;
/// # use std::sync::Arc;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// // The value of the record, the phone's edit of it, and the iPad's, which is later.
/// for (merge, [made, phone, ipad], merged) in [
///     (Merge::Later, ["1", "5", "3"], "3"),
///     (Merge::Greatest, ["1", "5", "3"], "5"),
///     (Merge::Least, ["9", "5", "7"], "5"),
///     (Merge::First, ["1", "5", "3"], "5"),
///     (Merge::Fixed, ["1", "5", "3"], "1"),
/// ] {
///     let field = Field::new(1, "value", FieldType::Integer).merge(merge);
/// #     let schema = Schema::new([Kind::new(3, "song").field(field)])?;
/// #     let clock = Arc::new(SetClock::at(UnixMillis(1_795_392_000_000)));
/// #     let (store, config) = (Arc::new(MemoryStore::new()), EngineConfig::new(Generation(0)));
/// #     let engine = Engine::of(schema, store, clock.clone(), Arc::new(SeededRandom::new(1)), config);
/// #     let kai = UserId::verified_by_caller("kai").ok_or("not a user id")?;
/// #     let key = Key { kind: KindNumber::new(3), id: RecordId::from_bits(1) };
/// #     let push = async |device: &str, base, value: &str| {
/// #         clock.pass_ms(60_000);
/// #         let field = engine.schema().kinds()[0].fields()[0].clone();
/// #         let value = serde_json::value::RawValue::from_string(value.to_owned())?;
/// #         let value = field.read(&value).ok_or("no value of the field")?;
/// #         let op = PushOp::Set(BTreeMap::from([("value".to_owned(), value)]));
/// #         let edited_at = EditTimes::One(engine.now());
/// #         engine.push(&kai, device, &[Push { key, base, edited_at, op }]).await?;
/// #         Ok::<(), Box<dyn std::error::Error>>(())
/// #     };
/// #     let value = async || {
/// #         let found = engine.store().read(&kai, &[key]).await?.remove(0).ok_or("a record")?;
/// #         let content: serde_json::Value = serde_json::from_str(&found.content)?;
/// #         Ok::<String, Box<dyn std::error::Error>>(content["value"].to_string())
/// #     };
///     push("phone", None, made).await?;
///     push("phone", Some(1), phone).await?;
///     push("ipad", Some(1), ipad).await?;
///
///     assert_eq!(merged, value().await?, "{}", merge.name());
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Merge {
    /// The later edit wins, and the other value is in the inbox.
    ///
    /// Lines, lists, sets and counters merge by their parts. For them this policy decides only what
    /// clashes.
    #[default]
    Later,
    /// The greatest value wins; the other is in the history. A value beats none.
    ///
    /// Use it for values that only grow: a best result, a version of terms that were accepted, a
    /// step of a process.
    Greatest,
    /// The least value wins; the other is in the history. A value beats none.
    ///
    /// Use it for times that only get earlier, such as when something was first seen.
    Least,
    /// The earliest edit wins; the other is in the history.
    ///
    /// Use it for a claim: the first to claim keeps it.
    First,
    /// The value with which the record was created stays, also if that is no value.
    ///
    /// A later value is neither an error nor a conflict. It is kept in the history.
    Fixed,
}

impl Merge {
    /// Every policy with its name in schema files.
    pub const ALL: [(Merge, &'static str); 5] = [
        (Merge::Later, "later"),
        (Merge::Greatest, "greatest"),
        (Merge::Least, "least"),
        (Merge::First, "first"),
        (Merge::Fixed, "fixed"),
    ];

    /// Returns the policy's name in schema files.
    pub fn name(self) -> &'static str {
        let found = Merge::ALL.iter().find(|(merge, _)| *merge == self);
        found.map_or("later", |(_, name)| name)
    }

    /// Whether the policy compares edit times.
    pub(crate) fn is_by_time(self) -> bool {
        matches!(self, Merge::Later | Merge::First)
    }

    /// Whether the losing value waits for a person in the inbox. Otherwise only the history keeps
    /// it.
    pub fn asks(self) -> bool {
        self == Merge::Later
    }
}
