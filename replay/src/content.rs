//! A message in the words of the domain: groups with units where it has them, extras for the rest.
//!
//! A field goes into a group if a column can hold it; a value that stands for "unknown" becomes an
//! absent field; whatever remains is an extra with its exact value and its own name. A group of live
//! state is replaced as a whole, so each group has one message that tells it; what others know of it
//! stays in their extras (ADR 9).

mod draft;
mod extras;
mod mavlink;
mod modes;
mod px4;

use aerostream_domain::sample::Content;
use aerostream_domain::validate;

use crate::message::{Message, Vocabulary};
use crate::survey::Kinds;
use draft::Draft;

/// A message holds more than a sample can.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name} holds more than a sample can: {detail}")]
pub struct TooMuch {
    pub name: String,
    pub detail: String,
}

/// What a message says; `kinds` are all that its sender sent.
///
/// # Errors
/// It holds more than a sample can.
pub fn of(message: &Message, kinds: &Kinds) -> Result<Content, TooMuch> {
    let mut draft = Draft::new(message, kinds);
    match message.vocabulary {
        Vocabulary::Mavlink => mavlink::fill(&mut draft),
        Vocabulary::Px4 => px4::fill(&mut draft),
    }
    let content = finish(draft)?;
    if validate::content(&content).is_ok() {
        return Ok(content);
    }
    // A group that says what no sample may: the message goes as it is.
    let content = finish(Draft::new(message, kinds))?;
    match validate::content(&content) {
        Ok(()) => Ok(content),
        Err(refusal) => Err(TooMuch {
            name: message.name.to_string(),
            detail: refusal.to_string(),
        }),
    }
}

fn finish(draft: Draft<'_>) -> Result<Content, TooMuch> {
    let message = draft.message;
    let (mut content, left) = draft.finish();
    content.kind = message.name.to_string();
    content.raw.clone_from(&message.raw);
    content.extras = extras::pack(left).map_err(|detail| TooMuch {
        name: message.name.to_string(),
        detail,
    })?;
    Ok(content)
}
