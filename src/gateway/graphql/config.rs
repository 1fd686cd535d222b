//! Settings of the GraphQL door.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The GraphQL door; it listens where the REST door does, and has its page limits.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GraphqlConfig {
    /// Largest body of a request, decompressed too, in bytes. Default: 256 KiB.
    pub body_bytes_max: usize,
    /// Levels of fields of a query. An introspection by GraphiQL has 14. Default: 16.
    pub depth_max: usize,
    /// Fields of a query as it is written, each fragment counted where it is spread. Default: 1000.
    pub fields_max: usize,
    /// Directives of a query. Default: 50.
    pub directives_max: usize,
    /// Cost of a query: values that it may bring, fields times entries of pages. Default: 500,000.
    pub cost_max: usize,
    /// Cost of the queries under way in this gateway. Default: 2,000,000.
    pub cost_under_way_max: usize,
    /// Questions that a query may ask of actors and database at one time. Default: 4.
    pub reads_max: usize,
    /// Longest time for an answer, in milliseconds. Default: 10,000.
    pub timeout_ms: u64,
    /// Operations that run over one WebSocket, subscriptions most of all. Default: 32.
    pub operations_max: usize,
    /// Operations that run over WebSockets of one principal. Default: 200.
    pub principal_operations_max: usize,
    /// Operations that run over WebSockets of this gateway. Default: 2000.
    pub all_operations_max: usize,
    /// Directory of the files of GraphiQL, as `scripts/graphiql.sh` puts them there. Without it
    /// `GET /graphql` says how to get them. Default: none.
    pub graphiql_directory: Option<PathBuf>,
}

impl Default for GraphqlConfig {
    fn default() -> Self {
        Self {
            body_bytes_max: 256 << 10,
            depth_max: 16,
            fields_max: 1000,
            directives_max: 50,
            cost_max: 500_000,
            cost_under_way_max: 2_000_000,
            reads_max: 4,
            timeout_ms: 10_000,
            operations_max: 32,
            principal_operations_max: 200,
            all_operations_max: 2000,
            graphiql_directory: None,
        }
    }
}
