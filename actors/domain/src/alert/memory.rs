//! Since when the conditions of a drone's rules hold: a function of the applied telemetry alone.

use super::id::Instance;
use crate::ids::{BootId, Offset, RuleId};
use crate::units::UtcMicros;

/// One rule and instance of which something holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Since {
    pub rule: RuleId,
    /// Another version begins anew.
    pub version: Option<Offset>,
    pub instance: Instance,
    /// Since when each level's condition holds.
    pub levels: Vec<Option<UtcMicros>>,
    /// Since when an active alert's clear condition holds.
    pub clear: Option<UtcMicros>,
    /// Samples heard since an active alert of silence.
    pub heard: u32,
}

impl Since {
    fn is_empty(&self) -> bool {
        self.levels.iter().all(Option::is_none) && self.clear.is_none() && self.heard == 0
    }
}

/// What is remembered of one drone; nothing of one whose conditions do not hold.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Memory {
    /// The power-up that it is about.
    pub boot: Option<BootId>,
    pub since: Vec<Since>,
}

impl Memory {
    /// Forgets what an earlier power-up told.
    pub(super) fn enter(&mut self, boot: Option<BootId>) {
        if self.boot != boot {
            self.boot = boot;
            self.since.clear();
        }
    }

    pub(super) fn has(&self, rule: &RuleId) -> bool {
        self.since.iter().any(|since| since.rule == *rule)
    }

    /// Looks at one rule and instance, and keeps what is not empty behind it.
    pub(super) fn with<R>(
        &mut self,
        (rule, version): (&RuleId, Option<Offset>),
        instance: &Instance,
        look: impl FnOnce(&mut Since) -> R,
    ) -> R {
        let known = self.since.iter().position(|since| {
            since.rule == *rule && since.instance == *instance && since.version == version
        });
        if let Some(at) = known {
            let result = look(&mut self.since[at]);
            if self.since[at].is_empty() {
                self.since.remove(at);
            }
            return result;
        }
        let mut since = Since {
            rule: rule.clone(),
            version,
            instance: instance.clone(),
            levels: Vec::new(),
            clear: None,
            heard: 0,
        };
        let result = look(&mut since);
        if !since.is_empty() {
            // What another version remembers is over.
            self.forget(rule, instance);
            self.since.push(since);
        }
        result
    }

    pub(super) fn forget(&mut self, rule: &RuleId, instance: &Instance) {
        self.since
            .retain(|since| since.rule != *rule || since.instance != *instance);
    }

    /// Forgets the rules that are not among these.
    pub(super) fn keep(&mut self, is_known: impl Fn(&RuleId) -> bool) {
        self.since.retain(|since| is_known(&since.rule));
    }
}
