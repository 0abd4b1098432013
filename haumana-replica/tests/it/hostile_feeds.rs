//! Servers whose live feed would use up a device, or keep it from syncing.

use crate::follow::{Timers, add, quick, soon, until, until_titled};
use crate::http::{TokenSourceOf, token_of};
use crate::support::{Server, user};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::routing::{get, post};
use haumana_replica::transport::{HttpConfig, HttpTransport};
use haumana_replica::{Pace, Replica};
use haumana_sync::wire::sync::SyncRequest;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// What a feed says for ever: a beginning, then one part after the other.
#[derive(Clone)]
struct Said {
    kind: &'static str,
    beginning: &'static str,
    part: Vec<u8>,
    pause: Duration,
}

impl Said {
    fn of(beginning: &'static str, part: impl Into<Vec<u8>>) -> Self {
        let (kind, pause) = ("text/event-stream", Duration::ZERO);
        Self { kind, beginning, part: part.into(), pause }
    }

    fn body(self, sent: Arc<AtomicU64>) -> Body {
        let beginning = Some(self.beginning);
        let parts = futures_util::stream::unfold((self, beginning), move |(said, beginning)| {
            let sent = sent.clone();
            async move {
                if let Some(beginning) = beginning {
                    return Some((Ok::<_, Infallible>(Bytes::from(beginning)), (said, None)));
                }
                tokio::time::sleep(said.pause).await;
                sent.fetch_add(said.part.len() as u64, Ordering::Relaxed);
                Some((Ok(Bytes::from(said.part.clone())), (said, None)))
            }
        });
        Body::from_stream(parts)
    }
}

/// A server whose records are good and whose feed is not.
struct Hostile {
    server: Server,
    url: String,
    n_syncs: Arc<AtomicUsize>,
    n_feeds: Arc<AtomicUsize>,
    sent: Arc<AtomicU64>,
}

impl Hostile {
    async fn start(said: Said) -> Self {
        let server = Server::new();
        let (n_syncs, n_feeds) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let sent = Arc::new(AtomicU64::new(0));
        let (engine, syncs, feeds, count) =
            (server.engine.clone(), n_syncs.clone(), n_feeds.clone(), sent.clone());
        let sync = async move |body: Bytes| {
            syncs.fetch_add(1, Ordering::Relaxed);
            let request = SyncRequest::from_json(&body).unwrap();
            engine.sync(&user("kai"), &request, 32 << 20).await.unwrap().into_json()
        };
        let live = async move || {
            feeds.fetch_add(1, Ordering::Relaxed);
            ([("content-type", said.kind)], said.clone().body(count.clone()))
        };
        let router = Router::new().route("/sync", post(sync)).route("/live", get(live));
        let url = crate::http::serve(router).await;
        Self { server, url, n_syncs, n_feeds, sent }
    }

    fn transport(&self) -> HttpTransport {
        let config = HttpConfig::usual(self.url.clone());
        HttpTransport::new(config, Arc::new(TokenSourceOf(token_of))).unwrap()
    }

    async fn follow(&self) -> Arc<Replica> {
        self.follow_despite(Duration::from_millis(200)).await
    }

    /// A device that takes a silence of so long as the end of its feed.
    async fn follow_despite(&self, silence: Duration) -> Arc<Replica> {
        let device = Arc::new(self.server.device().await);
        let mut pace: Pace = quick();
        (pace.poll, pace.silence) = (Duration::from_millis(50), silence);
        let (transport, followed) = (self.transport(), device.clone());
        tokio::spawn(async move { followed.follow_with(&transport, pace, &Timers).await });
        device
    }

    /// Waits until it was asked for its feed so often.
    async fn until_feeds(&self, n_feeds: usize) {
        let asked = async {
            while self.n_feeds.load(Ordering::Relaxed) < n_feeds {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        soon("the feed is given up, and asked for again", asked).await;
    }

    /// Another device's edit arrives all the same, and the feed was given up more than once.
    async fn check(self) {
        let (device, other) = (self.follow().await, self.server.device().await);
        self.until_feeds(3).await;

        add(&other, "Aloha ʻOe").await;
        soon("the other device syncs", other.sync(&self.transport())).await.unwrap();

        until_titled(&device, "Aloha ʻOe").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_without_end_is_given_up() {
    let hostile = Hostile::start(Said::of("data: ", vec![b'x'; 10_000])).await;
    let sent = hostile.sent.clone();

    hostile.check().await;

    // Sockets hold some megabytes on the way, of each connection.
    let sent = sent.load(Ordering::Relaxed);
    assert!(sent < 500_000_000, "{sent} bytes");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_that_trickles_and_never_ends_a_line_is_given_up() {
    let mut said = Said::of("", *b"x");
    said.pause = Duration::from_millis(10);

    Hostile::start(said).await.check().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_whose_lines_say_nothing_is_given_up() {
    let mut said = Said::of("", *b"x: y\n");
    said.pause = Duration::from_millis(10);

    Hostile::start(said).await.check().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_that_falls_silent_is_given_up() {
    let mut said = Said::of("data: {\"revision\":1}\n\n", *b"");
    said.pause = Duration::from_secs(1_000);

    Hostile::start(said).await.check().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_feed_is_given_up() {
    let page = Said { kind: "text/html", ..Said::of("<html>", *b" ") };

    Hostile::start(page).await.check().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_pokes_for_nothing_makes_few_syncs_and_ends() {
    let pokes = b"data: {\"revision\":1}\n\n".repeat(1_000);
    let hostile = Hostile::start(Said::of("", pokes)).await;
    let begun = std::time::Instant::now();

    let device = hostile.follow().await;
    hostile.until_feeds(2).await;

    let (syncs, secs) = (hostile.n_syncs.load(Ordering::Relaxed), begun.elapsed().as_secs_f64());
    // One at first, then after pauses that double; beside these, those of polling.
    assert!((syncs as f64) < 20.0 + 25.0 * secs, "{syncs} in {secs} s");
    until(&device, |status| status.equal_at.is_some()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn steady_pokes_for_nothing_are_answered_once_a_second_in_the_end() {
    let mut said = Said::of("", *b"data: {\"revision\":1}\n\n");
    said.pause = Duration::from_millis(2);
    let hostile = Hostile::start(said).await;
    let begun = std::time::Instant::now();
    // A busy machine keeps a feed silent for longer than a device of these tests waits.
    let device = hostile.follow_despite(Duration::from_secs(60)).await;
    until(&device, |status| status.equal_at.is_some()).await;

    tokio::time::sleep(Duration::from_secs(3)).await;

    let (syncs, secs) = (hostile.n_syncs.load(Ordering::Relaxed), begun.elapsed().as_secs_f64());
    // Some whose pauses double, then one a second; a busy machine takes longer than it sleeps.
    assert!((syncs as f64) < 12.0 + secs, "{syncs} syncs in {secs} s, of 1,500 pokes");
    assert_eq!(1, hostile.n_feeds.load(Ordering::Relaxed), "it is a feed all the same");
}
