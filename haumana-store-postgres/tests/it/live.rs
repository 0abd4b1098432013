//! Hearing of commits, those of other servers too.

use crate::support::{connect, open};
use haumana_store_postgres::{PostgresOptions, PostgresStore};
use haumana_sync::conformance::sample::{next_batch, piece, record, user};
use haumana_sync::id::UserId;
use haumana_sync::live::{Hearer, Pokes, Topic};
use haumana_sync::store::{Head, Revision, Store};
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// What was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Heard {
    Poke(Topic, Revision),
    AskAgain,
}

#[derive(Debug)]
struct Listener(UnboundedSender<Heard>);

#[async_trait::async_trait]
impl Hearer for Listener {
    fn poke(&self, topic: Topic, revision: Revision) {
        self.0.send(Heard::Poke(topic, revision)).ok();
    }

    async fn ask_again(&self) {
        self.0.send(Heard::AskAgain).ok();
    }
}

/// A store that listens, once it does.
async fn listening(options: &PostgresOptions) -> (PostgresStore, UnboundedReceiver<Heard>) {
    let (store, (sender, mut heard)) = (open(options).await, unbounded_channel());
    store.tell(Arc::new(Listener(sender)));
    assert_eq!(Heard::AskAgain, next(&mut heard).await, "from here on it listens");
    (store, heard)
}

async fn next(heard: &mut UnboundedReceiver<Heard>) -> Heard {
    let next = tokio::time::timeout(Duration::from_secs(60), heard.recv()).await;
    next.expect("it is heard in time").unwrap()
}

async fn commit(store: &PostgresStore, user: &UserId, head: Option<&Head>) -> Head {
    let version = head.map_or(1, |head| u32::try_from(head.revision.0).unwrap() + 1);
    let batch = next_batch(head, vec![record(piece(1), version, "Hula")], Vec::new());
    store.commit(user, head, &batch).await.unwrap();
    batch.head
}

#[tokio::test]
async fn each_commit_is_heard_by_every_server_and_one_that_is_refused_by_none() {
    let server = server_or_skip!();
    let (options, kai) = (server.empty(), user("kai"));
    let (one, mut by_one) = listening(&options).await;
    let (other, mut by_other) = listening(&options).await;
    let (_apart, mut by_another) = listening(&server.empty()).await;

    let first = commit(&one, &kai, None).await;
    let second = commit(&other, &kai, Some(&first)).await;
    let stale = next_batch(None, Vec::new(), Vec::new());
    other.commit(&kai, None, &stale).await.unwrap_err();

    let topic = one.topic(&kai);
    assert_eq!(topic, other.topic(&kai), "servers of one database call an account the same");
    for heard in [&mut by_one, &mut by_other] {
        assert_eq!(Heard::Poke(topic, first.revision), next(heard).await);
        assert_eq!(Heard::Poke(topic, second.revision), next(heard).await);
        assert!(heard.try_recv().is_err());
    }
    assert!(by_another.try_recv().is_err(), "another deployment in the database hears nothing");
}

#[tokio::test]
async fn a_commit_whose_call_is_dropped_is_told_of_if_it_is_in() {
    // Over one connection, whoever asks waits for what was sent before.
    let options = PostgresOptions { connections: 1, ..server_or_skip!().empty() };
    let (kai, mut n_in) = (user("kai"), 0);
    let (store, mut heard) = listening(&options).await;
    let mut head = commit(&store, &kai, None).await;
    head = commit(&store, &kai, Some(&head)).await;
    for _ in 0..2 {
        next(&mut heard).await;
    }

    for polls in 1..8 {
        let records = vec![record(piece(1), 2 + polls, "Hula")];
        let batch = next_batch(Some(&head), records, Vec::new());
        let mut call = store.commit(&kai, Some(&head), &batch);
        for _ in 0..polls {
            let is_done = poll_fn(|cx| Poll::Ready(call.as_mut().poll(cx).is_ready())).await;
            if is_done {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(call);

        let now = store.head(&kai).await.unwrap().unwrap();
        if now.commit == batch.head.commit {
            let due = Heard::Poke(store.topic(&kai), now.revision);
            assert_eq!(due, next(&mut heard).await, "dropped after {polls} polls");
            (head, n_in) = (now, n_in + 1);
        }
    }

    assert!(0 < n_in, "some calls were dropped when their commit was sent");
}

#[tokio::test]
async fn what_is_sent_tells_nobody_whose_account_it_is() {
    let server = server_or_skip!();
    let (options, kai) = (server.empty(), user("kai-marked"));
    let (client, mut connection) =
        tokio_postgres::connect(server.url(), tokio_postgres::NoTls).await.unwrap();
    let (sender, mut said) = unbounded_channel();
    tokio::spawn(async move {
        let messages = std::future::poll_fn(move |cx| connection.poll_message(cx));
        let mut messages = Box::pin(messages);
        while let Some(Ok(message)) = (&mut messages).await {
            if let tokio_postgres::AsyncMessage::Notification(said) = message {
                sender.send(said.payload().to_owned()).ok();
            }
        }
    });
    client.batch_execute(&format!("LISTEN {}", options.schema)).await.unwrap();

    let store = open(&options).await;
    let head = commit(&store, &kai, None).await;

    let said = said.recv().await.unwrap();
    assert_eq!(format!("{} {}", store.topic(&kai), head.revision.0), said);
    assert!(!said.contains("kai"));
    let elsewhere = open(&server.empty()).await;
    assert_ne!(elsewhere.topic(&kai), store.topic(&kai), "each deployment has a key of its own");
    assert_ne!(Topic::of(b"", &kai), store.topic(&kai));
}

#[tokio::test]
async fn what_was_committed_while_the_connection_was_cut_is_asked_about() {
    let server = server_or_skip!();
    let (mut options, kai) = (server.empty(), user("kai"));
    let name = format!("cut_{}", options.schema);
    options.url = format!("{}?application_name={name}", options.url);
    let (store, mut heard) = listening(&options).await;
    let head = commit(&store, &kai, None).await;
    next(&mut heard).await;

    // Every connection of the store, the one that listens among them.
    let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1";
    connect(server).await.query(cut, &[&name]).await.unwrap();
    let elsewhere = open(&PostgresOptions { url: server.url().to_owned(), ..options }).await;
    let head = commit(&elsewhere, &kai, Some(&head)).await;

    let mut all = vec![next(&mut heard).await];
    while !all.contains(&Heard::AskAgain) {
        all.push(next(&mut heard).await);
    }
    let head = commit(&elsewhere, &kai, Some(&head)).await;
    let due = Heard::Poke(store.topic(&kai), head.revision);
    while next(&mut heard).await != due {}
}

#[tokio::test]
async fn a_store_that_is_dropped_listens_no_more() {
    let server = server_or_skip!();
    let mut options = server.empty();
    let name = format!("gone_{}", options.schema);
    options.url = format!("{}?application_name={name}", options.url);
    let (store, heard) = listening(&options).await;

    drop((store, heard));

    let count = "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1";
    let client = connect(server).await;
    while client.query_one(count, &[&name]).await.unwrap().get::<_, i64>(0) != 0 {
        tokio::task::yield_now().await;
    }
}
