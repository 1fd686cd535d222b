//! Weighted rendezvous hashing: which of some nodes a shard likes best.

use aerostream_domain::ShardId;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// How much a shard likes a node of a weight; positive, and higher is better.
///
/// Among nodes without bounds each gets shards by its weight, and a node that comes or goes changes
/// the best one only of shards that it is best for. The name counts, not the incarnation: a node
/// that was started again is liked as before.
pub(super) fn score(shard: ShardId, node: &str, weight: u32) -> f64 {
    let hash = xxh3_64_with_seed(node.as_bytes(), u64::from(shard.0));
    // The upper 53 bits, so that the fraction is exact and lies between 0 and 1.
    let fraction = ((hash >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
    f64::from(weight) / -fraction.ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn best<'a>(shard: u16, nodes: &[(&'a str, u32)]) -> &'a str {
        let score = |(node, weight): &&(&str, u32)| score(ShardId(shard), node, *weight);
        nodes
            .iter()
            .max_by(|a, b| score(a).total_cmp(&score(b)))
            .unwrap()
            .0
    }

    #[test]
    fn nodes_are_liked_by_their_weight() {
        let nodes = [("a", 1), ("b", 1), ("c", 2)];
        let count = |node: &str| {
            (0..4096)
                .filter(|shard| best(*shard, &nodes) == node)
                .count()
        };
        let near = |node: &str, expected: usize| {
            let found = count(node);
            assert!(
                found.abs_diff(expected) < 128,
                "{node}: {found}, not {expected}"
            );
        };
        near("a", 1024);
        near("b", 1024);
        near("c", 2048);
    }

    #[test]
    fn a_node_that_goes_changes_the_best_of_its_own_shards_only() {
        let nodes = [("a", 1), ("b", 3), ("c", 2)];
        for shard in 0..4096 {
            let with = best(shard, &nodes);
            let without = best(shard, &nodes[..2]);
            assert!(with == without || with == "c", "{shard}: {with}, {without}");
        }
    }
}
