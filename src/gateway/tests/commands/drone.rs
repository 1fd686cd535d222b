//! A drone on a gRPC stream that does what a test tells it.

use std::time::Duration;

use aerostream_proto::v1;
use aerostream_proto::v1::telemetry_service_client::TelemetryServiceClient;
use aerostream_proto::v1::{stream_reply, stream_request};
use futures::stream;
use tokio::sync::mpsc;
use tonic::Streaming;

use super::super::grpc::{Door, with_token};
use super::super::support::{PATIENCE, now_us};
use crate::gateway::auth::Role;

/// How long nothing may come until nothing is thought to come.
const QUIET: Duration = Duration::from_millis(300);

pub struct TestDrone {
    boot: u64,
    powered_up_us: i64,
    seq: std::sync::atomic::AtomicU64,
    up: mpsc::Sender<v1::StreamRequest>,
    down: mpsc::Receiver<v1::DownCommand>,
    speaking: tokio::task::JoinHandle<()>,
    listening: tokio::task::JoinHandle<()>,
}

impl Drop for TestDrone {
    fn drop(&mut self) {
        self.speaking.abort();
        self.listening.abort();
    }
}

fn request(batch: v1::Batch) -> v1::StreamRequest {
    v1::StreamRequest {
        kind: Some(stream_request::Kind::Batch(batch)),
    }
}

fn batch((boot, powered_up_us, seq): (u64, i64, u64), state: v1::State) -> v1::Batch {
    let clock = (now_us() - powered_up_us).cast_unsigned();
    v1::Batch {
        batch_id: seq,
        drone_id: "alpha".to_owned(),
        boot: Some(boot),
        sent_at_boot_us: Some(clock),
        samples: vec![v1::Sample {
            seq: Some(seq),
            utc_us: Some(now_us()),
            since_boot_us: Some(clock),
            state: Some(state),
            ..v1::Sample::default()
        }],
    }
}

async fn listen(mut replies: Streaming<v1::StreamReply>, commands: mpsc::Sender<v1::DownCommand>) {
    while let Ok(Some(reply)) = replies.message().await {
        if let Some(stream_reply::Kind::Command(command)) = reply.kind
            && commands.send(command).await.is_err()
        {
            return;
        }
    }
}

fn in_the_air() -> v1::State {
    v1::State {
        armed: Some(true),
        flight_mode: v1::FlightMode::Mission.into(),
        landed_state: v1::LandedState::InAir.into(),
        ..v1::State::default()
    }
}

impl TestDrone {
    /// On a stream, heard, and speaking five times a second.
    pub async fn connect(door: &Door, boot: u64) -> Self {
        Self::connect_at(door, boot, 60_000_000).await
    }

    /// Powered up so many microseconds ago.
    pub async fn connect_at(door: &Door, boot: u64, age_us: i64) -> Self {
        let token = door.fixture.token(Role::Drone, &[]);
        let (up, requests) = mpsc::channel(64);
        let mut client = TelemetryServiceClient::new(door.channel.clone());
        let requests = stream::unfold(requests, async |mut requests| {
            requests.recv().await.map(|request| (request, requests))
        });
        let requests = with_token(&token, requests);
        let (commands, down) = mpsc::channel(64);
        let powered_up_us = now_us() - age_us;
        up.send(request(batch((boot, powered_up_us, 1), in_the_air())))
            .await
            .unwrap();
        let mut replies = client.stream(requests).await.unwrap().into_inner();
        // The first answer tells that the boot and the batch are in the log.
        let first = tokio::time::timeout(PATIENCE, replies.message()).await;
        assert!(first.unwrap().unwrap().is_some());
        let listening = tokio::spawn(listen(replies, commands));
        let beat = up.clone();
        let speaking = tokio::spawn(async move {
            // Of a lower seq than what a test says, so that it proves nothing.
            for seq in 1_000.. {
                tokio::time::sleep(Duration::from_millis(200)).await;
                let beat_of = batch((boot, powered_up_us, seq), v1::State::default());
                if beat.send(request(beat_of)).await.is_err() {
                    return;
                }
            }
        });
        Self {
            boot,
            powered_up_us,
            seq: 1_000_000.into(),
            up,
            down,
            speaking,
            listening,
        }
    }

    pub fn boot_clock_us(&self) -> u64 {
        (now_us() - self.powered_up_us).cast_unsigned()
    }

    /// It says nothing more by itself.
    pub fn silence(&self) {
        self.speaking.abort();
    }

    async fn say(&self, state: v1::State) {
        let seq = self.seq.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let said = batch((self.boot, self.powered_up_us, seq), state);
        self.up.send(request(said)).await.unwrap();
    }

    pub async fn speak(&self) {
        self.say(in_the_air()).await;
    }

    /// Tells that it holds.
    pub async fn holds(&self) {
        self.say(v1::State {
            flight_mode: v1::FlightMode::Hold.into(),
            ..in_the_air()
        })
        .await;
    }

    /// The next command that comes.
    pub async fn command(&mut self) -> v1::DownCommand {
        let next = tokio::time::timeout(PATIENCE, self.down.recv()).await;
        next.expect("a command comes").expect("the stream is open")
    }

    pub async fn hears_nothing(&mut self) -> bool {
        tokio::time::timeout(QUIET, self.down.recv()).await.is_err()
    }

    pub async fn answer(&self, command: &v1::DownCommand, outcome: &str) {
        let outcome = match outcome {
            "accepted" => v1::CommandOutcome::Accepted,
            "stale" => v1::CommandOutcome::Stale,
            _ => v1::CommandOutcome::Denied,
        };
        let answer = v1::CommandAnswer {
            drone_id: "alpha".to_owned(),
            command_id: command.command_id.clone(),
            outcome: outcome.into(),
            progress_percent: None,
            detail: String::new(),
        };
        let kind = Some(stream_request::Kind::Answer(answer));
        self.up.send(v1::StreamRequest { kind }).await.unwrap();
    }
}
