//! Commands: what a drone can be told, and the ledger of what became of it.
//!
//! Three parts, all pure. The [`catalogue`] says which commands there are. The [`ledger`] folds the
//! journal: operators' wishes and the owner's transitions, in order, and nothing else. [`decide`]
//! looks at the ledger, the time, the session and live state, and says what the owner shall write
//! next; nothing of it counts before it is read back from the journal.

pub mod catalogue;
pub mod decide;
pub mod ledger;
pub mod record;

mod danger;
mod effect;
mod id;
mod parameter;

#[cfg(test)]
mod tests;

pub use catalogue::{Command, CommandKind, ParameterSpec};
pub use danger::is_dangerous;
pub use decide::{Decision, Facts, Plan, Profile, SessionFacts};
pub use effect::Evidence;
pub use id::{CommandId, CommandIdError};
pub use ledger::{Entry, Folded, Ledger, LedgerLimits, Sending, Stage};
pub use parameter::{ParameterForm, Value};
pub use record::{
    Answer, Cancel, CommandRecord, Confirm, End, Intent, NotSentReason, Order, Outcome, Transition,
    Unrecorded,
};
