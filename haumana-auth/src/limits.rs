//! Every limit of tokens and keys, each with one name.
//!
//! Tokens come from outside and are read before the user is known, so all of their sizes are
//! bounded.

/// The largest token.
///
/// ID tokens have about 1 kB.
pub const TOKEN_BYTES: usize = 8192;
/// How far an issuer's clock and ours may differ.
///
/// A token is accepted so much later and so much earlier than it says.
pub const TOKEN_LEEWAY_SECS: i64 = 300;
/// The longest lifetime of a token.
pub const TOKEN_LIFETIME_SECS: i64 = 24 * 3600;
/// How deep the JSON of a token may be nested. ID tokens are flat, or nearly.
pub const TOKEN_DEPTH: usize = 8;
/// The largest key set. Google's has 1.5 kB.
pub const KEY_SET_BYTES: usize = 64 * 1024;
/// How long a key set may take to arrive, from the first packet to the last byte.
pub const KEY_FETCH_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(5);
/// Keys are not fetched again before this time is over, whatever their issuer says.
pub const KEYS_FRESH_AT_LEAST_SECS: i64 = 300;
/// Keys are fetched again after this time, whatever their issuer says.
pub const KEYS_FRESH_AT_MOST_SECS: i64 = 24 * 3600;
/// How long keys that are no longer fresh are used while their issuer does not answer.
///
/// If an issuer does not answer for longer, its users cannot sign in.
pub const KEYS_STALE_SECS: i64 = 3600;
/// The shortest time between two fetches of one key set.
///
/// Tokens with invented key ids cause no more fetches than this allows.
pub const KEY_FETCH_PAUSE_SECS: i64 = 10;
/// The size of a key's modulus. A smaller one is too weak (RFC 7518, 3.3); a larger one only costs
/// time.
pub const MODULUS_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;
/// The largest public exponent of a key. The usual one has 3 bytes.
pub const EXPONENT_BYTES: usize = 4;
