//! A reply counts against its account from the moment it is made until its bytes are sent.
//!
//! Without that, a client could ask for its whole repertoire again and again and read none of it.
//! The server would hold all these replies. So each reply has a counter that lives as long as its
//! bytes, wherever they are: in the body, in the buffers of the HTTP library, or with a host that
//! collects them.
//!
//! The counter travels in the extensions of the response, from the handler to the middleware that
//! wraps the bytes.

use crate::load::Unsent;
use axum::body::{Body, Bytes, HttpBody, to_bytes};
use axum::response::Response;
use std::sync::Arc;

/// Counts a reply from now on, if the host bounds that. A streamed reply is not in memory and is
/// not counted: its place among the requests of the account bounds it.
///
/// An `Arc`, because extensions of a response must be cloneable.
pub(crate) fn count(mut response: Response, unsent: Option<Unsent>) -> Response {
    let size = response.body().size_hint().exact();
    if let (Some(n_bytes), Some(unsent)) = (size, unsent) {
        unsent.set(usize::try_from(n_bytes).unwrap_or(usize::MAX));
        response.extensions_mut().insert(Arc::new(unsent));
    }
    response
}

/// Keeps counting a counted reply until its last byte is sent, or its client is gone.
pub(crate) async fn until_sent(mut response: Response) -> Response {
    let Some(unsent) = response.extensions_mut().remove::<Arc<Unsent>>() else {
        return response;
    };
    let (head, body) = response.into_parts();
    // A body whose size is known is in memory already; reading it cannot fail.
    let bytes = to_bytes(body, usize::MAX).await.unwrap_or_default();
    // It may have been compressed meanwhile.
    unsent.set(bytes.len());
    Response::from_parts(head, Body::from(Bytes::from_owner(Counted { bytes, _unsent: unsent })))
}

/// The bytes of a reply, with their counter. The HTTP library drops a body as soon as it has read
/// all frames, but keeps the bytes until they are sent. So the counter must belong to the bytes.
///
/// [`Bytes::from_owner`] drops this when the last slice of the bytes is dropped.
struct Counted {
    bytes: Bytes,
    _unsent: Arc<Unsent>,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}
