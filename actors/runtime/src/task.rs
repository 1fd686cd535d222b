//! The only place that starts a task: each has a kind, a name and dies loudly.

use std::future::Future;
use std::panic::AssertUnwindSafe;

use futures::FutureExt;
use tokio::task::JoinHandle;

/// What a task is for, and so what its death means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskKind {
    /// Serves one request or one record; its death is that request's failure.
    Request,
    /// Serves the whole process; its death is a defect that an operator must see.
    Service,
}

/// Starts a task. A panic inside is logged with the task's name and ends only that task.
pub fn spawn<F>(kind: TaskKind, name: &'static str, future: F) -> JoinHandle<Option<F::Output>>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    #[expect(clippy::disallowed_methods, reason = "this is the one place that may")]
    tokio::spawn(async move {
        let outcome = AssertUnwindSafe(future).catch_unwind().await;
        if outcome.is_err() {
            tracing::error!(task.kind = ?kind, task.name = name, "task panicked");
        }
        outcome.ok()
    })
}
