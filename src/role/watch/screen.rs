//! Standard output, drawn on if it is a terminal.

use std::io::{self, IsTerminal, Write};

use console::Term;

/// Lines and columns of a terminal that does not tell.
const SIZE: (u16, u16) = (24, 80);

/// Where a watch is shown.
pub struct Screen {
    is_live: bool,
    drawn: bool,
}

impl Screen {
    pub fn new() -> Self {
        Self {
            is_live: io::stdout().is_terminal(),
            drawn: false,
        }
    }

    /// True if pictures are drawn over each other.
    pub const fn is_live(&self) -> bool {
        self.is_live
    }

    /// Lines that a picture may have; the last one of the terminal is where the cursor waits.
    pub fn lines(&self) -> usize {
        usize::from(size().0).saturating_sub(1)
    }

    pub fn show(&mut self, text: &str) -> io::Result<()> {
        let mut out = io::stdout().lock();
        if !self.is_live {
            out.write_all(text.as_bytes())?;
            return out.flush();
        }
        // The first picture clears the screen and hides the cursor; each erases only what it does
        // not write over, so that nothing flickers.
        let begin = if self.drawn {
            "\x1b[H"
        } else {
            "\x1b[2J\x1b[H\x1b[?25l"
        };
        self.drawn = true;
        let text = cut(text, self.lines(), usize::from(size().1));
        let text = text.replace('\n', "\x1b[K\n");
        write!(out, "{begin}{text}\x1b[J")?;
        out.flush()
    }

    pub fn leave(&self) {
        if self.drawn {
            // A terminal that is gone needs no cursor.
            let _ = writeln!(io::stdout().lock(), "\x1b[?25h");
        }
    }
}

fn size() -> (u16, u16) {
    Term::stdout().size_checked().unwrap_or(SIZE)
}

/// What a terminal has room for: a longer picture would scroll its head away, a longer line would
/// take the place of two.
fn cut(text: &str, lines_max: usize, columns: usize) -> String {
    let lines = text.lines().count();
    let shown = if lines > lines_max {
        lines_max.saturating_sub(1)
    } else {
        lines
    };
    let mut fitting = String::with_capacity(text.len());
    for line in text.lines().take(shown) {
        fitting.extend(line.chars().take(columns));
        fitting.push('\n');
    }
    if shown < lines {
        fitting.push_str(&format!("{} lines more\n", lines - shown));
    }
    fitting
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_cut_to_the_terminal_and_says_so() {
        assert_eq!(cut("a\nb\nc\n", 3, 10), "a\nb\nc\n");
        assert_eq!(cut("a\nb\nc\n", 2, 10), "a\n2 lines more\n");
        assert_eq!(cut("abcdef\nü\n", 5, 3), "abc\nü\n");
    }
}
