//! What the OpenAPI document says about the host.
//!
//! The router does not know its public address: a proxy may rewrite paths, and a gateway may add a
//! stage. A host that knows its address sets it. Otherwise the document has the path in which the
//! router is nested, which is right on the machine itself.

use serde_json::{Value, json};

/// What the OpenAPI document says about the host: where the API is, and how users prove who they
/// are.
///
/// It changes the document alone, and not what is served. A host with another sign-in changes both
/// this and [`Auth`](crate::Auth).
#[derive(Clone, Debug, PartialEq)]
pub struct Host {
    /// In the order in which they were added.
    servers: Vec<String>,
    /// The name under which calls refer to the scheme.
    scheme_name: String,
    scheme: Value,
}

impl Host {
    /// A host that takes ID tokens in `Authorization: Bearer …`.
    pub fn with_id_tokens() -> Self {
        let scheme = json!({
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "An ID token whose subject is the user.",
        });
        Self::with_security("idToken", scheme)
    }

    /// A host with a sign-in of its own: a name, and a security scheme object of OpenAPI 3.1.
    ///
    /// The scheme is written into the document as it is; nothing checks it.
    ///
    /// ```
    /// use haumana_api::Host;
    ///
    /// let scheme = serde_json::json!({ "type": "apiKey", "in": "header", "name": "x-api-key" });
    /// let host = Host::with_security("apiKey", scheme).at("https://example.com/sync-api");
    /// ```
    pub fn with_security(name: impl Into<String>, scheme: Value) -> Self {
        Self { servers: Vec::new(), scheme_name: name.into(), scheme }
    }

    /// Adds an address of the API, such as `https://example.com/sync-api`.
    ///
    /// Without an address, the document has the path in which the router is nested.
    #[must_use]
    pub fn at(mut self, server: impl Into<String>) -> Self {
        self.servers.push(server.into());
        self
    }

    /// The addresses. `path` is where the router is nested, as far as it knows.
    pub(crate) fn servers(&self, path: &str) -> Value {
        if self.servers.is_empty() {
            return json!([{ "url": path }]);
        }
        self.servers.iter().map(|url| json!({ "url": url })).collect()
    }

    /// The security requirement of a call that needs a user.
    pub(crate) fn requirement(&self) -> Value {
        json!([{ &*self.scheme_name: [] }])
    }

    /// The one security scheme.
    pub(crate) fn schemes(&self) -> Value {
        json!({ &*self.scheme_name: self.scheme })
    }
}
