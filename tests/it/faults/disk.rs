//! The disk under the embedded log fills up. It is filled for real, by a file that takes all but
//! what the log demands to be left free.

use std::fs::File;
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, fallocate, statvfs};
use serde_json::json;

use crate::support::{Load, Servers, System, ask, client, fleet, now_us, prove};

/// Free bytes above the log's limit at the start: others on this machine need some meanwhile.
const MARGIN_BYTES: u64 = 4 << 30;

/// How far below the limit the disk is brought: others on this machine free some meanwhile.
const LACK_BYTES: u64 = 1 << 30;

/// Takes space while it lives.
struct Ballast(PathBuf);

impl Ballast {
    fn new(path: PathBuf, bytes: u64) -> Self {
        let file = File::create(&path).expect("a new file");
        fallocate(&file, FallocateFlags::empty(), 0, bytes).expect("there is that much space");
        Self(path)
    }
}

impl Drop for Ballast {
    fn drop(&mut self) {
        std::fs::remove_file(&self.0).expect("our own file");
    }
}

fn free_bytes(path: &Path) -> u64 {
    let disk = statvfs(path).expect("the data directory has a disk");
    disk.f_bavail * disk.f_frsize
}

#[tokio::test(flavor = "multi_thread")]
async fn ingest_is_refused_while_the_disk_is_full_and_goes_on_afterwards() {
    let servers = Servers::shared().await;
    let database = servers.postgres().await.database().await;
    let system = System::embedded(&servers).await.database(&database);
    let free = free_bytes(&system.data);
    assert!(
        free > 2 * MARGIN_BYTES,
        "this test needs 8 GiB of free disk"
    );
    let limit = free - MARGIN_BYTES;
    let system = system.set("LOG__EMBEDDED__FREE_BYTES_MIN", limit);
    let mut up = system.start().await;
    let load = Load::start(&system, fleet());
    load.acknowledged_more(1_000).await;

    let bytes = free_bytes(&system.data) - limit + LACK_BYTES;
    let ballast = Ballast::new(system.data.join("ballast"), bytes);
    load.until("batches that are sent back", |now| {
        now.retry_codes.contains_key("unavailable") || now.retry_codes.contains_key("overloaded")
    })
    .await;
    let full = load.now();
    let body = json!({
        "drone_id": "one-more", "boot": 1,
        "samples": [{"seq": 1, "utc_us": now_us(), "battery": [{"id": 0, "voltage_v": 15.0}]}],
    });
    let request = client().post(system.url("/api/v1/telemetry")).json(&body);
    let answer = ask(request.bearer_auth(system.token("relay"))).await;
    assert_eq!(answer.status, 503, "{answer:?}");
    assert_eq!(answer.json["code"], "unavailable", "{answer:?}");
    assert!(answer.headers.contains_key("retry-after"), "{answer:?}");
    load.until("drones that keep what they measure", |now| {
        now.stored > full.stored + 1_000
    })
    .await;
    assert!(!up.has_ended(), "{}", up.output());

    drop(ballast);
    load.acknowledged_more(3_000).await;
    let (_, manifest) = load.finish().await;
    prove(&database, &manifest).await;
    assert!(up.drain().success(), "{}", up.output());
}
