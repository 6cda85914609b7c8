//! The locks and atomics of the crate, in one place so that the model checker can take their stead.
//!
//! `RUSTFLAGS="--cfg shuttle"` swaps them for shuttle's, which tries out thread interleavings.

#[cfg(not(shuttle))]
pub(crate) use parking_lot::{Condvar, Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};
#[cfg(not(shuttle))]
pub(crate) use std::{
    sync::{Arc, atomic},
    thread,
};

#[cfg(shuttle)]
pub(crate) use model::{Condvar, Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};
#[cfg(shuttle)]
pub(crate) use shuttle::{sync::atomic, thread};
#[cfg(shuttle)]
pub(crate) use std::sync::Arc;

/// Waits on `condvar` until it is notified or the instant has come; true when it has come.
#[cfg(not(shuttle))]
pub(crate) fn wait_until<T>(
    condvar: &Condvar,
    guard: &mut MutexGuard<'_, T>,
    instant: std::time::Instant,
) -> bool {
    condvar.wait_until(guard, instant).timed_out()
}

/// Under the model there is no real time: the wait ends at once, as if the instant had come.
#[cfg(shuttle)]
pub(crate) fn wait_until<T>(_: &Condvar, _: &mut MutexGuard<'_, T>, _: std::time::Instant) -> bool {
    thread::yield_now();
    true
}

/// Lets a lock go and hands it to those who wait for it, if any do.
#[cfg(not(shuttle))]
pub(crate) fn unlock_fair<T>(guard: RwLockWriteGuard<'_, T>) {
    RwLockWriteGuard::unlock_fair(guard);
}

/// The model tries every order of those who wait.
#[cfg(shuttle)]
pub(crate) fn unlock_fair<T>(guard: RwLockWriteGuard<'_, T>) {
    drop(guard);
}

/// A value on a cache line of its own, so that two shards' locks do not fight over one.
#[repr(align(128))]
#[derive(Debug, Default)]
pub(crate) struct Padded<T>(pub T);

/// parking_lot's interface (no poisoning, guards by `&mut`) over shuttle's primitives.
#[cfg(shuttle)]
mod model {
    use std::ops::{Deref, DerefMut};

    #[derive(Debug, Default)]
    pub(crate) struct Mutex<T>(shuttle::sync::Mutex<T>);
    pub(crate) struct MutexGuard<'a, T>(Option<shuttle::sync::MutexGuard<'a, T>>);

    impl<T> Mutex<T> {
        pub(crate) const fn new(value: T) -> Self {
            Mutex(shuttle::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            MutexGuard(Some(self.0.lock().unwrap_or_else(|poison| poison.into_inner())))
        }
    }

    impl<T> Deref for MutexGuard<'_, T> {
        type Target = T;
        fn deref(&self) -> &T {
            self.0.as_ref().expect("taken only while waiting")
        }
    }

    impl<T> DerefMut for MutexGuard<'_, T> {
        fn deref_mut(&mut self) -> &mut T {
            self.0.as_mut().expect("taken only while waiting")
        }
    }

    #[derive(Debug, Default)]
    pub(crate) struct Condvar(shuttle::sync::Condvar);

    impl Condvar {
        pub(crate) fn new() -> Self {
            Condvar(shuttle::sync::Condvar::new())
        }

        pub(crate) fn wait<T>(&self, guard: &mut MutexGuard<'_, T>) {
            let inner = guard.0.take().expect("taken only while waiting");
            guard.0 = Some(self.0.wait(inner).unwrap_or_else(|poison| poison.into_inner()));
        }

        pub(crate) fn notify_all(&self) {
            self.0.notify_all();
        }
    }

    #[derive(Debug, Default)]
    pub(crate) struct RwLock<T>(shuttle::sync::RwLock<T>);
    pub(crate) type RwLockReadGuard<'a, T> = shuttle::sync::RwLockReadGuard<'a, T>;
    pub(crate) type RwLockWriteGuard<'a, T> = shuttle::sync::RwLockWriteGuard<'a, T>;

    impl<T> RwLock<T> {
        pub(crate) const fn new(value: T) -> Self {
            RwLock(shuttle::sync::RwLock::new(value))
        }

        pub(crate) fn read(&self) -> RwLockReadGuard<'_, T> {
            self.0.read().unwrap_or_else(|poison| poison.into_inner())
        }

        pub(crate) fn write(&self) -> RwLockWriteGuard<'_, T> {
            self.0.write().unwrap_or_else(|poison| poison.into_inner())
        }
    }
}
