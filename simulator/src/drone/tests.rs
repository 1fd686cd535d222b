use aerostream_domain::command::Command;
use aerostream_proto::v1::CommandOutcome;
use prost::Message;

use super::*;
use crate::faults;
use crate::physics::flight::{Flight, Kind, Start};
use crate::physics::geo::Origin;
use crate::physics::noise::Noise;
use crate::physics::wind::Climate;

const START_US: i64 = 1_800_000_000_000_000;
const PERIOD_US: i64 = 200_000;

/// A drone on the ground that waits for its operator, and its clock.
struct Scene {
    drone: Drone,
    now_us: i64,
    counter: u64,
}

impl Scene {
    fn new() -> Self {
        let start = Start {
            kind: Kind::Multirotor,
            home: Origin::new(48.1, 11.5),
            ground_m: 520.0,
            climate: Climate {
                speed_10m_m_s: 4.0,
                from_rad: 1.0,
                turbulence_kt: 15.0,
            },
            soc: 0.9,
            health: 1.0,
            wait_s: 1e6,
            return_soc: 0.25,
            warmer_k: 0.0,
        };
        let flight = Box::new(Flight::new(start, Noise::new(1, 1)));
        let source = Source::Flying(flight, Observer::after_boot(), 0.1);
        let luck = Luck::new(1, 0, faults::Config::default().rates());
        let id = DroneId::parse("alpha").unwrap();
        Self {
            drone: Drone::new(id, 0, source, luck, START_US),
            now_us: START_US,
            counter: 0,
        }
    }

    fn down(&mut self, id: &str, command: Command) -> v1::DownCommand {
        self.counter += 1;
        v1::DownCommand {
            drone_id: "alpha".to_owned(),
            command_id: id.to_owned(),
            order: Some(v1::CommandOrder {
                generation: 1,
                epoch: 1,
                counter: self.counter,
            }),
            boot: self.drone.boot().0,
            valid_until_boot_us: u64::MAX,
            exclusive: command.kind().is_exclusive(),
            command: Some(command.into()),
        }
    }

    /// Gives a command and tells what the drone says at once: of what, and what.
    fn give(&mut self, id: &str, command: Command) -> Vec<(String, CommandOutcome)> {
        let down = self.down(id, command);
        self.drone.hear(self.now_us, &down);
        let answers = self.drone.take_answers();
        answers
            .into_iter()
            .map(|it| (it.command_id.clone(), it.outcome()))
            .collect()
    }

    /// The answers of so many seconds, with their times.
    fn wait(&mut self, seconds: i64) -> Vec<(i64, v1::CommandAnswer)> {
        let mut told = Vec::new();
        for _ in 0..seconds * 1_000_000 / PERIOD_US {
            self.now_us += PERIOD_US;
            self.drone.take_sample(self.now_us, 0.2);
            let answers = self.drone.take_answers();
            told.extend(answers.into_iter().map(|it| (self.now_us, it)));
        }
        told
    }
}

fn said(id: &str, outcome: CommandOutcome) -> (String, CommandOutcome) {
    (id.to_owned(), outcome)
}

fn takeoff() -> Command {
    Command::Takeoff {
        altitude_m: 60.0,
        heading_deg: None,
    }
}

#[test]
fn it_tells_how_far_it_is_until_it_is_done() {
    let mut scene = Scene::new();
    let began = vec![said("a", CommandOutcome::InProgress)];
    assert_eq!(scene.give("a", takeoff()), began);
    let told = scene.wait(10);
    let known = vec![said("a", CommandOutcome::InProgress)];
    assert_eq!(scene.give("a", takeoff()), known, "it is not begun again");
    let told = [told, scene.wait(50)].concat();
    let (last, going) = told.split_last().unwrap();
    assert_eq!(last.1.outcome(), CommandOutcome::Accepted);
    assert!((5..60).contains(&going.len()), "{told:?}");
    for pair in going.windows(2) {
        let (before, after) = (&pair[0], &pair[1]);
        assert!(after.0 - before.0 >= 1_000_000, "too often: {pair:?}");
        let changed = after.1.progress_percent > before.1.progress_percent;
        assert!(changed, "not worth it, or backwards: {pair:?}");
    }
    let done = vec![said("a", CommandOutcome::Accepted)];
    assert_eq!(scene.give("a", takeoff()), done);
    assert_eq!(scene.wait(10), vec![]);
}

#[test]
fn what_a_newer_command_ends_was_cancelled_and_nothing_else_is() {
    let mut scene = Scene::new();
    scene.give("a", takeoff());
    scene.wait(2);
    let faster = Command::ChangeSpeed { speed_m_s: 5.0 };
    let taken = vec![said("speed", CommandOutcome::Accepted)];
    assert_eq!(scene.give("speed", faster), taken);
    let low = Command::ChangeAltitude { altitude_m: -5.0 };
    let denied = vec![said("low", CommandOutcome::Denied)];
    assert_eq!(scene.give("low", low), denied);
    let going = scene.wait(3);
    assert!(going.iter().all(|(_, it)| it.command_id == "a") && !going.is_empty());
    let ended = vec![
        said("a", CommandOutcome::Cancelled),
        said("hold", CommandOutcome::Accepted),
    ];
    assert_eq!(scene.give("hold", Command::Hold {}), ended);
    assert_eq!(scene.wait(20), vec![]);
}

#[test]
fn a_lost_power_ends_what_it_would_say() {
    let mut scene = Scene::new();
    scene.give("a", takeoff());
    scene.drone.power_up(scene.now_us);
    assert_eq!(scene.wait(30), vec![]);
}

fn request(message: &str, interval_ms: Option<f64>) -> Command {
    Command::RequestMessage {
        message: message.to_owned(),
        interval_ms,
    }
}

/// Kinds of a batch, and whether each says where home is.
fn kinds(batch: &[Stored]) -> Vec<(String, bool)> {
    let read = |stored: &Stored| v1::Sample::decode(stored.said.body.clone()).unwrap();
    let samples = batch.iter().map(read);
    samples
        .map(|it| (it.kind.clone(), it.home.is_some()))
        .collect()
}

#[test]
fn a_message_that_is_asked_for_is_in_the_next_batch_at_once() {
    let mut scene = Scene::new();
    scene.wait(1);
    scene.drone.take_batch(100);
    let taken = vec![said("a", CommandOutcome::Accepted)];
    assert_eq!(scene.give("a", request("HOME_POSITION", None)), taken);
    assert!(!scene.drone.has_batch(100, 60.0, 0.2, false));
    scene.now_us += PERIOD_US;
    assert_eq!(scene.drone.take_sample(scene.now_us, 0.2), 2);
    assert!(scene.drone.has_batch(100, 60.0, 0.2, false), "it waits");
    let batch = scene.drone.take_batch(100);
    let plain = (String::new(), false);
    assert_eq!(kinds(&batch), [plain, ("HOME_POSITION".to_owned(), true)]);
    scene.wait(1);
    assert!(!scene.drone.has_batch(100, 60.0, 0.2, false));

    let again = request("home", Some(1_000.0));
    scene.give("b", again);
    scene.drone.take_batch(100);
    scene.wait(10);
    let told = kinds(&scene.drone.take_batch(1_000));
    let count = told.iter().filter(|(kind, _)| kind == "home").count();
    assert!((9..=11).contains(&count), "{count}");
}

#[test]
fn a_message_that_it_does_not_have_is_refused() {
    let mut scene = Scene::new();
    let unknown = vec![said("a", CommandOutcome::Unsupported)];
    assert_eq!(scene.give("a", request("OPTICAL_FLOW", None)), unknown);
    let rejected = vec![said("b", CommandOutcome::TemporarilyRejected)];
    assert_eq!(scene.give("b", request("WIND_COV", None)), rejected);
    scene.drone.take_sample(scene.now_us, 0.2);
    assert_eq!(kinds(&scene.drone.take_batch(9)).len(), 1);
}

#[test]
fn a_new_home_is_told_at_once() {
    let mut scene = Scene::new();
    scene.wait(1);
    scene.drone.take_batch(100);
    let away = Command::SetHome {
        current: false,
        latitude_deg: Some(48.101),
        longitude_deg: Some(11.5),
        absolute_altitude_m: Some(530.0),
    };
    let taken = vec![said("a", CommandOutcome::Accepted)];
    assert_eq!(scene.give("a", away), taken);
    scene.drone.take_sample(scene.now_us + PERIOD_US, 0.2);
    let batch = scene.drone.take_batch(1);
    let sample = v1::Sample::decode(batch[0].said.body.clone()).unwrap();
    let home = sample.home.unwrap();
    assert_eq!(home.latitude_deg, Some(48.101));
    assert_eq!(home.absolute_altitude_m, Some(530.0));
    assert!(home.distance_m.unwrap() > 100.0);
    let height_m = sample.position.unwrap().relative_altitude_m.unwrap();
    assert!((height_m + 10.0).abs() < 0.1, "{height_m}");
}
