//! Bytes of a recording with a window to look ahead in, of bounded size.

use std::io::{self, Read};

/// A whole message of either format fits in, with the beginning of the next.
pub const WINDOW_BYTES: usize = 1 << 17;

/// Bytes to look at before they are taken.
#[derive(Debug)]
pub struct Source<R> {
    inner: R,
    window: Vec<u8>,
    begin: usize,
    offset: u64,
    ended: bool,
}

impl<R: Read> Source<R> {
    pub fn new(inner: R) -> Self {
        Self {
            inner,
            window: Vec::new(),
            begin: 0,
            offset: 0,
            ended: false,
        }
    }

    /// Where the window begins.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The next bytes: at least `wanted` of them, fewer only before the end. At most
    /// [`WINDOW_BYTES`] may be wanted.
    ///
    /// # Errors
    /// The recording cannot be read.
    pub fn look(&mut self, wanted: usize) -> io::Result<&[u8]> {
        debug_assert!(wanted <= WINDOW_BYTES, "more than a window");
        if self.window.len() - self.begin < wanted && !self.ended {
            self.window.drain(..self.begin);
            self.begin = 0;
            let missing = WINDOW_BYTES - self.window.len();
            let mut limited = (&mut self.inner).take(missing as u64);
            self.ended = limited.read_to_end(&mut self.window)? < missing;
        }
        Ok(&self.window[self.begin..])
    }

    /// What is left of the window.
    #[must_use]
    pub fn window(&self) -> &[u8] {
        &self.window[self.begin..]
    }

    /// What is left of the window after some of it.
    #[must_use]
    pub fn window_from(&self, bytes: usize) -> &[u8] {
        self.window().get(bytes..).unwrap_or_default()
    }

    /// Takes bytes that were looked at.
    pub fn take(&mut self, bytes: usize) {
        debug_assert!(bytes <= self.window().len(), "more than was looked at");
        self.begin += bytes;
        self.offset += bytes as u64;
    }
}
