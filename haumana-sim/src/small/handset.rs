//! A phone with the app and one piece.
//!
//! The phone is the one of the random model ([`Phone`]). Here its user does one thing at a time.

use super::client::edited;
use super::ledger::{Seen, both};
use super::turn::What;
use crate::content::{FAVORITE, LYRICS, TITLE, Val};
use crate::phone::{LocalPiece, Phone, Request, stamp};
use crate::reply::decode;
use serde_json::json;

/// A phone, and what its user sees.
///
/// The judge needs `pending`, which the phone does not know.
#[derive(Clone, Debug)]
pub(super) struct Handset {
    pub(super) phone: Phone,
    seen: Seen,
    /// The edits without a reply.
    pending: Vec<(usize, Seen)>,
}

impl Handset {
    pub(super) fn new(number: usize) -> Self {
        Self { phone: Phone::new(number, 0), seen: Seen::default(), pending: Vec::new() }
    }

    pub(super) fn is_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    pub(super) fn piece(&self) -> Option<&LocalPiece> {
        self.phone.pieces.first()
    }

    pub(super) fn has_star(&self) -> bool {
        self.piece().is_some_and(|piece| piece.content.0[FAVORITE] == Val::Flag(true))
    }

    pub(super) fn seen(&self) -> Seen {
        self.pending.iter().fold(self.seen, |seen, (_, own)| both(seen, *own))
    }

    /// Its user does something.
    ///
    /// Toggling the star counts as a step of the number, as in the app.
    pub(super) fn edit(&mut self, what: What, number: usize, own: Seen, at_ms: i64) {
        let turned = Val::Flag(!self.has_star());
        let Some(piece) = self.phone.pieces.first_mut() else { return };
        let content = &mut piece.content.0;
        match what {
            What::Name => content[TITLE] = Val::Text(format!("t{number}")),
            What::Words => content[LYRICS] = Val::Text(edited(content[LYRICS].text(), number)),
            _ => {
                content[FAVORITE] = turned;
                piece.version += 1;
            }
        }
        piece.flagged = true;
        piece.modified_ms = at_ms;
        self.pending.push((number, own));
    }

    /// The request that it sends.
    ///
    /// It is written as the app writes it, with all pieces and the last `syncedAt`.
    pub(super) fn request(&self, user: &str, now_ms: i64) -> Request {
        let sent = self.phone.pieces.clone();
        let pieces: Vec<_> = sent.iter().map(|piece| piece.write(user)).collect();
        let mut body = json!({ "operation": "sync", "pieces": pieces });
        let last_secs = self.phone.last_synced.map(|(secs, _)| secs);
        if let Some(secs) = last_secs {
            body["lastSyncedAt"] = json!(stamp(secs));
        }
        Request {
            body: body.to_string().into_bytes(),
            phone: self.phone.number,
            token: 0,
            account: 0,
            sent,
            bad: Vec::new(),
            last_secs,
            life: 0,
            at_ms: now_ms,
            is_done: false,
        }
    }

    /// The numbers of the edits that it sends.
    pub(super) fn sends(&self) -> Vec<usize> {
        self.pending.iter().map(|(number, _)| *number).collect()
    }

    /// It receives the reply; the server has seen `server`. The error says what is wrong with the
    /// reply.
    ///
    /// This reply answers everything that was sent before.
    pub(super) fn hear(
        &mut self,
        request: &Request,
        reply: &[u8],
        server: Seen,
        now_ms: i64,
    ) -> Result<(), String> {
        let reply = decode(reply)?;
        let taken = self.phone.take_over(request, &reply, now_ms, &|_| 0);
        taken.map_err(|(_, text)| text)?;
        self.phone.last_synced = Some((reply.synced_secs, 0));
        self.pending.clear();
        self.seen = server;
        Ok(())
    }

    /// It is set up from a backup, without what was in memory.
    pub(super) fn restarted(mut self) -> Self {
        self.phone.restart();
        self
    }
}
