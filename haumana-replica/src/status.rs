//! What a screen shows of the sync.
//!
//! A screen that shows [`Status`] needs no other call. The status changes with each edit, each
//! sync, and each change of the connection.

use crate::error::ErrorKind;
use haumana_sync::time::UnixMillis;

/// The phase of the sync.
///
/// It says how the last sync ended. [`Status::pending`] says whether edits wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// Nothing is under way.
    #[default]
    Idle,
    /// A sync is under way.
    Syncing,
    /// The server could not be reached, or asked to wait.
    ///
    /// The first is [`ErrorKind::Offline`], the second [`ErrorKind::Unavailable`].
    Offline,
    /// The sign-in has expired, or nobody is signed in.
    NeedsSignIn,
    /// The account was erased on the server. Nothing is sent until a person decides.
    Erased,
    /// Another error. A person must look.
    Failed(ErrorKind),
}

/// How the device learns of other devices' edits.
///
/// It is [`Not`](Following::Not) unless [`Replica::follow_with`](crate::Replica::follow_with) runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Following {
    /// It does not: it syncs only when the app calls it.
    #[default]
    Not,
    /// The server notifies it at once.
    Live,
    /// It asks from time to time: the server has no live feed, or the feed cannot be reached.
    Polling,
    /// It cannot reach the server, and tries again.
    Offline,
}

/// The sync at a glance.
///
/// The counts are of the account that is signed in.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/example.rs"));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let Devices { phone, server, .. } = devices().await;
/// phone.add(&Song::default()).await?;
/// assert_eq!((1, None), (phone.status().pending, phone.status().equal_at));
///
/// phone.sync(&server).await?;
///
/// assert_eq!(0, phone.status().pending);
/// assert!(phone.status().equal_at.is_some(), "this device holds what the server holds");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Status {
    /// The phase of the sync.
    pub phase: Phase,
    /// How many records wait for the server.
    ///
    /// These are records, not edits: ten edits of one record count once.
    pub pending: usize,
    /// How many of those the server has refused ([`View::refused`](crate::View::refused)).
    pub refused: usize,
    /// How many records came in during the last or current sync.
    pub pulled: usize,
    /// How many conflicts the last or current sync made.
    pub conflicts: usize,
    /// How many entries of the inbox are open, by the server's last reply; `None` if no reply said
    /// so.
    ///
    /// The storage keeps it, so it is known before the first sync of a program.
    pub open_conflicts: Option<u64>,
    /// How the device learns of other devices' edits
    /// ([`Replica::follow_with`](crate::Replica::follow_with)).
    pub following: Following,
    /// When the device was last proven to have the same records as the server, by the digest of all
    /// records. `None` if not yet since the sign-in, or since the start of the program.
    ///
    /// The digest covers every record and its version. So it proves more than a successful request.
    pub equal_at: Option<UnixMillis>,
}
