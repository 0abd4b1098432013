//! Which planted fault is switched on. Only the copy of the sources has this file: `drive.py` puts it
//! into `haumana-sync`, and each patch asks it.

use std::sync::atomic::{AtomicU64, Ordering};

/// The hash of the fault's name; 0 before anybody asked.
static ON: AtomicU64 = AtomicU64::new(0);
/// No fault is switched on.
const NONE: u64 = 1;

/// FNV-1a, which a compiler works out ahead.
const fn hash(name: &str) -> u64 {
    let (bytes, mut hash, mut at) = (name.as_bytes(), 0xcbf2_9ce4_8422_2325_u64, 0);
    while at < bytes.len() {
        hash = (hash ^ bytes[at] as u64).wrapping_mul(0x0100_0000_01b3);
        at += 1;
    }
    hash
}

/// Whether the fault of this name is switched on: by [`set`], or by the variable `PLANTED`.
#[inline(always)]
pub fn is(name: &str) -> bool {
    match ON.load(Ordering::Relaxed) {
        0 => begin() == hash(name),
        on => on == hash(name),
    }
}

#[cold]
fn begin() -> u64 {
    let on = std::env::var("PLANTED").map_or(NONE, |name| hash(&name));
    ON.store(on, Ordering::Relaxed);
    on
}

/// Switches a fault on, and all others off; an empty name switches all off.
pub fn set(name: &str) {
    ON.store(if name.is_empty() { NONE } else { hash(name) }, Ordering::Relaxed);
}
