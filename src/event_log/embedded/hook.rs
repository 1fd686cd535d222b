//! A place between the log and its disk, where tests watch and break things.

use std::io;

/// Called by the writer around each group; an error stands for that of the disk.
pub trait DiskHook: Send + Sync + 'static {
    /// Before a group of `records` is written.
    fn before_write(&self, _records: usize) -> io::Result<()> {
        Ok(())
    }

    /// After a group was written and before it is synced.
    fn before_sync(&self) -> io::Result<()> {
        Ok(())
    }

    /// After a group was synced and before readers see it and callers are answered.
    fn after_sync(&self) {}

    /// Bytes that are left on the disk, given what the system says.
    fn free_bytes(&self, real: u64) -> u64 {
        real
    }
}

/// The disk as it is.
#[derive(Debug, Clone, Copy, Default)]
pub struct PlainDisk;

impl DiskHook for PlainDisk {}
