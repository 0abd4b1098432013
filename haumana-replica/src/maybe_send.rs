//! [`Send`] and [`Sync`], but only where there are threads.
//!
//! Traits of this crate use these bounds instead of [`Send`] and [`Sync`], so that one
//! implementation fits a server, an app and a browser. You never implement them: every type that
//! can have them has them.

/// [`Send`], except on `wasm32`, which has one thread, and where a browser's values stay on it.
#[cfg(not(target_arch = "wasm32"))]
pub trait MaybeSend: Send {}
#[cfg(not(target_arch = "wasm32"))]
impl<T: Send + ?Sized> MaybeSend for T {}

/// Any type: `wasm32` has one thread, and a browser's values stay on it.
#[cfg(target_arch = "wasm32")]
pub trait MaybeSend {}
#[cfg(target_arch = "wasm32")]
impl<T: ?Sized> MaybeSend for T {}

/// [`Sync`], except on `wasm32`.
#[cfg(not(target_arch = "wasm32"))]
pub trait MaybeSync: Sync {}
#[cfg(not(target_arch = "wasm32"))]
impl<T: Sync + ?Sized> MaybeSync for T {}

/// Any type: `wasm32` has one thread.
#[cfg(target_arch = "wasm32")]
pub trait MaybeSync {}
#[cfg(target_arch = "wasm32")]
impl<T: ?Sized> MaybeSync for T {}
