//! The alerts' part of a run: the fold that owners make, going on from what is stored.
//!
//! An owner's ledger forgets alerts that are over for long; the tables have all. So each change is
//! folded into a ledger of what it is about: the drone's active alerts and the one that it names.

use std::collections::{BTreeMap, BTreeSet};

use aerostream_domain::alert::{
    Alert, AlertFolded, AlertId, AlertLedger, AlertRecord, AlertStanding, Evidence, Turn,
};
use aerostream_domain::{DroneId, ShardId};
use aerostream_proto::v1;

use super::audit::{About, row as row_of_audit};
use crate::store::Source;
use crate::store::alert::{AlertEvent, AlertFold, AlertRow, FoldedAlerts, StoredAlert};
use crate::store::audit::{AuditPlace, AuditRow, TAKEN, WITHOUT_EFFECT};

/// A journal record about alerts that counts by the claim rule.
#[derive(Debug, Clone)]
pub struct AlertTold {
    pub drone: DroneId,
    pub shard: ShardId,
    pub standing: AlertStanding,
    pub record: AlertRecord,
    /// Whose wish it was; `None` on records that owners write.
    pub origin: Option<v1::Origin>,
}

/// What a run tells of alerts, in log order within each shard.
#[derive(Debug, Default)]
pub struct AlertRun(pub Vec<AlertTold>);

type Alerts = BTreeMap<AlertId, Alert>;

impl AlertFold for AlertRun {
    fn about(&self) -> (Vec<DroneId>, Vec<String>) {
        let drones: BTreeSet<_> = self.0.iter().map(|told| told.drone.clone()).collect();
        let ids: BTreeSet<_> = self.0.iter().flat_map(|told| told.record.ids()).collect();
        let ids = ids.into_iter().map(|id| id.to_string()).collect();
        (drones.into_iter().collect(), ids)
    }

    fn fold(&self, stored: Vec<StoredAlert>) -> Result<FoldedAlerts, String> {
        let mut known: BTreeMap<DroneId, Alerts> = BTreeMap::new();
        for (drone, entry) in stored {
            let wire: v1::Alert =
                aerostream_log::decode(&entry).map_err(|error| error.to_string())?;
            let alert = Alert::try_from(wire).map_err(|refusal| refusal.to_string())?;
            known.entry(drone).or_default().insert(alert.id, alert);
        }
        let mut folded = FoldedAlerts::default();
        let mut changed = BTreeSet::new();
        for told in &self.0 {
            let alerts = known.entry(told.drone.clone()).or_default();
            for (place, (id, change)) in changes(&told.record).into_iter().enumerate() {
                let behind = behind(alerts, id, (told.standing, &change));
                folded.audit.extend(audited(told, id, behind.is_some()));
                let Some(alert) = behind else {
                    continue;
                };
                folded.events.push(event(told, place, (&change, &alert)));
                changed.insert((&told.drone, id));
                alerts.insert(id, alert);
            }
        }
        let alert = |drone: &DroneId, id| known.get(drone)?.get(&id);
        let rows = changed.into_iter();
        let rows = rows.filter_map(|(drone, id)| Some(row(drone, alert(drone, id)?)));
        folded.rows = rows.collect();
        Ok(folded)
    }
}

fn row(drone: &DroneId, alert: &Alert) -> AlertRow {
    AlertRow {
        drone: drone.clone(),
        alert: alert.clone(),
        entry: aerostream_log::encode(&v1::Alert::from(alert)).to_vec(),
    }
}

/// What somebody said of an alert, as the audit tells it.
fn audited(told: &AlertTold, id: AlertId, counts: bool) -> Option<AuditRow> {
    let (action, remark) = match &told.record {
        AlertRecord::Acknowledge(remark) => ("acknowledge_alert", remark),
        AlertRecord::Comment(remark) => ("comment_alert", remark),
        AlertRecord::Transitions(_) => return None,
    };
    let place = AuditPlace {
        at: told.standing.at,
        topic: Source::Journal.to_string(),
        partition: told.shard.0,
        offset: told.standing.offset,
    };
    let about = About {
        principal: remark.principal.clone(),
        action,
        drone: told.drone.to_string(),
        subject: id.to_string(),
        detail: remark.comment.clone(),
        result: if counts { TAKEN } else { WITHOUT_EFFECT },
    };
    let fleet = String::new();
    Some(row_of_audit(place, told.origin.clone(), about, fleet))
}

/// The changes of a record, one by one.
fn changes(record: &AlertRecord) -> Vec<(AlertId, AlertRecord)> {
    match record {
        AlertRecord::Transitions(transitions) => {
            let each = transitions.iter().cloned();
            let each = each.map(|it| (it.id, AlertRecord::Transitions(vec![it])));
            each.collect()
        }
        AlertRecord::Acknowledge(remark) | AlertRecord::Comment(remark) => {
            vec![(remark.id, record.clone())]
        }
    }
}

/// The alert behind a change; `None` if the change folds to nothing.
fn behind(
    alerts: &Alerts,
    id: AlertId,
    (standing, change): (AlertStanding, &AlertRecord),
) -> Option<Alert> {
    let about = alerts.values().filter(|it| it.is_active() || it.id == id);
    let mut ledger = AlertLedger::restore(about.cloned().collect(), None, None);
    match ledger.fold(standing, change) {
        AlertFolded::Changed => ledger.get(id).cloned(),
        AlertFolded::Nothing => None,
    }
}

fn event(told: &AlertTold, place: usize, (change, alert): (&AlertRecord, &Alert)) -> AlertEvent {
    let (who, what, detail, evidence) = words(change);
    AlertEvent {
        shard: told.shard,
        log_offset: told.standing.offset,
        place,
        id: alert.id.to_string(),
        drone: told.drone.clone(),
        at: told.standing.at,
        who,
        what,
        detail,
        severity: alert.severity,
        evidence,
    }
}

/// Who did what, why, and by which evidence.
fn words(change: &AlertRecord) -> (String, &'static str, String, Option<Evidence>) {
    match change {
        AlertRecord::Acknowledge(remark) => {
            let (who, comment) = (remark.principal.clone(), remark.comment.clone());
            (who, "acknowledged", comment, None)
        }
        AlertRecord::Comment(remark) => {
            let (who, comment) = (remark.principal.clone(), remark.comment.clone());
            (who, "commented", comment, None)
        }
        AlertRecord::Transitions(transitions) => {
            let one = transitions.first();
            let (what, detail) = match one.map(|transition| &transition.turn) {
                Some(Turn::Cleared { reason }) => ("cleared", reason.clone()),
                Some(Turn::Escalated { .. }) => ("escalated", String::new()),
                Some(Turn::Raised { .. }) | None => ("raised", String::new()),
            };
            let evidence = one.map(|transition| transition.evidence.clone());
            ("owner".to_owned(), what, detail, evidence)
        }
    }
}
