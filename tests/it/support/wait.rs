//! Bounded waiting: a test waits for a condition, never for a time.

use std::time::{Duration, Instant};

/// How long to pause between two looks.
const POLL: Duration = Duration::from_millis(20);

/// Looks until `condition` holds; panics, naming `what`, when it does not within `deadline`.
pub async fn wait_until<F>(deadline: Duration, what: &str, mut condition: F)
where
    F: AsyncFnMut() -> bool,
{
    wait_for(deadline, what, async || condition().await.then_some(())).await;
}

/// Looks until `probe` finds something; panics, naming `what`, when it does not within `deadline`.
pub async fn wait_for<T, F>(deadline: Duration, what: &str, mut probe: F) -> T
where
    F: AsyncFnMut() -> Option<T>,
{
    let search = async {
        loop {
            if let Some(found) = probe().await {
                return found;
            }
            tokio::time::sleep(POLL).await;
        }
    };
    match tokio::time::timeout(deadline, search).await {
        Ok(found) => found,
        Err(_) => panic!("waited {deadline:?} in vain for {what}"),
    }
}

/// The same for code outside any async runtime.
pub fn blocking(deadline: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(
            began.elapsed() < deadline,
            "waited {deadline:?} in vain for {what}"
        );
        std::thread::sleep(POLL);
    }
}
