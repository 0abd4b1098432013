//! A model of several devices on one account, and of everything that happens to them and to the
//! server. One seed decides a whole history.
//!
//! Every text that somebody types is new, so that it can be looked for: whatever the server
//! accepted must be in a record or in the history, whatever was typed and not replaced by its own
//! user must get there, and in the end all devices and the server hold the same bytes.

mod device;
mod phone;
mod world;

use world::World;

/// How many histories there are, if the environment does not say.
const HISTORIES: u64 = 2000;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// What a history is about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Profile {
    pub name: &'static str,
    /// The most devices.
    pub devices: usize,
    /// Whether a phone with the app takes part.
    pub has_phone: bool,
    /// Whether backups are restored, and cursors of before still fit.
    pub restores: Restores,
    /// Whether two devices have the same id.
    pub has_twins: bool,
    /// Whether time passes beyond the retention.
    pub ages: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Restores {
    Never,
    Raised,
    Silent,
    /// The account is exported, and imported into an empty one on another server.
    Moved,
}

const PLAIN: Profile = Profile {
    name: "plain",
    devices: 3,
    has_phone: false,
    restores: Restores::Never,
    has_twins: false,
    ages: false,
};

async fn check_all(profile: Profile, share: u64) {
    let seeds = match number("HAUMANA_MODEL_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("HAUMANA_MODEL_RUNS").unwrap_or(HISTORIES) * share / 100,
    };
    for seed in seeds {
        let mut world = World::new(profile, seed).await;
        if let Err(what) = world.run().await {
            let story = world.story.join("\n");
            panic!(
                "\n{story}\n\n{what}\n\nHAUMANA_MODEL_SEED={seed} cargo test -p haumana-replica \
                 --test it model::{}\n",
                profile.name
            );
        }
    }
}

macro_rules! histories {
    ($($name:ident $share:literal $profile:expr;)*) => { $(
        #[tokio::test]
        async fn $name() {
            check_all(Profile { name: stringify!($name), ..$profile }, $share).await;
        }
    )* };
}

histories! {
    devices_agree_and_lose_nothing 35 PLAIN;
    devices_with_the_same_id_agree_and_lose_nothing 10 Profile { has_twins: true, ..PLAIN };
    devices_beside_a_phone_agree_and_lose_nothing 20 Profile { has_phone: true, ..PLAIN };
    devices_offer_again_what_a_restored_server_lacks 15
        Profile { restores: Restores::Raised, ..PLAIN };
    devices_agree_with_a_server_that_was_restored_silently 10
        Profile { restores: Restores::Silent, ..PLAIN };
    devices_move_house_by_export_and_import 10
        Profile { restores: Restores::Moved, has_phone: true, ..PLAIN };
    devices_agree_and_lose_nothing_past_the_retention 10 Profile { ages: true, ..PLAIN };
}
