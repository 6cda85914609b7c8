//! Waiting for an element, by thread or by task.

mod list;
mod sorted_set;
mod stream;

use std::future::poll_fn;
use std::time::Duration;

use super::Database;

use crate::clock::{NEVER, millis};
use crate::command::blocking::{self, Asker, Attempt, Order, Patience, Served, Start};
use crate::{Bytes, Error, Result};

impl Database {
    /// Waits in this thread; nothing when the timeout has passed.
    fn wait_for(
        &self,
        keys: Vec<Bytes>,
        attempt: Attempt,
        timeout: Option<Duration>,
    ) -> Result<Option<Served>> {
        if self.in_transaction() {
            return self.try_once(&keys, &attempt);
        }
        let deadline = match timeout {
            None => NEVER,
            Some(timeout) => self.space().clock().now().saturating_add(millis_up(timeout)).min(NEVER - 1),
        };
        let patience = if timeout == Some(Duration::ZERO) { Patience::Leaves } else { Patience::Waits };
        match blocking::start(self.space(), self.asker(), keys, attempt, patience, || None)? {
            Start::Served(served) => Ok(Some(served)),
            Start::Nothing => Ok(None),
            Start::Waits(ticket) => ticket.wait(self.space().clock(), deadline, || false),
        }
    }

    /// Waits in this task, without end; in a transaction it is tried once.
    async fn wait_for_async(&self, keys: Vec<Bytes>, attempt: Attempt) -> Result<Option<Served>> {
        if self.in_transaction() {
            return self.try_once(&keys, &attempt);
        }
        match blocking::start(self.space(), self.asker(), keys, attempt, Patience::Waits, || None)? {
            Start::Served(served) => Ok(Some(served)),
            Start::Nothing => Ok(None),
            Start::Waits(ticket) => poll_fn(|context| ticket.poll(NEVER, context)).await,
        }
    }

    fn asker(&self) -> Asker {
        Asker { db: self.index(), leaves_no_trace: false, order: Order::AsNamed }
    }

    /// Within a transaction nobody else can add anything: one try tells.
    fn try_once(&self, keys: &[Bytes], attempt: &Attempt) -> Result<Option<Served>> {
        let names: Vec<_> =
            keys.iter().chain(attempt.destination()).map(|key| self.space().key_ref(key)).collect();
        self.write(&names, |writer| blocking::try_each(writer, keys, attempt, Patience::Leaves))
    }
}

const NOTHING: Error = Error::Invalid("there is nothing to take, and a transaction does not wait");

/// A timeout in milliseconds, at least one if it is not zero.
fn millis_up(timeout: Duration) -> u64 {
    millis(timeout).saturating_add(u64::from(timeout.subsec_nanos() % 1_000_000 > 0))
}
