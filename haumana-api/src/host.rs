//! What the OpenAPI document says of the host.
//!
//! The router does not know under which address the world reaches it: a proxy may rewrite paths, a
//! gateway may add a stage. A host that knows its address says so; otherwise the document has the
//! path in which the router is nested, which is right on the machine itself.

use serde_json::{Value, json};

/// What the OpenAPI document says about the host: where the API is, and how users prove who they are.
///
/// It changes the document alone, not what is served: a host that changes its sign-in changes
/// [`Auth`](crate::Auth) and this.
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
    /// A host that names none is documented under the path that its router is nested in.
    #[must_use]
    pub fn at(mut self, server: impl Into<String>) -> Self {
        self.servers.push(server.into());
        self
    }

    /// The addresses; `path` is where the router is, as far as it knows.
    pub(crate) fn servers(&self, path: &str) -> Value {
        if self.servers.is_empty() {
            return json!([{ "url": path }]);
        }
        self.servers.iter().map(|url| json!({ "url": url })).collect()
    }

    /// What a call requires that needs to know who is asking.
    pub(crate) fn requirement(&self) -> Value {
        json!([{ &*self.scheme_name: [] }])
    }

    /// The one security scheme.
    pub(crate) fn schemes(&self) -> Value {
        json!({ &*self.scheme_name: self.scheme })
    }
}
