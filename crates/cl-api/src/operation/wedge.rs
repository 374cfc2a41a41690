//! For tests: threads of the server that do not move any more.

use std::path::PathBuf;
use std::time::Duration;

/// Names the file whose appearance stops the threads that answer requests.
const VARIABLE: &str = "CL_WEDGE";
/// More than there are threads.
const TASKS: usize = 16;

/// Stops every thread of the runtime as soon as the file is there that a test has named.
pub(crate) fn arm() {
    #[expect(
        clippy::disallowed_methods,
        reason = "a test hook, absent from released binaries"
    )]
    let Some(file) = std::env::var_os(VARIABLE).map(PathBuf::from) else {
        return;
    };
    for _ in 0..TASKS {
        let file = file.clone();
        tokio::spawn(async move {
            while !file.exists() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            loop {
                std::thread::park();
            }
        });
    }
}
