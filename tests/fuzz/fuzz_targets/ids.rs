#![no_main]

#[path = "../bodies.rs"]
#[expect(dead_code, reason = "every target has its own body")]
mod bodies;

libfuzzer_sys::fuzz_target!(|data: &[u8]| bodies::ids(data));
