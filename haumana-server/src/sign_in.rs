//! Whose ID tokens the server takes: its own, or those of Google and other issuers.
//!
//! Both at once is not possible: a server that trusts an issuer gives out no tokens.
//!
//! The result is used in three places: the verifier in every call of the API, the routes beside the
//! API, and `config.json` of the page. All three follow from the same arguments, so the page cannot
//! offer a sign-in whose tokens are refused.

use crate::args::Args;
use crate::dev::{self, Dev};
use crate::issuer::Issuer;
use crate::key_file;
use crate::page_sign_in::{self, PageSignIn};
use crate::problem::Problem;
use axum::Router;
use haumana_api::SystemClock;
use haumana_auth::verify::KeySet;
use haumana_auth::{
    Fetch, HttpFetch, IssuerConfig, OidcVerifier, StaticVerifier, Verifier, limits,
};
use std::fmt::Display;
use std::fs;
use std::sync::Arc;

/// What the arguments say about signing in.
#[derive(Debug)]
pub(crate) struct SignIn {
    /// The same verifier for all calls and for `POST /auth/sync`.
    pub(crate) verifier: Arc<dyn Verifier>,
    /// The routes beside the API that signing in needs.
    ///
    /// `/dev`, or nothing.
    pub(crate) routes: Router,
    /// How people sign in on the page.
    #[cfg_attr(not(feature = "page"), allow(dead_code, reason = "there is no page"))]
    pub(crate) page: PageSignIn,
}

impl Args {
    /// Whether other issuers sign people in, so that this server issues no tokens.
    pub(crate) fn has_issuers(&self) -> bool {
        !self.google_client_id.is_empty() || self.issuers.is_some()
    }
}

/// The end of client ids that Google makes. Other ids are accepted too, for services that imitate
/// Google.
const GOOGLES: &str = ".apps.googleusercontent.com";

/// Makes the verifier that the arguments ask for.
///
/// It uses no network: the keys of issuers are fetched when the first token comes.
///
/// # Errors
///
/// [`Problem::NotAClientId`], [`Problem::KeySetAlone`], [`Problem::Issuers`]: mistakes in arguments
/// that would otherwise show as 401 for everybody.
pub(crate) fn set_up(args: &Args) -> Result<SignIn, Problem> {
    // An operator who gives Google's keys but no client id has made a mistake.
    if args.google_client_id.is_empty() && args.google_key_set != IssuerConfig::GOOGLE_KEY_SET {
        return Err(Problem::KeySetAlone);
    }
    if let Some(id) = args.google_client_id.iter().find(|id| !is_client_id(id)) {
        return Err(Problem::NotAClientId(id.clone()));
    }
    for id in args.google_client_id.iter().filter(|id| !id.ends_with(GOOGLES)) {
        tracing::warn!(id, "this client id does not end like those of Google");
    }
    if args.has_issuers() { theirs(args) } else { ours(args) }
}

/// Whether it can be the `aud` of a token: a name in one piece, and not one from an example.
fn is_client_id(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    !text.is_empty() && text.bytes().all(is_plain) && !text.ends_with("CLIENT_ID")
}

/// Tokens of this server, for anyone who asks.
fn ours(args: &Args) -> Result<SignIn, Problem> {
    let clock = Arc::new(SystemClock);
    let issuer = Issuer::new(key_file::read_or_make(&key_file::beside(&args.db))?);
    let keys = KeySet::from_jwks(issuer.jwks().as_bytes()).map_err(|_| Problem::NoKey)?;
    let verifier = Arc::new(StaticVerifier::new(keys, Issuer::policy(), clock.clone()));
    let dev = Dev {
        issuer,
        clock,
        origins: args.cors_origin.clone(),
        is_public: args.allow_non_loopback_and_issue_tokens_to_anyone,
    };
    Ok(SignIn { verifier, routes: dev::routes(dev), page: PageSignIn::Nobody })
}

/// Tokens of Google and of others. There is no key file, and nothing under `/dev`.
///
/// Google and the issuers of the file may be used together; each token is verified by the keys of
/// the issuer that it names.
fn theirs(args: &Args) -> Result<SignIn, Problem> {
    let (mut configs, mut page) = (Vec::new(), PageSignIn::Nobody);
    if let Some(id) = args.google_client_id.first() {
        page = PageSignIn::Google(id.clone());
    }
    if !args.google_client_id.is_empty() {
        let google = IssuerConfig::google(args.google_client_id.clone());
        configs.push(IssuerConfig { key_set: args.google_key_set.clone(), ..google });
    }
    if let Some(path) = &args.issuers {
        let wrong = |why: &dyn Display| Problem::Issuers(format!("{}: {why}", path.display()));
        let json = fs::read_to_string(path).map_err(|error| wrong(&error))?;
        let (others, redirect) = page_sign_in::read(&json).map_err(|error| wrong(&error))?;
        if let Some(redirect) = redirect {
            if page != PageSignIn::Nobody {
                return Err(wrong(&"page: with --google-client-id the page has Google's button"));
            }
            page = PageSignIn::Redirect(redirect);
        }
        if others.is_empty() {
            return Err(wrong(&"the list of issuers is empty"));
        }
        configs.extend(others);
    }
    let with_fetch = configs.into_iter().map(|config| {
        let fetch = HttpFetch::https_or_loopback(&config.key_set, limits::KEY_FETCH_TIMEOUT);
        let fetch = fetch.map_err(|error| Problem::Issuers(error.to_string()))?;
        Ok((config, Arc::new(fetch) as Arc<dyn Fetch>))
    });
    let with_fetch = with_fetch.collect::<Result<Vec<_>, Problem>>()?;
    let verifier = OidcVerifier::new(with_fetch, Arc::new(SystemClock));
    let verifier = verifier.map_err(|error| Problem::Issuers(error.to_string()))?;
    Ok(SignIn { verifier: Arc::new(verifier), routes: Router::new(), page })
}
