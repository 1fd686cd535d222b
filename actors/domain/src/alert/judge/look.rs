//! One rule on one sample.

use std::time::Duration;

use super::{AlertBook, Judged, Seen, idle};
use crate::alert::condition::{Condition, Truth};
use crate::alert::field::{Field, Per, View};
use crate::alert::id::{AlertId, Instance};
use crate::alert::ledger::Alert;
use crate::alert::memory::Since;
use crate::alert::record::{Evidence, Transition, Turn};
use crate::alert::rule::{Level, Severity, Trigger};
use crate::drone::live::LiveState;
use crate::ids::BootId;
use crate::sample::RecordedSample;
use crate::units::UtcMicros;

/// A drone that started again and does not tell what an alert was about, this long: it is over.
const UNTOLD_AFTER: Duration = Duration::from_secs(60);

/// What one look found.
enum Found {
    Nothing,
    /// A level holds: (severity, its condition's place).
    Raise(Severity, usize),
    Clear(String),
}

impl AlertBook {
    pub(super) fn look(
        &mut self,
        seen: Seen<'_>,
        judged: &Judged,
        sample: &RecordedSample,
        is_recorded: bool,
    ) {
        for instance in instances(seen, judged) {
            let found = match &judged.rule.trigger {
                Trigger::Levels { .. } => self.levels(seen, judged, &instance, sample),
                Trigger::Silence { clear_samples, .. } => {
                    self.heard(seen, judged, *clear_samples, sample)
                }
            };
            if !is_recorded {
                self.act(seen, judged, &instance, (sample, found));
            }
        }
    }

    /// Ends alerts whose rule or fence is no more.
    pub(super) fn end_orphans(&mut self, seen: Seen<'_>, sample: &RecordedSample) {
        self.memory.keep(|rule| seen.rules.get(rule).is_some());
        if self.view().active().next().is_none() {
            return;
        }
        let orphans: Vec<_> = self
            .view()
            .active()
            .filter_map(|alert| Some((alert.id, orphaned(alert, seen, sample)?)))
            .collect();
        for (id, reason) in orphans {
            let evidence = bare(boot_of(seen.live), sample);
            let turn = Turn::Cleared {
                reason: reason.to_owned(),
            };
            self.decide(seen.applied, Transition { id, turn, evidence });
        }
    }

    fn levels(
        &mut self,
        seen: Seen<'_>,
        judged: &Judged,
        instance: &Instance,
        sample: &RecordedSample,
    ) -> Found {
        let rule = &judged.rule;
        let Trigger::Levels {
            levels,
            clear,
            clear_lasts,
        } = &rule.trigger
        else {
            return Found::Nothing;
        };
        let is_active = self.active_before(seen, judged, instance, sample);
        if let Some(reason) = idle(rule, seen.live) {
            self.memory.forget(&rule.id, instance);
            return match is_active {
                true => Found::Clear(reason.to_owned()),
                false => Found::Nothing,
            };
        }
        let Some(view) = view(seen, instance) else {
            return Found::Nothing;
        };
        let now = now_of(seen.live, sample);
        let key = (&rule.id, judged.version);
        self.memory.with(key, instance, |since| {
            let worst = holding(since, levels, &view, now);
            let clears = is_active && clear.judge(&view) == Truth::True;
            since.clear = clears.then(|| since.clear.unwrap_or(now));
            match (worst, since.clear) {
                (Some((severity, place)), _) => Found::Raise(severity, place),
                (None, Some(began)) if now.distance(began) >= *clear_lasts => {
                    since.clear = None;
                    Found::Clear(String::new())
                }
                _ => Found::Nothing,
            }
        })
    }

    fn heard(
        &mut self,
        seen: Seen<'_>,
        judged: &Judged,
        clear_samples: u32,
        sample: &RecordedSample,
    ) -> Found {
        let instance = Instance::Drone;
        if !self.active_before(seen, judged, &instance, sample) {
            self.memory.forget(&judged.rule.id, &instance);
            return Found::Nothing;
        }
        let key = (&judged.rule.id, judged.version);
        let heard = self.memory.with(key, &instance, |since| {
            since.heard += 1;
            since.heard
        });
        match heard >= clear_samples {
            true => Found::Clear(String::new()),
            false => Found::Nothing,
        }
    }

    /// True if an alert is active that a sample before this one raised.
    fn active_before(
        &self,
        seen: Seen<'_>,
        judged: &Judged,
        instance: &Instance,
        sample: &RecordedSample,
    ) -> bool {
        let newest = self.view().newest_of(&judged.rule.id, instance);
        newest
            .filter(|alert| alert.is_active())
            .is_some_and(|alert| {
                let raised = &alert.raised;
                Some(raised.boot) != seen.live.boot || raised.seq < sample.seq
            })
    }

    fn act(
        &mut self,
        seen: Seen<'_>,
        judged: &Judged,
        instance: &Instance,
        (sample, found): (&RecordedSample, Found),
    ) {
        let rule = &judged.rule;
        let newest = self.view().newest_of(&rule.id, instance);
        let active = newest.filter(|alert| alert.is_active());
        match (found, active) {
            (Found::Clear(reason), Some(alert)) => {
                let id = alert.id;
                let evidence = match &rule.trigger {
                    Trigger::Levels { clear, .. } => evidence(seen, instance, (clear, sample)),
                    Trigger::Silence { .. } => bare(boot_of(seen.live), sample),
                };
                let turn = Turn::Cleared { reason };
                self.memory.forget(&rule.id, instance);
                self.decide(seen.applied, Transition { id, turn, evidence });
            }
            (Found::Raise(severity, place), Some(alert)) if severity < alert.severity => {
                let id = alert.id;
                let evidence = self.raised_by(seen, judged, instance, (place, sample));
                let turn = Turn::Escalated { severity };
                self.decide(seen.applied, Transition { id, turn, evidence });
            }
            (Found::Raise(severity, place), None) => {
                let now = now_of(seen.live, sample);
                let too_soon =
                    newest.is_some_and(|last| last.raised.time + rule.repeat_after > now);
                let raised = (boot_of(seen.live), sample.seq);
                let id = AlertId::of(seen.drone, &rule.id, instance, raised);
                if too_soon || self.view().get(id).is_some() {
                    return;
                }
                let evidence = self.raised_by(seen, judged, instance, (place, sample));
                let turn = Turn::Raised {
                    rule: rule.id.clone(),
                    rule_version: judged.version,
                    instance: instance.clone(),
                    title: rule.title.clone(),
                    severity,
                };
                self.decide(seen.applied, Transition { id, turn, evidence });
            }
            _ => {}
        }
    }

    fn raised_by(
        &self,
        seen: Seen<'_>,
        judged: &Judged,
        instance: &Instance,
        (place, sample): (usize, &RecordedSample),
    ) -> Evidence {
        match &judged.rule.trigger {
            Trigger::Levels { levels, .. } => {
                evidence(seen, instance, (&levels[place].raise, sample))
            }
            Trigger::Silence { .. } => bare(boot_of(seen.live), sample),
        }
    }
}

/// The worst level that has held for long enough.
fn holding(
    since: &mut Since,
    levels: &[Level],
    view: &View<'_>,
    now: UtcMicros,
) -> Option<(Severity, usize)> {
    let mut worst = None;
    let mut began_any = false;
    let mut began: Vec<Option<UtcMicros>> = vec![None; levels.len()];
    for (place, level) in levels.iter().enumerate() {
        if level.raise.judge(view) != Truth::True {
            continue;
        }
        let known = since.levels.get(place).copied().flatten();
        let start = known.unwrap_or(now);
        began[place] = Some(start);
        began_any = true;
        if now.distance(start) >= level.lasts {
            worst = Some((level.severity, place));
        }
    }
    since.levels = if began_any { began } else { Vec::new() };
    worst
}

/// The parts of the drone that a rule is judged for.
fn instances(seen: Seen<'_>, judged: &Judged) -> Vec<Instance> {
    let groups = &seen.live.groups;
    match judged.reads.per {
        Per::Drone => vec![Instance::Drone],
        Per::Battery => groups
            .battery
            .iter()
            .map(|it| Instance::Battery(it.id))
            .collect(),
        Per::Gnss => groups.gnss.iter().map(|it| Instance::Gnss(it.id)).collect(),
        Per::Fence => {
            let fences = seen.rules.fences().iter();
            fences
                .map(|fence| Instance::Fence(fence.id.clone()))
                .collect()
        }
    }
}

fn view<'a>(seen: Seen<'a>, instance: &Instance) -> Option<View<'a>> {
    let mut view = View::of(seen.live, instance)?;
    if let Instance::Fence(id) = instance {
        let fence = seen.rules.fences().iter().find(|fence| fence.id == *id)?;
        view.fence_depth_m = fence.depth_m(seen.live.groups.position.as_ref()?);
    }
    Some(view)
}

/// The drone's newest time: a sample that came late does not turn it back.
fn now_of(live: &LiveState, sample: &RecordedSample) -> UtcMicros {
    live.newest
        .map_or(sample.time, |newest| newest.time.max(sample.time))
}

fn boot_of(live: &LiveState) -> BootId {
    live.boot.unwrap_or(BootId(0))
}

fn bare(boot: BootId, sample: &RecordedSample) -> Evidence {
    Evidence {
        boot,
        seq: sample.seq,
        time: sample.time,
        field: String::new(),
        value: None,
        note: String::new(),
    }
}

fn evidence(
    seen: Seen<'_>,
    instance: &Instance,
    (condition, sample): (&Condition, &RecordedSample),
) -> Evidence {
    let mut evidence = bare(boot_of(seen.live), sample);
    let view = view(seen, instance);
    if let Some((field, value)) = view.as_ref().and_then(|view| condition.evidence(view)) {
        evidence.field = field.name();
        evidence.value = Some(value);
        evidence.note = note(seen, instance, field);
    }
    evidence
}

/// What must be said beside the value of a field.
fn note(seen: Seen<'_>, instance: &Instance, field: &Field) -> String {
    let position = seen.live.groups.position.unwrap_or_default();
    let text = match field.name().as_str() {
        "position.height_m" if position.terrain_altitude_m.is_some() => {
            "above the ground, by terrain data or a range finder"
        }
        "position.height_m" | "position.relative_altitude_m" => {
            "above home; not verified against the terrain"
        }
        "position.absolute_altitude_m" => "above mean sea level; not above the ground",
        "position.ellipsoid_altitude_m" => "above the WGS 84 ellipsoid; not above the ground",
        "fence.depth_m" => {
            let mut fences = seen.rules.fences().iter();
            let fence = fences.find(|fence| *instance == Instance::Fence(fence.id.clone()));
            return fence.map_or_else(String::new, |fence| match fence.name.as_str() {
                "" => fence.id.to_string(),
                name => name.to_owned(),
            });
        }
        _ => "",
    };
    text.to_owned()
}

/// Why an active alert is about nothing any more.
fn orphaned(alert: &Alert, seen: Seen<'_>, sample: &RecordedSample) -> Option<&'static str> {
    let Some(judged) = seen.rules.get(&alert.rule) else {
        return Some("the rule was removed or switched off");
    };
    if let Instance::Fence(id) = &alert.instance
        && !seen.rules.fences().iter().any(|fence| fence.id == *id)
    {
        return Some("the fence was removed or switched off");
    }
    let Trigger::Levels { clear, .. } = &judged.rule.trigger else {
        return None;
    };
    let started_again = Some(alert.newest.boot) != seen.live.boot;
    let up_since = seen.live.power_up.unwrap_or(sample.time);
    let is_untold =
        view(seen, &alert.instance).is_none_or(|view| clear.judge(&view) == Truth::Unknown);
    let long_since = now_of(seen.live, sample).distance(up_since) >= UNTOLD_AFTER;
    (started_again && is_untold && long_since)
        .then_some("the drone started again and does not tell it any more")
}
