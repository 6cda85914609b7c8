//! How long a thread waited for its turn on a processor, while it had something to do. Linux only.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::Duration;

/// The calling thread's account.
pub struct Turns {
    file: File,
    last: Duration,
}

impl Turns {
    pub fn of_this_thread() -> Self {
        let file =
            File::open("/proc/thread-self/schedstat").expect("Linux, with its statistics of the scheduler");
        let mut turns = Turns { file, last: Duration::ZERO };
        turns.waited();
        turns
    }

    /// What it has waited since this was last asked.
    pub fn waited(&mut self) -> Duration {
        let mut text = [0; 128];
        let length = self.file.read_at(&mut text, 0).expect("can be read");
        let fields = std::str::from_utf8(&text[..length]).expect("is text").split_whitespace();
        // Time that it ran, time that it waited, how often it had a turn.
        let nanos = fields.skip(1).find_map(|field| field.parse().ok()).expect("three numbers");
        let now = Duration::from_nanos(nanos);
        now - std::mem::replace(&mut self.last, now)
    }
}
