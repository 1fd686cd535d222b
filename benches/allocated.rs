//! How much memory is allocated now, and how much is resident.
#![expect(unsafe_code, reason = "an allocator has no safe interface")]

use std::alloc::{GlobalAlloc, Layout};
use std::sync::atomic::{AtomicIsize, Ordering};

use anyhow::Context;
use mimalloc::MiMalloc;

static LIVE: AtomicIsize = AtomicIsize::new(0);

/// The allocator of the binary, with a counter in front.
pub struct Counting;

// SAFETY: every call goes to `MiMalloc` with the arguments as they came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size() as isize, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { MiMalloc.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size() as isize, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { MiMalloc.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        LIVE.fetch_add(size as isize - layout.size() as isize, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `realloc`.
        unsafe { MiMalloc.realloc(pointer, layout, size) }
    }
}

/// Memory of this process at one moment, bytes.
#[derive(Debug, Clone, Copy)]
pub struct Memory {
    pub allocated: f64,
    pub resident: f64,
}

/// Memory of this process now.
pub fn memory() -> anyhow::Result<Memory> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = resident
        .and_then(|it| it.split_whitespace().next())
        .context("no VmRSS")?;
    let resident = kib.parse::<f64>()? * 1024.0;
    Ok(Memory {
        allocated: LIVE.load(Ordering::Relaxed) as f64,
        resident,
    })
}
