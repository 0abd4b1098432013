//! The systems that play the scripts.

#[cfg(feature = "rivals")]
mod automerge;
mod by_time;
#[cfg(feature = "rivals")]
mod loro;
mod ours;
#[cfg(feature = "rivals")]
mod patches;
mod rig;
mod three_way;
#[cfg(feature = "rivals")]
mod yrs;

use crate::play::{Done, System};
use by_time::{ByTime, Parts, Whole};
use rig::Rig;
use three_way::{GitFiles, ThreeWay};

/// What a system is called, and how one is made.
pub struct Entry {
    pub name: &'static str,
    /// The package or program that it is; `None` if it is in this repository.
    pub package: Option<&'static str>,
    pub make: fn() -> Done<Box<dyn System>>,
}

/// haumana-sync.
pub const OURS: Entry =
    Entry { name: "haumana-sync", package: None, make: || Ok(Box::new(ours::Ours::new()?)) };

/// Its rivals, as far as this program was built with them.
pub fn rivals() -> Vec<Entry> {
    vec![
        Entry {
            name: "last writer wins, record",
            package: None,
            make: || Ok(Box::new(Rig::of(ByTime::<Whole>::default()))),
        },
        Entry {
            name: "last writer wins, field",
            package: None,
            make: || Ok(Box::new(Rig::of(ByTime::<Parts>::default()))),
        },
        Entry {
            name: "git merge-file",
            package: Some("git"),
            make: || Ok(Box::new(Rig::of(ThreeWay(GitFiles::new()?)))),
        },
        #[cfg(feature = "rivals")]
        Entry {
            name: "diff-match-patch",
            package: Some("diff-match-patch-rs"),
            make: || Ok(Box::new(Rig::of(ThreeWay(patches::Patches)))),
        },
        #[cfg(feature = "rivals")]
        Entry {
            name: "Automerge",
            package: Some("automerge"),
            make: || Ok(Box::new(Rig::of(automerge::Documents))),
        },
        #[cfg(feature = "rivals")]
        Entry { name: "Yrs", package: Some("yrs"), make: || Ok(Box::new(Rig::of(yrs::Documents))) },
        #[cfg(feature = "rivals")]
        Entry {
            name: "Loro",
            package: Some("loro"),
            make: || Ok(Box::new(Rig::of(loro::Documents))),
        },
    ]
}
