//! How many descriptors this process may have.
//!
//! Each connection takes one, and so does each file. Systems give a process a soft limit, often
//! 1,024, and a hard one that is much higher. A program may raise the soft one to the hard one by
//! itself.

/// Raises the soft limit to the hard one, and returns the limit that holds then.
///
/// If it cannot be raised, that is logged, and there is room for fewer connections.
#[cfg(unix)]
pub(crate) fn raise() -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let current = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(error) => {
            tracing::warn!(detail = %error, "the limit of descriptors could not be raised");
            limit.current
        }
    };
    current.map_or(usize::MAX, |current| usize::try_from(current).unwrap_or(usize::MAX))
}

/// These systems have no such limit.
#[cfg(not(unix))]
pub(crate) fn raise() -> usize {
    usize::MAX
}
