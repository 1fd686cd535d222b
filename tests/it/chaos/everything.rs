//! Everything is killed again and again, in an order that is drawn and printed.

use std::time::{Duration, Instant};

use aerostream_simulator::{Config, faults};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::support::aerostream::Aerostream;
use crate::support::{Load, Servers, System, fleet, prove};

/// How long faults follow each other.
const CHAOS: Duration = Duration::from_secs(180);

#[derive(Debug, Clone, Copy)]
enum Fault {
    Gateway,
    Worker(usize),
    StalledWorker(usize),
    Kafka,
    Postgres,
}

impl Fault {
    fn draw(random: &mut StdRng) -> Self {
        let worker = random.random_range(0..2);
        match random.random_range(0..5) {
            0 => Self::Gateway,
            1 => Self::Worker(worker),
            2 => Self::StalledWorker(worker),
            3 => Self::Kafka,
            _ => Self::Postgres,
        }
    }
}

struct Victims {
    servers: Servers,
    system: System,
    up: Aerostream,
    workers: [Aerostream; 2],
    load: Load,
}

impl Victims {
    /// Whoever was not killed outlives whatever was done to the others.
    fn are_alive(&mut self) {
        for process in self.workers.iter_mut().chain([&mut self.up]) {
            assert!(!process.has_ended(), "{}", process.output());
        }
    }

    async fn suffer(&mut self, fault: Fault) {
        match fault {
            Fault::Gateway => {
                self.up.kill9();
                self.load
                    .until("connections that broke", |now| now.links_up == 0)
                    .await;
                self.up = self.system.start().await;
            }
            Fault::Worker(which) => {
                self.workers[which].kill9();
                self.load.acknowledged_more(2_000).await;
                self.workers[which] = self.system.start_worker(&[]);
            }
            Fault::StalledWorker(which) => {
                // Longer than the session of a member of the group.
                self.workers[which].sigstop();
                self.load.acknowledged_more(15_000).await;
                self.workers[which].sigcont();
            }
            Fault::Kafka => {
                let kafka = self.servers.kafka().await;
                kafka.kill9();
                let before = self.load.now().generated;
                self.load
                    .until("samples that wait", |now| now.generated > before + 4_000)
                    .await;
                kafka.start();
            }
            Fault::Postgres => {
                let postgres = self.servers.postgres().await;
                postgres.crash();
                self.load.acknowledged_more(5_000).await;
                postgres.start();
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes 5 minutes: make chaos"]
async fn everything_is_killed_for_three_minutes() {
    let servers = Servers::alone().await;
    let database = servers.postgres().await.database().await;
    let system = System::kafka(&servers, &database).await;
    let up = system.start().await;
    let workers = [system.start_worker(&[]), system.start_worker(&[])];
    let load = Load::start(
        &system,
        Config {
            drones: 60,
            faults: faults::Config {
                profile: faults::Profile::Harsh,
                outage_s: Some(2.0),
                ..faults::Config::default()
            },
            ..fleet()
        },
    );
    let mut victims = Victims {
        servers,
        system,
        up,
        workers,
        load,
    };
    let seed = rand::random();
    eprintln!("seed of the faults: {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let began = Instant::now();
    while began.elapsed() < CHAOS {
        let fault = Fault::draw(&mut random);
        eprintln!("{:>5.1} s: {fault:?}", began.elapsed().as_secs_f64());
        victims.suffer(fault).await;
        victims.load.acknowledged_more(2_000).await;
        victims.are_alive();
    }
    let (_, manifest) = victims.load.finish().await;
    eprintln!("{:?}", prove(&database, &manifest).await);
    for worker in &mut victims.workers {
        assert!(worker.drain().success(), "{}", worker.output());
    }
    assert!(victims.up.drain().success(), "{}", victims.up.output());
}
