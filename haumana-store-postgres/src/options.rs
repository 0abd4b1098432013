//! The options of a store.

use haumana_sync::store::Generation;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Says where a [`PostgresStore`](crate::PostgresStore) is and how it behaves.
///
/// There is no default: the program that opens a store decides each of these. The durability of
/// commits is not an option; they are always durable.
///
/// The URL may hold a password, so `Debug` leaves it out.
#[derive(Clone)]
pub struct PostgresOptions {
    /// The address of the database: `postgres://user:password@host:5432/name`.
    ///
    /// With `sslmode=require` the connection uses TLS, and the server's certificate is checked.
    /// With `disable` others on the way can read everything. Without `sslmode`, or with `prefer`,
    /// TLS and a certificate are required of a server elsewhere, and not of a server on this
    /// machine.
    pub url: String,
    /// The schema that holds the tables; made if it does not exist. Several deployments may share a
    /// database, each in a schema of its own. Letters, digits and `_`, in lower case.
    pub schema: String,
    /// A file in PEM with the certificates that sign the server's; `None`: those that the machine
    /// trusts.
    pub certificates: Option<PathBuf>,
    /// LIMIT: how many connections there are at most.
    ///
    /// A call holds one for one statement, so a few serve many requests. All servers together must
    /// stay below the database's `max_connections`.
    pub connections: usize,
    /// LIMIT: how long a call waits for a connection. If none becomes free, the call is
    /// `Throttled`; if a new one is not made in time, it is `Unavailable`.
    pub connect_timeout: Duration,
    /// LIMIT: how long one statement may run on the server. After that it is undone and the call is
    /// `Throttled`. If no answer comes for twice as long, the call is given up.
    ///
    /// The longest statement is a page of changes with large records. Ten seconds are enough on a
    /// healthy server.
    pub statement_timeout: Duration,
    /// The highest generation that the operator asked for; see [`Life`](crate::Life).
    ///
    /// Leave it at 0 unless a dump was loaded into the same database.
    pub generation: Generation,
}

impl fmt::Debug for PostgresOptions {
    /// Leaves the URL out, which may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresOptions")
            .field("schema", &self.schema)
            .field("connections", &self.connections)
            .finish_non_exhaustive()
    }
}
