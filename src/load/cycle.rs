//! Loads that wait for each other: found before anybody waits, over any number of keys and stores.

use std::sync::Arc;

use super::{Flight, Outcome};
use crate::Bytes;
use crate::sync::thread::ThreadId;
use crate::sync::{Mutex, process_wide};

process_wide! {
    /// Which thread waits for which load, over all stores of the process. Few entries at a time: one
    /// for each thread that waits right now.
    static WAITING: Mutex<Vec<(ThreadId, Arc<Flight>)>> = Mutex::new(Vec::new());
}

/// Waits for the end of a load.
///
/// # Errors
/// The keys of the cycle, if the load (or one that its leader waits for, and so on) is the caller's.
pub(super) fn wait_for(me: ThreadId, flight: &Arc<Flight>) -> Result<Outcome, Vec<Bytes>> {
    {
        let mut waiting = WAITING.lock();
        let mut path = vec![flight.key.clone()];
        let mut next = Arc::clone(flight);
        // A load that has ended keeps nobody waiting, though its leader may wait for another by now.
        while !next.has_ended() {
            if next.leader == me {
                return Err(path);
            }
            let Some((_, awaited)) = waiting.iter().find(|(thread, _)| *thread == next.leader) else { break };
            next = Arc::clone(awaited);
            path.push(next.key.clone());
        }
        waiting.push((me, Arc::clone(flight)));
    }
    let outcome = flight.wait();
    WAITING.lock().retain(|(thread, _)| *thread != me);
    Ok(outcome)
}
