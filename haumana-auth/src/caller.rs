//! Keyed hashes of users, which logs have instead of names. With the key an operator can find out
//! who misuses a service. Without it a reader of the logs learns no name.

use haumana_sync::id::UserId;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use std::collections::HashSet;
use std::fmt;

/// 64 bits tell a billion users apart, and fit a line.
const HASH_BYTES: usize = 8;

/// The key with which users are hashed for logs.
///
/// Somebody who has the key can find a known user in the log. So keep it from people who may only
/// read logs.
///
/// With another key every user has another name in the logs, so old lines cannot be linked to new
/// ones.
#[derive(Clone)]
pub struct CallerKey(String);

impl CallerKey {
    /// The shortest key, in bytes.
    pub const MIN_BYTES: usize = 16;

    /// Takes a key; `None` if it is too short to keep a secret.
    ///
    /// Draw it at random and keep it beside the service's other secrets.
    pub fn new(key: impl Into<String>) -> Option<Self> {
        let key = key.into();
        (Self::MIN_BYTES <= key.len()).then_some(Self(key))
    }

    /// Returns the name of a user in logs: 16 hex digits, always the same under one key.
    ///
    /// It is the beginning of HMAC-SHA-256, so an operator can compute it without this
    /// program: `printf %s "$SUB" | openssl dgst -sha256 -hmac "$KEY" | cut -d' ' -f2 | cut -c1-16`.
    ///
    /// ```
    /// use haumana_auth::CallerKey;
    /// use haumana_sync::id::UserId;
    ///
    /// let key = CallerKey::new("an example of a key").unwrap();
    /// let user = UserId::verified_by_caller("1234567890").unwrap();
    /// assert_eq!("d652489151d6ddd1", key.hash(&user));
    /// ```
    pub fn hash(&self, user: &UserId) -> String {
        let hash = hmac(self.0.as_bytes(), user.as_str().as_bytes());
        hash.iter().take(HASH_BYTES).map(|byte| format!("{byte:02x}")).collect()
    }
}

impl fmt::Debug for CallerKey {
    /// Shows nothing of the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CallerKey(..)")
    }
}

/// What an authorizer knows of callers beyond their tokens.
///
/// By default nobody has a hash, and nobody is blocked.
///
/// Users are blocked by their hashes, so an operator can block somebody who is only known from
/// logs.
#[derive(Clone, Debug, Default)]
pub struct Callers {
    key: Option<CallerKey>,
    blocked: HashSet<String>,
}

impl Callers {
    /// Makes callers whose hashes in logs are made with `key`. Those with a hash in `blocked` are
    /// not let in.
    pub fn new(key: CallerKey, blocked: impl IntoIterator<Item = String>) -> Self {
        Self { key: Some(key), blocked: blocked.into_iter().collect() }
    }

    /// Returns the hash of a user in logs; `None` without a key.
    pub fn hash(&self, user: &UserId) -> Option<String> {
        self.key.as_ref().map(|key| key.hash(user))
    }

    pub(crate) fn is_blocked(&self, hash: Option<&str>) -> bool {
        hash.is_some_and(|hash| self.blocked.contains(hash))
    }
}

fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    // HMAC takes a key of any length (RFC 2104). The crate returns an error only for other
    // algorithms.
    #[allow(clippy::expect_used, reason = "the line above")]
    let mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length");
    mac.chain_update(message).finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Cases 1, 2 and 6 of RFC 4231.
    #[test]
    fn the_hash_is_hmac_sha_256() {
        let cases: [(&[u8], &[u8], &str); 3] = [
            (&[0x0b; 20], b"Hi There", "b0344c61d8db38535ca8afceaf0bf12b"),
            (b"Jefe", b"what do ya want for nothing?", "5bdcc146bf60754e6a042426089575c7"),
            (
                &[0xaa; 131],
                b"Test Using Larger Than Block-Size Key - Hash Key First",
                "60e431591ee0b67f0d8a26aacbf5b77f",
            ),
        ];
        for (key, message, expected) in cases {
            assert_eq!(expected, &hex(&hmac(key, message))[..32]);
        }
    }

    #[test]
    fn a_user_has_one_hash_under_one_key_and_another_one_under_another() {
        let key = |text: &str| CallerKey::new(text).unwrap();
        let (one, other) = (key("0123456789abcdef"), key("0123456789abcdeF"));
        let user = |sub: &str| UserId::verified_by_caller(sub).unwrap();

        let hash = one.hash(&user("kai"));

        assert_eq!(16, hash.len());
        assert_eq!(hash, one.hash(&user("kai")));
        assert_ne!(hash, one.hash(&user("kaj")));
        assert_ne!(hash, other.hash(&user("kai")));
    }

    #[test]
    fn a_key_that_can_be_guessed_is_none_and_no_key_is_shown() {
        assert!(CallerKey::new("0123456789abcde").is_none());
        let shown = format!("{:?}", CallerKey::new("0123456789abcdef"));
        assert!(!shown.contains("0123"), "{shown}");
    }
}
