//! From arguments to a server that listens, and to its end.
//!
//! The order matters. The listener comes first, so that a second server says that the port is taken
//! before it touches any data. The schema is kept before anything is served. Signals are caught
//! before the address is printed, so that a program that waits for that line can stop the server
//! cleanly.
//!
//! The parts, and how they are connected:
//!
//! ```text
//!  listener ─▶ connections ─▶ drain ─▶ router ─▶ Engine ─▶ PokingStore ─▶ store
//!                                        │                     └─▶ Live ─▶ devices that follow
//!                                        └ sign_in: whose tokens; /dev; the page
//!  Upkeep ─▶ Operate of the same store             memory, metrics: tasks of their own
//! ```
//! Every step that can keep the server from starting is done before the address is printed.

use crate::args::{self, Args, StoreKind};
use crate::audit;
use crate::connections;
use crate::directory::{self, SqliteDirectory};
use crate::drain::drain;
use crate::memory;
use crate::metering::Metrics;
use crate::problem::Problem;
use crate::retention;
use crate::schema;
use crate::sign_in::{self, SignIn};
use crate::store::{self, Opened};
use crate::upkeep::Upkeep;
use axum::Router;
use axum::middleware::from_fn;
use haumana_api::directory::Accounts;
use haumana_api::{Api, ApiConfig, Auth, Live, LiveLimits, LogWitness, SystemClock, SystemRandom};
use haumana_auth::CallerKey;
use haumana_sync::engine::{Engine, EngineConfig};
use haumana_sync::schema::Schema;
use haumana_sync::store::Generation;
use haumana_sync::succession::Succession;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// LIMIT: how long running requests may take after the signal to stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);
/// The guide for new users.
///
/// Printed at the start.
const GUIDE: &str = concat!(env!("CARGO_PKG_REPOSITORY"), "/blob/main/docs/SUMMARY.md");

/// Serves until a signal comes.
///
/// Background tasks are not awaited at the end. Each of their steps is a call of the store that
/// either happens or does not. The next start goes on where they stopped.
///
/// # Errors
///
/// [`Problem`]: what keeps it from starting. Once it serves, it returns an error only if accepting
/// connections cannot go on.
pub(crate) async fn serve(args: Args) -> Result<(), Problem> {
    let listener = listen(&args).await?;
    let address = listener.local_addr()?;
    let metrics = match args.metrics {
        Some(address) => Some(Metrics::listen(address).await?),
        None => None,
    };
    let schema = schema::read(&args)?;
    for name in args::unknown_variables(std::env::vars_os().map(|(name, _)| name)) {
        tracing::warn!(name, "this program reads no such environment variable: is it misspelt?");
    }
    let presumed = schema::presumed(&args)?;
    let opened = store::open(&args, &schema).await?;
    let succession = schema::succeed(&args, &*opened.operate, &schema, presumed.as_ref()).await?;
    if succession == Succession::Earlier {
        tracing::warn!(
            "a later schema was used for these records before; it stays their last schema"
        );
    }
    let retention_ms = retention::settle(&args, &*opened.operate).await?;
    let directory = Arc::new(SqliteDirectory::open(&directory::beside(&args.db))?);
    let operate = opened.needs_upkeep.then(|| (opened.operate.clone(), opened.store.clone()));
    let room = connections::room();
    let caller_key = audit::caller_key(&args)?;
    let upkeep_key = caller_key.clone();
    let sign_in = sign_in::set_up(&args)?;
    let (router, engine, live) =
        router(&args, schema, opened, directory.clone(), sign_in, (room, caller_key, retention_ms));
    if let Some((operate, store)) = operate {
        let clock = Arc::new(SystemClock);
        let (directory, caller_key) = (Some(directory), Some(upkeep_key));
        let upkeep = Upkeep { operate, store, engine, directory, clock, caller_key, retention_ms };
        tokio::spawn(upkeep.run());
    }
    tokio::spawn(memory::keep_small());
    let metrics_at = metrics.as_ref().map(Metrics::address).transpose()?;
    if let Some(metrics) = metrics {
        tokio::spawn(metrics.serve());
    }
    let signals = Signals::listen()?;
    greet(&args, address, metrics_at)?;
    Ok(run(listener, router, room, live, signals).await?)
}

/// # Errors
///
/// [`Problem::NotLoopback`] guards the default: a server that gives tokens to anyone is reachable
/// from this machine alone.
async fn listen(args: &Args) -> Result<TcpListener, Problem> {
    let is_public = args.allow_non_loopback_and_issue_tokens_to_anyone || args.has_issuers();
    if !args.listen.ip().is_loopback() && !is_public {
        return Err(Problem::NotLoopback(args.listen));
    }
    TcpListener::bind(args.listen).await.map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => Problem::InUse(args.listen),
        _ => Problem::Listen(args.listen, error),
    })
}

/// Puts the parts together.
///
/// The engine gets the store that pokes. `Operate`, which sees all users, stays outside.
fn router(
    args: &Args,
    schema: Schema,
    Opened { store, pokes, generation, other_life, .. }: Opened,
    directory: Arc<SqliteDirectory>,
    sign_in: SignIn,
    (room, caller_key, retention_ms): (usize, CallerKey, i64),
) -> (Router, Arc<Engine>, Live) {
    let (clock, random) = (Arc::new(SystemClock), Arc::new(SystemRandom));
    let config = engine_config(generation, retention_ms);
    let witness = Arc::new(LogWitness::new(Some(caller_key.clone())));
    let engine = Engine::new(store, clock, random.clone(), config).with_witness(witness);
    let engine = Arc::new(engine.with_schema(schema).with_other_life(other_life));
    let mut config = ApiConfig::of_a_server();
    config.cors_origins = args.cors_origin.clone();
    config.caller_key = Some(caller_key);
    let auth = Auth::Bearer(Arc::clone(&sign_in.verifier));
    let accounts = Accounts::new(directory).with_sign_in(sign_in.verifier);
    let live = Live::new(pokes, Arc::clone(&engine), live_limits(room));
    let api = Api::new(Arc::clone(&engine), auth, random, config).with_accounts(accounts);
    let api = api.with_live(live.clone());
    let beside = sign_in.routes;
    #[cfg(feature = "page")]
    let beside = beside.merge(crate::page::routes(&sign_in.page));
    (haumana_api::router_beside(api, beside).layer(from_fn(drain)), engine, live)
}

/// How many devices may follow, if there is room for so many connections: four fifths of it.
///
/// Otherwise devices that follow could take every connection, and nobody could sync.
fn live_limits(room: usize) -> LiveLimits {
    let mut limits = LiveLimits::usual();
    limits.in_all = limits.in_all.min(room / 5 * 4);
    limits
}

/// The settings of an engine on data of this life.
///
/// The generation comes from the store, which may know a higher one than the arguments.
pub(crate) fn engine_config(generation: Generation, retention_ms: i64) -> EngineConfig {
    let mut config = EngineConfig::new(generation);
    config.retention_ms = retention_ms;
    config
}

/// Says where everything is, and how to try it.
fn greet(args: &Args, address: SocketAddr, metrics: Option<SocketAddr>) -> Result<(), Problem> {
    let (url, db) = (format!("http://{address}"), std::path::absolute(&args.db)?);
    let json = "-H 'content-type: application/json'";
    let (how, token) = if args.has_issuers() {
        ("to try it, put an ID token into TOKEN and paste this:", "$TOKEN".to_owned())
    } else {
        let sed = r#"sed 's/.*:"\(.*\)".*/\1/'"#;
        let issued = format!(r#"$(curl -s {url}/dev/tokens {json} -d '{{"sub":"kumu"}}' | {sed})"#);
        ("to try it, paste this:", issued)
    };
    let mut out = io::stdout().lock();
    writeln!(out, "haumana-server {}", env!("CARGO_PKG_VERSION"))?;
    writeln!(out, "listening on {url}")?;
    match args.store {
        StoreKind::Postgres => writeln!(out, "data in PostgreSQL: {}", args.database_schema)?,
        StoreKind::Dynamodb => writeln!(out, "data in DynamoDB: {}…", args.table_prefix)?,
        StoreKind::Sqlite => writeln!(out, "data in {}", db.display())?,
    }
    #[cfg(feature = "page")]
    match args.has_issuers() {
        true => writeln!(out, "page: {url}/")?,
        false => writeln!(out, "page: {url}/ (two devices in one window: {url}/#two-devices)")?,
    }
    if let Some(metrics) = metrics {
        writeln!(out, "metrics: http://{metrics}/metrics")?;
    }
    writeln!(out, "guide: {GUIDE}")?;
    writeln!(
        out,
        "command line: cargo install --path haumana-cli, then: haumana --server {url} init"
    )?;
    writeln!(out, "{how}")?;
    let (path, body) = match args.schema {
        Some(_) => ("sync", r#"{"deviceId":"my-first-device","push":[]}"#),
        None => ("pieces", r#"{"operation":"sync","pieces":[]}"#),
    };
    let header = format!("authorization: Bearer {token}");
    writeln!(out, r#"curl -s -w '\n' {url}/{path} {json} -H "{header}" -d '{body}'"#)?;
    Ok(out.flush()?)
}

/// Serves until a signal comes. Then it finishes running requests, within bounds.
///
/// After the first signal no more connections are accepted, streams of events end, and requests
/// have ten seconds. After these, or at the second signal, the function returns, and the runtime
/// drops what still runs. A commit is atomic in each store, so nothing is left half written.
async fn run(
    listener: TcpListener,
    router: Router,
    room: usize,
    live: Live,
    mut signals: Signals,
) -> io::Result<()> {
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = connections::serve("api", listener, router, room, async {
        // An error means that the sender is gone. Then the server stops too.
        stopped.await.ok();
    });
    let patience = async {
        signals.next().await;
        tracing::info!("stopping; running requests are finished first");
        // The streams of devices that follow end at once.
        live.close();
        drop(stop);
        tokio::select! {
            () = tokio::time::sleep(STOP_TIMEOUT) => {}
            () = signals.next() => {}
        }
        tracing::warn!("stopping before all requests are finished");
    };
    tokio::select! {
        served = serving => served,
        () = patience => Ok(()),
    }
}

/// Ctrl-C and SIGTERM.
#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    /// From here on the signals no longer end the process by themselves.
    ///
    /// It has to be called before the address is printed.
    fn listen() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let (interrupt, terminate) = (SignalKind::interrupt(), SignalKind::terminate());
        Ok(Self { interrupt: signal(interrupt)?, terminate: signal(terminate)? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Ctrl-C.
#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        tokio::signal::ctrl_c().await.ok();
    }
}
