//! Which planted fault is switched on. Only the copy of the sources has this file: `drive.py` puts it
//! into `haumana-sync`, and each patch asks it.

use std::io::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// The hash of the fault's name; 0 before anybody asked.
static ON: AtomicU64 = AtomicU64::new(0);
/// No fault is switched on.
const NONE: u64 = 1;
/// None is, and the names that are asked for are written into the file `PLANTED_ASKED`.
const NOTED: u64 = 2;

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
        0 | NOTED => is_at_first(name),
        on => on == hash(name),
    }
}

#[cold]
fn is_at_first(name: &str) -> bool {
    if ON.load(Ordering::Relaxed) == 0 {
        let noted = if std::env::var_os("PLANTED_ASKED").is_some() { NOTED } else { NONE };
        ON.store(std::env::var("PLANTED").map_or(noted, |name| hash(&name)), Ordering::Relaxed);
    }
    if ON.load(Ordering::Relaxed) == NOTED {
        note(name);
    }
    ON.load(Ordering::Relaxed) == hash(name)
}

/// Writes the name into the file, the first time that it is asked for.
fn note(name: &str) {
    static ASKED: Mutex<Vec<String>> = Mutex::new(Vec::new());
    let mut asked = ASKED.lock().expect("nobody panics with the lock");
    let Err(at) = asked.binary_search_by(|it| it.as_str().cmp(name)) else { return };
    asked.insert(at, name.to_owned());
    let file = std::env::var_os("PLANTED_ASKED").expect("it is set, or nothing would be noted");
    let opened = std::fs::OpenOptions::new().append(true).create(true).open(file);
    opened.and_then(|mut file| writeln!(file, "{name}")).expect("the file can be written");
}

/// Switches a fault on, and all others off; an empty name switches all off.
pub fn set(name: &str) {
    ON.store(if name.is_empty() { NONE } else { hash(name) }, Ordering::Relaxed);
}
