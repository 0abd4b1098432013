//! Histories that broke a promise.

use haumana_sim::{Failure, History};
use serde::{Deserialize, Serialize};

/// A history that breaks a promise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// The store.
    pub store: String,
    /// The profile.
    pub profile: String,
    /// The seed.
    pub seed: u64,
    /// The broken promise.
    pub violation: String,
    /// The number of events of the smallest failing history that was found; `None` if the seed did
    /// not fail again.
    pub events: Option<usize>,
    /// What happened.
    pub story: Vec<String>,
    /// The command that repeats it.
    pub command: String,
}

impl Finding {
    /// Makes one of a failure and of the smallest history that fails.
    pub fn new(
        (store, profile, seed): (&str, &str, u64),
        first: Failure,
        smallest: Option<(History, Failure)>,
    ) -> Self {
        let mut command =
            format!("haumana-sim repeat --seed {seed} --store {store} --profile {profile}");
        let (events, failure) = match smallest {
            None => (None, first),
            Some((history, failure)) => {
                command.push_str(&format!(" --events {}", history.events));
                let without: Vec<String> =
                    history.without.range(..history.events).map(usize::to_string).collect();
                if !without.is_empty() {
                    command.push_str(&format!(" --without {}", without.join(",")));
                }
                (Some(history.len()), failure)
            }
        };
        let piece = failure.violation.piece.map(|id| format!("{id}: ")).unwrap_or_default();
        Self {
            store: store.to_owned(),
            profile: profile.to_owned(),
            seed,
            violation: format!("{piece}{}", failure.violation.text),
            events,
            story: failure.trace,
            command,
        }
    }

    /// The story in the form for people.
    pub fn told(&self) -> String {
        let Self { store, profile, seed, violation, .. } = self;
        let size = match self.events {
            Some(events) => format!("{events} events are enough"),
            None => "it did not fail again on an empty store".to_owned(),
        };
        format!(
            "violation: {store}, {profile}, seed {seed}; {size}\n\n{}\n\n{violation}\n\n{}\n",
            self.story.join("\n"),
            self.command
        )
    }
}
