//! The user of a verified token, and the reasons to refuse a token.

use haumana_sync::id::UserId;
use haumana_sync::time::UnixMillis;
use std::fmt;

/// Separates an issuer's name from its subject in a user id. Bare subjects never contain it.
pub(crate) const SEPARATOR: char = ':';

/// The user of a verified token, and their profile.
///
/// Decisions depend on the user alone. The rest is for a user directory.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Principal {
    /// `sub`: the user.
    pub user: UserId,
    /// `email`.
    pub email: Option<String>,
    /// `email_verified`; false if the token does not say.
    ///
    /// An address that is not verified may be somebody else's.
    pub email_verified: bool,
    /// `name`.
    pub name: Option<String>,
    /// `picture`.
    pub picture: Option<String>,
    /// `exp`, without leeway.
    ///
    /// A connection that stays open must end then.
    pub expires_at: UnixMillis,
}

impl Principal {
    /// A user without a profile.
    pub fn new(user: UserId, expires_at: UnixMillis) -> Self {
        let (email, name, picture) = (None, None, None);
        Self { user, email, email_verified: false, name, picture, expires_at }
    }
}

impl fmt::Debug for Principal {
    /// Shows nothing of its content, so that logs stay free of personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Principal(..)")
    }
}

/// Why a token was refused. It is for logs and metrics, never for clients, who see `unauthorized`.
///
/// The variants are in the order of the checks. The first check that fails gives the reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Rejection {
    /// There was no `Authorization` header.
    NoToken,
    /// There was more than one `Authorization` header.
    SeveralTokens,
    /// The header is not `Bearer`, one blank, and a token.
    NotBearer,
    /// It is longer than the policy allows.
    TooLong,
    /// It is not three segments of canonical base64url.
    Shape,
    /// Its header is not a JSON object in UTF-8 without duplicate keys.
    HeaderJson,
    /// `alg` is not exactly `RS256`.
    Algorithm,
    /// `typ` is neither absent nor `JWT`.
    Type,
    /// `kid` is not a non-empty string.
    KeyId,
    /// It has a header that this verifier does not know.
    UnknownHeader,
    /// No key of the set has its `kid`.
    ///
    /// The issuer may have changed its keys, so the cache has asked again before this is returned.
    UnknownKey,
    /// The key did not sign it.
    Signature,
    /// Its payload is not a JSON object in UTF-8 without duplicate keys.
    PayloadJson,
    /// `iss` is not an issuer of the policy.
    Issuer,
    /// `aud` is not an audience of the policy.
    Audience,
    /// `azp` is present and not an authorized party of the policy.
    AuthorizedParty,
    /// `sub` is not a user id.
    Subject,
    /// `exp` is not a whole number of seconds.
    Expiry,
    /// `iat` is not a whole number of seconds.
    IssuedAt,
    /// `nbf` is present and not a whole number of seconds.
    NotBefore,
    /// It has expired.
    Expired,
    /// It was issued in the future, or is not valid yet.
    Premature,
    /// Its lifetime is longer than the policy allows, or it ends before it begins.
    ///
    /// A token that is valid for a year is as dangerous as a password.
    Lifetime,
    /// `email`, `email_verified`, `name` or `picture` has another type than it must have.
    Profile,
    /// The issuer has not verified the e-mail address. Only `POST /auth/sync` checks that.
    EmailUnverified,
    /// The host's gateway has not said who is asking, or not in the form that was agreed.
    Gateway,
}

impl Rejection {
    /// Returns the reason's name in logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoToken => "no_token",
            Self::SeveralTokens => "several_tokens",
            Self::NotBearer => "not_bearer",
            Self::TooLong => "too_long",
            Self::Shape => "shape",
            Self::HeaderJson => "header_json",
            Self::Algorithm => "algorithm",
            Self::Type => "type",
            Self::KeyId => "key_id",
            Self::UnknownHeader => "unknown_header",
            Self::UnknownKey => "unknown_key",
            Self::Signature => "signature",
            Self::PayloadJson => "payload_json",
            Self::Issuer => "issuer",
            Self::Audience => "audience",
            Self::AuthorizedParty => "authorized_party",
            Self::Subject => "subject",
            Self::Expiry => "expiry",
            Self::IssuedAt => "issued_at",
            Self::NotBefore => "not_before",
            Self::Expired => "expired",
            Self::Premature => "premature",
            Self::Lifetime => "lifetime",
            Self::Profile => "profile",
            Self::EmailUnverified => "email_unverified",
            Self::Gateway => "gateway",
        }
    }
}

/// The name in user names of the issuer whose subjects are bare.
pub(crate) const GOOGLE: &str = "google";

/// Returns the name of `user` in a user directory: `google_<sub>` for a bare subject, which is
/// Google's, and `<name>_<sub>` for a subject of the issuer with that name.
///
/// Different users have different names, since the names of issuers contain no underscore.
///
/// ```
/// use haumana_auth::username;
/// use haumana_sync::id::UserId;
///
/// let name = |user| UserId::verified_by_caller(user).map(|user| username(&user));
///
/// assert_eq!(Some("google_1102".to_owned()), name("1102"));
/// assert_eq!(Some("apple_1102".to_owned()), name("apple:1102"));
/// ```
pub fn username(user: &UserId) -> String {
    let (issuer, subject) = user.as_str().split_once(SEPARATOR).unwrap_or((GOOGLE, user.as_str()));
    format!("{issuer}_{subject}")
}
