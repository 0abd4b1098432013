//! Schemas that follow each other on the data of one store.
//!
//! A store keeps the schema with which its records were last served. A host calls [`succeed`]
//! before it serves. A schema that cannot read the records is refused, and the error names the kind
//! and the field.
//!
//! While a new schema is rolled out, servers with the old and the new one may run at once.
//! Therefore the schema before the last may start again. Any other schema must succeed the last
//! one.
//!
//! ```
//! use haumana_sync::schema::{Field, FieldType, Kind, Schema};
//! use haumana_sync::store::MemoryStore;
//! use haumana_sync::succession::{Succession, succeed};
//!
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! let store = MemoryStore::new();
//! let with = |field_type| {
//!     Schema::new([Kind::new(3, "recipe").field(Field::new(1, "title", field_type))])
//! };
//! let schema = with(FieldType::text(200))?;
//! assert_eq!(Succession::New, succeed(&store, &schema, None).await?);
//! assert_eq!(Succession::Same, succeed(&store, &schema, None).await?);
//!
//! let refused = succeed(&store, &with(FieldType::lines(200))?, None).await.unwrap_err();
//! assert_eq!("kind recipe, field title: a field keeps its type", refused.to_string());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`Schema::succeed`] says what may change: kinds and fields may be added, limits and policies may
//! change, types and numbers may not.

use crate::limits::COMMIT_TRIES;
use crate::schema::{Schema, SchemaError};
use crate::store::{self, Operate};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// How a schema relates to the one with which the records were last served.
///
/// A host logs it at the start. None of the three changes a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Succession {
    /// It is the same schema.
    Same,
    /// It succeeds the last schema, and is now the last one.
    New,
    /// It is the schema before the last. The last one stays.
    Earlier,
}

/// Why records cannot be served with a schema.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SuccessionError {
    /// It does not succeed the last one.
    #[error("{0}")]
    Refused(SchemaError),
    /// The store keeps a schema that this program cannot read: a newer one wrote it.
    ///
    /// Start the newer program again, or restore a backup from before it.
    #[error("a newer program keeps the schema of these records: {0}")]
    Newer(String),
    /// The store failed, or others change the schema at the same time.
    #[error("cannot keep the schema")]
    Store(#[from] store::Error),
}

/// Checks that the records of a store may be served with `schema`, and keeps it as the last one.
///
/// It compares schemas in the form that [`Schema::to_json`] writes. What only Rust can declare is
/// not kept, such as which fields a kind's content hash covers.
///
/// `presumed` is the schema of records that were stored before a schema was ever kept, if it is
/// known.
///
/// # Errors
///
/// [`SuccessionError::Refused`] names the kind and the field of a change that is not allowed, see
/// [`Schema::succeed`]. Nothing was written then.
pub async fn succeed(
    store: &dyn Operate,
    schema: &Schema,
    presumed: Option<&Schema>,
) -> Result<Succession, SuccessionError> {
    let told = |schema: &Schema| Schema::from_json(&schema.to_json());
    let schema = &told(schema).map_err(SuccessionError::Refused)?;
    let presumed = presumed.map(told).transpose().map_err(SuccessionError::Refused)?;
    replace(store, |kept| {
        let last = match kept {
            Some(kept) if kept.last == *schema => return Ok(Next::Stays(Succession::Same)),
            Some(kept) if kept.before.as_ref() == Some(schema) => {
                return Ok(Next::Stays(Succession::Earlier));
            }
            Some(kept) => Some(&kept.last),
            None => presumed.as_ref(),
        };
        if let Some(last) = last {
            schema.succeed(last).map_err(SuccessionError::Refused)?;
        }
        let before = last.filter(|last| *last != schema);
        let retention_days = kept.and_then(|kept| kept.retention_days);
        Ok(Next::Is(written(schema, before, retention_days), Succession::New))
    })
    .await
}

/// Returns the schema with which the records of a store were last served; `None` if no schema was
/// ever kept. What only Rust can declare is not in it.
///
/// # Errors
///
/// [`SuccessionError::Newer`] if this program cannot read it.
pub async fn last(store: &dyn Operate) -> Result<Option<Schema>, SuccessionError> {
    let text = store.kept_schema().await?;
    Ok(text.as_deref().map(Kept::read).transpose()?.map(|kept| kept.last))
}

/// Returns for how many days the history of a store was kept when it was last served; `None` if that
/// was never said.
///
/// A program that is not given a retention of its own uses this one: with a shorter one it would
/// delete history for good.
///
/// # Errors
///
/// [`SuccessionError::Newer`] if this program cannot read it.
pub async fn retention_days(store: &dyn Operate) -> Result<Option<u32>, SuccessionError> {
    let text = store.kept_schema().await?;
    Ok(text.as_deref().map(Kept::read).transpose()?.and_then(|kept| kept.retention_days))
}

/// Keeps for how many days history is kept, beside the schema. A host calls it after [`succeed`];
/// before a schema is kept, it changes nothing.
///
/// ```
/// use haumana_sync::store::MemoryStore;
/// use haumana_sync::{repertoire, succession};
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let store = MemoryStore::new();
/// succession::succeed(&store, &repertoire::schema(), None).await?;
/// assert_eq!(None, succession::retention_days(&store).await?);
///
/// succession::keep_retention_days(&store, 365).await?;
/// assert_eq!(Some(365), succession::retention_days(&store).await?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// As [`succeed`].
pub async fn keep_retention_days(store: &dyn Operate, days: u32) -> Result<(), SuccessionError> {
    replace(store, |kept| match kept {
        Some(kept) if kept.retention_days != Some(days) => {
            Ok(Next::Is(written(&kept.last, kept.before.as_ref(), Some(days)), ()))
        }
        Some(_) | None => Ok(Next::Stays(())),
    })
    .await
}

/// What a look at the kept text leads to, and what the caller is told.
enum Next<T> {
    Stays(T),
    Is(String, T),
}

/// Replaces what a store keeps by what `next` makes of it. If others change it meanwhile, `next`
/// is called again.
async fn replace<T>(
    store: &dyn Operate,
    next: impl Fn(Option<&Kept>) -> Result<Next<T>, SuccessionError>,
) -> Result<T, SuccessionError> {
    let mut lost = None;
    for _ in 0..COMMIT_TRIES {
        let text = store.kept_schema().await?;
        let kept = text.as_deref().map(Kept::read).transpose()?;
        let (next, told) = match next(kept.as_ref())? {
            Next::Stays(told) => return Ok(told),
            Next::Is(next, told) => (next, told),
        };
        match store.keep_schema(text.as_deref(), &next).await {
            Ok(()) => return Ok(told),
            // Another server keeps its schema at the same time, or the answer was lost.
            Err(error) if matches!(error.kind(), RACED | LOST) => lost = Some(error),
            Err(error) => return Err(error.into()),
        }
    }
    let contended = || store::Error::new("keep_schema", RACED);
    Err(lost.unwrap_or_else(contended).into())
}

const RACED: store::ErrorKind = store::ErrorKind::Conflict;
const LOST: store::ErrorKind = store::ErrorKind::Unknown;

/// What a store keeps.
struct Kept {
    last: Schema,
    before: Option<Schema>,
    retention_days: Option<u32>,
}

/// The same as text: each schema as it writes itself.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text<'a> {
    #[serde(borrow)]
    schema: &'a RawValue,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    before: Option<&'a RawValue>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retention_days: Option<u32>,
}

impl Kept {
    fn read(text: &str) -> Result<Self, SuccessionError> {
        let newer = |error: &dyn std::fmt::Display| SuccessionError::Newer(error.to_string());
        let text: Text<'_> = serde_json::from_str(text).map_err(|error| newer(&error))?;
        let schema = |raw: &RawValue| Schema::from_json(raw.get()).map_err(|error| newer(&error));
        let before = text.before.map(schema).transpose()?;
        Ok(Self { last: schema(text.schema)?, before, retention_days: text.retention_days })
    }
}

fn written(schema: &Schema, before: Option<&Schema>, retention_days: Option<u32>) -> String {
    let before = before.map(|before| format!(r#","before":{}"#, before.to_json()));
    let retention = retention_days.map(|days| format!(r#","retention_days":{days}"#));
    let more = before.unwrap_or_default() + &retention.unwrap_or_default();
    format!(r#"{{"schema":{}{more}}}"#, schema.to_json())
}
