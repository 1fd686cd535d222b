//! The reference: frames of the same sizes, one after the other, written to as many sockets.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use aerostream::clock;
use anyhow::Context;
use hdrhistogram::Histogram;

/// Bytes that stand in front of a frame: its length and when it was written.
const HEAD: usize = 16;

pub struct Bare {
    /// Of the thread that writes.
    pub cores: f64,
    pub bytes_per_s: f64,
    /// From a frame's writing to its reading.
    pub age_ms: Histogram<u64>,
}

/// Writes frames of these sizes again and again, at the pace at which they came.
pub fn run(frames: &[(Duration, usize)], clients: usize, time: Duration) -> anyhow::Result<Bare> {
    let (Some(first), Some(last)) = (frames.first(), frames.last()) else {
        anyhow::bail!("no frame was seen");
    };
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let readers: Vec<_> = (0..clients)
        .map(|_| thread::spawn(move || read(TcpStream::connect(address)?)))
        .collect();
    let mut sockets = Vec::new();
    for _ in 0..clients {
        sockets.push(listener.accept()?.0);
    }
    // Whole updates: those of the last second may not have been kept to their end.
    let turn = (last.0 - first.0).max(Duration::from_millis(1)) + Duration::from_millis(1);
    let largest = frames.iter().map(|(_, bytes)| *bytes).max().unwrap_or(0);
    let mut buffer = vec![b'x'; largest + HEAD];
    let (began, before) = (Instant::now(), own_cpu_s()?);
    let mut bytes_written = 0;
    'all: for turns in 0.. {
        for (at, bytes) in frames {
            let due = began + turn * turns + *at;
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if began.elapsed() >= time {
                break 'all;
            }
            buffer[..8].copy_from_slice(&(*bytes as u64).to_le_bytes());
            for socket in &mut sockets {
                buffer[8..HEAD].copy_from_slice(&clock::utc_now().0.to_le_bytes());
                socket.write_all(&buffer[..HEAD + bytes])?;
                bytes_written += bytes;
            }
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    let cores = (own_cpu_s()? - before) / seconds;
    drop(sockets);
    let mut age_ms = Histogram::new(3)?;
    for reader in readers {
        let read = reader.join().ok().context("a reader panicked")??;
        age_ms.add(read)?;
    }
    Ok(Bare {
        cores,
        bytes_per_s: bytes_written as f64 / seconds,
        age_ms,
    })
}

fn read(mut stream: TcpStream) -> anyhow::Result<Histogram<u64>> {
    let mut age_ms = Histogram::new(3)?;
    let mut head = [0; HEAD];
    let mut body = Vec::new();
    while stream.read_exact(&mut head).is_ok() {
        let (bytes, at_us) = head.split_at(8);
        let bytes = u64::from_le_bytes(bytes.try_into()?);
        body.resize(usize::try_from(bytes)?, 0);
        stream.read_exact(&mut body)?;
        let age_us = clock::utc_now().0 - i64::from_le_bytes(at_us.try_into()?);
        age_ms.record(u64::try_from(age_us / 1000).unwrap_or(0))?;
    }
    Ok(age_ms)
}

/// Processor seconds of this thread.
fn own_cpu_s() -> anyhow::Result<f64> {
    let stat = std::fs::read_to_string("/proc/thread-self/stat")?;
    let (_, after) = stat.rsplit_once(") ").context("no name in stat")?;
    let fields: Vec<&str> = after.split(' ').collect();
    let ticks = |place: usize| -> anyhow::Result<f64> {
        Ok(fields.get(place).context("stat is short")?.parse()?)
    };
    Ok((ticks(11)? + ticks(12)?) / 100.0)
}
