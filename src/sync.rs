//! The locks and atomics of the crate, in one place so that the model checker can take their stead.
//!
//! `RUSTFLAGS="--cfg shuttle"` swaps them for shuttle's, which tries out thread interleavings; see
//! `shuttle_tests`.

#[cfg(not(shuttle))]
pub(crate) use parking_lot::{Condvar, Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};
pub(crate) use std::sync::Arc;
#[cfg(not(shuttle))]
pub(crate) use std::{sync::atomic, thread, thread_local};

#[cfg(shuttle)]
pub(crate) use model::{Condvar, Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};
#[cfg(shuttle)]
pub(crate) use shuttle::{sync::atomic, thread, thread_local};

/// A static of the process. Under the model, each run is a process of its own.
#[cfg(not(shuttle))]
macro_rules! process_wide {
    ($(#[$doc:meta])* static $name:ident: $type:ty = $value:expr;) => {
        $(#[$doc])* static $name: $type = $value;
    };
}
#[cfg(shuttle)]
macro_rules! process_wide {
    ($(#[$doc:meta])* static $name:ident: $type:ty = $value:expr;) => {
        shuttle::lazy_static! { $(#[$doc])* static ref $name: $type = $value; }
    };
}
pub(crate) use process_wide;

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

/// Whether a thread has ended, as far as can be told.
#[cfg(all(feature = "journal", not(shuttle)))]
pub(crate) fn is_finished<T>(thread: &thread::JoinHandle<T>) -> bool {
    thread.is_finished()
}

#[cfg(all(feature = "journal", shuttle))]
pub(crate) fn is_finished<T>(_: &thread::JoinHandle<T>) -> bool {
    false
}

/// A value on a cache line of its own, so that two shards' locks do not fight over one.
#[repr(align(128))]
#[derive(Debug, Default)]
pub(crate) struct Padded<T>(pub T);

/// parking_lot's interface (no poisoning, guards by `&mut`) over shuttle's primitives.
#[cfg(shuttle)]
mod model {
    use std::ops::{Deref, DerefMut};
    use std::sync::{PoisonError, TryLockError};
    use std::time::Instant;

    #[derive(Debug, Default)]
    pub(crate) struct Mutex<T>(shuttle::sync::Mutex<T>);

    pub(crate) struct MutexGuard<'a, T> {
        mutex: &'a Mutex<T>,
        /// Missing only while its thread waits for a condvar.
        inner: Option<shuttle::sync::MutexGuard<'a, T>>,
    }

    impl<T> Mutex<T> {
        pub(crate) const fn new(value: T) -> Self {
            Mutex(shuttle::sync::Mutex::new(value))
        }
    }

    impl<T> Mutex<T> {
        pub(crate) fn get_mut(&mut self) -> &mut T {
            self.0.get_mut().unwrap_or_else(PoisonError::into_inner)
        }

        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            let inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            MutexGuard { mutex: self, inner: Some(inner) }
        }
    }

    impl<T> Deref for MutexGuard<'_, T> {
        type Target = T;

        fn deref(&self) -> &T {
            self.inner.as_ref().expect("its thread does not wait")
        }
    }

    impl<T> DerefMut for MutexGuard<'_, T> {
        fn deref_mut(&mut self) -> &mut T {
            self.inner.as_mut().expect("its thread does not wait")
        }
    }

    #[derive(Debug, Default)]
    pub(crate) struct Condvar(shuttle::sync::Condvar);

    impl Condvar {
        pub(crate) const fn new() -> Self {
            Condvar(shuttle::sync::Condvar::new())
        }

        pub(crate) fn wait<T>(&self, guard: &mut MutexGuard<'_, T>) {
            if let Some(inner) = guard.inner.take() {
                guard.inner = Some(self.0.wait(inner).unwrap_or_else(PoisonError::into_inner));
            }
        }

        /// The model has no real time: this ends at once, as a wait may do at any time.
        pub(crate) fn wait_until<T>(&self, guard: &mut MutexGuard<'_, T>, _: Instant) {
            guard.inner = None;
            shuttle::thread::yield_now();
            guard.inner = guard.mutex.lock().inner;
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
    }

    impl<T> RwLock<T> {
        pub(crate) fn read(&self) -> RwLockReadGuard<'_, T> {
            self.0.read().unwrap_or_else(PoisonError::into_inner)
        }

        /// The model lets readers in while a writer waits.
        pub(crate) fn read_recursive(&self) -> RwLockReadGuard<'_, T> {
            self.read()
        }

        pub(crate) fn write(&self) -> RwLockWriteGuard<'_, T> {
            self.0.write().unwrap_or_else(PoisonError::into_inner)
        }

        pub(crate) fn try_read(&self) -> Option<RwLockReadGuard<'_, T>> {
            match self.0.try_read() {
                Ok(guard) => Some(guard),
                Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
                Err(TryLockError::WouldBlock) => None,
            }
        }

        pub(crate) fn try_write(&self) -> Option<RwLockWriteGuard<'_, T>> {
            match self.0.try_write() {
                Ok(guard) => Some(guard),
                Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
                Err(TryLockError::WouldBlock) => None,
            }
        }
    }
}
