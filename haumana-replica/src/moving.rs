//! Exports and imports all data of an account.
//!
//! Use [`Replica::export`] for a person's own backup, and both calls to move from one server to
//! another.

use crate::error::{Error, ErrorKind, Result};
use crate::replica::Replica;
use crate::transport::{Call, Transport};
use serde::Deserialize;
use std::io::Write;

/// How much of an export has been imported.
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
    /// Whether the import is finished. Otherwise the export is a page, and the next page must
    /// follow.
    #[serde(rename = "done")]
    pub is_done: bool,
}

impl Replica {
    /// Writes all data of the account on the server into `file`, as JSON.
    ///
    /// Edits that are pending here are not in it, so sync first. The document is written as it
    /// arrives, so memory does not depend on its size.
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
    /// [`ErrorKind::NoAccount`], or an error of the transport. Then only a part was written.
    pub async fn export(
        &self,
        transport: &dyn Transport,
        file: &mut (dyn Write + Send),
    ) -> Result<()> {
        let account = self.account("export").await?;
        transport.export(&account, file).await
    }

    /// Imports an export, or one page of it, into the account on the server. The account must be
    /// empty. The data comes with the next sync. Repeating the import changes nothing.
    ///
    /// Devices of the account then start over, and keep their pending edits.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotEmpty`]; [`ErrorKind::Invalid`] if it is no export or an entry cannot be
    /// accepted; [`ErrorKind::TooLarge`]: then import it in pages, which
    /// [`ExportOutline::pages`](crate::transport::ExportOutline::pages) makes;
    /// [`ErrorKind::NoAccount`], or an error of the transport. If the import was interrupted, the
    /// same call finishes it.
    pub async fn import(&self, transport: &dyn Transport, export: Vec<u8>) -> Result<Imported> {
        let body = self.ask(transport, Call::Import { export }).await?;
        serde_json::from_slice(&body).map_err(|_| Error::new("import", ErrorKind::Protocol))
    }
}
