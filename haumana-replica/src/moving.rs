//! Everything of an account at once, out of one server and into another.
//!
//! Use [`Replica::export`] for a person's own backup, and both calls to move from one server to
//! another.

use crate::error::{Error, ErrorKind, Result};
use crate::replica::Replica;
use crate::transport::{Call, Transport};
use serde::Deserialize;
use std::io::Write;

/// How much of an export is in the account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Imported {
    /// Pieces.
    pub pieces: usize,
    /// Sessions.
    #[serde(rename = "practiceSessions")]
    pub sessions: usize,
    /// Superseded versions, and pushes of which a part lost.
    pub history: usize,
    /// Conflicts, open and closed.
    pub conflicts: usize,
    /// Deleted records.
    pub tombstones: usize,
    /// Whether that is all; otherwise the export is a page, and the next one is waited for.
    #[serde(rename = "done")]
    pub is_done: bool,
}

impl Replica {
    /// Writes everything that the server has of the account into `file`, as JSON.
    ///
    /// It is what the server has; edits that are pending here are not in it. Sync first. The
    /// document is written as it comes, so its size costs no memory.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let Devices { phone, server, .. } = devices().await;
    /// phone.add(&Song { title: "Hiʻilawe".into(), ..Song::default() }).await?;
    /// phone.sync(&server).await?;
    ///
    /// let mut file = Vec::new();
    /// phone.export(&server, &mut file).await?;
    ///
    /// assert!(String::from_utf8(file)?.contains("Hiʻilawe"));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NoAccount`], or what the transport fails with; what was written is then a part.
    pub async fn export(
        &self,
        transport: &dyn Transport,
        file: &mut (dyn Write + Send),
    ) -> Result<()> {
        let account = self.account("export").await?;
        transport.export(&account, file).await
    }

    /// Puts an export, or one page of it, into the account on the server, which must be empty. It
    /// comes with the next sync. The same again changes nothing.
    ///
    /// Devices of the account then start over, and keep their pending edits.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotEmpty`]; [`ErrorKind::Invalid`] if it is no export or an entry cannot be
    /// taken; [`ErrorKind::TooLarge`], then import it in pages, which
    /// [`ExportOutline::pages`](crate::transport::ExportOutline::pages) makes;
    /// [`ErrorKind::NoAccount`], or what the transport fails with. If it broke off, the same again
    /// finishes it.
    pub async fn import(&self, transport: &dyn Transport, export: Vec<u8>) -> Result<Imported> {
        let body = self.ask(transport, Call::Import { export }).await?;
        serde_json::from_slice(&body).map_err(|_| Error::new("import", ErrorKind::Protocol))
    }
}
