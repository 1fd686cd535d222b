//! The part of a role that hosts actors: claims the shards and starts what serves them.

use std::sync::Arc;

use aerostream_actors::task::{TaskKind, spawn};
use aerostream_actors::{BuiltInRules, Hooks, Node};
use aerostream_cluster::{NodeIdentity, Ownership, claim_all, watch_control_log};
use aerostream_domain::{NodeId, ShardCount};
use aerostream_log::EventLog;
use anyhow::Context;
use serde::{Deserialize, Serialize};

/// Who this node is, and what can never change of its cluster.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NodeConfig {
    /// Name of this node. A new process of the same name replaces the old one. Default `node-1`.
    pub name: String,
    /// Name of the cluster, fixed when it is created. Default `aerostream`.
    pub cluster: String,
    /// Number of shards, fixed when the cluster is created, 1 to 4096. Default 64.
    pub shards: u16,
}

impl Default for NodeConfig {
    fn default() -> Self {
        Self {
            name: "node-1".to_owned(),
            cluster: "aerostream".to_owned(),
            shards: ShardCount::DEFAULT.get(),
        }
    }
}

impl NodeConfig {
    /// The number of shards, checked.
    pub fn shard_count(&self) -> anyhow::Result<ShardCount> {
        ShardCount::new(self.shards)
            .with_context(|| format!("node.shards is {}, but must be 1 to 4096", self.shards))
    }
}

/// Claims every shard, restores it from the log and starts its actors.
pub async fn start(
    node: &NodeConfig,
    actors: aerostream_actors::Config,
    log: &Arc<dyn EventLog>,
) -> anyhow::Result<(Node, Ownership)> {
    let identity = NodeIdentity {
        node: NodeId::parse(&node.name).context("node.name is no name of a node")?,
        incarnation: format!("{:016x}", rand::random::<u64>()),
        address: String::new(),
        cluster_id: node.cluster.clone(),
    };
    let ownership = claim_all(&**log, identity, node.shard_count()?)
        .await
        .context("could not take the shards")?;
    let with = (Arc::new(BuiltInRules::default()) as _, Hooks::default());
    let node = Node::start(actors, Arc::clone(log), ownership.clone(), with)
        .await
        .context("could not start the actors")?;
    Ok((node, ownership))
}

/// Resolves with the reason when another process has taken the shards over.
pub async fn fenced(log: Arc<dyn EventLog>, ownership: Ownership) -> String {
    let watch = spawn(TaskKind::Service, "control log", async move {
        watch_control_log(&*log, &ownership).await
    });
    match watch.await {
        Ok(Some(Ok(fenced))) => {
            format!(
                "node {} (incarnation {}) took over",
                fenced.by, fenced.incarnation
            )
        }
        Ok(Some(Err(error))) => format!("the control log cannot be followed: {error}"),
        Ok(None) | Err(_) => "the watch of the control log died".to_owned(),
    }
}
