//! The numbers that replies gave to phones, and which of them have come back in a request.
//!
//! A phone whose reply was lost sends the same number again. So does a phone that was set up from
//! another phone's backup. If any request shows the number of a later reply, that reply has
//! arrived. So the earlier number comes from a copy. See ADR 0018.
//!
//! # What is stored
//!
//! For each reply that gave numbers to edits: its time, and six bytes for each number, in base64. A
//! number is removed when any request shows it. If a number is not in the list, and was given after
//! the time up to which numbers were forgotten, it has arrived.
//!
//! The list is limited to 256 numbers of 32 replies. A forgotten number counts as unknown, never as
//! arrived. So after forgetting, the server asks for less and does not guess more.
//!
//! It also has up to eight *gaps*: permanent differences between a phone and the account that no
//! reply needs to report.

use crate::wire::WireVersion;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use haumana_sync::digest::Digest;
use haumana_sync::id::RecordId;
use haumana_sync::store::Stamp;
use haumana_sync::time::UnixMillis;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

/// LIMIT: the most numbers that are waited for. The oldest are forgotten first.
const TOKENS: usize = 256;
const REPLIES: usize = 32;
/// Bytes of a token. With 10,000 pieces in a request and all of [`TOKENS`] open, one request in 100
/// million makes a number look shown that was not.
const TOKEN_BYTES: usize = 6;

/// The numbers that are waited for.
///
/// Stored as JSON with names of one letter, because it is in every head that is read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Given {
    /// The numbers of each reply, oldest first.
    #[serde(rename = "r", skip_serializing_if = "Vec::is_empty")]
    replies: Vec<Reply>,
    /// The time up to which it is unknown whether numbers were shown.
    #[serde(rename = "f", skip_serializing_if = "Option::is_none")]
    forgotten_until: Option<UnixMillis>,
    /// The permanent differences of phones that were seen, the newest at the end.
    #[serde(rename = "g", skip_serializing_if = "Vec::is_empty")]
    gaps: Vec<Gap>,
}

/// LIMIT: the most phones with a remembered difference. The oldest is forgotten first, and is then
/// compared again.
const GAPS: usize = 8;

/// The sum of all live pieces minus the sum of what a phone sent, when the phone needed no change:
/// it had deleted pieces by itself, or kept some that are deleted here. See ADR 0054.
///
/// A phone that differs by exactly this sum needs no comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Gap {
    /// The sum of the pieces that it lacks, minus those that it keeps.
    #[serde(rename = "s")]
    pub sum: Digest,
    /// If the phone lacks pieces: it had been offered all of them by this time.
    #[serde(rename = "l", default, skip_serializing_if = "Option::is_none")]
    pub offered: Option<Stamp>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Reply {
    #[serde(rename = "t")]
    at: UnixMillis,
    /// Tokens, [`TOKEN_BYTES`] each, in base64.
    #[serde(rename = "n")]
    tokens: String,
}

/// Identifies the number of one piece.
///
/// It is a part of a hash. It identifies the number only to a reader who has the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Token([u8; TOKEN_BYTES]);

impl Token {
    /// Makes the token for the delivery of `number`. The phone's own steps since then do not count.
    pub(crate) fn of(id: RecordId, number: WireVersion) -> Self {
        let bits = id.bits();
        // Folds both halves of the id and the delivery into 64 bits. Each step is a bijection.
        let mut state = mix(number.delivery());
        state = mix(state ^ (bits >> 64) as u64);
        state = mix(state ^ bits as u64);
        let mut token = [0; TOKEN_BYTES];
        token.copy_from_slice(&state.to_be_bytes()[..TOKEN_BYTES]);
        Self(token)
    }
}

/// The finalizer of SplitMix64.
///
/// Different inputs have different outputs. So no two states become equal before the token is cut
/// to 48 bits.
fn mix(state: u64) -> u64 {
    let state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let state = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let state = (state ^ (state >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    state ^ (state >> 31)
}

impl Reply {
    fn new(at: UnixMillis, tokens: &[Token]) -> Self {
        let bytes: Vec<u8> = tokens.iter().flat_map(|token| token.0).collect();
        Self { at, tokens: URL_SAFE_NO_PAD.encode(bytes) }
    }

    fn tokens(&self) -> Vec<Token> {
        let bytes = URL_SAFE_NO_PAD.decode(&self.tokens).unwrap_or_default();
        let (tokens, _) = bytes.as_chunks::<TOKEN_BYTES>();
        tokens.iter().copied().map(Token).collect()
    }
}

impl Given {
    /// Whether there is nothing to store.
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Whether no number is waited for.
    pub(crate) fn is_empty(&self) -> bool {
        self.replies.is_empty()
    }

    /// Notes the numbers of a reply. Numbers that were given before `oldest` do not matter any
    /// more.
    ///
    /// If one reply gives more numbers than the limit, the surplus counts as forgotten.
    pub(crate) fn add(&mut self, at: UnixMillis, tokens: &[Token], oldest: UnixMillis) {
        self.replies.retain(|reply| oldest <= reply.at);
        let kept = &tokens[..tokens.len().min(TOKENS)];
        if kept.len() < tokens.len() {
            self.forget_until(at);
        }
        self.replies.push(Reply::new(at, kept));
        let count = |replies: &[Reply]| -> usize {
            replies.iter().map(|reply| reply.tokens.len() / (TOKEN_BYTES * 4 / 3)).sum()
        };
        while REPLIES < self.replies.len() || TOKENS < count(&self.replies) {
            let oldest = self.replies.remove(0);
            self.forget_until(oldest.at);
        }
    }

    /// For numbers that were given up to `at`, it becomes unknown whether they have arrived.
    pub(crate) fn forget_until(&mut self, at: UnixMillis) {
        self.forgotten_until = self.forgotten_until.max(Some(at));
    }

    /// Removes the numbers that a request shows. Returns whether there were any.
    ///
    /// A request shows a number with every piece that it carries, whether the piece was edited or
    /// not.
    pub(crate) fn show(&mut self, shown: impl Iterator<Item = Token>) -> bool {
        if self.replies.is_empty() {
            return false;
        }
        let shown: HashSet<Token> = shown.collect();
        let mut is_any = false;
        for reply in &mut self.replies {
            let mut tokens = reply.tokens();
            let n_before = tokens.len();
            tokens.retain(|token| !shown.contains(token));
            if tokens.len() < n_before {
                *reply = Reply::new(reply.at, &tokens);
                is_any = true;
            }
        }
        self.replies.retain(|reply| !reply.tokens.is_empty());
        is_any
    }

    /// Returns the sums by which a phone that was answered up to `last` may differ without lacking
    /// anything, if no record was `restamped` later.
    ///
    /// A gap with pieces that the phone lacks counts only if the phone was offered them: its
    /// `lastSyncedAt` is not before that.
    pub(crate) fn gaps(&self, last: Option<Stamp>, restamped: Option<Stamp>) -> Vec<Digest> {
        let is_offered =
            |gap: &&Gap| gap.offered.is_none_or(|offered| last >= Some(offered).max(restamped));
        self.gaps.iter().filter(is_offered).map(|gap| gap.sum).collect()
    }

    /// Remembers the permanent difference of a phone.
    pub(crate) fn remember(&mut self, gap: Gap) {
        self.gaps.retain(|old| old.sum != gap.sum);
        self.gaps.push(gap);
        let surplus = self.gaps.len().saturating_sub(GAPS);
        self.gaps.drain(..surplus);
    }

    /// Whether a number that was given at `at` is known to have arrived.
    ///
    /// It has arrived if it is absent from the list.
    pub(crate) fn has_arrived(&self, token: Token, at: UnixMillis) -> bool {
        self.forgotten_until.is_none_or(|until| until < at)
            && !self.replies.iter().any(|reply| reply.tokens().contains(&token))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(n: u64) -> Token {
        Token::of(RecordId::from_bits(42), WireVersion::issue(1, n))
    }

    #[test]
    fn a_number_has_arrived_once_it_was_shown_and_not_before() {
        let mut given = Given::default();
        given.add(UnixMillis(5), &[token(1), token(2)], UnixMillis(0));
        assert!(!given.has_arrived(token(1), UnixMillis(5)));

        assert!(given.show([token(1), token(9)].into_iter()));

        assert!(given.has_arrived(token(1), UnixMillis(5)));
        assert!(!given.has_arrived(token(2), UnixMillis(5)));
        assert!(!given.show([token(1)].into_iter()), "it is shown once");
    }

    #[test]
    fn what_the_phone_counts_up_leaves_the_token_as_it_is() {
        let given = WireVersion::issue(3, 77);

        let sent = WireVersion(given.0 + 4095);

        let id = RecordId::from_bits(1);
        assert_eq!(Token::of(id, given), Token::of(id, sent));
        assert_ne!(Token::of(id, given), Token::of(RecordId::from_bits(2), given));
    }

    #[test]
    fn what_is_forgotten_is_not_taken_for_arrived() {
        let mut given = Given::default();
        for reply in 0..REPLIES as i64 + 1 {
            given.add(UnixMillis(reply), &[token(reply as u64)], UnixMillis(0));
        }
        assert!(!given.has_arrived(token(0), UnixMillis(0)));
        assert!(given.has_arrived(token(99), UnixMillis(1)), "given later, and not waited for");

        let many: Vec<Token> = (1000..1000 + 2 * TOKENS as u64).map(token).collect();
        given.add(UnixMillis(100), &many, UnixMillis(0));

        assert!(many.iter().all(|token| !given.has_arrived(*token, UnixMillis(100))));
        assert!(serde_json::to_string(&given).unwrap().len() < 3000);
    }

    #[test]
    fn what_is_past_its_retention_is_not_kept() {
        let mut given = Given::default();
        given.add(UnixMillis(1), &[token(1)], UnixMillis(0));

        given.add(UnixMillis(9), &[token(2)], UnixMillis(5));

        assert_eq!(1, given.replies.len());
        assert_eq!(None, given.forgotten_until);
    }
}
