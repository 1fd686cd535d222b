//! When each boot began.

use super::Limits;
use crate::ids::BootId;
use crate::sample::{Batch, BootRecord, PowerUpBasis, Sample, TelemetryRecord, TimeBasis};
use crate::units::{BootMicros, UtcMicros};
use crate::validate::{Refusal, RefusalCode};

use super::time::{CLOCKS_AGREE, usable_boot_clock, window_of_receipt};

/// Boots in the order of their power-up, bounded; the oldest is forgotten first.
#[derive(Debug, Clone, Default)]
pub(super) struct Boots {
    /// Sorted by power-up time, then boot id.
    records: Vec<BootRecord>,
    /// True once an older boot was dropped for space.
    forgotten: bool,
}

/// Which of two boots is later: by power-up time, then by id.
pub(super) fn age(record: &BootRecord) -> (UtcMicros, BootId) {
    (record.power_up, record.boot)
}

impl Boots {
    pub(super) fn restore(records: Vec<BootRecord>, forgotten: bool) -> Self {
        let mut boots = Self { records, forgotten };
        boots.records.sort_by_key(age);
        boots
    }

    pub(super) fn get(&self, boot: BootId) -> Option<&BootRecord> {
        // Most batches are of the newest boot.
        self.records.iter().rev().find(|record| record.boot == boot)
    }

    /// Takes a boot that is not known; of a known one the first record stays.
    pub(super) fn learn(&mut self, record: BootRecord, boots_max: usize) {
        if self.get(record.boot).is_some() {
            return;
        }
        while self.records.len() >= boots_max.max(1) {
            self.forgotten = true;
            if age(&record) < age(&self.records[0]) {
                return;
            }
            self.records.remove(0);
        }
        let at = self
            .records
            .partition_point(|known| age(known) < age(&record));
        self.records.insert(at, record);
    }

    /// An error if a boot of this age was forgotten already, or would be at once.
    pub(super) fn check_room(&self, record: &BootRecord, boots_max: usize) -> Result<(), Refusal> {
        let full = self.forgotten || self.records.len() >= boots_max.max(1);
        match self.records.first() {
            Some(oldest) if full && age(record) < age(oldest) => Err(forgotten()),
            _ => Ok(()),
        }
    }

    pub(super) fn records(&self) -> &[BootRecord] {
        &self.records
    }

    pub(super) fn any_forgotten(&self) -> bool {
        self.forgotten
    }
}

/// The refusal of a sample whose boot is older than all that are remembered.
pub(super) fn forgotten() -> Refusal {
    Refusal {
        code: RefusalCode::BootForgotten,
        field: "boot".to_owned(),
        detail: "this boot is older than all that are remembered; its samples came too late"
            .to_owned(),
    }
}

/// When the boot of a batch began, by what the batch tells.
pub(super) fn estimate(
    batch: &Batch,
    received: UtcMicros,
    limits: &Limits,
) -> Result<BootRecord, Refusal> {
    let (power_up, basis) = power_up(batch, received, limits)?;
    Ok(BootRecord {
        boot: batch.boot,
        power_up,
        basis,
    })
}

fn power_up(
    batch: &Batch,
    received: UtcMicros,
    limits: &Limits,
) -> Result<(UtcMicros, PowerUpBasis), Refusal> {
    if batch.received_identity {
        return Ok((received, PowerUpBasis::Received));
    }
    if let Some(sent) = credible_sending_clock(batch, limits) {
        return Ok((received.minus_boot(sent), PowerUpBasis::Sending));
    }
    let accepted = window_of_receipt(received, limits);
    let utc = |sample: &Sample| sample.utc.filter(|utc| accepted.contains(utc));
    let both_clocks = batch
        .samples
        .iter()
        .filter_map(|sample| Some(utc(sample)?.minus_boot(usable_boot_clock(sample)?)));
    if let Some(power_up) = first_confirmed(both_clocks) {
        return Ok((power_up, PowerUpBasis::BothClocks));
    }
    match first_confirmed(batch.samples.iter().filter_map(utc)) {
        Some(power_up) => Ok((power_up, PowerUpBasis::FirstUtc)),
        None => Err(no_power_up(batch, received, limits)),
    }
}

/// The boot clock at sending, unless most of the samples are from after it: then it is not the
/// clock that the samples were taken by.
fn credible_sending_clock(batch: &Batch, limits: &Limits) -> Option<BootMicros> {
    let sent = super::time::usable(batch.sent_at_boot?)?;
    let latest = UtcMicros(0).plus_boot(sent) + limits.future_max;
    let clocks = batch.samples.iter().filter_map(usable_boot_clock);
    let (mut before, mut after) = (0_usize, 0_usize);
    for clock in clocks {
        if UtcMicros(0).plus_boot(clock) <= latest {
            before += 1;
        } else {
            after += 1;
        }
    }
    (before >= after).then_some(sent)
}

/// The first estimate that its neighbour confirms, so that the corrupt clock of one sample does
/// not decide; the middle one if there is none.
fn first_confirmed(estimates: impl Iterator<Item = UtcMicros>) -> Option<UtcMicros> {
    let mut estimates: Vec<_> = estimates.collect();
    let confirmed = estimates
        .windows(2)
        .find(|pair| pair[0].distance(pair[1]) <= CLOCKS_AGREE);
    if let Some(pair) = confirmed {
        return Some(pair[0]);
    }
    estimates.sort_unstable();
    estimates.get(estimates.len() / 2).copied()
}

/// Why no sample of a batch tells when its boot began, by the first one.
fn no_power_up(batch: &Batch, received: UtcMicros, limits: &Limits) -> Refusal {
    let Some(sample) = batch.samples.first() else {
        return Refusal::new(
            RefusalCode::Missing,
            "samples",
            "a batch has 1 to 1000 samples",
        );
    };
    match sample
        .utc
        .filter(|utc| *utc >= UtcMicros::EARLIEST_PLAUSIBLE)
    {
        Some(utc) => super::time::check_window(&[utc], "utc_us", received, limits)
            .err()
            .unwrap_or_else(unpairable),
        None => super::time::no_time(sample),
    }
}

/// The refusal of a sample with a boot clock alone, in a boot that cannot be placed in time.
pub(super) fn unpairable() -> Refusal {
    Refusal::new(
        RefusalCode::Unpairable,
        "since_boot_us",
        "when this boot began is not known; send `sent_at_boot_us` with the batch, or `utc_us` \
         with the first samples of the boot",
    )
}

/// What the boot record must have been like, for a telemetry record that is met without it.
pub(super) fn infer(record: &TelemetryRecord) -> BootRecord {
    let pairs = record.samples.iter().any(|sample| match sample.basis {
        TimeBasis::Paired => true,
        TimeBasis::Utc => sample.since_boot.is_some_and(|clock| {
            record.power_up.plus_boot(clock).distance(sample.time) <= CLOCKS_AGREE
        }),
        TimeBasis::Received => false,
    });
    let received = record
        .samples
        .iter()
        .any(|sample| sample.basis == TimeBasis::Received);
    let basis = match (received, pairs) {
        (true, _) => PowerUpBasis::Received,
        (false, true) => PowerUpBasis::BothClocks,
        (false, false) => PowerUpBasis::FirstUtc,
    };
    BootRecord {
        boot: record.boot,
        power_up: record.power_up,
        basis,
    }
}
