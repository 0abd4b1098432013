//! What a token must satisfy, and how its subject becomes a user.

use crate::principal::{GOOGLE, SEPARATOR};
use haumana_sync::id::UserId;
use serde::Deserialize;

/// What a token must satisfy. Every value is a decision of the host, so there is no `Default`.
///
/// It is not `#[non_exhaustive]`: if a field is added, every host must decide about it.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Accepted values of `iss`. A token must have one of them, byte for byte.
    pub issuers: Vec<String>,
    /// Accepted values of `aud`. A token must have one of them, byte for byte, alone or as the only
    /// entry of a list. A longer list is refused, even if one of these is in it.
    pub audiences: Vec<String>,
    /// Accepted values of `azp`, if a token has an `azp`.
    pub authorized_parties: Vec<String>,
    /// How a subject becomes a user id.
    pub subjects: Subjects,
    /// How `email_verified` is written.
    pub booleans: Booleans,
    /// How far the issuer's clock and ours may differ.
    ///
    /// A token is valid this much longer, and this much earlier, than it says.
    pub leeway_secs: i64,
    /// The longest time from `iat` to `exp`, and from now to `exp`.
    ///
    /// It limits the harm of a stolen token.
    pub max_lifetime_secs: i64,
    /// The longest token. A longer one is refused before it is read.
    pub max_token_bytes: usize,
}

/// How the subjects of an issuer become user ids.
///
/// # Guarantees
///
/// - Subjects of different issuers never become one user id, if at most one issuer is
///   [`Subjects::Bare`] and the names of the others differ.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subjects {
    /// The subject is the user id. A subject with a colon is refused.
    ///
    /// At most one issuer can have this; [`OidcVerifier`](crate::OidcVerifier) refuses two.
    Bare,
    /// The user id is this name, a colon, and the subject. The name has lower-case letters and
    /// digits only.
    ///
    /// Subjects of two issuers may be equal and mean two people; the name keeps them apart.
    Under(String),
}

/// How an issuer writes booleans.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Booleans {
    /// `true`, as OpenID Connect wants it.
    Json,
    /// `true` or `"true"`, as Sign in with Apple does.
    JsonOrText,
}

impl Subjects {
    /// Returns the user whom `subject` names; `None` if it names nobody.
    pub(super) fn user(&self, subject: &str) -> Option<UserId> {
        match self {
            Self::Bare if subject.contains(SEPARATOR) => None,
            Self::Bare => UserId::verified_by_caller(subject),
            Self::Under(_) if subject.is_empty() => None,
            Self::Under(name) => UserId::verified_by_caller(format!("{name}{SEPARATOR}{subject}")),
        }
    }

    /// Whether user names can be made with the name.
    pub(crate) fn is_sound(&self) -> bool {
        match self {
            Self::Bare => true,
            Self::Under(name) => {
                let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
                !name.is_empty() && name != GOOGLE && name.bytes().all(is_plain)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::principal::username;

    #[track_caller]
    fn check(subjects: Subjects, subject: &str, user: Option<&str>, name: &str) {
        let made = subjects.user(subject);
        assert_eq!(user, made.as_ref().map(UserId::as_str), "{subject}");
        assert_eq!(name, made.map_or(String::new(), |made| username(&made)), "{subject}");
    }

    #[test]
    fn subjects_of_different_issuers_are_different_users() {
        let under = |name: &str| Subjects::Under(name.into());

        check(Subjects::Bare, "1", Some("1"), "google_1");
        check(under("apple"), "1", Some("apple:1"), "apple_1");
        check(under("appl"), "e:1", Some("appl:e:1"), "appl_e:1");
        check(Subjects::Bare, "apple:1", None, "");
        check(Subjects::Bare, "apple_1", Some("apple_1"), "google_apple_1");
        check(Subjects::Bare, "", None, "");
        check(under("apple"), "", None, "");
        check(under("apple"), &"s".repeat(250), None, "");
    }

    #[test]
    fn names_of_issuers_are_plain() {
        for name in ["apple", "a", "idp2"] {
            assert!(Subjects::Under(name.into()).is_sound(), "{name}");
        }
        for name in ["", "Apple", "a:b", "a_b", "ʻ", "google", "a b"] {
            assert!(!Subjects::Under(name.into()).is_sound(), "{name}");
        }
    }
}
