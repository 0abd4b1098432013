//! Numbers for pieces, so that pieces that compare equal have the same number.

use super::cut::{Cut, Three, split_line_end};
use imara_diff::{Interner, Token};
use std::borrow::Cow;
use unicode_normalization::{IsNormalized, UnicodeNormalization as _, is_nfc_quick};

/// The pieces of three texts as numbers.
pub(super) struct Tokens {
    pub(super) of: Three<Vec<Token>>,
    /// For each number, whether the piece is empty, white space or a line end.
    blank: Vec<bool>,
}

impl Tokens {
    pub(super) fn of(cuts: &Three<Cut<'_>>) -> Self {
        let mut forms = Forms::default();
        let of = cuts.map(|cut| {
            let pieces = cut.pieces(0..cut.len());
            pieces.map(|piece| forms.token(split_line_end(piece).0)).collect()
        });
        Self { of, blank: forms.blank }
    }

    /// How many numbers there are.
    pub(super) fn n_tokens(&self) -> usize {
        self.blank.len()
    }

    pub(super) fn is_blank(&self, token: Token) -> bool {
        self.blank.get(token.0 as usize).is_some_and(|&blank| blank)
    }
}

/// Every spelling, with the number of its NFC form. Each spelling is normalised once.
#[derive(Default)]
struct Forms<'a> {
    interner: Interner<Cow<'a, str>>,
    form: Vec<Token>,
    blank: Vec<bool>,
}

impl<'a> Forms<'a> {
    fn token(&mut self, spelling: &'a str) -> Token {
        let raw = self.interner.intern(Cow::Borrowed(spelling));
        if let Some(&known) = self.form.get(raw.0 as usize) {
            return known;
        }
        self.learn(raw, spelling);
        let form = match nfc(spelling) {
            Cow::Borrowed(_) => return raw,
            nfc => self.interner.intern(nfc),
        };
        if self.form.len() <= form.0 as usize {
            self.learn(form, spelling);
        }
        if let Some(of_raw) = self.form.get_mut(raw.0 as usize) {
            *of_raw = form;
        }
        form
    }

    // INVARIANT: numbers are given in order, so the new one is the next index of both lists.
    fn learn(&mut self, token: Token, spelling: &str) {
        self.form.push(token);
        self.blank.push(spelling.trim().is_empty());
    }
}

/// The form of `text` that is compared.
pub(super) fn nfc(text: &str) -> Cow<'_, str> {
    if is_nfc(text) { Cow::Borrowed(text) } else { Cow::Owned(text.nfc().collect()) }
}

fn is_nfc(text: &str) -> bool {
    // Every character below U+0300 (0xCC 0x80) is NFC. That includes all Hawaiian typed on a phone.
    text.bytes().all(|byte| byte < 0xCC) || is_nfc_quick(text.chars()) == IsNormalized::Yes
}
