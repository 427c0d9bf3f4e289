//! A few buffers that go round between a thread that fills them and one that uses them up: reading, decompressing and
//! writing at the same time, in little memory.

use std::io::Read;
use std::ops::{Deref, DerefMut};
use std::sync::mpsc::sync_channel;

/// The size of a buffer, and of all writes but the last. Larger ones make no device faster.
pub(crate) const CHUNK: usize = 4 << 20;
/// What direct I/O wants buffers, places and lengths to be a multiple of, on any disk.
pub(crate) const ALIGN: usize = 4096;
/// One is filled, one is used, one waits.
const COUNT: usize = 3;

/// Memory that direct I/O takes; it derefs to the part that is filled.
#[derive(Debug)]
pub(crate) struct Buffer {
    memory: Vec<u8>,
    start: usize,
    len: usize,
}

impl Buffer {
    pub(crate) fn new() -> Buffer {
        let memory = vec![0; CHUNK + ALIGN];
        let start = memory.as_ptr().align_offset(ALIGN);
        Buffer { memory, start, len: 0 }
    }

    /// So many bytes, from a reader or as they are.
    pub(crate) fn resize(&mut self, len: usize) {
        self.len = len.min(CHUNK);
    }

    /// Reads until it is full or the reader is at its end.
    pub(crate) fn read_from(&mut self, reader: &mut dyn Read) -> std::io::Result<()> {
        self.len = CHUNK;
        let mut filled = 0;
        while filled < CHUNK {
            match reader.read(&mut self[filled..]) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.len = filled;
        Ok(())
    }

    /// Zeros up to a multiple of `sector`, which divides [`ALIGN`].
    pub(crate) fn pad(&mut self, sector: usize) {
        let used = self.len;
        self.resize(used.next_multiple_of(sector));
        self[used..].fill(0);
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.memory[self.start..self.start + self.len]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.memory[self.start..self.start + self.len]
    }
}

/// Fills buffers in a thread, uses them up in this one, in their order. A buffer that is not full is the last.
///
/// # Errors
/// The first of either side; the other one ends.
pub(crate) fn pipeline(
    fill: &mut (dyn FnMut(&mut Buffer) -> anyhow::Result<()> + Send),
    consume: &mut dyn FnMut(&mut Buffer) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let (hand_on, ready) = sync_channel::<Buffer>(COUNT);
    let (give_back, free) = sync_channel::<Buffer>(COUNT);
    std::thread::scope(|scope| {
        let filler = scope.spawn(move || -> anyhow::Result<()> {
            for n in 0.. {
                let mut buffer = if n < COUNT {
                    Buffer::new()
                } else {
                    let Ok(buffer) = free.recv() else { return Ok(()) };
                    buffer
                };
                fill(&mut buffer)?;
                let last = buffer.len() < CHUNK;
                if hand_on.send(buffer).is_err() || last {
                    return Ok(());
                }
            }
            Ok(())
        });
        let mut consumed = Ok(());
        for mut buffer in ready {
            consumed = consume(&mut buffer);
            if consumed.is_err() {
                break;
            }
            // Who has filled the last one does not want it back.
            drop(give_back.send(buffer));
        }
        drop(give_back);
        let read = filler.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        consumed.and(read)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fills with the chunk's number, `size` bytes in all.
    fn numbers(size: usize) -> impl FnMut(&mut Buffer) -> anyhow::Result<()> + Send {
        let mut done = 0;
        move |buffer| {
            buffer.resize((size - done).min(CHUNK));
            buffer.fill_with_number(done / CHUNK);
            done += buffer.len();
            Ok(())
        }
    }

    impl Buffer {
        fn fill_with_number(&mut self, number: usize) {
            self.iter_mut().for_each(|it| *it = u8::try_from(number).unwrap());
        }
    }

    #[test]
    fn buffers_come_in_order_and_aligned() {
        for size in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 9 * CHUNK, 9 * CHUNK + 5] {
            let mut seen = 0;
            pipeline(&mut numbers(size), &mut |buffer| {
                assert_eq!(buffer.as_ptr().align_offset(ALIGN), 0);
                assert!(buffer.iter().all(|it| usize::from(*it) == seen / CHUNK));
                seen += buffer.len();
                Ok(())
            })
            .unwrap();
            assert_eq!(seen, size);
        }
    }

    #[test]
    fn an_error_on_either_side_ends_both() {
        let mut rounds = 0;
        let failed = pipeline(&mut numbers(20 * CHUNK), &mut |_| {
            rounds += 1;
            anyhow::ensure!(rounds < 7, "no more");
            Ok(())
        });
        assert_eq!((failed.unwrap_err().to_string(), rounds), ("no more".to_owned(), 7));
        let mut good = numbers(20 * CHUNK);
        let mut filled = 0;
        let failed = pipeline(
            &mut |buffer| {
                filled += 1;
                anyhow::ensure!(filled < 7, "nothing left");
                good(buffer)
            },
            &mut |_| Ok(()),
        );
        assert_eq!(failed.unwrap_err().to_string(), "nothing left");
    }

    #[test]
    fn padding_is_zero() {
        let mut buffer = Buffer::new();
        buffer.resize(CHUNK);
        buffer.fill_with_number(7);
        buffer.resize(4097);
        buffer.pad(512);
        assert_eq!((buffer.len(), buffer[4096], buffer[4097], buffer[4607]), (4608, 7, 0, 0));
        buffer.pad(512);
        assert_eq!(buffer.len(), 4608);
    }
}
