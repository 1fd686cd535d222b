//! REST, one sample per request, each acknowledged when it is durable, beside a bare produce: a
//! record appended to the same log and waited for, by as many at once.

mod load;
pub mod produce;

use std::time::Duration;

use hdrhistogram::Histogram;

use self::load::{Load, Pace};
use crate::cpu::Processes;
use crate::settings::{logs, setting};
use crate::stack::{Database, Stack};
use crate::table;

/// Connections, and records under way in the reference.
pub const AT_ONCE: u32 = 64;
const WARM_UP: Duration = Duration::from_secs(3);

/// Answers and how long each took, microseconds.
pub struct Answers {
    pub took: Duration,
    pub latency_us: Histogram<u64>,
}

impl Answers {
    fn per_second(&self) -> f64 {
        self.latency_us.len() as f64 / self.took.as_secs_f64()
    }

    fn ms(&self, percent: f64) -> f64 {
        self.latency_us.value_at_percentile(percent) as f64 / 1000.0
    }
}

pub async fn run() -> anyhow::Result<()> {
    for log in logs()? {
        over(log).await?;
    }
    Ok(())
}

async fn over(log: &'static str) -> anyhow::Result<()> {
    let measured = Duration::from_secs(setting("TIME_S", 15)?);
    let database = Database::start()?;
    let mut stack = Stack::start(log, &database).await?;
    let load = Load::new(stack.http, stack.token("relay")?);
    load.clone().run(Pace::AsFastAsAnswered, WARM_UP).await?;

    let before = Processes::now()?;
    let fast = load.clone().run(Pace::AsFastAsAnswered, measured).await?;
    let after = Processes::now()?;
    let half = fast.per_second() / 2.0;
    let paced = load.run(Pace::PerSecond(half), measured).await?;
    stack.drain()?;
    let bare = produce::run(log, measured / 3).await?;

    table::head(&format!(
        "{log} log, {AT_ONCE} connections; reference: bare produce"
    ));
    table::row("requests/s", fast.per_second(), bare.per_second());
    for percent in [50.0, 99.0, 100.0] {
        table::row(
            &format!("p{percent} ms"),
            fast.ms(percent),
            bare.ms(percent),
        );
    }
    for percent in [50.0, 99.0, 100.0] {
        let what = format!("p{percent} ms at {half:.0}/s, from the due time");
        table::row(&what, paced.ms(percent), bare.ms(percent));
    }
    let requests = fast.latency_us.len() as f64;
    let each = |used: f64| used * 1e6 / requests;
    let own = |id: u32| each(after.own(id) - before.own(id));
    let tree = |id: u32| each(after.tree(id) - before.tree(id));
    table::alone("aerostream, CPU us per request", own(stack.pid));
    table::alone("postgres, CPU us per request", tree(database.pid()));
    if let Some(broker) = after.child("java").filter(|_| log == "kafka") {
        table::alone("broker, CPU us per request", own(broker));
    }
    table::alone("generator, CPU us per request", own(std::process::id()));
    Ok(())
}
