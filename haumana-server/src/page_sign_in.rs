//! How people sign in on the page, if they do not choose a name.
//!
//! The page has three ways: names that anybody can choose (a server that issues tokens itself),
//! Google's button, or a redirect to another issuer with a code that is exchanged for a token
//! (OAuth 2 with PKCE). The operator says which, by `--google-client-id` or by the key `page` in
//! the file of `--issuers`. The page reads it from `config.json`.
//!
//! The server verifies tokens alike in all three. Nothing here decides whose tokens are valid.

use haumana_auth::IssuerConfig;
use haumana_auth::verify::Subjects;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::fmt::Display;

/// The issuer that signs people in on the page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PageSignIn {
    /// Only this server, or an issuer that has no key `page`.
    Nobody,
    /// Google, with its button, for this client id.
    Google(String),
    /// Another issuer, by a redirect.
    Redirect(Redirect),
}

/// An issuer to which the page can send people. They come back with a code (RFC 7636).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Redirect {
    told: Told,
    /// The prefix of the issuer's subjects in user ids.
    ///
    /// With it the page knows which account a token is for before it has asked the server.
    under: Option<String>,
}

/// The content of the key `page` of an issuer.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Told {
    /// The address to which the page sends people.
    authorize: String,
    /// Where it gets the token for the code that they bring back.
    token: String,
    /// It must be among the audiences of the issuer. Otherwise each token that the page gets would
    /// be refused.
    client_id: String,
    /// The scope that the page asks for, such as `openid email`.
    scope: String,
}

impl PageSignIn {
    /// The content of `config.json`.
    pub(crate) fn config(&self) -> Value {
        match self {
            Self::Nobody => json!({}),
            Self::Google(id) => json!({ "googleClientId": id }),
            Self::Redirect(Redirect { told, under }) => {
                let Told { authorize, token, client_id, scope } = told;
                let mut oidc = json!({
                    "authorize": authorize, "token": token, "clientId": client_id, "scope": scope,
                });
                if let Some(under) = under {
                    oidc["under"] = json!(under);
                }
                json!({ "oidc": oidc })
            }
        }
    }

    /// The address that the page calls besides its own server. It goes into the policy.
    pub(crate) fn calls(&self) -> Option<&str> {
        match self {
            Self::Redirect(redirect) => Some(&redirect.told.token),
            Self::Nobody | Self::Google(_) => None,
        }
    }
}

/// Reads a JSON list of issuers. One of them may say how the page signs people in.
///
/// The key `page` is taken out before the rest is read as issuers, because verifiers do not know
/// it.
///
/// # Errors
///
/// A sentence for the operator: what is wrong with which key.
pub(crate) fn read(json: &str) -> Result<(Vec<IssuerConfig>, Option<Redirect>), String> {
    let said = |why: &dyn Display| why.to_string();
    // If it is not a list of objects, the next parser says what is wrong.
    let mut all: Vec<Map<String, Value>> = serde_json::from_str(json).unwrap_or_default();
    let pages: Vec<Option<Value>> = all.iter_mut().map(|one| one.remove("page")).collect();
    if pages.iter().all(Option::is_none) {
        let issuers = IssuerConfig::read_all(json).map_err(|error| said(&error))?;
        return Ok((issuers, None));
    }
    let rest = serde_json::to_string(&all).map_err(|error| said(&error))?;
    let issuers = IssuerConfig::read_all(&rest).map_err(|error| said(&error))?;
    let mut redirect = None;
    for (issuer, page) in issuers.iter().zip(pages) {
        let Some(page) = page else { continue };
        if redirect.is_some() {
            return Err("page: only one issuer can sign people in on the page".into());
        }
        let told: Told = serde_json::from_value(page).map_err(|why| format!("page: {why}"))?;
        told.check(issuer)?;
        let under = match &issuer.subjects {
            Subjects::Bare => None,
            Subjects::Under(name) => Some(name.clone()),
        };
        redirect = Some(Redirect { told, under });
    }
    Ok((issuers, redirect))
}

impl Told {
    /// Each check finds a mistake that would otherwise show only when somebody tries to sign in.
    fn check(&self, issuer: &IssuerConfig) -> Result<(), String> {
        for (name, url) in [("authorize", &self.authorize), ("token", &self.token)] {
            if !is_address(url) {
                return Err(format!(
                    "page: {name} must be https://…, or http://127.0.0.1:…: {url:?}"
                ));
            }
        }
        if !issuer.audiences.contains(&self.client_id) {
            let id = &self.client_id;
            return Err(format!("page: the server takes no token for {id:?}: add it to audiences"));
        }
        if !self.scope.split(' ').any(|word| word == "openid") {
            return Err("page: scope needs the word openid, or there is no ID token".into());
        }
        Ok(())
    }
}

/// Whether it is the address of a call, and one word in a policy.
///
/// Blanks, semicolons and quotation marks are not accepted: in a policy they would begin another
/// directive. Without TLS only loopback is accepted, since a code and a token are sent there.
fn is_address(url: &str) -> bool {
    let rest = url.strip_prefix("https://").or_else(|| {
        let rest = url.strip_prefix("http://")?;
        rest.starts_with("127.0.0.1:").then_some(rest)
    });
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/%".contains(&byte);
    rest.is_some_and(|rest| {
        !rest.is_empty() && !rest.starts_with('/') && rest.bytes().all(is_plain)
    })
}
