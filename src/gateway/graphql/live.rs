//! How a drone is: what its actor holds.

use aerostream_actors::LiveView;
use aerostream_domain::drone::live::{Newest, Stamp as Heard, Stamps};
use aerostream_domain::{Sample, UtcMicros};
use aerostream_proto::v1;
use async_graphql::SimpleObject;

use super::groups::Groups;
use crate::gateway::json::enums::{Long, Lower, Whole};
use crate::gateway::json::shape::Time;

/// Live state of a drone, from its actor: of each group the newest values.
#[derive(Debug, SimpleObject)]
pub struct Live {
    /// Id of the power-up of the drone.
    boot: Option<Whole>,
    /// When it was powered up, microseconds since 1970.
    power_up_us: Option<Long>,
    /// When the newest batch was received, microseconds since 1970.
    received_us: Option<Long>,
    /// Time since then, milliseconds.
    age_ms: Option<Long>,
    /// Samples of this boot.
    samples: Long,
    /// False while the drone's actor rests; the state is the same.
    hot: bool,
    /// Place in the event log of the newest record that is in it.
    offset: Option<Long>,
    /// The newest sample.
    newest: Option<NewestSample>,
    /// Which sample last told each group, and when.
    stamps: Vec<Stamp>,
    #[graphql(flatten)]
    groups: Groups,
}

/// Identity and time of the newest sample.
#[derive(Debug, SimpleObject)]
pub struct NewestSample {
    seq: Long,
    time_us: Long,
    time: Time,
    basis: Lower<v1::TimeBasis>,
    since_boot_us: Option<Long>,
}

/// Which sample last told a group, and when.
#[derive(Debug, SimpleObject)]
pub struct Stamp {
    group: String,
    /// Which receiver, pack or extra, where a group has several.
    entry: Option<String>,
    seq: Long,
    time_us: Long,
    age_ms: Long,
}

impl From<Newest> for NewestSample {
    fn from(newest: Newest) -> Self {
        Self {
            seq: newest.seq.0.into(),
            time_us: Long(newest.time.0),
            time: Time(newest.time.0),
            basis: Lower(newest.basis.into()),
            since_boot_us: newest.since_boot.map(|since| since.0.into()),
        }
    }
}

/// Milliseconds since a point in time; negative if the drone's clock is ahead.
fn age_ms(time: UtcMicros, now: UtcMicros) -> Long {
    Long(now.0.saturating_sub(time.0) / 1000)
}

fn stamps(stamps: &Stamps, now: UtcMicros) -> Vec<Stamp> {
    let told = |group: &str, entry: Option<String>, at: &Heard| Stamp {
        group: group.to_owned(),
        entry,
        seq: at.seq.0.into(),
        time_us: Long(at.time.0),
        age_ms: age_ms(at.time, now),
    };
    let single = [
        ("position", &stamps.position),
        ("velocity", &stamps.velocity),
        ("attitude", &stamps.attitude),
        ("link", &stamps.link),
        ("home", &stamps.home),
        ("mission", &stamps.mission),
        ("health", &stamps.health),
        ("wind", &stamps.wind),
        ("state", &stamps.state),
        ("text", &stamps.text),
    ];
    let single = single
        .into_iter()
        .filter_map(|(group, at)| Some(told(group, None, at.as_ref()?)));
    let gnss = stamps.gnss.iter().map(|(id, at)| ("gnss", id, at));
    let battery = stamps.battery.iter().map(|(id, at)| ("battery", id, at));
    let listed = gnss
        .chain(battery)
        .map(|(group, id, at)| told(group, Some(id.to_string()), at));
    let extras = stamps.extras.iter();
    let extras = extras.map(|(name, at)| told("extras", Some(name.clone()), at));
    single.chain(listed).chain(extras).collect()
}

/// What an actor holds, as it is told at this time.
pub fn told(view: LiveView, now: UtcMicros) -> Live {
    let state = view.live;
    let content = Sample {
        content: state.groups,
        ..Sample::default()
    };
    Live {
        boot: state.boot.map(|boot| Whole(boot.0)),
        power_up_us: state.power_up.map(|at| Long(at.0)),
        received_us: state.received.map(|at| Long(at.0)),
        age_ms: state.received.map(|at| age_ms(at, now)),
        samples: state.samples.into(),
        hot: view.hot,
        offset: view.offset.map(|offset| offset.0.into()),
        newest: state.newest.map(Into::into),
        stamps: stamps(&state.stamps, now),
        groups: v1::Sample::from(content).into(),
    }
}
