//! Loads that wait for each other: found before anybody waits, over any number of keys and stores.

use std::sync::{Arc, Mutex, PoisonError};

use super::{Flight, Outcome};
use crate::Bytes;
use crate::sync::thread::ThreadId;

/// Which thread waits for which load, over all stores of the process. Few entries at a time: one
/// for each thread that waits right now.
static WAITING: Mutex<Vec<(ThreadId, Arc<Flight>)>> = Mutex::new(Vec::new());

/// Waits for the end of a load.
///
/// # Errors
/// The keys of the cycle, if the load (or one that its leader waits for, and so on) is the caller's.
pub(super) fn wait_for(me: ThreadId, flight: &Arc<Flight>) -> Result<Outcome, Vec<Bytes>> {
    {
        // Nothing under this lock can panic; were it poisoned, the list would still be right.
        let mut waiting = WAITING.lock().unwrap_or_else(PoisonError::into_inner);
        let mut path = vec![flight.key.clone()];
        let mut next = Arc::clone(flight);
        while next.leader != me {
            match waiting.iter().find(|(thread, _)| *thread == next.leader) {
                Some((_, awaited)) => next = Arc::clone(awaited),
                None => break,
            }
            path.push(next.key.clone());
        }
        if next.leader == me {
            return Err(path);
        }
        waiting.push((me, Arc::clone(flight)));
    }
    let outcome = flight.wait();
    WAITING.lock().unwrap_or_else(PoisonError::into_inner).retain(|(thread, _)| *thread != me);
    Ok(outcome)
}
