//! Notifications of commits, also of other servers: `LISTEN` over a connection of its own.
//!
//! # What arrives, and what does not
//!
//! PostgreSQL delivers a notification to connections that listen at that time, and keeps nothing
//! for others. So after each connect the hearer is asked to look for missed commits
//! ([`Hearer::ask_again`]). Nothing depends on a poke: a device that misses one finds the change at
//! its next sync.
//!
//! # A connection that is dead without a sign
//!
//! A proxy may drop a connection silently, or a pooler may run `LISTEN` on a session that it gives
//! to others. So every [`CHECK`] the listener sends a notification over the same connection. If it
//! has not received it by the next time, it makes a new connection.
//!
//! # The text of a notification
//!
//! `TOPIC REVISION`: a keyed hash of the account, and a number. Anybody with access to the database
//! may listen, and learns that some account has changed, but not whose.

use crate::error::OpenError;
use crate::options::PostgresOptions;
use crate::pool;
use crate::tls::Tls;
use futures_util::StreamExt as _;
use futures_util::stream::{BoxStream, poll_fn};
use haumana_sync::live::{Hearer, Topic};
use haumana_sync::store::Revision;
use std::convert::Infallible;
use std::fmt;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep, timeout};
use tokio_postgres::{AsyncMessage, Client, Config, SimpleQueryMessage};

/// How often a listener sends itself a notification. If it has not received it by the next time, it
/// does not receive those of others either.
const CHECK: Duration = Duration::from_secs(20);
/// LIMIT: the pause before a listener connects again.
///
/// A connection that lived longer than [`CHECK`] starts with the shortest pause again.
const PAUSES: [Duration; 4] = [
    Duration::from_millis(50),
    Duration::from_millis(250),
    Duration::from_secs(1),
    Duration::from_secs(5),
];
/// The text of the notification that a listener sends itself.
const CHECKING: &str = "check";

/// The text for one commit: whose account it was, for readers who know the key, and its revision.
pub(crate) fn payload(topic: Topic, revision: Revision) -> String {
    format!("{topic} {}", revision.0)
}

/// `None` for any other text, such as [`CHECKING`].
fn read_payload(payload: &str) -> Option<(Topic, Revision)> {
    let (topic, revision) = payload.split_once(' ')?;
    Some((Topic::parse(topic)?, Revision(revision.parse().ok()?)))
}

/// The listener of a store. It ends with the store.
pub(crate) struct Listening {
    place: Place,
    task: Mutex<Option<AbortHandle>>,
}

/// The place where a listener listens.
#[derive(Clone)]
struct Place {
    config: Config,
    tls: Tls,
    /// The name of the schema, which is also the name of the channel.
    channel: String,
    /// How long to wait for an answer.
    patience: Duration,
}

impl fmt::Debug for Listening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listening").finish_non_exhaustive()
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let task = self.task.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(task) = task.take() {
            task.abort();
        }
    }
}

impl Listening {
    /// Makes a listener for these options. Nothing is connected yet.
    pub(crate) fn to(options: &PostgresOptions) -> Result<Self, OpenError> {
        let (config, tls) =
            (pool::config(options)?, Tls::trusting(options.certificates.as_deref())?);
        let (channel, patience) = (options.schema.clone(), options.connect_timeout);
        Ok(Self { place: Place { config, tls, channel, patience }, task: Mutex::default() })
    }

    /// Begins to listen, unless it listens already.
    ///
    /// A second call does nothing: one listener has one hearer.
    pub(crate) fn begin(&self, hearer: Arc<dyn Hearer>) {
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        if task.is_none() {
            let place = self.place.clone();
            *task = Some(tokio::spawn(place.listen(hearer)).abort_handle());
        }
    }
}

impl Place {
    /// Listens for ever. After each cut it connects again, and then asks for missed commits.
    async fn listen(self, hearer: Arc<dyn Hearer>) {
        let mut pauses = PAUSES.into_iter();
        loop {
            let begun = Instant::now();
            let Err(why) = self.listen_once(&hearer).await;
            tracing::warn!(detail = %why, "the connection that listens for commits is reopened");
            if CHECK < begun.elapsed() {
                pauses = PAUSES.into_iter();
            }
            let [.., longest] = PAUSES;
            sleep(pauses.next().unwrap_or(longest)).await;
        }
    }

    /// Listens over one connection. Returns why that connection became useless.
    ///
    /// The order matters: first `LISTEN`, then the question for missed commits. A commit between
    /// the two is heard twice, which costs one look. In the other order it would be missed.
    async fn listen_once(&self, hearer: &Arc<dyn Hearer>) -> Result<Infallible, Deaf> {
        let connecting = self.config.connect(self.tls.clone());
        let (client, mut connection) = timeout(self.patience, connecting).await??;
        let messages = poll_fn(move |cx| connection.poll_message(cx)).boxed();
        let mut ear = Ear { messages, hearer: Arc::clone(hearer), pid: None, is_heard: true };
        let listen = format!("LISTEN \"{}\"; SELECT pg_backend_pid()", self.channel);
        let said = ear.while_hearing(self.say(&client, &listen)).await?;
        ear.pid = said.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0)?.parse::<i32>().ok(),
            _ => None,
        });
        // Commits before this moment are looked for; later ones are heard.
        let asked = Arc::clone(hearer);
        let mut asking = JoinSet::new();
        asking.spawn(async move { asked.ask_again().await });
        let check = format!("SELECT pg_notify('{}', '{CHECKING}')", self.channel);
        loop {
            if !std::mem::take(&mut ear.is_heard) {
                return Err("nothing is heard of what it says itself".into());
            }
            ear.while_hearing(self.say(&client, &check)).await?;
            let pause = async {
                sleep(CHECK).await;
                Ok(())
            };
            ear.while_hearing(pause).await?;
        }
    }

    /// A simple query, without preparing, so that it works behind poolers too.
    async fn say(&self, client: &Client, statement: &str) -> Result<Vec<SimpleQueryMessage>, Deaf> {
        Ok(timeout(self.patience, client.simple_query(statement)).await??)
    }
}

/// Why a connection is useless. It goes to the log, and contains no data of users.
type Deaf = Box<dyn std::error::Error + Send + Sync>;

/// The receiving side of a connection.
struct Ear {
    messages: BoxStream<'static, Result<AsyncMessage, tokio_postgres::Error>>,
    hearer: Arc<dyn Hearer>,
    /// The number of the session on the server. With it the connection recognises its own
    /// notifications.
    pid: Option<i32>,
    /// Whether it has received its own notification.
    is_heard: bool,
}

impl Ear {
    /// Passes on notifications until `done` is ready. The connection makes progress only meanwhile.
    async fn while_hearing<T>(
        &mut self,
        done: impl Future<Output = Result<T, Deaf>>,
    ) -> Result<T, Deaf> {
        let mut done = pin!(done);
        loop {
            tokio::select! {
                done = &mut done => return done,
                message = self.messages.next() => self.hear(message.ok_or("it was closed")??),
            }
        }
    }

    /// The number of the session distinguishes its own notification from that of another listener
    /// on the same channel.
    fn hear(&mut self, message: AsyncMessage) {
        let AsyncMessage::Notification(heard) = message else { return };
        match read_payload(heard.payload()) {
            Some((topic, revision)) => self.hearer.poke(topic, revision),
            None => self.is_heard |= Some(heard.process_id()) == self.pid,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use haumana_sync::id::UserId;

    #[test]
    fn what_a_commit_tells_is_read_and_names_nobody() {
        let kai = UserId::verified_by_caller("kai").unwrap();
        let topic = Topic::of(&[7; 32], &kai);

        let said = payload(topic, Revision(41));

        assert_eq!(Some((topic, Revision(41))), read_payload(&said));
        assert!(!said.contains("kai"), "{said}");
        for other in ["", CHECKING, "41", "x 41", &format!("{topic} x"), &format!("{topic}  41")] {
            assert_eq!(None, read_payload(other), "{other}");
        }
    }
}
