//! Replies that are sent while they are read.
//!
//! Only exports are sent so. An account may have 200,000 records, and a host with little memory
//! cannot hold all of them as one text. So the body reads a part, hands it over, and reads the next
//! part when the connection has taken that one.
//!
//! It holds a place among the reading requests of its account until its last byte is sent. A client
//! that reads slowly therefore uses up its own places, and nobody else's.
//!
//! If the store fails in the middle, the status is sent already. The body ends with an error, and
//! the connection breaks. The JSON document is then incomplete, so a client that parses it notices.

use crate::load::Ticket;
use axum::body::{Body, Bytes, HttpBody};
use haumana_sync::Engine;
use haumana_sync::engine::{self, Export};
use http_body::Frame;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Marks a response that is streamed by this crate, and may be compressed while it is sent.
///
/// Other streams, such as those of a route of the host, are left alone: each of their bytes may be
/// needed at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Streamed;

/// Where the export is, and its next part; `None` at its end.
type More = (Export, engine::Result<Option<String>>);

/// An export as a body. What a slow client has not taken yet is not read yet.
///
/// Nothing is read ahead: each frame reads the next part when it is asked for.
struct ExportBody {
    engine: Arc<Engine>,
    /// Its place among the requests of the account.
    ticket: Option<Arc<Ticket>>,
    /// It is taken out while it changes. After an error, and at the end, it is `Ended`.
    state: State,
}

enum State {
    /// This is sent next.
    Has(String, Box<Export>),
    /// This comes next.
    Reads(Pin<Box<dyn Future<Output = More> + Send>>),
    /// Nothing comes.
    Ended,
}

/// Makes a body of an export whose first part was read already.
pub(crate) fn export_body(
    engine: Arc<Engine>,
    first: String,
    export: Export,
    ticket: Option<Ticket>,
) -> Body {
    Body::new(ExportBody {
        engine,
        ticket: ticket.map(Arc::new),
        state: State::Has(first, Box::new(export)),
    })
}

/// With a ticket, reading takes a place in the heavy lane. Without one, the part is read at once.
fn read(engine: Arc<Engine>, mut export: Export, ticket: Option<Arc<Ticket>>) -> State {
    State::Reads(Box::pin(async move {
        // Few parts are read at once, however many exports there are. After a long wait it goes on
        // without a place: half an export helps nobody.
        let _heavy = match &ticket {
            Some(ticket) => ticket.heavy().await.ok(),
            None => None,
        };
        let more = engine.export_more(&mut export).await;
        (export, more)
    }))
}

impl HttpBody for ExportBody {
    type Data = Bytes;
    type Error = engine::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, engine::Error>>> {
        loop {
            match std::mem::replace(&mut self.state, State::Ended) {
                State::Ended => return Poll::Ready(None),
                State::Has(text, export) => {
                    self.state = read(Arc::clone(&self.engine), *export, self.ticket.clone());
                    return Poll::Ready(Some(Ok(Frame::data(text.into()))));
                }
                State::Reads(mut more) => {
                    let Poll::Ready((export, more)) = more.as_mut().poll(cx) else {
                        self.state = State::Reads(more);
                        return Poll::Pending;
                    };
                    match more {
                        Ok(Some(text)) => self.state = State::Has(text, Box::new(export)),
                        Ok(None) => {}
                        Err(error) => {
                            // The status is sent already, so the connection must break.
                            tracing::error!(detail = %error, "an export was interrupted");
                            return Poll::Ready(Some(Err(error)));
                        }
                    }
                }
            }
        }
    }
}
