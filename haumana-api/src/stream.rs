//! Replies that are sent while they are read.

use crate::load::Ticket;
use axum::body::{Body, Bytes, HttpBody};
use haumana_sync::Engine;
use haumana_sync::engine::{self, Export};
use http_body::Frame;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Marks a response that is sent while it is read, and that is compressed so too.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Streamed;

type More = (Export, engine::Result<Option<String>>);

/// An export as a body: what a slow client has not taken yet is not read yet.
struct ExportBody {
    engine: Arc<Engine>,
    /// Its place among the requests of the account.
    ticket: Option<Arc<Ticket>>,
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
                            // The status is sent already; a broken connection is what is left.
                            tracing::error!(detail = %error, "an export was interrupted");
                            return Poll::Ready(Some(Err(error)));
                        }
                    }
                }
            }
        }
    }
}
