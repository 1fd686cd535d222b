//! Alerts: rules over live state, and what became true of them.
//!
//! Three things are kept apart. What a *rule* is comes from the registry. Since when its
//! conditions hold is a function of the applied telemetry alone ([`memory`]). Which alerts there
//! are is a fold of the journal alone ([`ledger`]). A decision joins the three ([`judge`]): it is
//! written to the journal, and counts when it is read back.

pub mod builtin;
pub mod condition;
pub mod fence;
pub mod field;
pub mod id;
pub mod judge;
pub mod ledger;
pub mod memory;
pub mod record;
pub mod rule;

pub use condition::{Compare, Condition, Reads, Truth};
pub use fence::{Fence, FenceError, FenceKind, Ground, Height, Point};
pub use field::{Field, FieldKind, Per};
pub use id::{AlertId, Instance};
pub use judge::{AlertBook, Judged, RuleSet, Silent};
pub use ledger::{Alert, AlertFolded, AlertLedger, AlertLimits, AlertStanding};
pub use memory::{Memory, Since};
pub use record::{AlertRecord, Evidence, Remark, Transition, Turn};
pub use rule::{Level, Rule, RuleError, Severity, Trigger, When};
