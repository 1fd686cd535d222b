//! `aerostream config`: what is in effect, and what could be set.

use std::io::{self, Write};

use crate::config::{Error, Loaded, REFERENCE};

/// Of `aerostream config`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Prints every setting with its meaning and default instead
    #[arg(long)]
    reference: bool,
}

/// The reference needs no valid settings, so they are loaded only when they are asked for.
pub fn run(
    arguments: &Arguments,
    load: impl FnOnce() -> Result<Loaded, Error>,
) -> anyhow::Result<()> {
    let text = if arguments.reference {
        REFERENCE.to_owned()
    } else {
        load()?.effective()
    };
    io::stdout().write_all(text.as_bytes())?;
    Ok(())
}
