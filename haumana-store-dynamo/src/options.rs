//! The options of a store.
//!
//! All of them are passed in. Only [`Credentials::from_environment`], which a host may call, and
//! [`http_client`](crate::http_client) read environment variables.

use crate::allowance::Allowance;
use crate::columns::EXTRA;
use crate::schema::table_of;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use haumana_sync::id::KindNumber;
use haumana_sync::schema::{Field, FieldType, Kind, Schema};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Says where a [`DynamoStore`](crate::DynamoStore) is and how it behaves.
///
/// There is no default: the program that opens a store decides each of these.
#[derive(Clone, Debug)]
pub struct DynamoOptions {
    /// The prefix of the tables' names; [`DEFAULT_PREFIX`](crate::DEFAULT_PREFIX) in production.
    ///
    /// Two deployments in one account and region need two prefixes.
    pub prefix: String,
    /// The AWS region.
    pub region: String,
    /// The address of the service, if it is not Amazon's: `http://127.0.0.1:8000`.
    pub endpoint: Option<String>,
    /// The credentials.
    ///
    /// They are read once. If a host has temporary credentials and they expire, it opens another
    /// store.
    pub credentials: Credentials,
    /// Which fields of records become attributes that the console shows.
    pub columns: Columns,
    /// How long history stays after it was superseded, before DynamoDB deletes it by itself. It
    /// must be at least the retention of the engine.
    ///
    /// Add some days. The engine ignores history that is past its retention anyway, and DynamoDB
    /// may delete an item days after it is due.
    pub history_ttl: Duration,
    /// What one account may cost; `None`: no limit.
    pub allowance: Option<Allowance>,
    /// When failed requests are sent again.
    pub retry: Retry,
    /// The time until which the host must have its answer.
    ///
    /// [`NoDeadline`] fits a server, [`RequestDeadline`] a function.
    pub deadline: Arc<dyn Deadline>,
    /// The HTTP client; `None`: one of its own, as [`http_client`](crate::http_client) makes them.
    ///
    /// Share one between the clients of a function: its start is then faster.
    pub http: Option<SharedHttpClient>,
}

/// AWS credentials.
#[derive(Clone)]
pub struct Credentials {
    /// The id of the access key.
    pub access_key: String,
    /// The secret access key.
    pub secret_key: String,
    /// The session token of temporary credentials.
    pub session_token: Option<String>,
}

impl Credentials {
    /// Reads the credentials that Lambda and command lines put into the environment:
    /// `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and, if set, `AWS_SESSION_TOKEN`.
    ///
    /// Returns `None` if one of the first two is missing.
    ///
    /// It reads no files, and asks no service that hands out credentials.
    pub fn from_environment() -> Option<Self> {
        let get = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        Some(Self {
            access_key: get("AWS_ACCESS_KEY_ID")?,
            secret_key: get("AWS_SECRET_ACCESS_KEY")?,
            session_token: get("AWS_SESSION_TOKEN"),
        })
    }
}

impl fmt::Debug for Credentials {
    /// Shows nothing of them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(..)")
    }
}

/// Which fields of records become attributes of their own, so that the console shows them. All
/// others are in the attribute `extra`.
///
/// Stored records can be read with any columns. So columns may change with the schema, and a
/// function of an earlier deployment reads records of a later one.
///
/// ```
/// use haumana_store_dynamo::Columns;
/// use haumana_sync::schema::{Field, FieldType, Kind, Schema};
///
/// let song = Kind::new(3, "song")
///     .field(Field::new(1, "title", FieldType::text(200)))
///     .field(Field::new(2, "rating", FieldType::Integer));
/// let columns = Columns::of(&Schema::new([song])?);
///
/// // The console shows titles. Ratings stand in `extra`, since numbers must keep their digits.
/// assert_ne!(Columns::default(), columns);
/// # Ok::<(), haumana_sync::schema::SchemaError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Columns(BTreeMap<KindNumber, Vec<String>>);

impl Columns {
    /// Returns the fields of a schema whose values DynamoDB can hold unchanged: texts and booleans.
    /// A field with the name of one of the store's own attributes is left out.
    pub fn of(schema: &Schema) -> Self {
        let of_kind = |kind: &Arc<Kind>| {
            let fields = kind.fields().iter().filter(|field| is_plain(field.field_type()));
            let names = fields.map(Field::name).filter(|name| is_free(kind.number(), name));
            (kind.number(), names.map(str::to_owned).collect())
        };
        Self(schema.kinds().iter().map(of_kind).collect())
    }

    /// Returns the columns of a kind, in the order of its records.
    ///
    /// A kind without an entry has none; all of its content is in `extra`.
    pub(crate) fn of_kind(&self, kind: KindNumber) -> &[String] {
        self.0.get(&kind).map_or(&[], Vec::as_slice)
    }
}

/// Whether a value of this type is a text or a boolean in JSON.
fn is_plain(field_type: &FieldType) -> bool {
    use FieldType::{Enum, Flag, Id, Lines, Text, Time};
    matches!(field_type, Text { .. } | Lines { .. } | Flag | Time | Id | Enum { .. })
}

/// Whether the store has no attribute of its own with this name.
pub(crate) fn is_free(kind: KindNumber, name: &str) -> bool {
    let table = table_of(kind);
    !(name.starts_with('_') || name == EXTRA || table.key_attributes().any(|key| key == name))
}

/// When failed requests are sent again. The SDK's own retries are off.
///
/// A request that is refused for now is sent again after a wait of random length. So requests that
/// were refused together do not come back together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// How long one call of the store may take, retries and waits included.
    ///
    /// A host's [`Deadline`] may end it earlier.
    pub budget: Duration,
    /// How long one request may take.
    pub request: Duration,
    /// The longest wait before the first retry. It doubles with each retry, and each is shortened
    /// at random.
    pub first_wait: Duration,
    /// The longest wait.
    pub longest_wait: Duration,
}

impl Retry {
    /// Returns values for an API whose callers wait at most 30 seconds.
    ///
    /// 20 s for a call, 5 s for a request, waits from 25 ms to 1 s.
    pub fn interactive() -> Self {
        Self {
            budget: Duration::from_secs(20),
            request: Duration::from_secs(5),
            first_wait: Duration::from_millis(25),
            longest_wait: Duration::from_secs(1),
        }
    }
}

/// Says until when the host must have its answer. Calls of the store end before that, if necessary
/// with an error, so that the host can still answer.
///
/// It is asked at each request, so it may change between calls.
pub trait Deadline: fmt::Debug + Send + Sync + 'static {
    /// Returns the instant; `None` if there is none.
    fn at(&self) -> Option<Instant>;
}

/// No deadline but the budget of [`Retry`].
#[derive(Clone, Copy, Debug)]
pub struct NoDeadline;

impl Deadline for NoDeadline {
    fn at(&self) -> Option<Instant> {
        None
    }
}

/// The deadline of a host that serves one request at a time, as a Lambda function does. It is set
/// before each request.
///
/// Set it a little before the end of the function's time, so that an answer still gets out.
///
/// A deadline that has passed stays until the next one is set, so calls in between end at once.
#[derive(Debug, Default)]
pub struct RequestDeadline(Mutex<Option<Instant>>);

impl RequestDeadline {
    /// Makes one without a deadline.
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on calls end before `at`.
    pub fn set(&self, at: Instant) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(at);
    }
}

impl Deadline for RequestDeadline {
    fn at(&self) -> Option<Instant> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
