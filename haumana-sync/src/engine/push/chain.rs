//! Pushes of one record that a device made one after the other, on the same version.

use crate::engine::push::Push;
use crate::id::Key;
use crate::store::Version;
use std::collections::HashMap;

/// LIMIT: how many pushes back a change is looked for. A device repeats only unanswered pushes,
/// which are one or two.
const DEPTH: usize = 16;

/// For each push of a request, the previous push of the same record on the same base.
#[derive(Debug)]
pub(crate) struct Chains {
    before: Vec<Option<usize>>,
}

impl Chains {
    /// Makes them from the pushes of a request.
    pub(crate) fn of(pushes: &[Push]) -> Self {
        let mut last: HashMap<(Key, Option<Version>), usize> = HashMap::with_capacity(pushes.len());
        let places = pushes.iter().enumerate();
        let before = places.map(|(at, push)| last.insert((push.key, push.base), at)).collect();
        Self { before }
    }

    /// The places of the pushes before the one at `at`, the latest first.
    pub(crate) fn before(&self, at: usize) -> impl Iterator<Item = usize> {
        let before = |at: &usize| self.before.get(*at).copied().flatten();
        std::iter::successors(before(&at), before).take(DEPTH)
    }
}
