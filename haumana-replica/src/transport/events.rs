//! Server-sent events, as `GET /live` sends them, with limits: the server is not trusted with this
//! device's memory or time.

use super::answer::offline;
use super::feed::{Heard, LiveFeed};
use crate::error::{Error, ErrorKind, Result};
use async_trait::async_trait;
use reqwest::Response;
use reqwest::header::CONTENT_TYPE;
use serde::Deserialize;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

const OP: &str = "live";
/// LIMIT: the bytes of one line of a feed. Lines of this API have about 30 bytes.
const LINE_BYTES: usize = 4_096;
/// LIMIT: the bytes of a feed in [`WINDOW`]. A feed with more is no feed of pokes.
const WINDOW_BYTES: usize = 4_000_000;
const WINDOW: Duration = Duration::from_secs(60);

/// A feed over HTTP.
#[derive(Debug)]
pub(super) struct EventStream {
    response: Response,
    lines: Lines,
    heard: VecDeque<Heard>,
}

impl EventStream {
    /// Reads a reply as a feed. It fails with `Protocol` if the reply says that it is none.
    pub(super) fn of(response: Response) -> Result<Self> {
        let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        if !kind.is_some_and(|kind| kind.starts_with("text/event-stream")) {
            return Err(Error::new(OP, ErrorKind::Protocol).caused_by("it is no stream of events"));
        }
        Ok(Self { response, lines: Lines::new(), heard: VecDeque::new() })
    }
}

#[cfg_attr(not(target_arch = "wasm32"), async_trait)]
#[cfg_attr(target_arch = "wasm32", async_trait(?Send))]
impl LiveFeed for EventStream {
    async fn next(&mut self) -> Result<Heard> {
        loop {
            if let Some(heard) = self.heard.pop_front() {
                return Ok(heard);
            }
            let part = self.response.chunk().await.map_err(|error| offline(OP, error))?;
            let part = part.ok_or_else(|| {
                Error::new(OP, ErrorKind::Offline).caused_by("the feed has ended")
            })?;
            self.lines.take(&part, Instant::now(), &mut self.heard)?;
        }
    }
}

/// The lines of a feed, as they arrive.
#[derive(Debug)]
struct Lines {
    /// The beginning of a line.
    line: Vec<u8>,
    /// The revision in the event that is being read.
    told: Option<u64>,
    window: (Instant, usize),
}

#[derive(Deserialize)]
struct Told {
    revision: u64,
}

impl Lines {
    fn new() -> Self {
        Self { line: Vec::new(), told: None, window: (Instant::now(), 0) }
    }

    /// Reads a part of any size. Of several revisions only the last one counts. So the queue of
    /// unread events is limited.
    fn take(&mut self, part: &[u8], now: Instant, heard: &mut VecDeque<Heard>) -> Result<()> {
        let protocol = |why| Err(Error::new(OP, ErrorKind::Protocol).caused_by(why));
        if WINDOW < now.saturating_duration_since(self.window.0) {
            self.window = (now, 0);
        }
        self.window.1 = self.window.1.saturating_add(part.len());
        if WINDOW_BYTES < self.window.1 {
            return protocol("the feed says too much");
        }
        for piece in part.split_inclusive(|byte| *byte == b'\n') {
            if LINE_BYTES < self.line.len() + piece.len() {
                return protocol("a line of the feed is too long");
            }
            self.line.extend_from_slice(piece);
            if self.line.last() == Some(&b'\n') {
                let line = std::mem::take(&mut self.line);
                if let Some(said) = self.read(line.trim_ascii_end()) {
                    heard.retain(|earlier| *earlier != Heard::Alive && said == Heard::Alive);
                    heard.push_back(said);
                }
            }
        }
        Ok(())
    }

    /// Reads a line: a comment, a field of an event, or the end of an event. Other fields are
    /// ignored.
    fn read(&mut self, line: &[u8]) -> Option<Heard> {
        if line.is_empty() {
            return self.told.take().map(Heard::Revision);
        }
        if line.starts_with(b":") {
            return Some(Heard::Alive);
        }
        if let Some(data) = line.strip_prefix(b"data:") {
            self.told = serde_json::from_slice(data).ok().map(|told: Told| told.revision);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns what the parts say.
    fn heard(parts: &[&[u8]]) -> Result<Vec<Heard>> {
        let (mut lines, mut all) = (Lines::new(), Vec::new());
        for part in parts {
            let mut heard = VecDeque::new();
            lines.take(part, Instant::now(), &mut heard)?;
            all.extend(heard);
        }
        Ok(all)
    }

    #[test]
    fn events_and_comments_are_heard_however_they_are_cut() {
        let text: &[u8] = b"retry: 2000\nid: 41\ndata: {\"revision\":41}\n\n:\n\nevent: x\n\n";
        let due = [Heard::Revision(41), Heard::Alive];

        let bytes: Vec<&[u8]> = text.chunks(1).collect();
        let returns = b"id: 41\r\ndata: {\"revision\":41}\r\n\r\n:\r\n";

        assert_eq!(due[..], heard(&bytes).unwrap());
        assert_eq!(due[..], heard(&[returns]).unwrap()[..]);
    }

    #[test]
    fn of_many_revisions_that_come_at_once_the_last_is_heard() {
        let many: String =
            (0..1000).map(|n| format!("data: {{\"revision\":{n}}}\n\n:\n")).collect();

        let heard = heard(&[many.as_bytes()]).unwrap();

        assert_eq!([Heard::Revision(999), Heard::Alive], heard[..]);
    }

    #[test]
    fn what_is_no_event_of_this_api_says_nothing() {
        for text in ["data: 41\n\n", "data: {}\n\n", "data\n\n", "id: 41\n\n", "\n\n\n", "<html>\n"]
        {
            assert_eq!(Vec::<Heard>::new(), heard(&[text.as_bytes()]).unwrap(), "{text}");
        }
        // An event counts only when it is complete.
        assert!(heard(&[b"data: {\"revision\":41}\n"]).unwrap().is_empty());
    }

    #[test]
    fn a_line_of_the_limit_is_read_and_a_longer_one_is_not() {
        let fits = format!(":{}\n", " ".repeat(LINE_BYTES - 2));
        let long = format!(":{}", " ".repeat(LINE_BYTES));

        assert!(heard(&[fits.as_bytes()]).is_ok());
        let parts: Vec<&[u8]> = long.as_bytes().chunks(100).collect();
        assert_eq!(ErrorKind::Protocol, heard(&parts).unwrap_err().kind());
    }

    #[test]
    fn a_feed_that_says_too_much_is_given_up_and_a_lively_one_is_not() {
        let (mut lines, mut heard) = (Lines::new(), VecDeque::new());
        let (begun, part) = (Instant::now(), b"data: {\"revision\":1}\n\n".repeat(1_000));

        for second in 0..600 {
            lines.take(&part, begun + Duration::from_secs(second), &mut heard).unwrap();
        }
        let flood = (0..200).find_map(|_| lines.take(&part, begun, &mut heard).err());

        assert_eq!(ErrorKind::Protocol, flood.unwrap().kind());
        assert!(heard.len() <= 2, "nothing is kept of what nobody has read: {heard:?}");
    }
}
