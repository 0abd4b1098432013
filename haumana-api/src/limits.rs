//! Every limit of the API, each with one name. Those of records are in `haumana_sync::limits`.
//!
//! They are what a host has that says nothing else. [`ApiConfig`](crate::ApiConfig),
//! [`LiveLimits`](crate::LiveLimits) and [`Load`](crate::Load) set others. Times that a client
//! waits are sent as `Retry-After`.
//!
//! Units are in the names: `_BYTES`, `_CHARS`, `_SECS`, or a [`Duration`](std::time::Duration). A
//! limit in bytes counts after decompression unless its doc says otherwise. Each number is there
//! for a reason that its doc gives. If you change one, look at `docs/limits.md`, which has the same
//! numbers for operators, and at `GET /limits`, which publishes those that a client needs.

/// The body of `POST /auth/sync`: a token, with room for its JSON.
///
/// That call needs no token of its own, so anybody may send a body to it. The bound is what makes
/// that harmless.
pub const SIGN_IN_BYTES: usize = 16 * 1024;
/// `identityId` in it, which is given back as it came.
pub const IDENTITY_ID_CHARS: usize = 256;
/// A request id that a caller brings along.
///
/// A longer id, or one with anything but ASCII letters, digits and hyphens, is ignored and replaced
/// by one of ours: it goes into the log, where nobody may write lines of their own.
pub const REQUEST_ID_BYTES: usize = 64;
/// Replies of this size, and smaller ones, are never compressed.
pub const COMPRESS_FROM_BYTES: usize = 1024;
/// How long a client waits after `unavailable`.
///
/// It is long enough for a store that restarts, and short enough for somebody who looks at a
/// screen.
pub const RETRY_AFTER_SECS: u32 = 5;
/// How long a client waits after `too_many_requests` where its account has used up its allowance.
///
/// An allowance is refilled by so much a day, so there is nothing to gain from asking sooner.
pub const SPENT_RETRY_AFTER_SECS: u32 = 60;
/// How long a browser may keep the answer to a preflight request.
pub const PREFLIGHT_MAX_AGE_SECS: u32 = 3600;
/// A request on a host without a limit of its own, decompressed.
///
/// The app on people's phones sends its whole repertoire; this is about 50,000 pieces of 1 kB.
pub const REQUEST_BYTES: usize = 64_000_000;
/// A reply on a host without a limit of its own, before compression.
pub const REPLY_BYTES: usize = 32_000_000;
/// Conflicts in one page, and versions of a piece in one page.
///
/// A larger `limit` is 400 `invalid_request`, and is not lowered silently.
pub const LIST_ENTRIES: usize = 200;
/// How many there are if the request does not say.
pub const DEFAULT_LIST_ENTRIES: usize = 50;
/// How long a request's body may take to arrive, on a host without a limit of its own.
///
/// It counts from when the request is admitted, and includes the time for which the upload waits
/// for room in memory.
pub const BODY_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(60);
/// Devices of one account that are connected to `GET /live`. Further ones are told 429.
pub const LIVE_OF_ACCOUNT: usize = 16;
/// Devices of all accounts that are connected to `GET /live`, on a host without a limit of its own.
/// Further ones are told 503.
pub const LIVE_IN_ALL: usize = 20_000;
/// How long `GET /live` is silent at most: then a comment says that it still listens.
///
/// Proxies close connections that are silent for a minute; this is below it.
pub const LIVE_HEARTBEAT: std::time::Duration = std::time::Duration::from_secs(25);
/// How long a long poll waits for a commit.
pub const LIVE_POLL: std::time::Duration = std::time::Duration::from_secs(25);
/// How long a stream lasts at most, also where nobody says until when its token is good.
///
/// Then the client connects again, with a token that is good now.
pub const LIVE_LIFETIME: std::time::Duration = std::time::Duration::from_secs(60 * 60);
/// How long a client waits before it connects again.
pub const LIVE_RETRY: std::time::Duration = std::time::Duration::from_secs(2);
