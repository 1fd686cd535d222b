//! What somebody tried who may not: counted always, told in the log within bounds.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use super::auth::{Action, Principal};
use super::metrics;
use crate::{clock, origin};

/// Shortest time between two lines of the log, in microseconds.
const LINE_EVERY_US: i64 = 1_000_000;

static LAST_LINE: AtomicI64 = AtomicI64::new(0);
static UNTOLD: AtomicU64 = AtomicU64::new(0);

/// Takes note of an attempt. Reading what is not one's own is counted only; to change it is told.
pub fn note(principal: &Principal, action: Action) {
    metrics::forbidden(action);
    let would_change = [
        Action::Command,
        Action::AnswerAlerts,
        Action::ChangeRegistry,
    ];
    if !would_change.contains(&action) {
        return;
    }
    let now = clock::utc_now().0;
    let last = LAST_LINE.load(Ordering::Relaxed);
    let is_due = now - last >= LINE_EVERY_US;
    let exchanged = || {
        let order = Ordering::Relaxed;
        LAST_LINE.compare_exchange(last, now, order, order).is_ok()
    };
    if !is_due || !exchanged() {
        UNTOLD.fetch_add(1, Ordering::Relaxed);
        return;
    }
    let address = origin::current().map(|origin| origin.address().to_string());
    tracing::warn!(
        principal = principal.subject,
        token.id = principal.token_id,
        role = principal.role.as_str(),
        action = action.as_str(),
        address,
        untold = UNTOLD.swap(0, Ordering::Relaxed),
        "not allowed"
    );
}
