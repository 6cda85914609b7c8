//! See `larder::fuzzing::requests`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| larder::fuzzing::requests(data));
