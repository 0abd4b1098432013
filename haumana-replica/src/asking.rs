//! Calls that change something on the server and may be repeated. Each call has a name, which is
//! kept until the server has answered. A repeat with the same name is the same request.

use crate::error::{ErrorKind, Result};
use crate::replica::{Inner, Replica, new_device};
use crate::storage::{Batch, State, Unanswered};
use crate::transport::{Call, Transport};
use haumana_sync::id::Key;

impl Replica {
    /// Makes a call; `key` is its record, if it concerns one. `what` describes the call. Until the
    /// server has answered, the same call again is the same request.
    pub(crate) async fn ask_once(
        &self,
        transport: &dyn Transport,
        what: String,
        key: Option<Key>,
        call: impl FnOnce(Unanswered) -> Call,
    ) -> Result<Vec<u8>> {
        let account = self.account("ask").await?;
        let asked = self
            .lock()
            .await
            .begin_asking(account.as_str(), what, key, || {
                // It is unique, as the id of a device is.
                new_device(self.random.as_ref())
            })
            .await?;
        let answer = transport.call(&account, &call(asked.clone())).await;
        let is_answered = match &answer {
            Ok(_) => true,
            Err(error) => is_refusal(error.kind()),
        };
        if is_answered {
            self.lock().await.end_asking(account.as_str(), &asked).await?;
        }
        answer
    }

    /// Erases all data of the account on the server.
    ///
    /// The data on this device stays. After the next sync, call [`Replica::settle_erasure`] to
    /// decide about it. If the call is repeated before the server has answered, the repeat does not
    /// erase what was uploaded since.
    ///
    /// The server cannot undo it, and keeps no history. Ask the person twice, and offer
    /// [`Replica::export`] first.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NoAccount`], or an error of the transport.
    pub async fn erase(&self, transport: &dyn Transport) -> Result<()> {
        let call = |asked: Unanswered| Call::Erase { request_id: asked.request_id };
        self.ask_once(transport, "erase".to_owned(), None, call).await.map(drop)
    }
}

/// Whether the server has answered that nothing was done.
fn is_refusal(kind: ErrorKind) -> bool {
    use ErrorKind::{ConflictClosed, Invalid, NotFound, PastRetention};
    matches!(kind, ConflictClosed | Invalid | NotFound | PastRetention)
}

impl Inner {
    async fn begin_asking(
        &mut self,
        account: &str,
        call: String,
        key: Option<Key>,
        fresh: impl FnOnce() -> String,
    ) -> Result<Unanswered> {
        let state = self.storage.state(account).await?;
        let found = match key {
            Some(key) => self.storage.read(account, &[key]).await?.into_iter().flatten().next(),
            None => None,
        };
        let base = found.and_then(|local| local.version());
        // If the record has changed since, its user has seen the outcome of the first request.
        let is_again = |asked: &&Unanswered| asked.call == call && asked.base == base;
        if let Some(asked) = state.unanswered.as_ref().filter(is_again) {
            return Ok(asked.clone());
        }
        let asked = Unanswered { call, base, request_id: fresh() };
        let state = State { unanswered: Some(asked.clone()), ..state };
        self.write(account, Batch { state: Some(state), ..Batch::default() }).await?;
        Ok(asked)
    }

    async fn end_asking(&mut self, account: &str, asked: &Unanswered) -> Result<()> {
        let state = self.storage.state(account).await?;
        if state.unanswered.as_ref() != Some(asked) {
            return Ok(());
        }
        let state = State { unanswered: None, ..state };
        self.write(account, Batch::repeatable(Some(state), Vec::new())).await
    }
}
