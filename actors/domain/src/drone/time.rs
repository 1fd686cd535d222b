//! The time of a sample: fixed once, by its own clocks and its boot record alone.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::Limits;
use super::boot::unpairable;
use crate::sample::{BootRecord, PowerUpBasis, Sample, TimeBasis};
use crate::units::{BootMicros, UtcMicros};
use crate::validate::{Refusal, RefusalCode};

/// How far a drone's two clocks may be apart for its UTC to be believed.
pub const CLOCKS_AGREE: Duration = Duration::from_secs(5 * 60);

/// Where a sample stands in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Settled {
    pub(super) time: UtcMicros,
    pub(super) basis: TimeBasis,
    /// What the other clock says, where both are believed.
    pub(super) other: Option<UtcMicros>,
    /// The boot clock, unless it is corrupt.
    pub(super) since_boot: Option<BootMicros>,
}

/// A boot clock that can be true.
pub(super) fn usable(clock: BootMicros) -> Option<BootMicros> {
    (clock <= BootMicros::LATEST_PLAUSIBLE).then_some(clock)
}

pub(super) fn usable_boot_clock(sample: &Sample) -> Option<BootMicros> {
    sample.since_boot.and_then(usable)
}

/// The time of a sample. The receipt plays no part, except for a client that has no clock: a
/// resend, at whatever time, gets the same answer.
pub(super) fn settle(
    sample: &Sample,
    boot: &BootRecord,
    identity: Identity,
) -> Result<Settled, Refusal> {
    let since_boot = usable_boot_clock(sample);
    let settled = |time, basis, other| Settled {
        time,
        basis,
        other,
        since_boot,
    };
    if let Identity::Received(at) = identity {
        return Ok(settled(sample.utc.unwrap_or(at), TimeBasis::Received, None));
    }
    let utc = sample
        .utc
        .filter(|utc| *utc >= UtcMicros::EARLIEST_PLAUSIBLE);
    let pairs = matches!(boot.basis, PowerUpBasis::Sending | PowerUpBasis::BothClocks);
    let paired = since_boot
        .filter(|_| pairs)
        .map(|clock| boot.power_up.plus_boot(clock));
    match (utc, paired) {
        (Some(utc), Some(paired)) if utc.distance(paired) <= CLOCKS_AGREE => {
            Ok(settled(utc, TimeBasis::Utc, Some(paired)))
        }
        (_, Some(paired)) => Ok(settled(paired, TimeBasis::Paired, None)),
        (Some(utc), None) => Ok(settled(utc, TimeBasis::Utc, None)),
        (None, None) => Err(no_time(sample)),
    }
}

/// Who gave a sample its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Identity {
    /// The drone.
    Own,
    /// A gateway, when it had the batch.
    Received(UtcMicros),
}

/// Why a sample without a believable time has none.
pub(super) fn no_time(sample: &Sample) -> Refusal {
    if usable_boot_clock(sample).is_some() {
        return unpairable();
    }
    match crate::validate::time(sample) {
        Err(refusal) => refusal,
        Ok(()) => unpairable(),
    }
}

/// Times that are taken at a receipt.
pub(super) fn window_of_receipt(received: UtcMicros, limits: &Limits) -> RangeInclusive<UtcMicros> {
    let oldest = (received - limits.retention).max(UtcMicros::EARLIEST_PLAUSIBLE);
    oldest..=received + limits.future_max
}

impl Settled {
    /// An error if neither believed clock is inside the window of the receipt.
    ///
    /// Both clocks count, since the time itself must not depend on the receipt: a UTC that is a
    /// little too far ahead is taken when the boot clock shows that the sample is not.
    pub(super) fn check(&self, received: UtcMicros, limits: &Limits) -> Result<(), Refusal> {
        let field = match self.basis {
            TimeBasis::Utc | TimeBasis::Received => "utc_us",
            TimeBasis::Paired => "since_boot_us",
        };
        match self.other {
            Some(other) => check_window(&[self.time, other], field, received, limits),
            None => check_window(&[self.time], field, received, limits),
        }
    }
}

/// An error, by the first, if none of the times is inside the window of the receipt.
pub(super) fn check_window(
    times: &[UtcMicros],
    field: &'static str,
    received: UtcMicros,
    limits: &Limits,
) -> Result<(), Refusal> {
    let accepted = window_of_receipt(received, limits);
    let Some(time) = times.first() else {
        return Ok(());
    };
    if times.iter().any(|time| accepted.contains(time)) {
        return Ok(());
    }
    let distance = time.distance(received).as_secs();
    let (code, detail) = if time > &received {
        let max = limits.future_max.as_secs();
        let detail = format!("{time} is {distance} s ahead of receipt; at most {max} s is taken");
        (RefusalCode::InTheFuture, detail)
    } else {
        let max = limits.retention.as_secs();
        let detail = format!("{time} is {distance} s before receipt; at most {max} s is kept");
        (RefusalCode::TooOld, detail)
    };
    Err(Refusal::new(code, field, detail))
}
