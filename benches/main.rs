//! The budgets of the design, measured. Every bench prints its figures beside a reference of the
//! same run; nothing asserts a time.
//!
//! ```text
//! cargo bench --profile release --bench budgets -- [NAME...]
//! ```

mod aggregate;
mod alert;
mod command;
mod end_to_end;
mod feed;
mod fleet_feed;
mod graphql;
mod history;
mod memory;
mod replay;
mod rest;

mod allocated;
mod cpu;
mod http;
mod observation;
mod settings;
mod stack;
mod table;

#[path = "../tests/it"]
mod harness {
    #[expect(dead_code, unused_imports, reason = "benches break no servers")]
    pub mod support;
}

use std::process::ExitCode;

use tokio::runtime::Runtime;

#[global_allocator]
static ALLOCATOR: allocated::Counting = allocated::Counting;

const NAMES: [&str; 11] = [
    "memory",
    "history",
    "end_to_end",
    "rest",
    "aggregate",
    "feed",
    "alert",
    "fleet_feed",
    "command",
    "graphql",
    "replay",
];

fn main() -> ExitCode {
    // Cargo itself passes `--bench`.
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|it| !it.starts_with("--"))
        .collect();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!(
        "{cores} cores; load average before the first bench {}",
        load.trim()
    );
    let mut failed = false;
    for name in NAMES {
        if !wanted.is_empty() && !wanted.iter().any(|filter| name.contains(filter.as_str())) {
            continue;
        }
        println!("\n== {name}");
        if let Err(error) = run(name) {
            eprintln!("{name} failed: {error:#}");
            failed = true;
        }
    }
    if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

/// Each bench has a runtime of its own, so that nothing of one works beside the next.
fn run(name: &str) -> anyhow::Result<()> {
    Runtime::new()?.block_on(async {
        match name {
            "memory" => memory::run().await,
            "aggregate" => aggregate::run().await,
            "history" => history::run().await,
            "end_to_end" => end_to_end::run().await,
            "feed" => feed::run().await,
            "alert" => alert::run().await,
            "fleet_feed" => fleet_feed::run().await,
            "command" => command::run().await,
            "graphql" => graphql::run().await,
            "replay" => replay::run().await,
            _ => rest::run().await,
        }
    })
}
