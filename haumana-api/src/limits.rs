//! Every limit of the API, each with one name. Those of records are in `haumana_sync::limits`.
//!
//! They are the defaults of a host. [`ApiConfig`](crate::ApiConfig),
//! [`LiveLimits`](crate::LiveLimits) and [`Load`](crate::Load) set others. Times that a client must
//! wait are sent as `Retry-After`.
//!
//! Units are in the names: `_BYTES`, `_CHARS`, `_SECS`, or a [`Duration`](std::time::Duration). A
//! limit in bytes counts after decompression unless its doc says otherwise. The doc of each number
//! gives its reason. If you change one, look at `docs/limits.md`, which has the same numbers for
//! operators, and at `GET /limits`, which publishes those that a client needs.

/// The limit of the body of `POST /auth/sync`: a token, with room for its JSON.
///
/// That call needs no token in its header, so anybody may send a body to it. This limit makes that
/// harmless.
pub const SIGN_IN_BYTES: usize = 16 * 1024;
/// `identityId` in that body, which the reply returns unchanged.
pub const IDENTITY_ID_CHARS: usize = 256;
/// The length of a request id that a caller sends.
///
/// A longer id, or one with anything but ASCII letters, digits and hyphens, is ignored and replaced
/// by one of ours. The id goes into the log, and a caller must not be able to forge lines there.
pub const REQUEST_ID_BYTES: usize = 64;
/// Replies of this size, and smaller ones, are never compressed.
pub const COMPRESS_FROM_BYTES: usize = 1024;
/// How long a client waits after `unavailable`.
///
/// It is long enough for a store that restarts, and short enough for somebody who looks at a
/// screen.
pub const RETRY_AFTER_SECS: u32 = 5;
/// How long a client waits after `too_many_requests` if its account has used up its allowance.
///
/// An allowance is refilled slowly, by an amount per day, so asking sooner gains nothing.
pub const SPENT_RETRY_AFTER_SECS: u32 = 60;
/// How long a browser may keep the answer to a preflight request.
pub const PREFLIGHT_MAX_AGE_SECS: u32 = 3600;
/// The largest request on a host without a limit of its own, decompressed.
///
/// The app on people's phones sends its whole repertoire; this is about 50,000 pieces of 1 kB.
pub const REQUEST_BYTES: usize = 64_000_000;
/// The largest reply on a host without a limit of its own, before compression.
pub const REPLY_BYTES: usize = 32_000_000;
/// The most conflicts in one page, and the most versions of a record in one page.
///
/// A larger `limit` is 400 `invalid_request`; it is not lowered silently.
pub const LIST_ENTRIES: usize = 200;
/// Entries in one page if the request does not say.
pub const DEFAULT_LIST_ENTRIES: usize = 50;
/// How long a request's body may take to arrive, on a host without a limit of its own.
///
/// The time starts when the request is admitted. It includes the time for which the upload waits
/// for room in memory.
pub const BODY_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(60);
/// The most devices of one account that are connected to `GET /live`. Further ones get 429.
pub const LIVE_OF_ACCOUNT: usize = 16;
/// The most devices of all accounts that are connected to `GET /live`, on a host without a limit of
/// its own. Further ones get 503.
pub const LIVE_IN_ALL: usize = 20_000;
/// How long `GET /live` is silent at most. After that it sends a comment, as a sign of life.
///
/// Proxies close connections that are silent for a minute; this is shorter.
pub const LIVE_HEARTBEAT: std::time::Duration = std::time::Duration::from_secs(25);
/// How long a long poll waits for a commit.
pub const LIVE_POLL: std::time::Duration = std::time::Duration::from_secs(25);
/// How long a stream lasts at most, also if its token has no known end.
///
/// Then the client connects again, with a token that is valid then.
pub const LIVE_LIFETIME: std::time::Duration = std::time::Duration::from_secs(60 * 60);
/// How long a client waits before it connects again.
pub const LIVE_RETRY: std::time::Duration = std::time::Duration::from_secs(2);
