//! What may cross from thread to thread, where there are threads.
//!
//! Traits of this crate ask for these bounds instead of [`Send`] and [`Sync`], so that one
//! implementation fits a server, an app and a browser. You never implement them: every type that
//! can has them.

/// [`Send`], except on `wasm32`, where there is one thread and what a browser gives stays on it.
#[cfg(not(target_arch = "wasm32"))]
pub trait MaybeSend: Send {}
#[cfg(not(target_arch = "wasm32"))]
impl<T: Send + ?Sized> MaybeSend for T {}

/// Everything: on `wasm32` there is one thread, and what a browser gives stays on it.
#[cfg(target_arch = "wasm32")]
pub trait MaybeSend {}
#[cfg(target_arch = "wasm32")]
impl<T: ?Sized> MaybeSend for T {}

/// [`Sync`], except on `wasm32`.
#[cfg(not(target_arch = "wasm32"))]
pub trait MaybeSync: Sync {}
#[cfg(not(target_arch = "wasm32"))]
impl<T: Sync + ?Sized> MaybeSync for T {}

/// Everything: on `wasm32` there is one thread.
#[cfg(target_arch = "wasm32")]
pub trait MaybeSync {}
#[cfg(target_arch = "wasm32")]
impl<T: ?Sized> MaybeSync for T {}
