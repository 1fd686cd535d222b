//! What the parts of one query share.

use std::sync::Arc;

use async_graphql::Context;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::error::{ErrorCode, Problem};
use crate::gateway::auth::{Caller, Principal};
use crate::gateway::state::Gateway;

/// One query of one caller.
pub struct Session {
    pub gateway: Arc<Gateway>,
    pub caller: Arc<Caller>,
    reads: Semaphore,
}

impl Session {
    /// A query that has asked nothing yet.
    #[must_use]
    pub fn new(gateway: Arc<Gateway>, caller: Arc<Caller>) -> Self {
        let reads = Semaphore::new(gateway.config.graphql.reads_max.max(1));
        Self {
            gateway,
            caller,
            reads,
        }
    }

    /// The session of the query that is answered.
    #[must_use]
    pub fn of<'a>(context: &Context<'a>) -> &'a Self {
        context.data_unchecked::<Self>()
    }

    /// Who asks.
    #[must_use]
    pub fn principal(&self) -> &Principal {
        &self.caller.principal
    }

    /// Waits for its turn to ask actors or database: entries of a page are resolved all at once.
    ///
    /// # Errors
    /// Never while the query lives.
    pub async fn turn(&self) -> Result<SemaphorePermit<'_>, Problem> {
        let turn = self.reads.acquire().await;
        turn.map_err(|_| Problem::new(ErrorCode::Internal, "the query has ended"))
    }
}
