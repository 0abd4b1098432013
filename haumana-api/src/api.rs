//! Everything that the API is made of, and what every call begins with.
//!
//! A request for an account takes the same steps, whatever the call is. [`Api`] has one method for
//! calls with a body, `write`, and one for calls without, `read`:
//!
//! 1. [`Auth`] finds the user from the head of the request. Nothing of the body is read before, so
//!    a stranger cannot make the server hold bytes.
//! 2. The log gets the hash of the user.
//! 3. What the address alone decides is checked: `/users/{me}` must name the caller.
//! 4. The gate admits the request, or answers 429. From here on it has a ticket, which counts it
//!    among the requests of its account until the reply is made.
//! 5. The body is read, within limits of bytes and time.
//! 6. The request waits for its turn, and the engine does the work.
//! 7. The reply counts against the account until its last byte is sent.
//!
//! A host without a gate ([`ApiConfig::load`] is `None`) skips steps 4, 6 and 7. The steps 1, 2 and
//! 5 are the same for it.
//!
//! **Cancellation.** If the client hangs up, the future is dropped where it waits. Its places and
//! permits are given back by their destructors. A commit that the store has begun may still happen.

use crate::asker::Auth;
use crate::body::{self, Bounds, Received};
use crate::cors::Origin;
use crate::directory::Accounts;
use crate::error::Failure;
use crate::host::Host;
use crate::limits;
use crate::live::Live;
use crate::load::{Gate, Load, Purpose, Ticket};
use crate::served::{Call, Served};
use crate::unsent;
use axum::extract::Request;
use axum::http::Uri;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use haumana_auth::CallerKey;
use haumana_sync::engine::{Engine, Random};
use haumana_sync::id::UserId;
use std::sync::Arc;
use std::time::Duration;

/// Everything that the API needs: an engine, a sign-in, limits, and which calls it serves.
///
/// The [front page](crate) has an example. The guide `docs/embedding.md` has one with a middleware.
///
/// Make it with [`Api::new`], add what the host has more, and give it to
/// [`router`](crate::router()). It is cheap to clone: clones share the engine.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Api {
    /// The engine that answers.
    pub engine: Arc<Engine>,
    /// How the user of a request is found.
    pub auth: Auth,
    /// The host's user directory, if it keeps one.
    pub accounts: Option<Accounts>,
    /// What tells connected devices of commits. Without it they poll.
    ///
    /// Without it the host has no `GET /live`.
    pub live: Option<Live>,
    /// Where request ids come from.
    ///
    /// They are in logs and replies, and need not be secret.
    pub random: Arc<dyn Random>,
    /// The settings.
    pub config: ApiConfig,
    /// The calls that are served.
    pub served: Served,
    /// What the OpenAPI document says of the host.
    pub host: Host,
    /// Bounds how much is done at once. It is made when the router is made, from
    /// [`ApiConfig::load`], and shared by all clones of that router. It is `None` until then, and
    /// on hosts that bound load elsewhere.
    pub(crate) gate: Option<Arc<Gate>>,
}

/// The settings of a host: limits, origins, and how the log names users.
///
/// `GET /limits` publishes each number of it that means something to a client, so clients ask
/// instead of guessing.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ApiConfig {
    /// The largest request body, on the wire and decompressed.
    ///
    /// A body that is larger is 413 `payload_too_large`, as soon as it is known.
    pub request_limit_bytes: usize,
    /// The largest reply body, before compression.
    ///
    /// Lists are cut to it and say that more follows. A single record may exceed it.
    pub reply_limit_bytes: usize,
    /// Whether that limit applies to exports too.
    pub exports: Exports,
    /// Origins whose pages may call from a browser; none if empty.
    ///
    /// It matters to web pages only; apps send no origin.
    pub cors_origins: Vec<Origin>,
    /// The longest time in which a request's body may arrive.
    ///
    /// A body that takes longer is answered with 503 `unavailable`. So a client that sends a byte
    /// now and then cannot hold a place for long.
    pub body_timeout: Duration,
    /// How much is done at the same time. `None` if the host limits that itself. Lambda does: it
    /// gives a function one request at a time.
    pub load: Option<Load>,
    /// The key of the hashes that the log has in place of user ids. `None`: the log names no users.
    ///
    /// Give all servers of one service the same key, so that a user has one name in all of their
    /// logs.
    pub caller_key: Option<CallerKey>,
    /// How hard replies are compressed.
    pub compression: Compression,
}

impl ApiConfig {
    /// The settings of a server whose host sets no limits: the limits are those of
    /// [`crate::limits`], exports are streamed, and no web page of another origin may call. Change
    /// the fields as you need.
    ///
    /// The load limits are those of this machine: [`Load::of_this_machine`].
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
            load: Some(Load::of_this_machine()),
            caller_key: None,
            compression: Compression::Fast,
        }
    }
}

/// How hard replies are compressed, for clients that accept gzip.
///
/// A reply is compressed if its client asks for gzip and it has more than
/// [`COMPRESS_FROM_BYTES`](crate::limits::COMPRESS_FROM_BYTES).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Little time. Lyrics shrink to a third at any level, and somebody is waiting.
    Fast,
    /// Fewer bytes, in about eight times the time. For hosts that pay for what they send.
    Small,
}

/// `Fast` is level 1 of zlib, `Small` is its default level.
impl From<Compression> for flate2::Compression {
    fn from(compression: Compression) -> Self {
        match compression {
            Compression::Fast => Self::fast(),
            Compression::Small => Self::default(),
        }
    }
}

/// How an export is sent if the client did not ask for pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exports {
    /// It is sent while it is read, however large it is.
    ///
    /// A reply that breaks off is not a complete JSON document, so a client notices.
    Streamed,
    /// The host collects replies. An export that exceeds [`ApiConfig::reply_limit_bytes`] is
    /// refused, and the client has to ask for pages.
    ///
    /// API Gateway is such a host.
    Bounded,
}

impl Api {
    /// Makes an API that serves every call, without a user directory or a live feed. Its OpenAPI
    /// document describes sign-in with ID tokens.
    pub fn new(
        engine: Arc<Engine>,
        auth: Auth,
        random: Arc<dyn Random>,
        config: ApiConfig,
    ) -> Self {
        let (served, host) = (Served::all(), Host::with_id_tokens());
        let (accounts, live, gate) = (None, None, None);
        Self { engine, auth, accounts, live, random, config, served, host, gate }
    }

    /// Adds a user directory, and with it `POST /auth/sync`.
    ///
    /// Nothing else of the API looks into it. Without a verifier in `accounts` there is no sign-in,
    /// and the directory is only kept clean: erasing a user removes the entry.
    #[must_use]
    pub fn with_accounts(self, accounts: Accounts) -> Self {
        Self { accounts: Some(accounts), ..self }
    }

    /// Adds a live feed, and with it `GET /live`.
    ///
    /// Put no compression and no time-out of your own on that route, and let [`Live::close`] run
    /// when the host stops.
    #[must_use]
    pub fn with_live(self, live: Live) -> Self {
        Self { live: Some(live), ..self }
    }

    /// Sets which calls are served. Without this all are.
    ///
    /// Calls that need what the host does not have, such as a live feed, are left out in any case.
    #[must_use]
    pub fn serving(self, served: Served) -> Self {
        Self { served, ..self }
    }

    /// Sets what the OpenAPI document says about the host: its addresses and its sign-in.
    #[must_use]
    pub fn documented_for(self, host: Host) -> Self {
        Self { host, ..self }
    }

    /// Begins to bound how much is done at once, as the configuration says.
    ///
    /// Called once, by the router. An `Api` that is cloned before has no gate yet, so two routers
    /// of two clones have two gates, and each admits as much as the configuration says.
    pub(crate) fn gated(self) -> Self {
        Self { gate: self.config.load.clone().map(Gate::new), ..self }
    }

    /// The calls that this host can serve. Without a verifier for sign-in there is no
    /// `POST /auth/sync`; without a live feed there is no `GET /live`.
    pub(crate) fn served(&self) -> Served {
        let can_sign_in = self.accounts.as_ref().is_some_and(|accounts| accounts.sign_in.is_some());
        let served = self.served.clone();
        let served = if can_sign_in { served } else { served.without([Call::SignIn]) };
        if self.live.is_some() { served } else { served.without([Call::Live]) }
    }

    /// Finds out who is asking, reads what they ask, and does the work when it is its turn.
    ///
    /// `limit_bytes` is the most that this call accepts; the limit of the host counts if it is
    /// lower. `check` judges what the address says, before the body is read. `work` is called with
    /// the whole body, decompressed; it runs only when it is this request's turn.
    ///
    /// # Errors
    ///
    /// In the order in which they are found: 401 (or 403 for a blocked user, 503 if keys cannot be
    /// had), what `check` says, 429, then what reading the body says (400, 413, 415, 503), then 503
    /// if the turn does not come in time, then what `work` says.
    pub(crate) async fn write<T, W>(
        self: Arc<Self>,
        request: Request,
        limit_bytes: usize,
        check: impl FnOnce(&UserId) -> Result<(), Failure>,
        work: impl FnOnce(Arc<Self>, UserId, Vec<u8>) -> W,
    ) -> Result<Response, Failure>
    where
        T: IntoResponse + Send + 'static,
        W: Future<Output = Result<T, Failure>> + Send + 'static,
    {
        let (head, body) = request.into_parts();
        let user = self.auth.user(&head).await?;
        let received = self.received(&head, &user);
        check(&user)?;
        let limit_bytes = limit_bytes.min(self.config.request_limit_bytes);
        let bounds = Bounds { limit_bytes, timeout: self.config.body_timeout };
        let mut ticket = self.ticket(&user, Purpose::Write)?;
        let body = body::read(&head.headers, body, bounds, &received, ticket.as_mut()).await?;
        let size = body.len();
        answer(ticket, size, &received, work(self, user, body)).await
    }

    /// Finds out who is asking for something that takes no body, and does the work. A body that was
    /// sent is not read.
    ///
    /// Such a request does not always only read: `DELETE /users/{me}` has no body, and takes its
    /// turn among the writes of its account.
    pub(crate) async fn read<T, W>(
        self: Arc<Self>,
        request: Request,
        purpose: Purpose,
        work: impl FnOnce(Arc<Self>, UserId, Uri) -> W,
    ) -> Result<Response, Failure>
    where
        T: IntoResponse + Send + 'static,
        W: Future<Output = Result<T, Failure>> + Send + 'static,
    {
        let (head, _) = request.into_parts();
        let user = self.auth.user(&head).await?;
        let received = self.received(&head, &user);
        let ticket = self.ticket(&user, purpose)?;
        answer(ticket, 0, &received, work(self, user, head.uri)).await
    }

    /// Like [`Api::read`], for a known user. The result of `work` need not be a reply.
    ///
    /// `GET /live` uses it: the first look at the account is a request like any other, and takes a
    /// place only until the look is done. The waiting that follows takes none.
    pub(crate) async fn read_as<T, W>(
        self: Arc<Self>,
        user: UserId,
        head: &Parts,
        purpose: Purpose,
        work: impl FnOnce(Arc<Self>, UserId, Uri) -> W,
    ) -> Result<T, Failure>
    where
        T: Send + 'static,
        W: Future<Output = Result<T, Failure>> + Send + 'static,
    {
        let received = self.received(head, &user);
        let ticket = self.ticket(&user, purpose)?;
        in_turn(ticket, 0, &received, work(self, user, head.uri.clone())).await
    }

    /// The measurements of a request. It also notes the user for the log.
    ///
    /// The middleware around all calls has put it into the extensions of the request. A request
    /// without it, which only tests make, is measured all the same, and nobody reads the result.
    fn received(&self, head: &Parts, user: &UserId) -> Received {
        let received = head.extensions.get::<Received>().cloned().unwrap_or_default();
        self.note_caller(&received, user);
        received
    }

    /// Notes the user for the log.
    ///
    /// Without [`ApiConfig::caller_key`] the log has no user at all. A hash without a key would not
    /// do: anybody who knows the id of a user could compute it, and find the user in the log.
    pub(crate) fn note_caller(&self, received: &Received, user: &UserId) {
        if let Some(key) = &self.config.caller_key {
            received.asked_by(key.hash(user));
        }
    }

    /// A place among the requests of an account, if the host bounds them.
    ///
    /// It is `Ok(None)` on a host that bounds load elsewhere, and 429 `too_many_requests` if the
    /// account has as many requests in progress as it may have.
    pub(crate) fn ticket(
        &self,
        user: &UserId,
        purpose: Purpose,
    ) -> Result<Option<Ticket>, Failure> {
        self.gate.as_ref().map(|gate| gate.admit(user, purpose)).transpose()
    }
}

/// Does the work when it is its turn.
///
/// Without a ticket the work begins at once, on the thread that asks. `body_bytes` decides whether
/// the work is heavy from the start.
pub(crate) async fn in_turn<T: Send + 'static>(
    ticket: Option<Ticket>,
    body_bytes: usize,
    received: &Received,
    work: impl Future<Output = Result<T, Failure>> + Send + 'static,
) -> Result<T, Failure> {
    match ticket {
        Some(ticket) => ticket.work(body_bytes, |time| received.queued(time), work).await?,
        None => work.await,
    }
}

/// Like [`in_turn`], and the reply counts against its account until it is sent.
///
/// The size of a reply is known only once it is made, so a reply cannot be refused beforehand.
/// Instead it is counted while its account still has its turn. The next request of the account then
/// sees how much is unsent, and is refused if that is too much.
async fn answer<T: IntoResponse + Send + 'static>(
    ticket: Option<Ticket>,
    body_bytes: usize,
    received: &Received,
    work: impl Future<Output = Result<T, Failure>> + Send + 'static,
) -> Result<Response, Failure> {
    let unsent = ticket.as_ref().map(Ticket::unsent);
    // Counted while the account still has its turn, so that its next request sees it.
    let work = async move { Ok(unsent::count(work.await?.into_response(), unsent)) };
    in_turn(ticket, body_bytes, received, work).await
}
