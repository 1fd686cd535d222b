//! What holds whatever happens: random control logs, members that come and go, and shards that
//! change hands. No clock, no log, no network: the code under test is pure.

#[path = "properties/cluster.rs"]
mod cluster;
#[path = "properties/fold.rs"]
mod fold;
#[path = "properties/history.rs"]
mod history;
#[path = "properties/nodes.rs"]
mod nodes;
#[path = "properties/placement.rs"]
mod placement;
#[path = "properties/records.rs"]
mod records;
#[path = "properties/rights.rs"]
mod rights;
#[path = "properties/shard_state.rs"]
mod shard_state;
#[path = "properties/world.rs"]
mod world;
