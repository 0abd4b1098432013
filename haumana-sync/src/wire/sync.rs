//! Part 2 of the protocol: what new clients send to `POST /sync`, and what they read.

use super::{BadRequest, Outline, Refusal, is_oversized, quoted, read_object};
use crate::engine::inbox::write_conflict;
use crate::engine::{Changed, Conflict, EditTimes, Pulled, Push, PushOp, PushOutcome, PushResult};
use crate::id::{Key, RecordId};
use crate::limits;
use crate::record::Value;
use crate::schema::{Kind, Schema};
use crate::store::Version;
use crate::time::UnixMillis;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The body of `POST /sync`. The pushes are read one by one, so that a bad one blocks no other.
///
/// It borrows the body: keep the body until the reply is written.
#[derive(Debug)]
pub struct SyncRequest<'a> {
    /// The device, by a name that it gave itself.
    ///
    /// It has 1 to [`limits::DEVICE_ID_CHARS`] characters, and no control characters. Two
    /// installations with one name are taken for one device.
    pub device: String,
    /// Where its last pull ended.
    pub cursor: Option<String>,
    /// The most records of a page.
    ///
    /// 1 to [`limits::PAGE_RECORDS`]; 500 if the request does not say.
    pub limit: usize,
    /// Its pushes.
    pub pushes: Vec<&'a RawValue>,
}

/// One push as it was sent: valid, or refused when it was read.
///
/// A push that is refused here never reaches the engine, and the device keeps it.
#[derive(Clone, Debug)]
pub enum SentPush {
    /// The push is valid.
    Good(Push),
    /// The push is refused.
    Refused {
        /// The kind as it was sent.
        kind: String,
        /// The id as it was sent.
        id: String,
        /// Why.
        refusal: Refusal,
        /// Why, for people.
        message: String,
    },
}

impl SentPush {
    /// Returns the push, if it is valid.
    pub fn good(&self) -> Option<&Push> {
        match self {
            SentPush::Good(push) => Some(push),
            SentPush::Refused { .. } => None,
        }
    }

    /// Returns the key of the record, if the push names one.
    pub fn key(&self, schema: &Schema) -> Option<Key> {
        match self {
            SentPush::Good(push) => Some(push.key),
            SentPush::Refused { kind, id, .. } => {
                Some(Key { kind: schema.named(kind)?.number(), id: RecordId::parse(id)? })
            }
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    #[serde(borrow)]
    device_id: Cow<'a, str>,
    #[serde(borrow, default)]
    cursor: Option<Cow<'a, str>>,
    #[serde(default)]
    limit: Option<u64>,
    #[serde(borrow, default)]
    push: Option<Vec<&'a RawValue>>,
}

/// How many records a page holds if the request does not say.
const DEFAULT_LIMIT: usize = 500;

/// More pushes than [`limits::PUSHES`] have always been answered as a body of the wrong shape.
const OUTLINE: Outline =
    Outline { too_many: BadRequest::Shape, ..Outline::of_records(limits::PUSHES) };

/// The keys of a body, for people.
const SHAPE: &str = "deviceId is a text of 1 to 64 characters, cursor a text or null, limit a number \
                     from 1 to 1000, and push a list of at most 1000 pushes";

impl<'a> SyncRequest<'a> {
    /// Reads a body.
    ///
    /// ```
    /// use haumana_sync::wire::sync::SyncRequest;
    ///
    /// let request = SyncRequest::from_json(br#"{"deviceId": "phone-3f9a"}"#)?;
    ///
    /// assert_eq!((500, true), (request.limit, request.pushes.is_empty()));
    /// assert!(SyncRequest::from_json(br#"{"cursor": null}"#).is_err(), "a device says who it is");
    /// # Ok::<(), haumana_sync::wire::BadRequest>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`BadRequest`] if the body as a whole cannot be accepted: for instance without a device,
    /// with a page limit outside 1 to [`limits::PAGE_RECORDS`], or with more than
    /// [`limits::PUSHES`] pushes.
    pub fn from_json(body: &'a [u8]) -> Result<Self, BadRequest> {
        let body: Body<'a> = read_object(body, OUTLINE).map_err(|bad| bad.expecting(SHAPE))?;
        let n_chars = body.device_id.chars().count();
        let is_device = 0 < n_chars
            && n_chars <= limits::DEVICE_ID_CHARS
            && !body.device_id.chars().any(char::is_control);
        let limit = body.limit.map_or(Some(DEFAULT_LIMIT), |limit| usize::try_from(limit).ok());
        let limit = limit.filter(|limit| (1..=limits::PAGE_RECORDS).contains(limit));
        let pushes = body.push.unwrap_or_default();
        match limit {
            Some(limit) if is_device && pushes.len() <= limits::PUSHES => Ok(Self {
                device: body.device_id.into_owned(),
                cursor: body.cursor.map(Cow::into_owned),
                limit,
                pushes,
            }),
            _ => Err(BadRequest::Expected(SHAPE)),
        }
    }

    /// Reads the pushes, each by itself.
    ///
    /// There is one entry for each push, in order. A push that cannot be read is an entry, too.
    pub fn read_pushes(&self, schema: &Schema) -> Vec<SentPush> {
        self.pushes.iter().map(|json| read_push(json, schema)).collect()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PushBody<'a> {
    #[serde(borrow)]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    base: Option<&'a RawValue>,
    #[serde(borrow)]
    edited_at: Option<&'a RawValue>,
    #[serde(borrow)]
    set: Option<BTreeMap<Cow<'a, str>, &'a RawValue>>,
    delete: Option<bool>,
    offered: Option<bool>,
}

#[derive(Deserialize)]
struct NameOnly<'a> {
    #[serde(borrow)]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
}

/// The keys of a push, for people.
const PUSH_SHAPE: &str = "a push is an object: kind and id are texts, set is an object, delete and \
                          offered are true or false";

/// The depth of a push's keys: its own, and those of `set` and `editedAt`.
const PUSH_DEPTH: usize = 2;

fn read_push(json: &RawValue, schema: &Schema) -> SentPush {
    let refused = |(refusal, message): Flaw| {
        let name = serde_json::from_str::<NameOnly<'_>>(json.get()).ok();
        let text = |value: Option<Cow<'_, str>>| -> String {
            let start = value.map(|text| text.chars().take(limits::DEVICE_ID_CHARS).collect());
            start.unwrap_or_default()
        };
        let (kind, id) =
            name.map_or_else(Default::default, |name| (text(name.kind), text(name.id)));
        SentPush::Refused { kind, id, refusal, message }
    };
    if is_oversized(json, PUSH_DEPTH) {
        return refused((Refusal::TooLarge, "the push is too large".to_owned()));
    }
    let Ok(body) = serde_json::from_str::<PushBody<'_>>(json.get()) else {
        return refused(flaw(PUSH_SHAPE));
    };
    match good_push(&body, schema) {
        Ok(push) => SentPush::Good(push),
        Err(flaw) => refused(flaw),
    }
}

/// Why a push is refused when it is read.
type Flaw = (Refusal, String);

fn flaw(message: &str) -> Flaw {
    (Refusal::InvalidField, message.to_owned())
}

fn good_push(body: &PushBody<'_>, schema: &Schema) -> Result<Push, Flaw> {
    let kind = body.kind.as_deref().and_then(|name| schema.named(name));
    let kind = kind.ok_or_else(|| flaw(&no_such_kind(schema)))?;
    let id = body.id.as_deref().and_then(RecordId::parse);
    let id = id.ok_or_else(|| (Refusal::InvalidId, "id is not a UUID".to_owned()))?;
    let base = body.base.map(|raw| read_base(raw).ok_or_else(|| flaw(BAD_BASE))).transpose()?;
    let base = base.flatten();
    let edited_at = edit_times(body.edited_at)
        .ok_or_else(|| flaw("editedAt is a time, or one for each field"))?;
    let is_offer = body.offered == Some(true);
    if is_offer && base.is_some() {
        return Err(flaw("base is null where a record is offered"));
    }
    let op = match (&body.set, body.delete) {
        (Some(set), None | Some(false)) => {
            let fields = fields(kind, set)?;
            if is_offer { PushOp::Offer(fields) } else { PushOp::Set(fields) }
        }
        (None, Some(true)) if is_offer => PushOp::OfferDelete,
        (None, Some(true)) => PushOp::Delete,
        _ => return Err(flaw("a push has set, or delete: true")),
    };
    Ok(Push { key: Key { kind: kind.number(), id }, base, edited_at, op })
}

/// The message for an unknown kind. It names only the first kinds, so that the text stays short.
fn no_such_kind(schema: &Schema) -> String {
    let names: Vec<&str> = schema.kinds().iter().take(8).map(|kind| kind.name()).collect();
    let rest = if names.len() < schema.kinds().len() { " or another of the schema" } else { "" };
    format!("kind is {}{rest}", names.join(" or "))
}

const BAD_BASE: &str = "base is a version that this server gave, or null";

/// Reads a base; the inner `None` for null, the outer `None` for an invalid base.
fn read_base(raw: &RawValue) -> Option<Option<Version>> {
    let base: Option<Version> = serde_json::from_str(raw.get()).ok()?;
    base.is_none_or(|base| (1..=limits::VERSION).contains(&base)).then_some(base)
}

fn edit_times(raw: Option<&RawValue>) -> Option<EditTimes> {
    let Some(raw) = raw else { return Some(EditTimes::Unknown) };
    if let Ok(text) = serde_json::from_str::<Cow<'_, str>>(raw.get()) {
        return UnixMillis::parse(&text).map(EditTimes::One);
    }
    if raw.get() == "null" {
        return Some(EditTimes::Unknown);
    }
    let times: BTreeMap<String, Cow<'_, str>> = serde_json::from_str(raw.get()).ok()?;
    let parse = |(name, text): (String, Cow<'_, str>)| Some((name, UnixMillis::parse(&text)?));
    let times: Option<BTreeMap<_, _>> = times.into_iter().map(parse).collect();
    times.map(EditTimes::PerField)
}

fn fields(
    kind: &Kind,
    set: &BTreeMap<Cow<'_, str>, &RawValue>,
) -> Result<BTreeMap<String, Value>, Flaw> {
    let mut fields = BTreeMap::new();
    for (name, raw) in set {
        let field = kind.named(name);
        if let Some(reserved) = kind.reserved_key(name).filter(|_| !field.is_declared()) {
            return Err(flaw(&reserved.to_string()));
        }
        let value = field.read(raw);
        let value = value.ok_or_else(|| flaw(&format!("{} has the wrong type", shown(name))))?;
        fields.insert(name.clone().into_owned(), value);
    }
    Ok(fields)
}

/// A field's name as a message can hold it.
fn shown(name: &str) -> String {
    let is_long = SHOWN_CHARS < name.chars().count();
    let start: String = name.chars().take(SHOWN_CHARS).collect();
    if is_long { format!("{start}…") } else { start }
}

/// How much of a field's name a message holds.
const SHOWN_CHARS: usize = 64;

/// The reply to `POST /sync`.
///
/// It is complete before anything is written. It has about as many bytes as the caller allowed.
#[derive(Clone, Debug)]
pub struct SyncReply {
    /// The kinds of record, for their names.
    pub schema: Schema,
    /// One result for each push, in order.
    pub results: Vec<SentResult>,
    /// The conflicts that this request caused.
    ///
    /// They are here in full if they fit. The inbox has all of them.
    pub conflicts: Vec<Conflict>,
    /// How many entries of the inbox are open; `None` if nothing was written since a server of
    /// version 0.1.
    ///
    /// A client shows it as a number on the inbox, without another call.
    pub open_conflicts: Option<u64>,
    /// What changed.
    pub pulled: Pulled,
    /// Whether the device has been seen further on than its cursor. Then another installation has
    /// its name, or its folder was restored. The device must take a new name.
    ///
    /// It must store the new name before anything is edited.
    pub is_copy: bool,
}

/// The answer to one push.
///
/// `message` names the field that is wrong, but nothing of its value.
#[derive(Clone, Debug)]
pub enum SentResult {
    /// The engine's result, or a refusal before the engine for a record that exists.
    Done {
        /// The outcome.
        result: PushResult,
        /// Why it was rejected, for people, if it was. It names the field that is wrong.
        message: Option<String>,
    },
    /// It was refused before the engine, and there is no such record.
    Refused {
        /// The kind as it was sent.
        kind: String,
        /// The id as it was sent.
        id: String,
        /// Why.
        refusal: Refusal,
        /// Why, for people.
        message: String,
    },
}

impl SentResult {
    /// Makes the answer to `push`.
    pub fn of(push: &Push, result: PushResult, schema: &Schema) -> Self {
        let message = match result.outcome {
            PushOutcome::Rejected(refusal) => Some(reason(push, refusal, result.version, schema)),
            _ => None,
        };
        SentResult::Done { result, message }
    }
}

/// Returns why a push was rejected, and because of which field.
fn reason(push: &Push, refusal: Refusal, version: Option<Version>, schema: &Schema) -> String {
    let is_refused = |refused: Refusal| refused == refusal;
    if refusal == Refusal::InvalidField && !push.has_possible_base(version) {
        return BAD_BASE.to_owned();
    }
    match (push.flaw(schema).filter(|(_, refused, _)| is_refused(*refused)), refusal) {
        (Some((name, _, what)), _) => format!("{} {what}", shown(&name)),
        (None, Refusal::TooLarge) => "the record as a whole is too large".to_owned(),
        (None, _) => refusal.message().to_owned(),
    }
}

impl SyncReply {
    /// Writes the body.
    ///
    /// It consumes the reply, so that the content of records is copied only once.
    pub fn into_json(self) -> Vec<u8> {
        let size: usize = self.pulled.changes.iter().map(|change| change.size_bytes()).sum();
        let mut out = String::with_capacity(size + 1024);
        out.push_str(r#"{"results":["#);
        let schema = &self.schema;
        super::comma_separated(&mut out, &self.results, |out, one| write_result(out, schema, one));
        out.push_str(r#"],"changes":["#);
        let changes = &self.pulled.changes;
        super::comma_separated(&mut out, changes, |out, one| write_change(out, schema, one));
        out.push_str(r#"],"conflicts":["#);
        super::comma_separated(&mut out, &self.conflicts, |out, one| {
            write_conflict(out, schema, one)
        });
        let cursor = self.pulled.cursor.as_deref().map_or("null".to_owned(), quoted);
        // Writing into a String cannot fail.
        let _ = write!(
            out,
            r#"],"cursor":{cursor},"more":{},"reset":{}"#,
            self.pulled.more, self.pulled.reset
        );
        if let Some(open) = self.open_conflicts {
            let _ = write!(out, r#","openConflicts":{open}"#);
        }
        if self.is_copy {
            out.push_str(r#","copy":true"#);
        }
        if let Some(digest) = self.pulled.digest {
            let _ = write!(out, r#","digest":"{digest}""#);
        }
        let _ = write!(out, r#","serverTime":"{}"}}"#, self.pulled.server_time);
        out.into_bytes()
    }
}

impl Changed {
    /// An upper limit of its bytes in a reply.
    pub fn size_bytes(&self) -> usize {
        self.value.as_ref().map_or(0, String::len) + 192
    }
}

fn write_result(out: &mut String, schema: &Schema, result: &SentResult) {
    match result {
        SentResult::Refused { kind, id, refusal, message } => {
            let (kind, id) = (quoted(kind.as_str()), quoted(id.as_str()));
            let _ = write!(
                out,
                r#"{{"kind":{kind},"id":{id},"outcome":"rejected","version":null,"conflicts":[],"error":{{"code":"{}","message":{}}}}}"#,
                refusal.code(),
                quoted(message.as_str())
            );
        }
        SentResult::Done { result, message } => {
            let version = result.version.map_or("null".to_owned(), |k| k.to_string());
            let outcome = match result.outcome {
                PushOutcome::Applied => "applied",
                PushOutcome::Merged => "merged",
                PushOutcome::Unchanged => "unchanged",
                PushOutcome::Rejected(_) => "rejected",
            };
            let (kind, id) = (schema.name_of(result.key.kind), result.key.id);
            let _ = write!(
                out,
                r#"{{"kind":"{kind}","id":"{id}","outcome":"{outcome}","version":{version},"conflicts":["#
            );
            super::comma_separated(out, &result.conflicts, |out, conflict| {
                let _ = write!(out, r#""{}""#, conflict.id);
            });
            out.push(']');
            if let PushOutcome::Rejected(refusal) = result.outcome {
                let _ = write!(
                    out,
                    r#","error":{{"code":"{}","message":{}}}"#,
                    refusal.code(),
                    quoted(message.as_deref().unwrap_or(refusal.message()))
                );
            }
            out.push('}');
        }
    }
}

fn write_change(out: &mut String, schema: &Schema, change: &Changed) {
    let Changed { key, version, modified_at, value } = change;
    let (kind, id) = (schema.name_of(key.kind), key.id);
    let _ = write!(
        out,
        r#"{{"kind":"{kind}","id":"{id}","version":{version},"modifiedAt":"{modified_at}","#
    );
    match value {
        Some(value) => {
            let _ = write!(out, r#""value":{value}}}"#);
        }
        None => out.push_str(r#""deleted":true}"#),
    }
}
