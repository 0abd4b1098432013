//! Everything that the API is made of, and what every call begins with.

use crate::asker::Auth;
use crate::body::{self, Bounds, Received};
use crate::cors::Origin;
use crate::directory::Accounts;
use crate::error::Failure;
use crate::host::Host;
use crate::limits;
use crate::served::{Call, Served};
use axum::extract::Request;
use axum::http::Uri;
use haumana_sync::engine::{Engine, Random};
use haumana_sync::id::UserId;
use std::sync::Arc;
use std::time::Duration;

/// Everything that the API is made of.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Api {
    /// What answers.
    pub engine: Arc<Engine>,
    /// Who says who is asking.
    pub auth: Auth,
    /// The host's user directory, if it keeps one.
    pub accounts: Option<Accounts>,
    /// Where request ids come from.
    pub random: Arc<dyn Random>,
    /// What the host decides.
    pub config: ApiConfig,
    /// Which calls there are.
    pub served: Served,
    /// What the OpenAPI document says of the host.
    pub host: Host,
}

/// What the host decides.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ApiConfig {
    /// The largest request body, on the wire and decompressed.
    pub request_limit_bytes: usize,
    /// The largest reply body, before compression.
    pub reply_limit_bytes: usize,
    /// Whether that bounds exports too.
    pub exports: Exports,
    /// Origins whose pages may call from a browser; none if empty.
    pub cors_origins: Vec<Origin>,
    /// The longest time in which a request's body may arrive.
    pub body_timeout: Duration,
}

impl ApiConfig {
    /// The values of a server that has limits of its own only: those of [`crate::limits`], exports
    /// that are sent while they are read, and no web page of another origin. A host changes what it
    /// decides otherwise.
    ///
    /// ```
    /// let mut config = haumana_api::ApiConfig::of_a_server();
    /// config.request_limit_bytes = 4_500_000;
    /// ```
    pub fn of_a_server() -> Self {
        Self {
            request_limit_bytes: limits::REQUEST_BYTES,
            reply_limit_bytes: limits::REPLY_BYTES,
            exports: Exports::Streamed,
            cors_origins: Vec::new(),
            body_timeout: limits::BODY_TIMEOUT,
        }
    }
}

/// How an export that nobody asked for in pages is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exports {
    /// Sent while it is read, however large it is.
    Streamed,
    /// The host collects replies: one that exceeds [`ApiConfig::reply_limit_bytes`] is refused, and
    /// the client asks for pages.
    Bounded,
}

impl Api {
    /// Makes an API of every call, without a user directory, whose document speaks of ID tokens.
    pub fn new(
        engine: Arc<Engine>,
        auth: Auth,
        random: Arc<dyn Random>,
        config: ApiConfig,
    ) -> Self {
        let (served, host) = (Served::all(), Host::with_id_tokens());
        Self { engine, auth, accounts: None, random, config, served, host }
    }

    /// Adds a user directory.
    #[must_use]
    pub fn with_accounts(self, accounts: Accounts) -> Self {
        Self { accounts: Some(accounts), ..self }
    }

    /// Says which calls there are.
    #[must_use]
    pub fn serving(self, served: Served) -> Self {
        Self { served, ..self }
    }

    /// Says what the OpenAPI document says of the host.
    #[must_use]
    pub fn documented_for(self, host: Host) -> Self {
        Self { host, ..self }
    }

    /// The calls that this host can serve: nobody signs in where nothing verifies tokens.
    pub(crate) fn served(&self) -> Served {
        let can_sign_in = self.accounts.as_ref().is_some_and(|accounts| accounts.sign_in.is_some());
        let served = self.served.clone();
        if can_sign_in { served } else { served.without([Call::SignIn]) }
    }

    /// Finds out who is asking, and only then reads what they ask.
    pub(crate) async fn enter(&self, request: Request) -> Result<(UserId, Vec<u8>), Failure> {
        self.enter_as(request, |_| Ok(())).await
    }

    /// As [`Api::enter`], with a look at who it is before the body is read.
    pub(crate) async fn enter_as(
        &self,
        request: Request,
        check: impl FnOnce(&UserId) -> Result<(), Failure>,
    ) -> Result<(UserId, Vec<u8>), Failure> {
        let (head, body) = request.into_parts();
        let user = self.auth.user(&head).await?;
        check(&user)?;
        let received = head.extensions.get::<Received>().cloned().unwrap_or_default();
        let bounds = Bounds {
            limit_bytes: self.config.request_limit_bytes,
            timeout: self.config.body_timeout,
        };
        let body = body::read(&head.headers, body, bounds, &received).await?;
        Ok((user, body))
    }

    /// Finds out who is asking for something that takes no body; what was sent as one is not read.
    pub(crate) async fn who(&self, request: Request) -> Result<(UserId, Uri), Failure> {
        let (head, _) = request.into_parts();
        let user = self.auth.user(&head).await?;
        Ok((user, head.uri))
    }
}
