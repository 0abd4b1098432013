//! Signing in, as the app on people's phones does it.
//!
//! The app sends its token in the body, not in the header. It is the only call that makes an entry
//! in the user directory. An entry permits nothing: every other call looks at the token alone, and
//! works without an entry.
//!
//! Steps: read a small body, verify the token, check that the issuer vouches for the address, wait
//! for the turn of the account, write the entry, answer who has signed in.

use super::Route;
use crate::api::{Api, in_turn};
use crate::body::{self, Bounds, Received};
use crate::directory::{Accounts, Profile};
use crate::doc::{Doc, examples};
use crate::error::Failure;
use crate::limits::{IDENTITY_ID_CHARS, SIGN_IN_BYTES};
use crate::load::Purpose;
use crate::reply::Reply;
use crate::served::Call;
use axum::extract::{Request, State};
use axum::routing::post;
use haumana_auth::{Principal, Rejection, username};
use haumana_sync::wire::BadRequest;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::sync::Arc;

pub(super) const CALLS: &[Route] = &[Route {
    call: Call::SignIn,
    method: "post",
    path: "/auth/sync",
    serve: || post(sign_in),
    doc: |_| {
        Doc::public("signIn", "Make or update the user's entry in the user directory")
            .body("SignInRequest", examples::sign_in())
            .ok("SignInReply", "Who has signed in.", examples::sign_in_reply())
            .fails(&[401, 404, 503])
    },
}];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SignInRequest<'a> {
    /// The token. In spite of the field's name, it may be of any issuer that the host trusts.
    #[serde(borrow)]
    google_id_token: Option<Cow<'a, str>>,
    /// An id of Cognito's. The reply returns it, because the app expects that; nothing else uses
    /// it.
    #[serde(borrow)]
    identity_id: Option<Cow<'a, str>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SignInReply<'a> {
    success: bool,
    user: SignedIn<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    identity_id: Option<&'a str>,
}

#[derive(Serialize)]
struct SignedIn<'a> {
    id: &'a str,
    email: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    picture: Option<&'a str>,
    username: String,
}

/// # Errors
///
/// 400 for a body of another form, 401 for a token that is not good or has no verified address, 404
/// on a host without sign-in, 503 if keys or directory cannot be reached. All may be repeated:
/// writing the same entry again changes nothing.
async fn sign_in(State(api): State<Arc<Api>>, request: Request) -> Result<Reply, Failure> {
    let accounts = api.accounts.as_ref().ok_or(Failure::NoSuchRoute)?;
    let (body, received) = small_body(&api, request).await?;
    // `Data`: the body is JSON, but of another form.
    let request: SignInRequest<'_> = serde_json::from_slice(&body).map_err(|error| {
        let is_json = error.classify() == serde_json::error::Category::Data;
        Failure::BadRequest(if is_json { BadRequest::Shape } else { BadRequest::Json })
    })?;
    let token = request.google_id_token.filter(|token| !token.is_empty());
    let token = token.ok_or(BadRequest::Shape)?;
    let identity_id = request.identity_id.as_deref();
    if identity_id.is_some_and(|id| IDENTITY_ID_CHARS < id.chars().count()) {
        return Err(BadRequest::Shape.into());
    }
    let principal = accounts.verify(&token).await?;
    api.note_caller(&received, &principal.user);
    let profile = profile(&principal)?;
    let username = username(&principal.user);
    // It writes, so it takes its turn like every other writing request of the account.
    let ticket = api.ticket(&principal.user, Purpose::Write)?;
    let (directory, entry) = (Arc::clone(&accounts.directory), (username.clone(), profile.clone()));
    let put = async move { Ok(directory.put(&entry.0, &entry.1).await?) };
    in_turn(ticket, body.len(), &received, put).await?;
    let user = SignedIn {
        id: principal.user.as_str(),
        email: &profile.email,
        name: profile.name.as_deref(),
        picture: profile.picture.as_deref(),
        username,
    };
    let reply = SignInReply { success: true, user, identity_id };
    // Strings always serialise.
    Ok(Reply::new(serde_json::to_vec(&reply).unwrap_or_default()))
}

/// Reads the body. Anybody may send one, so its limit is what a token needs.
async fn small_body(api: &Api, request: Request) -> Result<(Vec<u8>, Received), Failure> {
    let (head, body) = request.into_parts();
    let received = head.extensions.get::<Received>().cloned().unwrap_or_default();
    let limit_bytes = api.config.request_limit_bytes.min(SIGN_IN_BYTES);
    let bounds = Bounds { limit_bytes, timeout: api.config.body_timeout };
    let body = body::read(&head.headers, body, bounds, &received, None).await?;
    Ok((body, received))
}

/// The entry for the directory. Only an address that the issuer has verified goes into it.
fn profile(principal: &Principal) -> Result<Profile, Failure> {
    let email = principal.email.clone().filter(|_| principal.email_verified);
    let email = email.filter(|email| !email.is_empty());
    Ok(Profile {
        email: email.ok_or(Failure::Unauthorized(Rejection::EmailUnverified))?,
        name: principal.name.clone(),
        picture: principal.picture.clone(),
    })
}

impl Accounts {
    /// It need not be the verifier of the other calls. A gateway may have verified the token of the
    /// request; this call still verifies the token in its body.
    async fn verify(&self, token: &str) -> Result<Principal, Failure> {
        let verifier = self.sign_in.as_ref().ok_or(Failure::NoSuchRoute)?;
        Ok(verifier.verify(token).await?)
    }
}
