//! `v1::Sample` and the domain's [`Sample`] and [`RecordedSample`].
//!
//! What comes from the wire is moved; what goes there is read, since its owner goes on with it.

mod codes;
mod extras;
mod groups;

use aerostream_domain::sample::{Battery, Content, Gnss, Text};
use aerostream_domain::validate::validate;
use aerostream_domain::{BootMicros, RecordedSample, Refusal, RefusalCode, Sample, Seq, UtcMicros};

use crate::refuse::{each, missing, required, specified, under};
use crate::v1;

impl TryFrom<v1::Sample> for Sample {
    type Error = Refusal;

    /// Takes a sample as a client sends it: its shape and every range are judged. An absent `seq`
    /// becomes 0; whether it may be absent is for the batch to say.
    fn try_from(wire: v1::Sample) -> Result<Self, Refusal> {
        judge(wire, validate).map_err(|refused| refused.0)
    }
}

impl From<Sample> for v1::Sample {
    fn from(sample: Sample) -> Self {
        Self {
            seq: Some(sample.seq),
            utc_us: sample.utc.map(|utc| utc.0),
            since_boot_us: sample.since_boot.map(|since| since.0),
            ..content_to_wire(&sample.content)
        }
    }
}

impl TryFrom<v1::RecordedSample> for RecordedSample {
    type Error = Refusal;

    /// Takes a sample of the event log: its shape is judged, its ranges were before.
    fn try_from(wire: v1::RecordedSample) -> Result<Self, Refusal> {
        let basis = specified::<v1::TimeBasis, _>("basis", wire.basis)?;
        let mut sample = required("sample", wire.sample)?;
        let seq = sample.seq.ok_or_else(|| missing("sample.seq"))?;
        if sample.utc_us.is_some() {
            let detail = "must be absent; a recorded sample has its settled time";
            return Err(Refusal::new(
                RefusalCode::Unexpected,
                "sample.utc_us",
                detail,
            ));
        }
        Ok(Self {
            seq: Seq(seq),
            time: UtcMicros(wire.time_us),
            basis,
            since_boot: sample.since_boot_us.map(BootMicros),
            content: content_from_wire(&mut sample).map_err(under("sample"))?,
        })
    }
}

impl From<&RecordedSample> for v1::RecordedSample {
    fn from(recorded: &RecordedSample) -> Self {
        Self {
            time_us: recorded.time.0,
            basis: v1::TimeBasis::from(recorded.basis).into(),
            sample: Some(v1::Sample {
                seq: Some(recorded.seq.0),
                since_boot_us: recorded.since_boot.map(|since| since.0),
                ..content_to_wire(&recorded.content)
            }),
        }
    }
}

/// Judges the shape of a sample, then whatever `check` does. A refused sample comes back whole.
pub(crate) fn judge(
    mut wire: v1::Sample,
    check: fn(&Sample) -> Result<(), Refusal>,
) -> Result<Sample, Box<(Refusal, v1::Sample)>> {
    let (seq, places) = (wire.seq, extras::places(&wire.extras));
    let content = match content_from_wire(&mut wire) {
        Ok(content) => content,
        Err(refusal) => return Err(Box::new((refusal, wire))),
    };
    let sample = Sample {
        seq: wire.seq.unwrap_or(0),
        utc: wire.utc_us.map(UtcMicros),
        since_boot: wire.since_boot_us.map(BootMicros),
        content,
    };
    match check(&sample) {
        Ok(()) => Ok(sample),
        Err(refusal) => {
            let mut wire = v1::Sample::from(sample);
            wire.seq = seq;
            let refusal = extras::put_back(places, &mut wire.extras, refusal);
            Err(Box::new((refusal, wire)))
        }
    }
}

/// Moves the content out of a sample. Whatever can be wrong is looked for before the first move, so
/// that a sample that is refused stays whole.
pub(crate) fn content_from_wire(wire: &mut v1::Sample) -> Result<Content, Refusal> {
    let gnss = each("gnss", wire.gnss.iter().copied(), Gnss::try_from)?;
    let mission = groups::group("mission", wire.mission)?;
    let state = groups::group("state", wire.state)?;
    let severity = groups::severity(wire.text.as_ref())?;
    groups::check_packs(&wire.battery)?;
    extras::check(&wire.extras)?;
    Ok(Content {
        kind: std::mem::take(&mut wire.kind),
        position: wire.position.map(Into::into),
        velocity: wire.velocity.map(Into::into),
        attitude: wire.attitude.map(Into::into),
        gnss,
        battery: each(
            "battery",
            std::mem::take(&mut wire.battery),
            Battery::try_from,
        )?,
        link: wire.link.map(Into::into),
        home: wire.home.map(Into::into),
        mission,
        health: wire.health.map(Into::into),
        wind: wire.wind.map(Into::into),
        state,
        text: wire.text.take().map(|text| Text {
            severity,
            text: text.text,
        }),
        extras: extras::from_wire(std::mem::take(&mut wire.extras)),
        raw: wire.raw.take(),
    })
}

/// A sample without identity and clocks.
pub(crate) fn content_to_wire(content: &Content) -> v1::Sample {
    v1::Sample {
        seq: None,
        utc_us: None,
        since_boot_us: None,
        kind: content.kind.clone(),
        position: content.position.map(Into::into),
        velocity: content.velocity.map(Into::into),
        attitude: content.attitude.map(Into::into),
        gnss: content.gnss.iter().copied().map(Into::into).collect(),
        battery: content.battery.iter().map(Into::into).collect(),
        link: content.link.map(Into::into),
        home: content.home.map(Into::into),
        mission: content.mission.map(Into::into),
        health: content.health.map(Into::into),
        wind: content.wind.map(Into::into),
        state: content.state.map(Into::into),
        text: content.text.as_ref().map(|text| v1::Text {
            severity: text.severity.map(u32::from),
            text: text.text.clone(),
        }),
        extras: extras::to_wire(&content.extras),
        raw: content.raw.clone(),
    }
}
