use super::*;

type Outcome = Result<(UtcMicros, PowerUpBasis), RefusalCode>;

fn check(
    sent_at_boot: Option<u64>,
    clocks: &[(Option<UtcMicros>, Option<u64>)],
    expected: Outcome,
) {
    let samples = clocks.iter().map(|(utc, clock)| Sample {
        utc: *utc,
        since_boot: clock.map(boot_clock),
        ..sample(1, 1)
    });
    let mut batch = batch(BOOT, samples.collect());
    batch.sent_at_boot = sent_at_boot.map(boot_clock);
    let found = match drone().boot_needed(&batch, NOW) {
        Ok(record) => record
            .map(|record| (record.power_up, record.basis))
            .ok_or(None),
        Err(refusal) => Err(Some(refusal.code)),
    };
    assert_eq!(found, expected.map_err(Some), "{sent_at_boot:?} {clocks:?}");
}

#[test]
fn a_power_up_is_estimated_from_the_best_clock() {
    use PowerUpBasis::{BothClocks, FirstUtc, Sending};
    let hour = NOW - s(3_600);
    check(
        Some(60),
        &[(Some(hour), Some(1))],
        Ok((NOW - s(60), Sending)),
    );
    check(
        None,
        &[(Some(hour), Some(60))],
        Ok((hour - s(60), BothClocks)),
    );
    check(
        None,
        &[(None, Some(1)), (Some(hour), Some(60))],
        Ok((hour - s(60), BothClocks)),
    );
    check(None, &[(Some(hour), None)], Ok((hour, FirstUtc)));
    check(None, &[(None, Some(60))], Err(RefusalCode::Unpairable));
    check(None, &[(None, None)], Err(RefusalCode::NoTime));
}

#[test]
fn an_implausible_clock_does_not_place_a_boot() {
    use PowerUpBasis::{BothClocks, FirstUtc};
    let unset = Some(UtcMicros(1_000_000));
    let ahead = Some(NOW + s(301));
    let old = Some(NOW - s(31 * 86_400));
    let good = Some(NOW - s(10));
    check(None, &[(unset, None)], Err(RefusalCode::ClockUnset));
    check(None, &[(ahead, None)], Err(RefusalCode::InTheFuture));
    check(None, &[(old, None)], Err(RefusalCode::TooOld));
    check(None, &[(unset, Some(5))], Err(RefusalCode::Unpairable));
    check(None, &[(ahead, Some(5))], Err(RefusalCode::InTheFuture));
    check(
        None,
        &[(ahead, Some(5)), (good, Some(6))],
        Ok((NOW - s(16), BothClocks)),
    );
    check(
        None,
        &[(old, None), (good, None)],
        Ok((NOW - s(10), FirstUtc)),
    );
}

#[test]
fn one_wrong_but_plausible_clock_does_not_place_a_boot() {
    let wrong = Some(NOW - s(86_400));
    let good = |seconds: u64| (Some(NOW - s(100) + s(seconds)), Some(seconds));
    let expected = Ok((NOW - s(100), PowerUpBasis::BothClocks));
    check(None, &[(wrong, Some(1)), good(2), good(3)], expected);
    check(None, &[good(1), (wrong, Some(2)), good(3)], expected);
}

#[test]
fn a_sending_clock_that_most_samples_are_ahead_of_is_not_believed() {
    check(
        Some(0),
        &[(None, Some(3_600))],
        Err(RefusalCode::Unpairable),
    );
    check(
        Some(0),
        &[(Some(NOW), Some(3_600))],
        Ok((NOW - s(3_600), PowerUpBasis::BothClocks)),
    );
    let corrupt = (None, Some(86_400));
    check(
        Some(60),
        &[corrupt, (None, Some(59)), (None, Some(60))],
        Ok((NOW - s(60), PowerUpBasis::Sending)),
    );
}

#[test]
fn the_first_record_of_a_boot_is_true_for_ever() {
    let mut drone = drone();
    let first = boot_record(BOOT, NOW, PowerUpBasis::Sending);
    drone.learn_boot(first);
    drone.learn_boot(boot_record(BOOT, NOW - s(50), PowerUpBasis::FirstUtc));
    assert_eq!(drone.boot(BOOT), Some(&first));
    assert_eq!(
        drone.boot_needed(&batch(BOOT, vec![sample(1, 1)]), NOW),
        Ok(None)
    );
}

#[test]
fn a_boot_older_than_all_that_are_remembered_is_refused() {
    let limits = Limits {
        boots_max: 3,
        ..Limits::default()
    };
    let mut drone = Drone::new(drone().id().clone(), limits);
    for at in 1..=3 {
        let power_up = NOW - s(at * 1_000);
        drone.learn_boot(boot_record(BootId(at), power_up, PowerUpBasis::FirstUtc));
    }
    let at = |boot, age: u64| {
        let old = Sample {
            utc: Some(NOW - s(age)),
            ..sample(1, 1)
        };
        batch(BootId(boot), vec![old])
    };
    let code = |drone: &Drone, batch: &Batch| {
        drone
            .boot_needed(batch, NOW)
            .map(|_| ())
            .map_err(|refusal| refusal.code)
    };
    assert_eq!(code(&drone, &at(4, 3_001)), Err(RefusalCode::BootForgotten));
    assert_eq!(code(&drone, &at(4, 500)), Ok(()));
    drone.learn_boot(boot_record(BootId(4), NOW - s(500), PowerUpBasis::FirstUtc));
    assert_eq!(drone.boot(BootId(3)), None, "the oldest is forgotten");
    assert_eq!(code(&drone, &at(3, 3_000)), Err(RefusalCode::BootForgotten));
    assert_eq!(code(&drone, &at(5, 1_500)), Ok(()));

    let restored = Drone::restore(drone.snapshot(), limits);
    assert_eq!(
        code(&restored, &at(3, 3_000)),
        Err(RefusalCode::BootForgotten)
    );
}

#[test]
fn a_batch_of_an_unknown_boot_is_not_admitted() {
    let admission = drone().admit(
        &mut batch(BOOT, vec![sample(1, 1), sample(2, 1)]),
        receipt(1),
    );
    assert_eq!(admission.record, None);
    let codes: Vec<_> = admission
        .verdicts
        .iter()
        .map(|verdict| match verdict {
            Verdict::Refused(refusal) => refusal.code,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(codes, [RefusalCode::BootForgotten; 2]);
}
