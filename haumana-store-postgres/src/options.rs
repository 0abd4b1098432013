//! What a store is opened with.

use haumana_sync::store::Generation;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Says where a [`PostgresStore`](crate::PostgresStore) is and how it behaves.
///
/// There is no default: whoever opens a store decides each of these. How durable commits are is not
/// among them; they always are.
///
/// The URL may hold a password, so `Debug` leaves it out.
#[derive(Clone)]
pub struct PostgresOptions {
    /// Where the database is: `postgres://user:password@host:5432/name`. With `sslmode=require` the
    /// server's certificate is checked; `disable` does not protect from others on the way.
    ///
    /// A server elsewhere is asked for TLS and a certificate unless the URL says otherwise; one on
    /// this machine is not.
    ///
    /// `sslmode=prefer` is the driver's default and counts as nothing said.
    pub url: String,
    /// The schema that holds the tables; made if it does not exist. Several deployments may share a
    /// database, each in a schema of its own. Letters, digits and `_`, in lower case.
    pub schema: String,
    /// A file with certificates that sign the server's, in PEM; `None`: those that the machine
    /// trusts.
    pub certificates: Option<PathBuf>,
    /// LIMIT: how many connections there are at most.
    ///
    /// A call holds one for one statement, so a few serve many requests. All servers together must
    /// stay below the database's `max_connections`.
    pub connections: usize,
    /// LIMIT: how long a call waits for a free connection before it is `Throttled`, and for a new
    /// one before it is `Unavailable`.
    pub connect_timeout: Duration,
    /// LIMIT: how long one statement may run on the server before it is undone and the call is
    /// `Throttled`. A call of which nothing is heard for twice as long is given up.
    ///
    /// The longest statement is a page of changes with large records; ten seconds are plenty on a
    /// healthy server.
    pub statement_timeout: Duration,
    /// The highest generation that the operator asked for; see [`Life`](crate::Life).
    ///
    /// 0 unless a dump was read back into the same database.
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
