//! A client of `/sync` with one record, written from docs/protocol.md.
//!
//! For the result `applied` it applies its edit to what it holds. It replaces records that are
//! among the changes, and compares its digest with the reply's at once. If the server notices a
//! copy, the copy gets a new device id.

use super::ledger::{Seen, both};
use super::turn::What;
use haumana_sync::digest::Digest;
use haumana_sync::id::RecordId;
use haumana_sync::time::UnixMillis;
use serde_json::{Map, Value as Json, json};

/// The values of the fields in which the greatest, and the least, wins. Neither list rises with
/// time, and alphabetical order would give other results.
pub(super) const MOST: [i64; 4] = [5, 19, 2, 17];
/// See [`MOST`].
pub(super) const LEAST: [i64; 4] = [15, 2, 19, 7];

/// What a device holds, and its waiting edits.
///
/// It is cheap to clone: each turn of the search begins with a copy of everything.
#[derive(Clone, Debug)]
pub(super) struct Client {
    pub(super) id: String,
    cursor: Json,
    version: Option<u64>,
    /// The record; `None` of a tombstone.
    pub(super) value: Option<Map<String, Json>>,
    pending: Vec<Pending>,
    counted: u64,
    seen: Seen,
    last_ms: i64,
}

#[derive(Clone, Debug)]
struct Pending {
    number: usize,
    own: Seen,
    set: Option<Map<String, Json>>,
    push: Json,
}

impl Client {
    pub(super) fn new(id: String) -> Self {
        let (version, value, pending) = (None, None, Vec::new());
        let (counted, seen, last_ms) = (0, Seen::default(), 0);
        Self { id, cursor: Json::Null, version, value, pending, counted, seen, last_ms }
    }

    pub(super) fn is_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Whether its user sees the record.
    ///
    /// A waiting delete hides it.
    pub(super) fn holds(&self) -> bool {
        self.value.is_some() && self.pending.iter().all(|pending| pending.set.is_some())
    }

    /// The edits in what its user sees.
    ///
    /// A user sees their own waiting edits.
    pub(super) fn seen(&self) -> Seen {
        self.pending.iter().fold(self.seen, |seen, pending| both(seen, pending.own))
    }

    /// The agreed record with sent and waiting edits applied.
    fn shown(&self) -> Map<String, Json> {
        let mut shown = self.value.clone().unwrap_or_default();
        for set in self.pending.iter().filter_map(|pending| pending.set.clone()) {
            shown.extend(set);
        }
        shown
    }

    /// Its user does something. Returns the time of the edit.
    ///
    /// Several edits may wait. Each is a push of its own on the same base.
    pub(super) fn edit(
        &mut self,
        what: What,
        number: usize,
        own: Seen,
        id: RecordId,
        at_ms: i64,
    ) -> i64 {
        // Edit times of one device grow, for edits on one version.
        let at_ms = if self.is_pending() { at_ms.max(self.last_ms + 1) } else { at_ms };
        self.last_ms = at_ms;
        let mut push = json!({ "kind": "piece", "id": id.to_string(), "base": self.version,
            "editedAt": UnixMillis(at_ms).to_string() });
        let set = (what != What::Delete).then(|| self.set_of(what, number));
        match &set {
            Some(set) => push["set"] = Json::Object(set.clone()),
            None => push["delete"] = json!(true),
        }
        self.pending.push(Pending { number, own, set, push });
        at_ms
    }

    /// Each value contains the number of its edit, so that a value names its edit.
    fn set_of(&mut self, what: What, number: usize) -> Map<String, Json> {
        let shown = self.shown();
        let with = |name: &str, element: String| {
            let mut all = shown.get(name).and_then(Json::as_array).cloned().unwrap_or_default();
            all.insert(0, json!(element));
            Json::Array(all)
        };
        let set = match what {
            What::Name => json!({ "title": format!("t{number}") }),
            What::Words => {
                let text = shown.get("lyrics").and_then(Json::as_str).unwrap_or_default();
                json!({ "lyrics": edited(text, number) })
            }
            _ => {
                self.counted += 1;
                let mut set = json!({
                    "most": MOST[number % 4],
                    "least": LEAST[number % 4],
                    "earliest": format!("f{number}"),
                    "list": with("list", format!("l{number}")),
                    "set": with("set", format!("s{number}")),
                    "count": { &self.id: [self.counted, 0] },
                });
                // A fixed field does not change, so such an edit is never applied unchanged.
                if !number.is_multiple_of(2) {
                    set["fixed"] = json!(format!("o{number}"));
                }
                set
            }
        };
        set.as_object().cloned().unwrap_or_default()
    }

    /// The body that it sends.
    pub(super) fn body(&self) -> Vec<u8> {
        let push: Vec<&Json> = self.pending.iter().map(|pending| &pending.push).collect();
        let body =
            json!({ "deviceId": self.id, "cursor": self.cursor, "limit": 500, "push": push });
        body.to_string().into_bytes()
    }

    /// The numbers of the edits that it sends.
    pub(super) fn sends(&self) -> Vec<usize> {
        self.pending.iter().map(|pending| pending.number).collect()
    }

    /// It receives the reply; the server has seen `server`. The error says what is wrong with the
    /// reply.
    ///
    /// Nothing may be refused in this model.
    pub(super) fn hear(&mut self, reply: &[u8], id: RecordId, server: Seen) -> Result<(), String> {
        let reply: Json = serde_json::from_slice(reply).map_err(|error| error.to_string())?;
        let results = reply["results"].as_array().cloned().unwrap_or_default();
        if results.len() != self.pending.len() || reply["more"] != json!(false) {
            return Err(format!("not every push has its answer: {reply}"));
        }
        for (pending, result) in std::mem::take(&mut self.pending).into_iter().zip(&results) {
            match result["outcome"].as_str() {
                Some("applied") => {
                    self.version = result["version"].as_u64();
                    let value = self.value.clone().unwrap_or_default();
                    self.value = pending.set.map(|set| value.into_iter().chain(set).collect());
                }
                Some("merged" | "unchanged") => {}
                _ => return Err(format!("a push is refused: {result}")),
            }
        }
        for change in reply["changes"].as_array().into_iter().flatten() {
            self.version = change["version"].as_u64();
            self.value = change["value"].as_object().cloned();
        }
        let version = self.version.and_then(|version| u32::try_from(version).ok()).unwrap_or(0);
        let digest = Digest::of_version("piece", id, version, self.value.is_none());
        if reply["digest"] != json!(digest.to_string()) {
            return Err(format!("the digest says that the client holds something else: {reply}"));
        }
        self.cursor = reply["cursor"].clone();
        self.seen = server;
        if reply["copy"] == json!(true) {
            self.id.push('+');
            self.counted = 0;
        }
        Ok(())
    }
}

/// The lines after an edit: the middle one is changed, and there is one more.
///
/// An even number adds a line at the top, an odd one at the bottom.
pub(super) fn edited(text: &str, number: usize) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let middle = lines.iter().position(|line| line == "c" || line.starts_with('m'));
    if let Some(at) = middle {
        lines[at] = format!("m{number}");
    }
    let at = if number.is_multiple_of(2) { 0 } else { lines.len() };
    lines.insert(at, format!("x{number}"));
    lines.join("\n")
}
