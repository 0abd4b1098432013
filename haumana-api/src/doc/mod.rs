//! What is documented: about each call, and about all of them.
//!
//! It is written by hand. Macros could not derive schemas from the handlers: these take whole
//! requests, and records are spliced in as stored text. Tests compare router, examples and document
//! with one another.
//!
//! The schemas of records are made of the schema (`kinds`, `fields`). Those of pieces and sessions
//! in the phones' calls are not (`records`): their keys are a fixed list.

mod errors;
pub(crate) mod examples;
mod fields;
mod kinds;
pub(crate) mod parameters;
mod records;
mod samples;
mod schemas;

pub(crate) use errors::responses;
pub use errors::{ErrorCode, error_codes};
pub(crate) use schemas::all as schemas;

use serde_json::{Map, Value, json};

/// A pattern: text without control characters.
const NO_CONTROLS: &str = "^[^\\u0000-\\u001f\\u007f-\\u009f]+$";

/// What is documented about one call.
pub(crate) struct Doc {
    /// An operation object of OpenAPI 3.1. Security and errors are added at the end.
    json: Value,
    /// Whether it needs no token.
    is_public: bool,
    /// Statuses of errors. They become references to shared responses, in `errors`.
    fails: Vec<u16>,
}

impl Doc {
    /// A call that needs no token.
    pub(crate) fn public(id: &str, summary: &str) -> Self {
        let json = json!({ "operationId": id, "summary": summary });
        Self { json, is_public: true, fails: vec![429, 500] }
    }

    /// A call that needs a token.
    ///
    /// Every such call may answer 401, 429, 500 and 503, so its author does not have to say so.
    pub(crate) fn call(id: &str, summary: &str) -> Self {
        let json = json!({ "operationId": id, "summary": summary });
        Self { json, is_public: false, fails: vec![401, 429, 500, 503] }
    }

    pub(crate) fn parameters<const N: usize>(mut self, parameters: [Value; N]) -> Self {
        self.json["parameters"] = Value::from(parameters.to_vec());
        self
    }

    /// It takes a body of JSON: the name of its schema, and examples by name.
    pub(crate) fn body<'n>(
        mut self,
        schema: &str,
        examples: impl IntoIterator<Item = (&'n str, Value)>,
    ) -> Self {
        let examples = examples.into_iter();
        let examples: Map<String, Value> =
            examples.map(|(name, value)| (name.to_owned(), json!({ "value": value }))).collect();
        let content = json!({ "schema": reference(schema), "examples": examples });
        self.json["requestBody"] =
            json!({ "required": true, "content": { "application/json": content } });
        self.fails(&[400, 413, 415])
    }

    /// It answers 200 with a body of JSON.
    ///
    /// `schema` is the name of a component; a test validates `example` against it.
    pub(crate) fn ok(mut self, schema: &str, description: &str, example: Value) -> Self {
        let content = json!({ "schema": reference(schema), "example": example });
        self.json["responses"]["200"] = json!({
            "description": description,
            "headers": errors::headers(),
            "content": { "application/json": content },
        });
        self
    }

    /// It may also answer 200 with a stream of events, for clients that ask for that.
    pub(crate) fn or_events(mut self, example: &str) -> Self {
        let content = json!({ "schema": { "type": "string" }, "example": example });
        self.json["responses"]["200"]["content"]["text/event-stream"] = content;
        self
    }

    /// It answers 204.
    pub(crate) fn nothing(mut self, description: &str) -> Self {
        self.json["responses"]["204"] =
            json!({ "description": description, "headers": errors::headers() });
        self
    }

    /// It may also answer with these errors.
    pub(crate) fn fails(mut self, statuses: &[u16]) -> Self {
        self.fails.extend(statuses);
        self
    }

    /// The operation object, on a host whose non-public calls have this security requirement.
    pub(crate) fn into_json(mut self, requirement: Value) -> Value {
        self.json["security"] = if self.is_public { json!([]) } else { requirement };
        for status in self.fails {
            let name = format!("#/components/responses/{}", errors::name(status));
            self.json["responses"][status.to_string()] = json!({ "$ref": name });
        }
        self.json
    }
}

/// A schema by its name.
pub(super) fn reference(schema: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{schema}") })
}
