use std::collections::BTreeMap;

use aerostream_domain::sample::{
    Attitude, Battery, Content, Extra, FixType, Gnss, Health, Home, Link, Mission, Position, State,
    Text, Velocity, Wind,
};
use aerostream_domain::{BootId, BootMicros, DroneId, RecordedSample, Seq, TimeBasis, UtcMicros};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use sqlx::Row;

use super::codes::Code;
use super::columns::COLUMNS;
use crate::store::history::{Order, Reader, Span};
use crate::store::offsets::{Source, Stored};
use crate::store::partition::{self, Day};
use crate::store::run::{Place, Run};
use crate::store::{Config, FieldSet};
use crate::store::{Writer, telemetry, test_database, writer};

const START: UtcMicros = UtcMicros(1_767_225_600_000_000);

/// Contents of every shape, from a seed.
struct Shapes(StdRng);

impl Shapes {
    fn maybe<T>(&mut self, value: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.0.random_bool(0.5).then(|| value(self))
    }

    fn f32(&mut self) -> Option<f32> {
        self.maybe(|shapes| match shapes.0.random_range(0..8) {
            0 => -0.0,
            1 => f32::MIN_POSITIVE / 2.0,
            2 => f32::MAX,
            3 => 0.1,
            _ => shapes.0.random_range(-1e4..1e4),
        })
    }

    fn f64(&mut self) -> Option<f64> {
        self.maybe(|shapes| shapes.number())
    }

    fn number(&mut self) -> f64 {
        match self.0.random_range(0..8) {
            0 => -0.0,
            1 => 1e300,
            2 => 5e-324,
            3 => 1e17,
            4 => f64::from(self.0.random::<i32>()),
            _ => self.0.random_range(-180.0..180.0),
        }
    }

    fn u32(&mut self) -> Option<u32> {
        self.maybe(|shapes| shapes.0.random())
    }

    fn u8(&mut self) -> Option<u8> {
        self.maybe(|shapes| shapes.0.random())
    }

    fn code<T: Code>(&mut self) -> Option<T> {
        let code = self.0.random_range(0..20);
        T::from_code(code)
    }

    fn text(&mut self) -> String {
        let pool = ['a', 'é', '\0', '\u{e000}', '0', '1', '"', '\\', '\n', '🚁'];
        let length = self.0.random_range(0..6);
        (0..length)
            .map(|_| pool[self.0.random_range(0..pool.len())])
            .collect()
    }

    fn gnss(&mut self) -> Gnss {
        Gnss {
            id: self.0.random(),
            fix_type: self.code::<FixType>(),
            fix_type_raw: self.u32(),
            num_satellites: self.u8(),
            hdop: self.f32(),
            vdop: self.f32(),
            horizontal_uncertainty_m: self.f32(),
            vertical_uncertainty_m: self.f32(),
            velocity_uncertainty_m_s: self.f32(),
        }
    }

    fn battery(&mut self) -> Battery {
        let cells = self.0.random_range(0..4);
        Battery {
            id: self.0.random(),
            remaining_percent: self.f32(),
            voltage_v: self.f32(),
            current_battery_a: self.f32(),
            capacity_consumed_ah: self.f32(),
            temperature_degc: self.f32(),
            time_remaining_s: self.f32(),
            cells_v: (0..cells).filter_map(|_| self.f32()).collect(),
        }
    }

    fn extra(&mut self) -> Extra {
        match self.0.random_range(0..4) {
            0 => Extra::Number(self.number()),
            1 => Extra::Integer(self.0.random()),
            2 => Extra::Flag(self.0.random()),
            _ => Extra::Text(self.text()),
        }
    }

    fn extras(&mut self) -> Vec<(String, Extra)> {
        let count = self.0.random_range(0..4);
        let extras: Vec<_> = (0..count).map(|_| (self.text(), self.extra())).collect();
        if self.0.random_bool(0.5) {
            extras
                .into_iter()
                .collect::<BTreeMap<_, _>>()
                .into_iter()
                .collect()
        } else {
            extras
        }
    }

    fn position(&mut self) -> Position {
        Position {
            latitude_deg: self.f64(),
            longitude_deg: self.f64(),
            absolute_altitude_m: self.f64(),
            ellipsoid_altitude_m: self.f64(),
            relative_altitude_m: self.f64(),
            terrain_altitude_m: self.f64(),
        }
    }

    fn velocity(&mut self) -> Velocity {
        Velocity {
            north_m_s: self.f32(),
            east_m_s: self.f32(),
            down_m_s: self.f32(),
            ground_speed_m_s: self.f32(),
            air_speed_m_s: self.f32(),
            heading_deg: self.f32(),
            course_deg: self.f32(),
        }
    }

    fn attitude(&mut self) -> Attitude {
        Attitude {
            roll_deg: self.f32(),
            pitch_deg: self.f32(),
            yaw_deg: self.f32(),
            roll_rate_deg_s: self.f32(),
            pitch_rate_deg_s: self.f32(),
            yaw_rate_deg_s: self.f32(),
        }
    }

    fn health(&mut self) -> Health {
        Health {
            sensors_present: self.u32(),
            sensors_enabled: self.u32(),
            sensors_healthy: self.u32(),
            cpu_load_percent: self.f32(),
            vibration_m_s2: self.f32(),
            estimator_flags: self.u32(),
        }
    }

    fn state(&mut self) -> State {
        State {
            armed: self.maybe(|shapes| shapes.0.random()),
            flight_mode: self.code(),
            flight_mode_raw: self.u32(),
            dialect: self.code(),
            landed_state: self.code(),
            system_status: self.code(),
        }
    }

    fn content(&mut self) -> Content {
        if self.0.random_bool(0.1) {
            // Groups that are there and say nothing.
            return Content {
                position: Some(Position::default()),
                wind: self.maybe(|_| Wind::default()),
                state: Some(State::default()),
                text: Some(Text::default()),
                gnss: vec![Gnss::default()],
                battery: vec![Battery::default()],
                raw: Some(Vec::new()),
                ..Content::default()
            };
        }
        let receivers = self.0.random_range(0..4);
        let packs = self.0.random_range(0..4);
        Content {
            kind: ["", "telemetry", "VFR_HUD"][self.0.random_range(0..3)].to_owned(),
            position: self.maybe(Self::position),
            velocity: self.maybe(Self::velocity),
            attitude: self.maybe(Self::attitude),
            gnss: (0..receivers).map(|_| self.gnss()).collect(),
            battery: (0..packs).map(|_| self.battery()).collect(),
            link: self.maybe(|s| Link {
                rssi_dbm: s.f32(),
                remote_rssi_dbm: s.f32(),
                noise_dbm: s.f32(),
                loss_percent: s.f32(),
                latency_ms: s.f32(),
            }),
            home: self.maybe(|s| Home {
                latitude_deg: s.f64(),
                longitude_deg: s.f64(),
                absolute_altitude_m: s.f64(),
                distance_m: s.f32(),
            }),
            mission: self.maybe(|s| Mission {
                current: s.u32(),
                total: s.u32(),
                state: s.code(),
                distance_to_item_m: s.f32(),
            }),
            health: self.maybe(Self::health),
            wind: self.maybe(|s| Wind {
                speed_m_s: s.f32(),
                direction_from_deg: s.f32(),
                vertical_m_s: s.f32(),
            }),
            state: self.maybe(Self::state),
            text: self.maybe(|s| Text {
                severity: s.u8(),
                text: s.text(),
            }),
            extras: self.extras(),
            raw: self.maybe(|s| vec![s.0.random(), 0, 255]),
        }
    }
}

#[tokio::test]
async fn any_content_comes_back_with_the_same_hash() {
    let database = test_database::create().await;
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut shapes = Shapes(StdRng::seed_from_u64(seed));
    let drone = DroneId::parse("alpha").expect("an id");
    let boot = BootId(u64::MAX - 5);
    let samples: Vec<RecordedSample> = (0..3000)
        .map(|seq| RecordedSample {
            seq: Seq(seq),
            time: UtcMicros(START.0 + seq as i64),
            basis: shapes.code().unwrap_or(TimeBasis::Utc),
            since_boot: shapes.maybe(|s| BootMicros(s.0.random_range(0..1 << 62))),
            content: shapes.content(),
        })
        .collect();
    partition::ensure(&database.pool, &[Day::of(START)].into(), Day(0))
        .await
        .expect("a partition");
    let config = writer::Config::default();
    let mut writer = Writer::new(Source::Telemetry, database.options.clone(), config);
    writer.take_over(&[0]).await.expect("taken over");
    let mut run = Run::default();
    for (sample, place) in samples.iter().zip(0..) {
        let place = Place {
            record: 0,
            sample: place,
        };
        run.push(&drone, boot, sample, place).expect("storable");
    }
    run.cover(0, Stored::default(), Stored::default());
    let written = telemetry::write_run(&mut writer, &mut run).await;
    written.expect("written").commit().await.expect("committed");

    let span = Span {
        from: START,
        to: UtcMicros(START.0 + 3000),
        limit: 3000,
        fields: FieldSet::ALL,
        order: Order::Newest,
        after: None,
    };
    let stored = Reader::new(&database.pool, &Config::default())
        .samples(&drone, &span)
        .await
        .expect("rows");
    assert_eq!(stored.len(), samples.len());
    for (stored, sent) in stored.iter().zip(&samples) {
        assert_eq!(stored.boot, boot);
        assert_eq!(
            stored.sample.content.hash(),
            sent.content.hash(),
            "{sent:?}"
        );
        let mut expected = sent.clone();
        if expected.content.kind == "telemetry" {
            expected.content.kind.clear();
        }
        assert_eq!(stored.sample, expected);
    }
}

#[tokio::test]
async fn the_list_of_columns_is_the_tables() {
    let database = test_database::create().await;
    let rows = sqlx::query(
        "SELECT attname::text FROM pg_attribute \
         WHERE attrelid = 'telemetry'::regclass AND attnum > 0 ORDER BY 1",
    )
    .fetch_all(&database.pool)
    .await
    .expect("columns");
    let found: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    let mut listed = COLUMNS.map(str::to_owned);
    listed.sort();
    assert_eq!(found, listed);
}
