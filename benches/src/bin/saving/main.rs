//! Snapshots: what writers and memory feel of one, and how long saving and loading take.
//!
//! `saving [MEGABYTES [VALKEY]]`: two threads write without a pause to so much data (1000 by default) while it is
//! saved, and each snapshot is loaded to see that it is of one instant. Then a million small keys are saved and loaded,
//! beside the `valkey-server` or `redis-server` given. The files go to the folder for temporary ones. Linux only.

mod instant;
mod speed;

use std::env;

fn main() {
    let mut arguments = env::args().skip(1).peekable();
    if arguments.next_if(|first| first == instant::CHECK).is_some() {
        return instant::check_sum(&arguments.next().expect("a file"));
    }
    let megabytes = arguments.next().map_or(1000, |number| number.parse().expect("a number of megabytes"));
    let server = arguments.next();
    if megabytes > 0 {
        instant::run(megabytes);
    }
    speed::run(server.as_deref());
}
