//! Waiting for something to become true, for as long as a slow machine may need.

use std::time::{Duration, Instant};

/// Asks again and again until there is an answer.
#[track_caller]
pub(crate) fn wait_for<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let since = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(since.elapsed() < Duration::from_mins(2), "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The processes of this machine that have a text in their command line.
pub(crate) fn processes_with(text: &str) -> Vec<String> {
    let mut res = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        if line.contains(text) {
            res.push(format!("{}: {line}", entry.file_name().display()));
        }
    }
    res
}
