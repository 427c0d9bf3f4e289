//! A link between client and server that can be bad.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// What is wrong with the link.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    /// So many connections are answered with this, and closed: all, or every second one.
    pub(crate) refuse: AtomicUsize,
    pub(crate) every_second: bool,
    pub(crate) with: &'static str,
    /// So many connections are cut after a while.
    pub(crate) cut: AtomicUsize,
    /// How many bytes pass before a cut.
    pub(crate) cut_after: u64,
    /// Pause after each piece that the client sends, in milliseconds.
    pub(crate) slow: AtomicU64,
    /// Bytes that the client sent.
    pub(crate) sent: AtomicU64,
    /// Connections that were made.
    pub(crate) connections: AtomicUsize,
    /// And those that are still there.
    pub(crate) open: AtomicUsize,
    /// Whoever writes to an address with this in it waits as long as that is set.
    pub(crate) hold: AtomicBool,
    pub(crate) hold_at: &'static str,
    /// So many have waited.
    pub(crate) held: AtomicUsize,
}

/// Listens for as long as the test runs.
pub(crate) fn start(server: &str, faults: &Arc<Faults>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (server, faults) = (server.to_owned(), Arc::clone(faults));
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let (server, faults) = (server.clone(), Arc::clone(&faults));
            faults.open.fetch_add(1, Ordering::Relaxed);
            // Clients that go away end their threads.
            std::thread::spawn(move || {
                drop(client.and_then(|it| serve(it, &server, &faults)));
                faults.open.fetch_sub(1, Ordering::Relaxed);
            });
        }
    });
    address
}

fn one_of(count: &AtomicUsize) -> bool {
    count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |it| it.checked_sub(1)).is_ok()
}

fn serve(mut client: TcpStream, server: &str, faults: &Faults) -> std::io::Result<()> {
    let number = faults.connections.fetch_add(1, Ordering::Relaxed);
    client.set_nodelay(true)?;
    if (!faults.every_second || number.is_multiple_of(2)) && one_of(&faults.refuse) {
        // All of a small request: a close with unread bytes would take the answer away. Its beginning may take its time.
        client.read_exact(&mut [0; 1])?;
        client.set_read_timeout(Some(Duration::from_millis(200)))?;
        while client.read(&mut [0; 16_384]).is_ok_and(|it| it > 0) {}
        client.write_all(faults.with.as_bytes())?;
        return client.shutdown(Shutdown::Write);
    }
    let mut left = if one_of(&faults.cut) { faults.cut_after } else { u64::MAX };
    let mut server = TcpStream::connect(server)?;
    server.set_nodelay(true)?;
    let (mut from, mut to) = (server.try_clone()?, client.try_clone()?);
    let back = std::thread::spawn(move || {
        drop(std::io::copy(&mut from, &mut to));
        drop(to.shutdown(Shutdown::Both));
    });
    let mut buffer = [0; 16_384];
    loop {
        let size = client.read(&mut buffer)?;
        if size == 0 || size as u64 > left {
            break;
        }
        let line = buffer[..size].split(|it| *it == b'\r').next().unwrap_or_default();
        let line = String::from_utf8_lossy(line);
        if line.starts_with("PUT ") && line.contains(faults.hold_at) && faults.hold.load(Ordering::Relaxed) {
            faults.held.fetch_add(1, Ordering::Relaxed);
            while faults.hold.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        left -= size as u64;
        faults.sent.fetch_add(size as u64, Ordering::Relaxed);
        server.write_all(&buffer[..size])?;
        let slow = faults.slow.load(Ordering::Relaxed);
        if slow > 0 {
            std::thread::sleep(Duration::from_millis(slow));
        }
    }
    drop((server.shutdown(Shutdown::Both), client.shutdown(Shutdown::Both)));
    drop(back.join());
    Ok(())
}
