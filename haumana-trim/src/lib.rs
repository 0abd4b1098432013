//! Gives memory that a program has freed, and that glibc still keeps, back to the system.
//!
//! glibc returns what lies at the top of a heap, and there is one heap for every few threads. Below a single
//! block that is still in use it keeps everything: a server that once took in 8 uploads of 10 MB holds 150 MB
//! from then on.
//!
//! ```
//! // After much was freed, and while little is done:
//! haumana_trim::give_back();
//! ```
//!
//! The call visits every heap and locks each for milliseconds, so it belongs on a thread that may wait, and
//! not into every request. With other allocators and on other systems it does nothing.

/// Returns to the system what the allocator keeps and nobody uses. Returns whether there was anything.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[allow(unsafe_code)]
pub fn give_back() -> bool {
    // SAFETY: the call takes no pointer. It locks each heap while it changes it, as `free` does, and
    // touches nothing that is in use.
    unsafe { libc::malloc_trim(0) != 0 }
}

/// Returns to the system what the allocator keeps and nobody uses. Returns whether there was anything.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn give_back() -> bool {
    false
}
