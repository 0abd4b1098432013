//! A body that is compressed while it is sent.
//!
//! The encoder decides when bytes come out: it collects some kB first. That is right for an export,
//! which nobody reads before its end, and wrong for events, which must arrive at once.

use axum::body::{Body, Bytes, HttpBody};
use flate2::Compression;
use flate2::write::GzEncoder;
use http_body::Frame;
use std::io::Write;
use std::pin::Pin;
use std::task::{Context, Poll};

/// The gzip of another body. At a time it holds only what the encoder looks back on.
///
/// If the other body breaks off, this one does too, without the end mark of a gzip.
pub(crate) struct GzipBody {
    body: Body,
    /// `None`: the end was sent, or the body broke off.
    ///
    /// The encoder writes into a vector, which is emptied into each frame.
    encoder: Option<GzEncoder<Vec<u8>>>,
}

impl GzipBody {
    pub(crate) fn new(body: Body, compression: Compression) -> Self {
        Self { body, encoder: Some(GzEncoder::new(Vec::new(), compression)) }
    }

    /// Compresses `data` and returns the bytes that the encoder has ready. Writing into memory
    /// cannot fail.
    fn pack(&mut self, data: &[u8]) -> Vec<u8> {
        let Some(encoder) = &mut self.encoder else { return Vec::new() };
        let _ = encoder.write_all(data);
        std::mem::take(encoder.get_mut())
    }

    /// The rest of the data, and the checksum by which a client knows that it has everything.
    fn end(&mut self) -> Vec<u8> {
        let end = self.encoder.take().map(GzEncoder::finish);
        end.and_then(Result::ok).unwrap_or_default()
    }
}

impl HttpBody for GzipBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        while self.encoder.is_some() {
            let packed = match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Err(error))) => {
                    self.encoder = None;
                    return Poll::Ready(Some(Err(error)));
                }
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => self.pack(&data),
                    // Trailers: our streams have none.
                    Err(_) => continue,
                },
                Poll::Ready(None) => self.end(),
            };
            if !packed.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(packed.into()))));
            }
        }
        Poll::Ready(None)
    }
}
