use super::*;

/// The power-up of the boot of these tests: an hour before [`NOW`].
fn power_up() -> UtcMicros {
    NOW - s(3_600)
}

type Outcome = Result<(UtcMicros, TimeBasis), RefusalCode>;

fn check(basis: PowerUpBasis, utc: Option<UtcMicros>, clock: Option<u64>, expected: Outcome) {
    let mut drone = drone();
    drone.learn_boot(boot_record(BOOT, power_up(), basis));
    let sample = Sample {
        utc,
        since_boot: clock.map(boot_clock),
        ..sample(1, 1)
    };
    let admission = drone.admit(&mut batch(BOOT, vec![sample]), receipt(1));
    let found = match (&admission.verdicts[..], admission.record) {
        ([Verdict::Append], Some(record)) => Ok((record.samples[0].time, record.samples[0].basis)),
        ([Verdict::Refused(refusal)], None) => Err(refusal.code),
        other => panic!("{other:?}"),
    };
    assert_eq!(found, expected, "{basis:?} {utc:?} {clock:?}");
}

#[test]
fn utc_is_believed_when_the_boot_clock_agrees() {
    use TimeBasis::{Paired, Utc};
    let now = NOW;
    let pairs = PowerUpBasis::Sending;
    check(pairs, Some(now), None, Ok((now, Utc)));
    check(pairs, Some(now), Some(3_600), Ok((now, Utc)));
    check(pairs, Some(now), Some(3_300), Ok((now, Utc)));
    check(pairs, Some(now), Some(3_299), Ok((now - s(301), Paired)));
    check(pairs, None, Some(60), Ok((power_up() + s(60), Paired)));
    check(
        pairs,
        Some(UtcMicros(5)),
        Some(60),
        Ok((power_up() + s(60), Paired)),
    );
    let in_2099 = now + s(73 * 365 * 86_400);
    check(
        pairs,
        Some(in_2099),
        Some(60),
        Ok((power_up() + s(60), Paired)),
    );
}

#[test]
fn a_corrupt_boot_clock_leaves_utc() {
    check(
        PowerUpBasis::BothClocks,
        Some(NOW),
        Some(u64::MAX / 1_000_000),
        Ok((NOW, TimeBasis::Utc)),
    );
}

#[test]
fn a_boot_without_power_up_time_pairs_nothing() {
    let first_utc = PowerUpBasis::FirstUtc;
    check(first_utc, Some(NOW), Some(5), Ok((NOW, TimeBasis::Utc)));
    check(first_utc, None, Some(5), Err(RefusalCode::Unpairable));
    check(
        first_utc,
        Some(UtcMicros(5)),
        None,
        Err(RefusalCode::ClockUnset),
    );
    check(first_utc, None, None, Err(RefusalCode::NoTime));
}

#[test]
fn times_outside_the_window_of_receipt_are_refused() {
    let pairs = PowerUpBasis::Sending;
    let old = NOW - Limits::default().retention;
    let ahead = NOW + s(300);
    check(pairs, Some(old), None, Ok((old, TimeBasis::Utc)));
    check(pairs, Some(old - s(1)), None, Err(RefusalCode::TooOld));
    check(pairs, Some(ahead), None, Ok((ahead, TimeBasis::Utc)));
    check(
        pairs,
        Some(ahead + s(1)),
        None,
        Err(RefusalCode::InTheFuture),
    );
    check(pairs, None, Some(3_901), Err(RefusalCode::InTheFuture));
}

/// The choice of the clock must not depend on the receipt, or a resend would be another row.
#[test]
fn a_utc_slightly_ahead_is_taken_when_the_boot_clock_is_fine() {
    let ahead = NOW + s(301);
    check(
        PowerUpBasis::Sending,
        Some(ahead),
        Some(3_602),
        Ok((ahead, TimeBasis::Utc)),
    );
}

#[test]
fn a_client_without_identity_gets_the_gateways_time() {
    let mut drone = drone();
    let mut curl = batch(
        BOOT,
        vec![Sample {
            utc: None,
            ..sample(1, 1)
        }],
    );
    curl.received_identity = true;
    let needed = drone.boot_needed(&curl, NOW);
    let expected = boot_record(BOOT, NOW, PowerUpBasis::Received);
    assert_eq!(needed, Ok(Some(expected)));
    drone.learn_boot(expected);
    let record = drone
        .admit(&mut curl, receipt(1))
        .record
        .expect("a new sample");
    let settled = (record.samples[0].time, record.samples[0].basis);
    assert_eq!(settled, (NOW, TimeBasis::Received));
}
