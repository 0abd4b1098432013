//! Connections: how they are made, set up and shared.
//!
//! A call gets a connection for one statement and returns it. If no idle one is left, a new one is
//! made, up to [`PostgresOptions::connections`].
//!
//! A connection is not tested when a call gets it. If the server has closed it meanwhile, the next
//! statement fails. Reads are then sent again over a new connection.

use crate::error::{OpenError, OpenErrorKind};
use crate::options::PostgresOptions;
use crate::tls::Tls;
use deadpool_postgres::{Hook, HookError, Manager, ManagerConfig, Object, Pool, PoolError};
use deadpool_postgres::{RecyclingMethod, Runtime};
use scopeguard::{ScopeGuard, guard};
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

/// How long a silent server is still considered alive.
///
/// It sets TCP keepalives, and how long sent bytes may stay unconfirmed. Without it, calls would
/// wait for many minutes after the server's machine has lost power.
const SILENCE: Duration = Duration::from_secs(30);

/// The connections of one handle.
pub(crate) struct Connections {
    pool: Pool,
    /// How long a call waits for an answer before it is given up.
    ///
    /// Twice the statement timeout: the server should have ended the statement long before.
    patience: Duration,
}

impl fmt::Debug for Connections {
    /// The pool's own form would show the address and the user.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = self.pool.status();
        f.debug_struct("Connections").field("size", &status.size).finish_non_exhaustive()
    }
}

impl Connections {
    /// Takes a connection that no other call uses.
    pub(crate) async fn get(&self) -> Result<Lease, PoolError> {
        let (client, patience) = (self.pool.get().await?, self.patience);
        Ok(guard(client, Box::new(move |client| await_answers(client, patience))))
    }

    /// How long to wait for an answer. It is longer than the server's own time-out.
    pub(crate) fn patience(&self) -> Duration {
        self.patience
    }
}

/// A connection that one call uses. The call returns it with [`ScopeGuard::into_inner`] once the
/// server has answered everything.
///
/// A call may be dropped while the server still runs its statement, for example when a phone hangs
/// up. The connection then goes back to the pool only after the server has answered, so that no
/// other call waits for that statement. Until then it counts as one of the pool's connections, so a
/// client that hangs up often does not cause new connections.
pub(crate) type Lease = ScopeGuard<Object, Box<dyn FnOnce(Object) + Send + Sync>>;

/// Keeps a connection out of the pool until its statements are answered. If that takes too long,
/// closes it.
fn await_answers(client: Object, patience: Duration) {
    let Ok(runtime) = Handle::try_current() else { return drop(Object::take(client)) };
    runtime.spawn(async move {
        // POSTGRES: statements are answered in order, so this empty one is answered last.
        if tokio::time::timeout(patience, client.simple_query("")).await.is_err() {
            drop(Object::take(client));
        }
    });
}

/// Makes the pool; connections are made when they are needed.
pub(crate) fn connect(options: &PostgresOptions) -> Result<Connections, OpenError> {
    let config = config(options)?;
    let tls = Tls::trusting(options.certificates.as_deref())?;
    // POSTGRES: our statements leave no transaction open and no setting changed. So nothing has to
    // be reset between two calls, which would be a round trip.
    let recycling_method = RecyclingMethod::Fast;
    let manager = Manager::from_config(config, tls, ManagerConfig { recycling_method });
    let set_up = set_up(options.statement_timeout);
    let hook = Hook::async_fn(move |client, _| {
        let set_up = set_up.clone();
        Box::pin(async move { client.batch_execute(&set_up).await.map_err(HookError::Backend) })
    });
    let pool = Pool::builder(manager)
        .max_size(options.connections.max(1))
        .wait_timeout(Some(options.connect_timeout))
        .create_timeout(Some(options.connect_timeout))
        .recycle_timeout(Some(options.connect_timeout))
        .runtime(Runtime::Tokio1)
        .post_create(hook)
        .build();
    let pool = pool.map_err(|error| OpenError::with_source(OpenErrorKind::Url, error))?;
    Ok(Connections { pool, patience: options.statement_timeout.saturating_mul(2) })
}

/// The listener uses the same settings for its own connection, so both check the same certificates.
pub(crate) fn config(options: &PostgresOptions) -> Result<Config, OpenError> {
    // The parser's own error may quote a part of the URL.
    let parsed = options.url.parse::<Config>();
    let mut config = parsed.map_err(|_| OpenError::new(OpenErrorKind::Url))?;
    config.connect_timeout(options.connect_timeout);
    config.keepalives_idle(SILENCE).tcp_user_timeout(SILENCE);
    if config.get_application_name().is_none() {
        config.application_name("haumana");
    }
    if config.get_ssl_mode() == SslMode::Prefer {
        // Without `sslmode`, the certificate is checked, unless the server is on this machine.
        let is_here = config.get_hosts().iter().all(is_this_machine);
        config.ssl_mode(if is_here { SslMode::Disable } else { SslMode::Require });
    }
    Ok(config)
}

/// Names are not resolved: a name that DNS maps to this machine counts as elsewhere.
fn is_this_machine(host: &Host) -> bool {
    match host {
        Host::Tcp(name) => {
            name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
        }
        #[cfg(unix)]
        Host::Unix(_) => true,
    }
}

/// The settings of each session, whatever the server's defaults are.
///
/// - A commit is acknowledged when it is on disk, never before.
/// - A statement sees what was committed when it began, or when it got a lock that it waited for;
///   [`crate::statements`] are written for that.
/// - Unqualified names are the system's own.
///
/// The idle timeout ends a transaction that a crashed or suspended process has left open. Its locks
/// would hold up other servers.
fn set_up(statement_timeout: Duration) -> String {
    let timeout_ms = statement_timeout.as_millis().clamp(1, i32::MAX as u128);
    format!(
        "SELECT set_config('synchronous_commit', 'on', false)
             WHERE current_setting('synchronous_commit') = 'off';
         SET default_transaction_isolation = 'read committed';
         SET search_path = pg_catalog;
         SET statement_timeout = {timeout_ms};
         SET lock_timeout = {timeout_ms};
         SET idle_in_transaction_session_timeout = {timeout_ms};
         SET jit = off;"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use haumana_sync::store::Generation;

    fn options(url: &str) -> PostgresOptions {
        PostgresOptions {
            url: url.to_owned(),
            schema: "haumana".to_owned(),
            certificates: None,
            connections: 1,
            connect_timeout: Duration::from_secs(1),
            statement_timeout: Duration::from_secs(1),
            generation: Generation(0),
        }
    }

    #[track_caller]
    fn check(url: &str, mode: SslMode) {
        assert_eq!(mode, config(&options(url)).unwrap().get_ssl_mode(), "{url}");
    }

    #[test]
    fn a_server_elsewhere_must_show_a_certificate_unless_the_url_says_otherwise() {
        check("postgres://kai@db.example/haumana", SslMode::Require);
        check("postgres://kai@db.example/haumana?sslmode=require", SslMode::Require);
        check("postgres://kai@db.example/haumana?sslmode=disable", SslMode::Disable);
        check("postgres://kai@localhost/haumana", SslMode::Disable);
        check("postgres://kai@127.0.0.1/haumana", SslMode::Disable);
        check("postgres://kai@127.0.0.1/haumana?sslmode=require", SslMode::Require);
        check("postgres:///haumana?host=/var/run/postgresql", SslMode::Disable);
        check("postgres://kai@127.0.0.1,db.example/haumana", SslMode::Require);
    }

    #[test]
    fn neither_options_nor_errors_show_a_password() {
        let options = options("postgres://kai:secret@db.example:notaport/haumana");
        let refused = config(&options).unwrap_err();

        assert!(!format!("{options:?} {refused:?} {refused}").contains("secret"));
    }
}
