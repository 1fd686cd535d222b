use super::*;
use crate::alert::RuleSet;

/// A short name for each verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Append,
    Repeat,
    Pending(u64),
    Refused(RefusalCode),
}

const CONFLICT: Told = Told::Refused(RefusalCode::Conflict);

/// A drone behind a log.
struct Bench {
    drone: Drone,
    applied: u64,
}

impl Bench {
    fn new(limits: Limits) -> Self {
        let mut drone = Drone::new(drone().id().clone(), limits);
        for boot in 7..=12 {
            let power_up = NOW - s(10_000 - boot);
            drone.learn_boot(boot_record(BootId(boot), power_up, PowerUpBasis::FirstUtc));
        }
        Self { drone, applied: 0 }
    }

    /// Sends (seq, content number) pairs of a boot and checks what they are told.
    fn check(
        &mut self,
        boot: u64,
        append: u64,
        sent: &[(u64, u32)],
        expected: &[Told],
    ) -> Option<TelemetryRecord> {
        let samples = sent
            .iter()
            .map(|(seq, number)| sample(*seq, *number))
            .collect();
        let admission = self
            .drone
            .admit(&mut batch(BootId(boot), samples), receipt(append));
        let told: Vec<_> = admission
            .verdicts
            .into_iter()
            .map(|verdict| match verdict {
                Verdict::Append => Told::Append,
                Verdict::Repeat => Told::Repeat,
                Verdict::Pending(AppendId(append)) => Told::Pending(append),
                Verdict::Refused(refusal) => Told::Refused(refusal.code),
            })
            .collect();
        assert_eq!(told, expected, "{sent:?}");
        admission.record
    }

    fn apply(&mut self, record: Option<TelemetryRecord>) {
        self.drone.apply(
            Offset(self.applied),
            &record.expect("something new"),
            &RuleSet::default(),
        );
        self.applied += 1;
    }

    fn forget(&mut self, boot: u64, append: u64, seqs: &[u64]) {
        let seqs: Vec<_> = seqs.iter().copied().map(Seq).collect();
        self.drone.forget(AppendId(append), BootId(boot), &seqs);
    }
}

#[test]
fn a_number_is_absent_then_pending_then_durable() {
    let mut bench = Bench::new(Limits::default());
    let record = bench.check(7, 1, &[(5, 1), (6, 1)], &[Told::Append; 2]);
    bench.check(7, 2, &[(5, 1), (6, 2)], &[Told::Pending(1), CONFLICT]);
    bench.apply(record);
    bench.check(7, 3, &[(5, 1), (6, 2)], &[Told::Repeat, CONFLICT]);
    assert_eq!(bench.drone.pending(), 0);
}

#[test]
fn a_failed_append_leaves_nothing_behind() {
    let mut bench = Bench::new(Limits::default());
    bench.check(7, 1, &[(5, 1), (6, 1)], &[Told::Append; 2]);
    bench.forget(7, 1, &[5, 6]);
    assert_eq!(bench.drone.pending(), 0);
    bench.check(7, 2, &[(5, 2), (6, 1)], &[Told::Append; 2]);
    // The end of the first append, told twice, is not the end of the second one.
    bench.forget(7, 1, &[5, 6]);
    bench.check(7, 3, &[(6, 1)], &[Told::Pending(2)]);
}

#[test]
fn a_durable_number_is_never_forgotten_by_a_failure() {
    let mut bench = Bench::new(Limits::default());
    let record = bench.check(7, 1, &[(5, 1)], &[Told::Append]);
    bench.apply(record);
    bench.forget(7, 1, &[5]);
    bench.check(7, 2, &[(5, 1)], &[Told::Repeat]);
}

/// An append of an earlier owner may end behind a take-over.
#[test]
fn the_record_in_the_log_wins_over_one_that_waits() {
    let mut bench = Bench::new(Limits::default());
    let mut earlier = Bench::new(Limits::default());
    let waiting = bench.check(7, 1, &[(5, 2)], &[Told::Append]);
    let late = earlier.check(7, 1, &[(5, 1)], &[Told::Append]);
    bench.apply(late);
    bench.check(7, 2, &[(5, 1), (5, 2)], &[Told::Repeat, CONFLICT]);
    bench.apply(waiting);
    bench.check(7, 3, &[(5, 1), (5, 2)], &[Told::Repeat, CONFLICT]);
    assert_eq!(bench.drone.live().samples, 1);
}

#[test]
fn a_batch_that_repeats_itself_appends_once() {
    let mut bench = Bench::new(Limits {
        window: 2,
        ..Limits::default()
    });
    let sent = [(5, 1), (900, 1), (5, 1), (5, 2), (900, 1)];
    let told = [
        Told::Append,
        Told::Append,
        Told::Pending(1),
        CONFLICT,
        Told::Pending(1),
    ];
    let record = bench.check(7, 1, &sent, &told).expect("something new");
    assert_eq!(record.samples.len(), 2);
}

#[test]
fn each_boot_has_numbers_of_its_own() {
    let mut bench = Bench::new(Limits::default());
    let record = bench.check(7, 1, &[(5, 1)], &[Told::Append]);
    bench.apply(record);
    bench.check(8, 2, &[(5, 2)], &[Told::Append]);
    bench.forget(8, 2, &[5]);
    bench.check(7, 3, &[(5, 1)], &[Told::Repeat]);
}

#[test]
fn a_number_below_the_window_counts_as_absent() {
    let mut bench = Bench::new(Limits {
        window: 4,
        ..Limits::default()
    });
    let sent: Vec<_> = (10..16).map(|seq| (seq, 1)).collect();
    let record = bench.check(7, 1, &sent, &[Told::Append; 6]);
    bench.apply(record);
    bench.check(7, 2, &[(12, 1), (15, 1)], &[Told::Repeat; 2]);
    bench.check(7, 3, &[(10, 1), (11, 9)], &[Told::Append; 2]);
    // A number far ahead leaves the whole window behind, and nothing below it is remembered.
    bench.check(7, 4, &[(i64::MAX as u64, 1)], &[Told::Append]);
    bench.check(7, 5, &[(15, 1)], &[Told::Append]);
    bench.check(7, 6, &[(u64::MAX, 1)], &[Told::Append]);
    bench.check(7, 7, &[(u64::MAX, 1)], &[Told::Pending(6)]);
}

#[test]
fn numbers_may_come_downwards() {
    let mut bench = Bench::new(Limits {
        window: 4,
        ..Limits::default()
    });
    for (append, seq) in [(1, 13), (2, 12), (3, 10)] {
        let record = bench.check(7, append, &[(seq, 1)], &[Told::Append]);
        bench.apply(record);
    }
    bench.check(7, 4, &[(10, 1), (12, 1), (13, 1)], &[Told::Repeat; 3]);
    bench.check(7, 5, &[(9, 1)], &[Told::Append]);
    bench.check(7, 6, &[(9, 1)], &[Told::Append]);
}

#[test]
fn windows_are_kept_for_the_boots_used_last() {
    let mut bench = Bench::new(Limits::default());
    for boot in [7, 8, 9, 7, 10] {
        let expected = if bench.applied == 3 {
            Told::Repeat
        } else {
            Told::Append
        };
        let record = bench.check(boot, boot, &[(5, 1)], &[expected]);
        // A repeat appends nothing; the boot stays in use by a new number.
        let record = record.or_else(|| bench.check(boot, 99, &[(6, 1)], &[Told::Append]));
        bench.apply(record);
    }
    bench.check(7, 50, &[(5, 1)], &[Told::Repeat]);
    bench.check(8, 51, &[(5, 1)], &[Told::Append]);
}

#[test]
fn a_repeat_is_acknowledged_at_any_age() {
    let mut bench = Bench::new(Limits::default());
    let record = bench.check(7, 1, &[(5, 1)], &[Told::Append]);
    bench.apply(record);
    let late = Receipt {
        at: NOW + s(90 * 86_400),
        ..receipt(2)
    };
    let samples = vec![sample(5, 1), sample(6, 1)];
    let admission = bench.drone.admit(&mut batch(BOOT, samples), late);
    assert_eq!(admission.verdicts[0], Verdict::Repeat);
    let Verdict::Refused(refusal) = &admission.verdicts[1] else {
        panic!("{:?}", admission.verdicts[1]);
    };
    assert_eq!(refusal.code, RefusalCode::TooOld);
}

#[test]
fn the_good_samples_beside_a_refused_one_go_on() {
    let mut bench = Bench::new(Limits::default());
    let mut samples = vec![sample(5, 1), sample(6, 1), sample(7, 1)];
    samples[1].utc = Some(NOW + s(1_000));
    let admission = bench.drone.admit(&mut batch(BOOT, samples), receipt(1));
    let record = admission.record.expect("two new samples");
    let seqs: Vec<_> = record.samples.iter().map(|sample| sample.seq.0).collect();
    assert_eq!(seqs, [5, 7]);
    bench.check(7, 2, &[(6, 1)], &[Told::Append]);
}

/// The next owner cannot know how an append of this one ends.
#[test]
fn what_waits_is_absent_behind_a_restart() {
    let mut bench = Bench::new(Limits::default());
    let record = bench.check(7, 1, &[(5, 1)], &[Told::Append]);
    bench.apply(record);
    bench.check(7, 2, &[(6, 1)], &[Told::Append]);
    bench.drone = Drone::restore(bench.drone.snapshot(), Limits::default());
    assert_eq!(bench.drone.pending(), 0);
    bench.check(7, 3, &[(5, 1), (6, 1)], &[Told::Repeat, Told::Append]);
}

#[test]
fn a_failed_append_does_not_move_the_window() {
    let mut bench = Bench::new(Limits {
        window: 4,
        ..Limits::default()
    });
    bench.check(7, 1, &[(13, 1)], &[Told::Append]);
    bench.forget(7, 1, &[13]);
    bench.check(7, 2, &[(9, 1)], &[Told::Append]);
    bench.check(7, 3, &[(9, 1)], &[Told::Pending(2)]);
}
