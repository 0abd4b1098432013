//! Replies that are made and not sent count against their account, until their bytes are gone.
//!
//! A client could ask for its whole repertoire again and again and read none of it; then the server
//! would hold all these replies. So each reply has a counter that lives as long as its bytes,
//! wherever they are: in the body, in the buffers of the HTTP library, or with a host that collects
//! them.
//!
//! The counter travels in the extensions of the response, from the handler to the middleware that
//! wraps the bytes.

use crate::load::Unsent;
use axum::body::{Body, Bytes, HttpBody, to_bytes};
use axum::response::Response;
use std::sync::Arc;

/// Lets a reply count from now on, where the host bounds that. One that is sent while it is read is
/// not in memory: its place among the requests of the account bounds it.
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

/// Lets a reply that counts do so until the last of its bytes is sent, or its client is gone.
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

/// The bytes of a reply. Whoever sends them drops a body as soon as it has all frames, and the bytes
/// when they are sent, so it is the bytes that count.
///
/// [`Bytes::from_owner`] drops it when the last slice of the bytes is dropped.
struct Counted {
    bytes: Bytes,
    _unsent: Arc<Unsent>,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}
