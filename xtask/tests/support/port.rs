//! Ports for servers that cannot say which one the kernel has given them.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU32, Ordering};

/// Nobody listens on it, and nobody gets it by chance: whoever asks the kernel for any port, as each connection does,
/// is given a higher one.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let next = std::process::id() % 200 * 100 + NEXT.fetch_add(1, Ordering::Relaxed);
        let port = u16::try_from(10_000 + next % 20_000).unwrap();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
