//! A message in the words of the domain: groups with units where it has them, extras for the rest.
//!
//! A field goes into a group if a column can hold it; a value that stands for "unknown" becomes an
//! absent field; whatever remains is an extra with its exact value and its own name. A group of
//! live state is replaced as a whole, so each group has one message that tells it; what others know
//! of it stays in their extras (ADR 9).

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

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::sync::Arc;

    use super::*;
    use crate::message::Sender;
    use crate::recording::{Format, Item, Messages};

    fn messages(format: Format, bytes: &[u8]) -> Vec<Message> {
        let mut reader = Messages::new(format, bytes);
        let mut messages = Vec::new();
        while let Some(item) = reader.read_next().unwrap() {
            match item {
                Item::Message(placed) => messages.push(placed.message),
                other => panic!("{other:?}"),
            }
        }
        messages
    }

    fn groups(content: &Content) -> Vec<String> {
        let one = [
            ("position", content.position.is_some()),
            ("velocity", content.velocity.is_some()),
            ("attitude", content.attitude.is_some()),
            ("link", content.link.is_some()),
            ("home", content.home.is_some()),
            ("mission", content.mission.is_some()),
            ("health", content.health.is_some()),
            ("wind", content.wind.is_some()),
            ("state", content.state.is_some()),
            ("text", content.text.is_some()),
        ];
        let one = one.iter().filter(|(_, there)| *there);
        let one = one.map(|(name, _)| (*name).to_owned());
        let packs = content.battery.iter();
        one.chain(packs.map(|pack| format!("battery {}", pack.id)))
            .collect()
    }

    #[test]
    fn each_group_of_a_sender_is_told_by_one_message() {
        let tlog = include_bytes!("../../tests/flights/ardusub-2024-04-22.tlog");
        let ulog = include_bytes!("../../tests/flights/px4-sitl-events.ulg");
        for (format, bytes) in [(Format::Tlog, &tlog[..]), (Format::Ulog, &ulog[..])] {
            let messages = messages(format, bytes);
            let mut kinds: BTreeMap<Sender, Kinds> = BTreeMap::new();
            for message in &messages {
                let of_sender = kinds.entry(message.sender).or_default();
                *of_sender.entry(Arc::clone(&message.name)).or_default() += 1;
            }
            let mut tellers: BTreeMap<(Sender, String), BTreeSet<String>> = BTreeMap::new();
            for message in &messages {
                let content = of(message, &kinds[&message.sender]).unwrap();
                for group in groups(&content) {
                    let tellers = tellers.entry((message.sender, group)).or_default();
                    tellers.insert(message.name.to_string());
                }
            }
            assert!(tellers.len() > 6, "{tellers:?}");
            assert!(tellers.values().all(|it| it.len() == 1), "{tellers:?}");
        }
    }
}
