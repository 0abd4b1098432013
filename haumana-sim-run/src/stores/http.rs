//! The API on loopback: requests of devices go through a socket, as HTTP and JSON.
//!
//! ```text
//! phone ──body──▶ connection ══TCP══▶ router of haumana-api ──▶ engine ──▶ store in memory
//! ```
//! One thread does all of it. So its processor time is counted, and random choices are the same as
//! without a socket.

use crate::open::Open;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use axum::http::{Request, Response, StatusCode};
use haumana_api::auth::{AuthError, Principal, Rejection, Verifier};
use haumana_api::{Api, ApiConfig, Auth};
use haumana_sim::dice::SeededRandom;
use haumana_sim::{Backend, Endpoint, InMemory, Profile, Wire};
use haumana_sync::engine::{Engine, ErrorKind};
use haumana_sync::id::UserId;
use haumana_sync::store::{Operate, Store};
use haumana_sync::time::UnixMillis;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Opens stores in memory behind the API.
#[derive(Clone, Copy, Debug)]
pub(super) struct Http;

#[async_trait::async_trait(?Send)]
impl Open for Http {
    async fn open(&self, _profile: Profile, _seed: u64) -> io::Result<Box<dyn Backend>> {
        Ok(Box::<BehindTheApi>::default())
    }
}

#[derive(Default)]
struct BehindTheApi(InMemory);

#[async_trait::async_trait]
impl Backend for BehindTheApi {
    fn store(&self) -> Arc<dyn Store> {
        self.0.store()
    }

    fn operate(&self) -> Option<Arc<dyn Operate>> {
        self.0.operate()
    }

    fn wire(&self, engine: &Arc<Engine>) -> Arc<dyn Wire> {
        Arc::new(Server { engine: Arc::clone(engine), hosts: Mutex::default() })
    }

    async fn back_up(&mut self) -> bool {
        self.0.back_up().await
    }

    async fn restore(&mut self, backup: usize) {
        self.0.restore(backup).await;
    }
}

/// A server process: a host with this engine, for each requested limit of replies.
#[derive(Debug)]
struct Server {
    engine: Arc<Engine>,
    hosts: Mutex<BTreeMap<usize, Arc<Host>>>,
}

/// A router that listens, and the idle connections to it.
#[derive(Debug)]
struct Host {
    address: SocketAddr,
    serves: JoinHandle<()>,
    idle: Mutex<Vec<SendRequest<Body>>>,
}

impl Drop for Host {
    fn drop(&mut self) {
        self.serves.abort();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait::async_trait]
#[allow(clippy::expect_used, reason = "a model that cannot go on stops there, and says why")]
impl Wire for Server {
    async fn call(
        &self,
        user: &UserId,
        endpoint: Endpoint,
        body: &[u8],
        limit: usize,
    ) -> Result<Vec<u8>, ErrorKind> {
        let host = self.host(limit).await.expect("a server can listen on loopback");
        let request = Request::post(path(endpoint))
            .header(HOST, host.address.to_string())
            .header(AUTHORIZATION, format!("Bearer {user}", user = user.as_str()))
            .header(CONTENT_TYPE, "application/json")
            .body(Body::from(body.to_vec()))
            .expect("the model's users are header values");
        let reply = host.send(request).await.expect("the server answers");
        let status = reply.status();
        let body = to_bytes(reply.into_body(), usize::MAX).await.expect("the reply comes whole");
        if status == StatusCode::OK { Ok(body.to_vec()) } else { Err(refusal(status, &body)) }
    }
}

fn path(endpoint: Endpoint) -> &'static str {
    match endpoint {
        Endpoint::Pieces => "/pieces",
        Endpoint::Sessions => "/sessions",
        Endpoint::Sync => "/sync",
    }
}

/// The engine's error for the code that a client received.
#[allow(clippy::panic, reason = "a model that cannot go on stops there, and says why")]
fn refusal(status: StatusCode, body: &[u8]) -> ErrorKind {
    match status {
        StatusCode::SERVICE_UNAVAILABLE => ErrorKind::Unavailable,
        StatusCode::TOO_MANY_REQUESTS => ErrorKind::Spent,
        StatusCode::GONE => ErrorKind::Gone,
        _ => panic!("the server answers {status}: {}", String::from_utf8_lossy(body)),
    }
}

impl Server {
    /// The host with this limit of replies.
    async fn host(&self, limit: usize) -> io::Result<Arc<Host>> {
        if let Some(host) = lock(&self.hosts).get(&limit) {
            return Ok(Arc::clone(host));
        }
        let host = Arc::new(Host::start(&self.engine, limit).await?);
        lock(&self.hosts).insert(limit, Arc::clone(&host));
        Ok(host)
    }
}

impl Host {
    async fn start(engine: &Arc<Engine>, limit: usize) -> io::Result<Self> {
        let mut config = ApiConfig::of_a_server();
        config.reply_limit_bytes = limit;
        // Requests of one account would take turns. But the model sends one in the middle of
        // another, as if to another server process.
        config.load = None;
        // Ids of requests are only in logs and headers.
        let random = Arc::new(SeededRandom::scattered(0));
        let auth = Auth::Bearer(Arc::new(Believing));
        let router: Router =
            haumana_api::router(Api::new(Arc::clone(engine), auth, random, config));
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let serves = tokio::spawn(async move {
            use axum::serve::ListenerExt as _;
            let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
            // It ends with its task.
            axum::serve(listener, router).await.ok();
        });
        Ok(Self { address, serves, idle: Mutex::default() })
    }

    /// Sends a request, on a connection that is kept.
    async fn send(&self, request: Request<Body>) -> io::Result<Response<Body>> {
        let idle = lock(&self.idle).pop();
        let mut connection = match idle {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        let reply = connection.send_request(request).await.map_err(io::Error::other)?;
        let (head, body) = reply.into_parts();
        let body = to_bytes(Body::new(body), usize::MAX).await.map_err(io::Error::other)?;
        lock(&self.idle).push(connection);
        Ok(Response::from_parts(head, Body::from(body)))
    }

    async fn connect(&self) -> io::Result<SendRequest<Body>> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let (sends, connection) =
            handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        // It ends when the other half is dropped.
        tokio::spawn(async move { drop(connection.await) });
        Ok(sends)
    }
}

/// Accepts the user's name as a token. The model does not test signatures.
#[derive(Debug)]
struct Believing;

#[async_trait::async_trait]
impl Verifier for Believing {
    async fn verify(&self, token: &str) -> Result<Principal, AuthError> {
        let user = UserId::verified_by_caller(token);
        let user = user.ok_or(AuthError::Rejected(Rejection::Shape))?;
        Ok(Principal::new(user, UnixMillis(i64::MAX / 2)))
    }
}
