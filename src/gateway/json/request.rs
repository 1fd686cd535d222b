//! Reads a JSON request: one lone sample, a batch, or batches of several drones. A sample that is
//! wrong costs nobody but itself.

use std::borrow::Cow;

use aerostream_domain::validate::BATCH_SAMPLES_MAX;
use aerostream_domain::{Refusal, RefusalCode};
use aerostream_proto::v1;
use bytes::Bytes;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::enums::Object;
use super::shape::{Batch, Batches, Sample};
use crate::error::{ErrorCode, Problem};
use crate::gateway::ingest::{Incoming, Raw, Unread};

/// What the client sent, which decides how it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// One lone sample.
    Single,
    /// One batch.
    Batch,
    /// Several batches.
    Batches,
}

/// A request that is JSON.
#[derive(Debug)]
pub struct Request {
    pub shape: Shape,
    pub batches: Vec<Incoming>,
}

/// Reads a body.
///
/// # Errors
/// It is not JSON, or has more in it than is taken at once.
pub fn read(body: &Bytes) -> Result<Request, Problem> {
    match read_strict(body) {
        Err(problem) if problem.code == ErrorCode::Malformed => match quote_non_numbers(body) {
            // Some languages write NaN as a bare word. With it quoted the rest can be read.
            Some(quoted) => read_strict(&quoted),
            None => Err(problem),
        },
        read => read,
    }
}

fn read_strict(body: &Bytes) -> Result<Request, Problem> {
    let text = std::str::from_utf8(body).map_err(|error| {
        let detail = format!(
            "the body must be UTF-8; byte {} is not",
            error.valid_up_to()
        );
        Problem::new(ErrorCode::Malformed, detail)
    })?;
    if !text.trim_start().starts_with('{') {
        let detail = "the body must be a JSON object";
        return Err(Problem::new(ErrorCode::Malformed, detail));
    }
    let shape = shape_of(text)?;
    let batches = match shape {
        Shape::Single => vec![single(body, text)?],
        Shape::Batch => vec![batch(body, text)],
        Shape::Batches => batches(body, text)?,
    };
    let samples: usize = batches.iter().map(Incoming::samples).sum();
    if shape == Shape::Batches && samples > BATCH_SAMPLES_MAX {
        let detail = format!(
            "a request may have at most {BATCH_SAMPLES_MAX} samples in all; it has {samples}"
        );
        return Err(Problem::new(ErrorCode::TooLarge, detail).at("batches"));
    }
    Ok(Request { shape, batches })
}

#[derive(Deserialize)]
struct Outline {
    samples: Option<IgnoredAny>,
    batches: Option<IgnoredAny>,
}

fn shape_of(text: &str) -> Result<Shape, Problem> {
    if !text.contains("\"samples\"") && !text.contains("\"batches\"") {
        return Ok(Shape::Single);
    }
    let outline: Outline = serde_json::from_str(text).map_err(|error| malformed(&error))?;
    Ok(match outline {
        Outline {
            batches: Some(_), ..
        } => Shape::Batches,
        Outline {
            samples: Some(_), ..
        } => Shape::Batch,
        _ => Shape::Single,
    })
}

fn malformed(error: &serde_json::Error) -> Problem {
    let detail = format!("the body must be a JSON object: {error}");
    Problem::new(ErrorCode::Malformed, detail)
}

/// What of an object can be told although it is wrong as a whole.
#[derive(Default)]
struct Glimpse {
    seq: Option<u64>,
    drone_id: String,
    boot: Option<u64>,
    batch_id: u64,
}

fn glimpse(text: &str) -> Glimpse {
    let Ok(value) = serde_json::from_str::<serde_json::Value>(text) else {
        return Glimpse::default();
    };
    let whole = |name: &str| {
        let value = value.get(name)?;
        value
            .as_u64()
            .or_else(|| value.as_str().and_then(|text| text.parse().ok()))
    };
    Glimpse {
        seq: whole("seq"),
        drone_id: value
            .get("drone_id")
            .and_then(serde_json::Value::as_str)
            .unwrap_or_default()
            .to_owned(),
        boot: whole("boot"),
        batch_id: whole("batch_id").unwrap_or_default(),
    }
}

impl Glimpse {
    fn batch(self) -> v1::Batch {
        v1::Batch {
            batch_id: self.batch_id,
            drone_id: self.drone_id,
            boot: self.boot,
            ..v1::Batch::default()
        }
    }
}

/// Says where a text is wrong; reading it again with paths costs only those who sent it.
fn refusal<'a, T: Deserialize<'a>>(text: &'a str, error: &serde_json::Error) -> Refusal {
    let deserializer = &mut serde_json::Deserializer::from_str(text);
    let traced = serde_path_to_error::deserialize::<_, T>(deserializer).err();
    let path = traced.as_ref().map(|traced| traced.path().to_string());
    let message = traced.map_or_else(|| error.to_string(), |traced| traced.inner().to_string());
    let detail = message
        .rfind(" at line ")
        .map_or(message.as_str(), |end| &message[..end]);
    let code = if detail.starts_with("unknown field") {
        RefusalCode::Unexpected
    } else if detail.starts_with("missing field") {
        RefusalCode::Missing
    } else if detail.starts_with("invalid value: integer") {
        RefusalCode::OutOfRange
    } else {
        RefusalCode::Malformed
    };
    Refusal {
        code,
        field: path.filter(|path| path != ".").unwrap_or_default(),
        detail: detail.to_owned(),
    }
}

fn single(body: &Bytes, text: &str) -> Result<Incoming, Problem> {
    let raw = Raw::Json(vec![body.clone()]);
    let mut sample = match serde_json::from_str::<Sample>(text) {
        Ok(sample) => sample,
        Err(error) if error.is_data() => {
            let glimpse = glimpse(text);
            let unread = Unread {
                index: 0,
                seq: glimpse.seq,
                refusal: refusal::<Sample>(text, &error),
            };
            return Ok(Incoming {
                batch: glimpse.batch(),
                unread: vec![unread],
                misread: None,
                raw,
            });
        }
        Err(error) => return Err(malformed(&error)),
    };
    let batch = v1::Batch {
        batch_id: sample.batch_id.map_or(0, |id| id.0),
        drone_id: sample.drone_id.take().unwrap_or_default(),
        boot: sample.boot.map(|boot| boot.0),
        sent_at_boot_us: sample.sent_at_boot_us,
        samples: Vec::new(),
    };
    let (samples, unread) = match consistent(&sample) {
        Ok(()) => (vec![sample.into()], Vec::new()),
        Err(refusal) => {
            let seq = sample.seq;
            let index = 0;
            (
                Vec::new(),
                vec![Unread {
                    index,
                    seq,
                    refusal,
                }],
            )
        }
    };
    Ok(Incoming {
        batch: v1::Batch { samples, ..batch },
        unread,
        misread: None,
        raw,
    })
}

/// What the types cannot say: things that exclude each other.
fn consistent(sample: &Sample) -> Result<(), Refusal> {
    let unexpected = |field: String, detail: &str| Refusal {
        code: RefusalCode::Unexpected,
        field,
        detail: detail.to_owned(),
    };
    if sample.time.is_some() && sample.utc_us.is_some() {
        let detail = "`time` and `utc_us` are the same thing; give one of them";
        return Err(unexpected("time".to_owned(), detail));
    }
    for (place, extra) in sample.extras.iter().enumerate() {
        let extra = &extra.0;
        let kinds = [
            extra.number.is_some(),
            extra.integer.is_some(),
            extra.flag.is_some(),
            extra.text.is_some(),
        ];
        if kinds.iter().filter(|kind| **kind).count() > 1 {
            let detail = "give exactly one of number, integer, flag and text";
            return Err(unexpected(format!("extras[{place}]"), detail));
        }
    }
    Ok(())
}

fn member(raw: &RawValue) -> Result<v1::Sample, Unread> {
    let text = raw.get();
    let wrong = |refusal| Unread {
        index: 0,
        seq: glimpse(text).seq,
        refusal,
    };
    let Object(sample) = serde_json::from_str::<Object<Sample>>(text)
        .map_err(|error| wrong(refusal::<Object<Sample>>(text, &error)))?;
    let envelope = [
        ("drone_id", sample.drone_id.is_some()),
        ("boot", sample.boot.is_some()),
        ("sent_at_boot_us", sample.sent_at_boot_us.is_some()),
        ("batch_id", sample.batch_id.is_some()),
    ];
    if let Some((field, _)) = envelope.iter().find(|(_, given)| *given) {
        return Err(wrong(Refusal {
            code: RefusalCode::Unexpected,
            field: (*field).to_owned(),
            detail: format!("`{field}` belongs to the batch, not to its samples"),
        }));
    }
    consistent(&sample).map_err(wrong)?;
    Ok(sample.into())
}

fn batch(body: &Bytes, text: &str) -> Incoming {
    let Object(read) = match serde_json::from_str::<Object<Batch<'_>>>(text) {
        Ok(read) => read,
        Err(error) => {
            let refusal = refusal::<Object<Batch<'_>>>(text, &error);
            return misread(body, text, refusal);
        }
    };
    let count = read.samples.len();
    if count > BATCH_SAMPLES_MAX {
        let refusal = Refusal {
            code: RefusalCode::TooLong,
            field: "samples".to_owned(),
            detail: format!("must be 1 to {BATCH_SAMPLES_MAX} samples; there are {count}"),
        };
        return misread(body, text, refusal);
    }
    let mut samples = Vec::with_capacity(count);
    let mut unread = Vec::new();
    for (index, sample) in (0..).zip(&read.samples) {
        match member(sample) {
            Ok(sample) => samples.push(sample),
            Err(wrong) => unread.push(Unread { index, ..wrong }),
        }
    }
    let slice = |sample: &&RawValue| body.slice_ref(sample.get().as_bytes());
    let raw = Raw::Json(read.samples.iter().map(slice).collect());
    let batch = v1::Batch {
        batch_id: read.batch_id.map_or(0, |id| id.0),
        drone_id: read.drone_id.unwrap_or_default(),
        boot: read.boot.map(|boot| boot.0),
        sent_at_boot_us: read.sent_at_boot_us,
        samples,
    };
    Incoming {
        batch,
        unread,
        misread: None,
        raw,
    }
}

fn misread(body: &Bytes, text: &str, refusal: Refusal) -> Incoming {
    Incoming {
        batch: glimpse(text).batch(),
        unread: Vec::new(),
        misread: Some(refusal),
        raw: Raw::Json(vec![body.slice_ref(text.as_bytes())]),
    }
}

fn batches(body: &Bytes, text: &str) -> Result<Vec<Incoming>, Problem> {
    let read: Batches<'_> = serde_json::from_str(text).map_err(|error| {
        let refusal = refusal::<Batches<'_>>(text, &error);
        Problem::new(ErrorCode::Invalid, refusal.detail).at(refusal.field)
    })?;
    let count = read.batches.len();
    if count == 0 || count > BATCH_SAMPLES_MAX {
        let detail = format!("must be 1 to {BATCH_SAMPLES_MAX} batches; there are {count}");
        let code = if count == 0 {
            ErrorCode::Invalid
        } else {
            ErrorCode::TooLarge
        };
        return Err(Problem::new(code, detail).at("batches"));
    }
    let read = read.batches.iter().map(|raw| batch(body, raw.get()));
    Ok(read.collect())
}

/// Quotes bare `NaN`, `Infinity` and `-Infinity` outside of strings; `None` if there is none.
fn quote_non_numbers(body: &[u8]) -> Option<Bytes> {
    const WORDS: [&[u8]; 3] = [b"NaN", b"-Infinity", b"Infinity"];
    let mut quoted: Cow<'_, [u8]> = Cow::Borrowed(&[]);
    let mut copied = 0;
    let mut place = 0;
    let mut in_string = false;
    while place < body.len() {
        match body[place] {
            b'\\' if in_string => place += 1,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            _ => {
                let rest = &body[place..];
                if let Some(word) = WORDS.into_iter().find(|word| rest.starts_with(word)) {
                    let quoted = quoted.to_mut();
                    quoted.extend_from_slice(&body[copied..place]);
                    quoted.push(b'"');
                    quoted.extend_from_slice(word);
                    quoted.push(b'"');
                    copied = place + word.len();
                    place = copied;
                    continue;
                }
            }
        }
        place += 1;
    }
    if copied == 0 {
        return None;
    }
    let mut quoted = quoted.into_owned();
    quoted.extend_from_slice(&body[copied..]);
    Some(Bytes::from(quoted))
}
