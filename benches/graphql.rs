//! Ten minutes of one drone and of a hundred: two fields by GraphQL, all fields by GraphQL, and the
//! same by REST, which tells all.

use std::time::Instant;

use aerostream::clock;
use aerostream::store::partition::{self, Day};
use sqlx::Executor;
use sqlx::postgres::PgPoolOptions;

use crate::history::rows::{Days, drone_id};
use crate::http::Connection;
use crate::settings::setting;
use crate::stack::{Database, Stack};
use crate::table;
use crate::table::percentile;

const TEN_MINUTES_US: i64 = 600_000_000;
/// Samples of a drone in ten minutes.
const SAMPLES: usize = 600;
const MANY: i32 = 100;
/// How often each question is asked of one drone.
const TIMES: usize = 200;
/// How often it is asked of many.
const TIMES_MANY: usize = 5;

const TWO: &str = "position { latitudeDeg longitudeDeg }";
const ALL: &str = "boot seq timeUs time basis sinceBootUs kind raw \
    position { latitudeDeg longitudeDeg absoluteAltitudeM ellipsoidAltitudeM relativeAltitudeM \
    terrainAltitudeM } velocity { northMS eastMS downMS groundSpeedMS airSpeedMS headingDeg \
    courseDeg } attitude { rollDeg pitchDeg yawDeg rollRateDegS pitchRateDegS yawRateDegS } \
    gnss { id fixType fixTypeRaw numSatellites hdop vdop horizontalUncertaintyM \
    verticalUncertaintyM velocityUncertaintyMS } battery { id remainingPercent voltageV \
    currentBatteryA capacityConsumedAh temperatureDegc timeRemainingS cellsV } \
    link { rssiDbm remoteRssiDbm noiseDbm lossPercent latencyMs } \
    home { latitudeDeg longitudeDeg absoluteAltitudeM distanceM } \
    mission { current total state distanceToItemM } health { sensorsPresent sensorsEnabled \
    sensorsHealthy cpuLoadPercent vibrationMS2 estimatorFlags } \
    wind { speedMS directionFromDeg verticalMS } state { armed flightMode flightModeRaw dialect \
    landedState systemStatus } text { severity text } extras { name number integer flag text }";

pub async fn run() -> anyhow::Result<()> {
    let rows: u64 = setting("ROWS", 1_000_000)?;
    let database = Database::start()?;
    database.migrate().await?;
    let pool = PgPoolOptions::new().connect(database.url()).await?;
    let days = Days::around(Day::of(clock::utc_now()).plus(-1), rows);
    partition::ensure(&pool, &days.all(), Day(0)).await?;
    days.fill(&pool).await?;
    pool.execute("VACUUM (ANALYZE) telemetry").await?;
    let mut stack = Stack::start("embedded", &database).await?;
    let mut asking = Asking {
        connection: Connection::open(stack.http).await?,
        viewer: stack.token("viewer")?,
        span: (days.end().0 - TEN_MINUTES_US, days.end().0),
    };
    asking.hear_many(&stack.token("relay")?).await?;

    let rest = asking.measure(TIMES, |it| vec![it.rest(7)]).await?;
    let all = asking.measure(TIMES, |it| vec![it.one(7, ALL)]).await?;
    let two = asking.measure(TIMES, |it| vec![it.one(7, TWO)]).await?;
    told("10 min of 1 drone", two, all, rest);

    let each = |of: &dyn Fn(i32) -> Vec<u8>| (1..=MANY).map(of).collect::<Vec<_>>();
    let rest = asking.measure(TIMES_MANY, |it| each(&|drone| it.rest(drone)));
    let rest = rest.await?;
    let all = asking.measure(TIMES_MANY, |it| each(&|drone| it.one(drone, ALL)));
    let all = all.await?;
    let two = asking.measure(TIMES_MANY, |it| vec![it.many(TWO)]).await?;
    told(
        "10 min of 100 drones, two fields in one query",
        two,
        all,
        rest,
    );
    stack.drain()
}

fn told(title: &str, mut two: Figures, mut all: Figures, mut rest: Figures) {
    table::head(&format!("{title}; reference: all by GraphQL"));
    for percent in [50.0, 99.0] {
        let (two, all) = (two.at(percent), all.at(percent));
        table::row(&format!("two fields by GraphQL, p{percent} ms"), two, all);
        let rest = rest.at(percent);
        table::row(&format!("all fields by REST, p{percent} ms"), rest, all);
    }
    table::row("two fields by GraphQL, bytes", two.bytes, all.bytes);
    table::row("all fields by REST, bytes", rest.bytes, all.bytes);
}

/// Milliseconds of each time, and the bytes of one.
struct Figures {
    took_ms: Vec<f64>,
    bytes: f64,
}

impl Figures {
    fn at(&mut self, percent: f64) -> f64 {
        percentile(&mut self.took_ms, percent)
    }
}

struct Asking {
    connection: Connection,
    viewer: String,
    span: (i64, i64),
}

impl Asking {
    /// The list of drones has those that were heard.
    async fn hear_many(&mut self, relay: &str) -> anyhow::Result<()> {
        for drone in (1..=MANY).map(drone_id) {
            let body = format!(r#"{{"drone_id":"{drone}","wind":{{"speed_m_s":1}}}}"#);
            let request = post("/api/v1/telemetry", relay, &body);
            let (status, said) = self.connection.exchange(&request).await?;
            let said = String::from_utf8_lossy(said).into_owned();
            anyhow::ensure!(status == 200, "{drone} was answered {status}: {said}");
        }
        Ok(())
    }

    fn rest(&self, drone: i32) -> Vec<u8> {
        let (from, to) = self.span;
        let path = format!(
            "/api/v1/drones/{}/telemetry?from={from}&to={to}",
            drone_id(drone)
        );
        let viewer = &self.viewer;
        format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {viewer}\r\n\r\n")
            .into_bytes()
    }

    fn past(&self, fields: &str) -> String {
        let (from, to) = self.span;
        format!("telemetry(from: {from}, to: {to}, first: {SAMPLES}) {{ nodes {{ {fields} }} }}")
    }

    fn one(&self, drone: i32, fields: &str) -> Vec<u8> {
        let (drone, past) = (drone_id(drone), self.past(fields));
        self.query(&format!("{{ drone(id: \"{drone}\") {{ {past} }} }}"))
    }

    fn many(&self, fields: &str) -> Vec<u8> {
        let past = self.past(fields);
        self.query(&format!(
            "{{ drones(first: {MANY}) {{ nodes {{ {past} }} }} }}"
        ))
    }

    fn query(&self, query: &str) -> Vec<u8> {
        let body = serde_json::json!({ "query": query }).to_string();
        post("/graphql", &self.viewer, &body)
    }

    async fn measure(
        &mut self,
        times: usize,
        requests: impl Fn(&Self) -> Vec<Vec<u8>>,
    ) -> anyhow::Result<Figures> {
        let mut figures = Figures {
            took_ms: Vec::with_capacity(times),
            bytes: 0.0,
        };
        let requests = requests(self);
        for _ in 0..times {
            let (began, mut bytes) = (Instant::now(), 0);
            for request in &requests {
                let (status, body) = self.connection.exchange(request).await?;
                let failed = status != 200 || body.starts_with(b"{\"data\":null");
                anyhow::ensure!(!failed, "{status}: {}", String::from_utf8_lossy(body));
                bytes += body.len();
            }
            figures.took_ms.push(began.elapsed().as_secs_f64() * 1e3);
            figures.bytes = bytes as f64;
        }
        Ok(figures)
    }
}

fn post(path: &str, token: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}
