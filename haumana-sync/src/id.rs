//! User ids, record ids, kinds and keys.
//!
//! - [`UserId`]: the owner of records. Only a caller that has verified a user can make one.
//! - [`KindNumber`] and [`RecordId`]: they name a record. Together they are a [`Key`].
//! - [`Version`]: the number of a record's content.

use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;
use uuid::Uuid;

/// The number of a record's content: 1 at creation, larger with each change of the content.
///
/// It counts within one generation of the data and one epoch of the account. After a restored
/// backup, an import or an erasure some numbers are skipped. So content that a device still holds
/// from before is never taken for new content. The largest is [`VERSION`](crate::limits::VERSION).
pub type Version = u32;

/// A user: the verified subject of a token.
///
/// ```
/// use haumana_sync::id::UserId;
///
/// let kai = UserId::verified_by_caller("member-7");
///
/// assert_eq!(Some("member-7"), kai.as_ref().map(UserId::as_str));
/// assert!(!format!("{kai:?}").contains("member"), "a log has no ids");
/// assert_eq!(None, UserId::verified_by_caller(""), "an id is not empty");
/// ```
///
/// There is deliberately no `From<String>`, since a user id from a request body is only a claim.
/// Each way to make a `UserId` says that somebody has checked: [`UserId::verified_by_caller`], and
/// [`NumberedUsers::verified_by_caller`] for services that know people by number. Search a program
/// for `verified_by_caller` to find every place that decides who a user is.
///
/// Ids are compared byte by byte: `Kai` and `kai` are two users. A `UserId` cannot be deserialized,
/// for the same reason as it has no `From`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserId(String);

impl UserId {
    /// The longest user id, in bytes.
    pub const MAX_BYTES: usize = 255;

    /// Makes a user id from a principal that the caller has verified.
    ///
    /// Returns `None` if it is empty, longer than [`UserId::MAX_BYTES`] or holds control
    /// characters.
    ///
    /// Pass the claim of a verified token, the user of a session, or the id that an operator typed.
    /// Never pass what a client says of itself. If two issuers can give the same subject to two
    /// people, put the issuer into the id.
    pub fn verified_by_caller(subject: impl Into<String>) -> Option<Self> {
        let subject = subject.into();
        let fits = !subject.is_empty() && subject.len() <= Self::MAX_BYTES;
        (fits && !subject.chars().any(char::is_control)).then_some(Self(subject))
    }

    /// Returns the id as text.
    ///
    /// It is personal data. Stores keep it and exports contain it. Logs and messages do not.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for UserId {
    /// Prints no id: logs must not contain personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UserId(..)")
    }
}

/// The users of a service that knows its users by number. Making their ids cannot fail.
///
/// ```
/// use haumana_sync::id::NumberedUsers;
///
/// const MEMBERS: NumberedUsers = NumberedUsers::under("member-");
/// assert_eq!("member-7", MEMBERS.verified_by_caller(7).as_str());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NumberedUsers {
    prefix: &'static str,
}

impl NumberedUsers {
    /// The longest prefix, in bytes.
    pub const MAX_PREFIX_BYTES: usize = 64;

    /// Users whose ids begin with `prefix`. The prefix keeps them apart from users of another
    /// origin in the same store. It may be empty.
    ///
    /// Choose it once: with another prefix all users are new users.
    ///
    /// # Panics
    ///
    /// If the prefix is longer than [`NumberedUsers::MAX_PREFIX_BYTES`], or contains anything but
    /// visible ASCII. In a `const` that is a compiler error.
    pub const fn under(prefix: &'static str) -> Self {
        let bytes = prefix.as_bytes();
        assert!(bytes.len() <= Self::MAX_PREFIX_BYTES, "the prefix is too long");
        let mut at = 0;
        while at < bytes.len() {
            // `at` is below the length.
            assert!(bytes[at].is_ascii_graphic(), "the prefix holds visible ASCII only");
            at += 1;
        }
        Self { prefix }
    }

    /// Makes the id of the user with a number that the caller has verified.
    pub fn verified_by_caller(self, number: u64) -> UserId {
        UserId(format!("{}{number}", self.prefix))
    }
}

/// The number of a kind of record. The schema says what the kind is.
///
/// Numbers 0 to 2 are the library's own. They are written as words, all others as `k3` to `k255`.
///
/// ```
/// use haumana_sync::id::KindNumber;
///
/// assert_eq!("k3", KindNumber::new(3).code());
/// assert_eq!("piece", KindNumber::PIECE.code());
/// assert_eq!(Some(KindNumber::new(3)), KindNumber::from_code("k3"));
/// assert_eq!(None, KindNumber::from_code("k03"), "each number has one spelling");
/// ```
///
/// The wire uses a kind's name, see [`Kind::name`](crate::schema::Kind::name). Stores, cursors and
/// exports keep the number. Neither may change: devices know the name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KindNumber(u8);

impl KindNumber {
    /// One oli or mele of the repertoire.
    pub const PIECE: Self = Self(0);
    /// One practice of one piece.
    pub const SESSION: Self = Self(1);
    /// One value that lost and waits for a person; never sent to devices as a record.
    pub const CONFLICT: Self = Self(2);

    /// The numbers that are written as words.
    const WORDS: [(Self, &'static str); 3] =
        [(Self::PIECE, "piece"), (Self::SESSION, "session"), (Self::CONFLICT, "conflict")];

    /// The largest number that a schema may give.
    pub const LAST: u8 = 250;

    /// Makes a number.
    pub const fn new(number: u8) -> Self {
        Self(number)
    }

    /// Returns the number itself. The order of numbers is the order of records in the change feed.
    pub const fn get(self) -> u8 {
        self.0
    }

    /// Whether it is the number of the inbox. Entries of the inbox are no records of a device.
    pub fn is_inbox(self) -> bool {
        self == Self::CONFLICT
    }

    /// Returns the text that stores, cursors and exports keep.
    ///
    /// It never changes, even if a schema renames the kind.
    pub fn code(self) -> Cow<'static, str> {
        let word = Self::WORDS.into_iter().find(|(number, _)| *number == self);
        word.map_or_else(|| Cow::Owned(format!("k{}", self.0)), |(_, word)| Cow::Borrowed(word))
    }

    /// Returns the number with that code.
    pub fn from_code(code: &str) -> Option<Self> {
        if let Some((number, _)) = Self::WORDS.into_iter().find(|(_, word)| *word == code) {
            return Some(number);
        }
        let number = Self(code.strip_prefix('k')?.parse().ok()?);
        // Each number has one spelling: `k1`, `k+3` and `k03` are refused.
        (number.code() == code).then_some(number)
    }
}

impl fmt::Debug for KindNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.code())
    }
}

impl From<KindNumber> for String {
    fn from(number: KindNumber) -> Self {
        number.code().into_owned()
    }
}

impl TryFrom<String> for KindNumber {
    type Error = &'static str;

    fn try_from(code: String) -> Result<Self, Self::Error> {
        Self::from_code(&code).ok_or("not a kind")
    }
}

/// A record's id: a UUID. Case makes no difference, and it is printed in upper case.
///
/// The device that creates a record makes the id, while it is offline. So the id must be random, as
/// in UUIDs of version 4 or 7. Two records of one kind with the same id are taken for one record,
/// and their fields are merged.
///
/// ```
/// use haumana_sync::id::RecordId;
///
/// let id = RecordId::parse("5eed0000-0000-4000-8000-00000000000a");
///
/// assert_eq!(RecordId::parse("5EED0000-0000-4000-8000-00000000000A"), id);
/// assert_eq!(None, RecordId::parse("not a UUID"));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RecordId(u128);

impl RecordId {
    /// Makes an id from its 128 bits.
    ///
    /// The library accepts any 128 bits; it does not check the version of the UUID.
    pub fn from_bits(bits: u128) -> Self {
        Self(bits)
    }

    /// Returns the id's 128 bits.
    pub fn bits(self) -> u128 {
        self.0
    }

    /// Parses the hyphenated form of a UUID in any case; `None` for anything else.
    ///
    /// Braces, `urn:uuid:` and the form without hyphens are refused: an app that compares ids as
    /// text would not recognise its own record in the form that the server prints.
    pub fn parse(text: &str) -> Option<Self> {
        // `Uuid::try_parse` also takes braces, URNs and forms without hyphens. An app that compares
        // strings would not recognise its own piece in the form that we print.
        let hyphenated = text.len() == 36;
        let id = Uuid::try_parse(text).ok().filter(|_| hyphenated)?;
        Some(Self(id.as_u128()))
    }
}

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut buffer = Uuid::encode_buffer();
        f.write_str(Uuid::from_u128(self.0).hyphenated().encode_upper(&mut buffer))
    }
}

impl fmt::Debug for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl From<RecordId> for String {
    fn from(id: RecordId) -> Self {
        id.to_string()
    }
}

impl TryFrom<String> for RecordId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("not a UUID")
    }
}

/// Names one record of a user.
///
/// Two users may have records with the same key; these are different records. Two kinds may have
/// records with the same id, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key {
    /// The kind of the record.
    pub kind: KindNumber,
    /// The id of the record.
    pub id: RecordId,
}

impl Key {
    /// Names a piece.
    pub fn piece(id: RecordId) -> Self {
        Self { kind: KindNumber::PIECE, id }
    }

    /// Names a session.
    pub fn session(id: RecordId) -> Self {
        Self { kind: KindNumber::SESSION, id }
    }

    /// Names a conflict.
    pub fn conflict(id: RecordId) -> Self {
        Self { kind: KindNumber::CONFLICT, id }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_numbered_users_are_ids() {
        let long = "p".repeat(NumberedUsers::MAX_PREFIX_BYTES).leak();
        for (prefix, number) in [("", 0), ("member-", 7), (&*long, u64::MAX)] {
            let user = NumberedUsers::under(prefix).verified_by_caller(number);
            assert_eq!(Some(&user), UserId::verified_by_caller(user.as_str()).as_ref());
        }
    }

    #[test]
    fn every_kind_has_one_code_and_every_code_one_kind() {
        for number in 0..=u8::MAX {
            let kind = KindNumber::new(number);
            assert_eq!(Some(kind), KindNumber::from_code(&kind.code()), "{kind:?}");
        }
        for code in ["", "k", "k0", "k1", "k03", "k+3", "k256", "K3", "pieces", "3"] {
            assert_eq!(None, KindNumber::from_code(code), "{code:?} must be refused");
        }
    }

    #[test]
    fn ids_are_equal_whatever_their_case_and_print_in_upper_case() {
        let lower = RecordId::parse("5eed0000-0000-4000-8000-00000000000a").unwrap();
        let upper = RecordId::parse("5EED0000-0000-4000-8000-00000000000A").unwrap();

        assert_eq!(lower, upper);
        assert_eq!("5EED0000-0000-4000-8000-00000000000A", lower.to_string());
    }

    #[test]
    fn what_is_not_a_hyphenated_uuid_is_refused() {
        let refused = [
            "",
            "x",
            "5EED000000004000800000000000000A",
            "{5EED0000-0000-4000-8000-00000000000A}",
            "urn:uuid:5EED0000-0000-4000-8000-00000000000A",
            " 5EED0000-0000-4000-8000-00000000000A",
        ];

        for text in refused {
            assert_eq!(None, RecordId::parse(text), "{text:?} must be refused");
        }
    }
}
