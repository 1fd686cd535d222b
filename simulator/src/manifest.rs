//! The manifest: one line for each sample that was acknowledged, written by a thread of its own.
//!
//! First line `# aerostream-manifest v1`; then `drone_id boot seq content_hash`, boot and hash as
//! 16 hexadecimal digits, seq decimal. A sample has one line, however often it was acknowledged.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::thread::JoinHandle;

use tokio::sync::mpsc;

use crate::lane::Receipt;

/// First line of every manifest.
pub const HEADER: &str = "# aerostream-manifest v1";

/// Receipts that may wait for the disk.
const RECEIPTS_MAX: usize = 4096;
const BUFFER_BYTES: usize = 1 << 18;

/// The thread that writes.
#[derive(Debug)]
pub struct Writer {
    receipts: mpsc::Sender<Receipt>,
    thread: JoinHandle<io::Result<u64>>,
}

impl Writer {
    /// Opens the file and starts the thread.
    ///
    /// # Errors
    /// If the file cannot be opened or its first line not be written.
    pub fn start(path: &Path, append: bool) -> io::Result<Self> {
        let file = OpenOptions::new()
            .create(true)
            .write(true)
            .append(append)
            .truncate(!append)
            .open(path)?;
        let begun = append && file.metadata()?.len() > 0;
        let mut out = BufWriter::with_capacity(BUFFER_BYTES, file);
        if !begun {
            writeln!(out, "{HEADER}")?;
        }
        let (receipts, taken) = mpsc::channel(RECEIPTS_MAX);
        let thread = std::thread::Builder::new()
            .name("manifest".to_owned())
            .spawn(move || write_all(out, taken))?;
        Ok(Self { receipts, thread })
    }

    /// Where receipts go.
    #[must_use]
    pub fn sender(&self) -> mpsc::Sender<Receipt> {
        self.receipts.clone()
    }

    /// Waits until every receipt is on the disk, and tells how many lines that were. All senders
    /// must be gone by then.
    ///
    /// # Errors
    /// The first error of the disk.
    pub async fn finish(self) -> io::Result<u64> {
        drop(self.receipts);
        let joined = tokio::task::spawn_blocking(|| self.thread.join()).await;
        match joined {
            Ok(Ok(written)) => written,
            _ => Err(io::Error::other("the thread that writes it failed")),
        }
    }
}

fn write_all(mut out: BufWriter<File>, mut taken: mpsc::Receiver<Receipt>) -> io::Result<u64> {
    let mut lines = 0;
    while let Some(receipt) = taken.blocking_recv() {
        for (seq, hash) in &receipt.samples {
            let (drone, boot) = (&receipt.drone, receipt.boot.0);
            writeln!(out, "{drone} {boot:016x} {seq} {hash:016x}")?;
        }
        lines += receipt.samples.len() as u64;
    }
    out.flush()?;
    out.get_ref().sync_all()?;
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use aerostream_domain::{BootId, DroneId};

    use super::*;

    #[tokio::test]
    async fn runs_share_a_manifest_in_append_mode() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("manifest");
        for (append, seq) in [(false, 1), (true, 2), (true, 3)] {
            let writer = Writer::start(&path, append).unwrap();
            let receipt = Receipt {
                drone: DroneId::parse("a").unwrap(),
                boot: BootId(255),
                samples: vec![(seq, 0xabc)],
            };
            writer.sender().send(receipt).await.unwrap();
            assert_eq!(writer.finish().await.unwrap(), 1);
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let line = |seq| format!("a 00000000000000ff {seq} 0000000000000abc\n");
        assert_eq!(text, format!("{HEADER}\n{}{}{}", line(1), line(2), line(3)));
    }
}
