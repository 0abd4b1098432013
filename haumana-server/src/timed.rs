//! A stream whose client must read the replies that it has asked for.
//!
//! A client may ask for much and read nothing. The server then holds a reply for it, and a
//! connection. hyper bounds how long the head of a request may take to arrive, but not how long a
//! reply may take to leave. So this stream bounds that.
//!
//! Two rules: a write that makes no progress for 30 seconds ends the connection, and a reply as a
//! whole must be read at 1 kB a second or more, after 30 seconds of grace. Only the time counts in
//! which a write waits for the client. While the server makes the next part of an export, or a
//! stream of events has nothing to say, the client is not charged.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// LIMIT: how long a client may read nothing of a reply.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// LIMIT: how fast a client must read a reply on average.
const WRITE_BYTES_PER_SEC: u64 = 1_000;

/// A stream that fails when its other end reads a reply too slowly.
#[derive(Debug)]
pub(crate) struct Timed<S> {
    /// The socket.
    stream: S,
    /// How long writes of the present reply have waited for the client. A write that still waits is
    /// not included.
    waited: Duration,
    /// How many bytes of the present reply are written.
    written: u64,
    /// When the present wait of a write began, and the timer of its end.
    ///
    /// Boxed, because most connections never have one.
    timer: Option<(Instant, Pin<Box<Sleep>>)>,
}

impl<S> Timed<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, waited: Duration::ZERO, written: 0, timer: None }
    }

    /// Whether the last write still waits for the client to read.
    ///
    /// Then bytes may be left in the buffers of the writer.
    pub(crate) fn is_stuck(&self) -> bool {
        self.timer.is_some()
    }

    /// Turns a write that has waited too long into an error.
    ///
    /// # Errors
    ///
    /// `TimedOut`, which hyper passes on, and which ends the connection.
    fn judge(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if let Poll::Ready(written) = written {
            self.written += written.as_ref().map_or(0, |n_bytes| *n_bytes as u64);
            if let Some((since, _)) = self.timer.take() {
                self.waited += since.elapsed();
            }
            return Poll::Ready(written);
        }
        let allowed = WRITE_TIMEOUT + Duration::from_secs(self.written / WRITE_BYTES_PER_SEC);
        // Also a client that was quick so far may not pause for longer than `WRITE_TIMEOUT`.
        let left = allowed.saturating_sub(self.waited).min(WRITE_TIMEOUT);
        let begin = || (Instant::now(), Box::pin(tokio::time::sleep(left)));
        let (_, timer) = self.timer.get_or_insert_with(begin);
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Timed<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if before < buffer.filled().len() && self.timer.is_none() {
            // Another request began, and its reply has a time of its own.
            (self.waited, self.written) = (Duration::ZERO, 0);
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Timed<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.judge(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, parts);
        self.judge(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    #[tokio::test(start_paused = true)]
    async fn a_client_that_reads_nothing_is_cut_off() {
        let (server, _client) = duplex(1_000);

        let start = Instant::now();
        let error = Timed::new(server).write_all(&[0; 10_000]).await.unwrap_err();

        assert_eq!(io::ErrorKind::TimedOut, error.kind());
        assert_eq!(WRITE_TIMEOUT.as_secs(), start.elapsed().as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_reads_slowly_but_steadily_gets_it_all() {
        let (server, mut client) = duplex(1_000);
        let slow = async {
            for _ in 0..100 {
                tokio::time::sleep(Duration::from_millis(900)).await;
                client.read_exact(&mut [0; 1_000]).await.unwrap();
            }
        };

        let mut server = Timed::new(server);
        let (written, ()) = tokio::join!(server.write_all(&[0; 100_000]), slow);

        written.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_does_not_pay_for_the_time_that_the_server_takes() {
        let (server, mut client) = duplex(1_000);
        let mut server = Timed::new(server);
        let writes = async {
            for _ in 0..5 {
                server.write_all(&[0; 2_000]).await.unwrap();
                tokio::time::sleep(2 * WRITE_TIMEOUT).await;
            }
        };
        let reads = async {
            for _ in 0..10 {
                tokio::time::sleep(Duration::from_secs(1)).await;
                client.read_exact(&mut [0; 1_000]).await.unwrap();
            }
        };

        tokio::join!(writes, reads);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_reads_a_byte_now_and_then_is_cut_off() {
        let (server, mut client) = duplex(1_000);
        let trickle = async {
            loop {
                tokio::time::sleep(Duration::from_secs(5)).await;
                if client.read_exact(&mut [0; 1]).await.is_err() {
                    return;
                }
            }
        };

        let mut server = Timed::new(server);
        let written = tokio::select! {
            written = server.write_all(&[0; 100_000]) => written,
            () = trickle => panic!("the server must give up first"),
        };

        assert_eq!(io::ErrorKind::TimedOut, written.unwrap_err().kind());
    }
}
