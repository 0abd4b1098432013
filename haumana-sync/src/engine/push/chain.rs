//! Pushes of one record that a device made one after the other, on one version.

use crate::engine::push::Push;
use crate::id::Key;
use crate::store::Version;
use std::collections::HashMap;

/// How many pushes back a change is looked for. A device sends again what has no answer yet, which is
/// one or two.
const DEPTH: usize = 16;

/// Of each push of a request the one before it of the same record on the same base.
#[derive(Debug)]
pub(crate) struct Chains {
    before: Vec<Option<usize>>,
}

impl Chains {
    /// Finds them.
    pub(crate) fn of(pushes: &[Push]) -> Self {
        let mut last: HashMap<(Key, Option<Version>), usize> = HashMap::with_capacity(pushes.len());
        let places = pushes.iter().enumerate();
        let before = places.map(|(at, push)| last.insert((push.key, push.base), at)).collect();
        Self { before }
    }

    /// The places of the pushes before the one at `at`, the last one first.
    pub(crate) fn before(&self, at: usize) -> impl Iterator<Item = usize> {
        let before = |at: &usize| self.before.get(*at).copied().flatten();
        std::iter::successors(before(&at), before).take(DEPTH)
    }
}
