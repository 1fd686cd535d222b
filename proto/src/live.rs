//! `v1::LiveState` and the domain's [`LiveState`].

use aerostream_domain::drone::live::{LiveState, Newest, Stamp, Stamps};
use aerostream_domain::{BootId, BootMicros, Refusal, Seq, UtcMicros};

use crate::refuse::{each, narrow, required, specified, under};
use crate::telemetry::{content_from_wire, content_to_wire};
use crate::v1;

impl TryFrom<v1::LiveState> for LiveState {
    type Error = Refusal;

    fn try_from(wire: v1::LiveState) -> Result<Self, Refusal> {
        let newest = wire.newest.map(Newest::try_from).transpose();
        let mut groups = wire.groups.unwrap_or_default();
        let stamps = Stamps::try_from(wire.stamps.unwrap_or_default());
        Ok(Self {
            boot: wire.boot.map(BootId),
            power_up: wire.power_up_us.map(UtcMicros),
            newest: newest.map_err(under("newest"))?,
            groups: content_from_wire(&mut groups).map_err(under("groups"))?,
            stamps: stamps.map_err(under("stamps"))?,
            received: wire.received_us.map(UtcMicros),
            samples: wire.samples,
        })
    }
}

impl From<LiveState> for v1::LiveState {
    fn from(live: LiveState) -> Self {
        Self {
            boot: live.boot.map(|boot| boot.0),
            power_up_us: live.power_up.map(|power_up| power_up.0),
            newest: live.newest.map(Into::into),
            groups: Some(content_to_wire(&live.groups)),
            stamps: Some(live.stamps.into()),
            received_us: live.received.map(|received| received.0),
            samples: live.samples,
        }
    }
}

impl TryFrom<v1::Newest> for Newest {
    type Error = Refusal;

    fn try_from(wire: v1::Newest) -> Result<Self, Refusal> {
        Ok(Self {
            seq: Seq(wire.seq),
            time: UtcMicros(wire.time_us),
            basis: specified::<v1::TimeBasis, _>("basis", wire.basis)?,
            since_boot: wire.since_boot_us.map(BootMicros),
        })
    }
}

impl From<Newest> for v1::Newest {
    fn from(newest: Newest) -> Self {
        Self {
            seq: newest.seq.0,
            time_us: newest.time.0,
            basis: v1::TimeBasis::from(newest.basis).into(),
            since_boot_us: newest.since_boot.map(|since| since.0),
        }
    }
}

impl From<v1::Stamp> for Stamp {
    fn from(wire: v1::Stamp) -> Self {
        Self {
            seq: Seq(wire.seq),
            time: UtcMicros(wire.time_us),
        }
    }
}

impl From<Stamp> for v1::Stamp {
    fn from(stamp: Stamp) -> Self {
        Self {
            seq: stamp.seq.0,
            time_us: stamp.time.0,
        }
    }
}

impl TryFrom<v1::Stamps> for Stamps {
    type Error = Refusal;

    fn try_from(wire: v1::Stamps) -> Result<Self, Refusal> {
        Ok(Self {
            position: wire.position.map(Into::into),
            velocity: wire.velocity.map(Into::into),
            attitude: wire.attitude.map(Into::into),
            gnss: each("gnss", wire.gnss, instance_from_wire)?,
            battery: each("battery", wire.battery, instance_from_wire)?,
            link: wire.link.map(Into::into),
            home: wire.home.map(Into::into),
            mission: wire.mission.map(Into::into),
            health: wire.health.map(Into::into),
            wind: wire.wind.map(Into::into),
            state: wire.state.map(Into::into),
            text: wire.text.map(Into::into),
            extras: each("extras", wire.extras, |extra: v1::ExtraStamp| {
                Ok((extra.name, required("stamp", extra.stamp)?.into()))
            })?,
        })
    }
}

impl From<Stamps> for v1::Stamps {
    fn from(stamps: Stamps) -> Self {
        let extra = |(name, stamp): (String, Stamp)| v1::ExtraStamp {
            name,
            stamp: Some(stamp.into()),
        };
        Self {
            position: stamps.position.map(Into::into),
            velocity: stamps.velocity.map(Into::into),
            attitude: stamps.attitude.map(Into::into),
            gnss: stamps.gnss.into_iter().map(instance_to_wire).collect(),
            battery: stamps.battery.into_iter().map(instance_to_wire).collect(),
            link: stamps.link.map(Into::into),
            home: stamps.home.map(Into::into),
            mission: stamps.mission.map(Into::into),
            health: stamps.health.map(Into::into),
            wind: stamps.wind.map(Into::into),
            state: stamps.state.map(Into::into),
            text: stamps.text.map(Into::into),
            extras: stamps.extras.into_iter().map(extra).collect(),
        }
    }
}

fn instance_from_wire(wire: v1::InstanceStamp) -> Result<(u8, Stamp), Refusal> {
    let id = narrow("id", wire.id, "between 0 and 255")?;
    Ok((id, required("stamp", wire.stamp)?.into()))
}

fn instance_to_wire((id, stamp): (u8, Stamp)) -> v1::InstanceStamp {
    v1::InstanceStamp {
        id: id.into(),
        stamp: Some(stamp.into()),
    }
}
