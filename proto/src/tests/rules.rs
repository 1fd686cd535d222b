//! Rules and fences through their bytes, and what is none.

use std::time::Duration;

use aerostream_domain::alert::builtin;
use aerostream_domain::alert::{
    Compare, Condition, Fence, FenceKind, Field, FieldKind, Ground, Height, Level, Point, Rule,
    Severity, Trigger, When,
};
use aerostream_domain::{FenceId, Refusal, RuleId};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use prost::Message;

use crate::v1;

/// Comparisons of fields that are numbers of the drone as a whole.
fn comparison() -> impl Strategy<Value = Condition> {
    let numbers: Vec<_> = Field::all()
        .iter()
        .filter(|known| matches!(known.kind, FieldKind::Number(_)))
        .filter(|known| known.per == aerostream_domain::alert::Per::Drone)
        .collect();
    let field = prop_oneof![
        4 => select(numbers).prop_map(Field::Known),
        1 => "[a-z]{1,8}".prop_map(Field::Extra),
    ];
    (field, select(&Compare::ALL[..]), -1e6..1e6_f64).prop_map(|(field, compare, limit)| {
        Condition::Compare {
            field,
            compare,
            limit,
        }
    })
}

/// Trees, so that no level contradicts what clears it.
fn condition() -> impl Strategy<Value = Condition> {
    let tree = comparison().prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 1..3).prop_map(Condition::All),
            vec(inner.clone(), 1..3).prop_map(Condition::Any),
            inner.prop_map(|inner| Condition::Not(Box::new(inner))),
        ]
    });
    tree.prop_map(|tree| Condition::Not(Box::new(tree)))
}

fn lasts() -> impl Strategy<Value = Duration> {
    (0..86_400_000_000_u64).prop_map(Duration::from_micros)
}

fn levels() -> impl Strategy<Value = Trigger> {
    let levels = (1..=4_usize).prop_flat_map(|count| vec((condition(), lasts()), count));
    (levels, condition(), lasts()).prop_map(|(levels, clear, clear_lasts)| {
        let severities = Severity::ALL.into_iter().rev();
        Trigger::Levels {
            levels: levels
                .into_iter()
                .zip(severities)
                .map(|((raise, lasts), severity)| Level {
                    severity,
                    raise,
                    lasts,
                })
                .collect(),
            clear,
            clear_lasts,
        }
    })
}

fn silence() -> impl Strategy<Value = Trigger> {
    (1..=1000_u32, 500_000..40_000_000_000_u64).prop_map(|(clear_samples, after)| {
        Trigger::Silence {
            levels: vec![
                (Severity::Warning, Duration::from_micros(after)),
                (Severity::Critical, Duration::from_micros(after * 2)),
            ],
            clear_samples,
        }
    })
}

prop_compose! {
    fn rule()(
        id in "[a-z]{1,8}",
        title in ".{1,30}",
        enabled in any::<bool>(),
        when in select(&When::ALL[..]),
        trigger in prop_oneof![3 => levels(), 1 => silence()],
        repeat_after in lasts(),
    ) -> Rule {
        Rule { id: RuleId::parse(&id).unwrap(), title, enabled, when, trigger, repeat_after }
    }
}

fn point() -> impl Strategy<Value = Point> {
    (-60.0..60.0, -170.0..170.0).prop_map(|(latitude_deg, longitude_deg)| Point {
        latitude_deg,
        longitude_deg,
    })
}

/// A square around a place, and a smaller one within it.
fn squares(around: Point) -> Ground {
    let square = |half: f64| -> Vec<Point> {
        [(-1.0, -1.0), (-1.0, 1.0), (1.0, 1.0), (1.0, -1.0)]
            .map(|(north, east)| Point {
                latitude_deg: around.latitude_deg + north * half,
                longitude_deg: around.longitude_deg + east * half,
            })
            .to_vec()
    };
    Ground::Polygon {
        outer: square(1.0),
        holes: vec![square(0.5)],
    }
}

fn ground() -> impl Strategy<Value = Ground> {
    prop_oneof![
        Just(Ground::Everywhere),
        (point(), 1.0..100_000.0)
            .prop_map(|(center, radius_m)| Ground::Circle { center, radius_m }),
        point().prop_map(squares),
    ]
}

prop_compose! {
    fn fence()(
        id in "[a-z]{1,8}",
        name in ".{0,20}",
        enabled in any::<bool>(),
        kind in select(vec![FenceKind::KeepIn, FenceKind::KeepOut]),
        ground in ground(),
        height in select(&Height::ALL[..]),
        floor_m in option::of(-1000.0..100.0),
        ceiling_m in 100.0..100_000.0,
    ) -> Fence {
        let id = FenceId::parse(&id).unwrap();
        Fence { id, name, enabled, kind, ground, height, floor_m, ceiling_m: Some(ceiling_m) }
    }
}

proptest! {
    #[test]
    fn rules_survive_their_bytes(rule in rule()) {
        prop_assert_eq!(rule.check(), Ok(()));
        let bytes = v1::Rule::from(&rule).encode_to_vec();
        let wire = v1::Rule::decode(bytes.as_slice()).unwrap();
        prop_assert_eq!(Rule::try_from(wire), Ok(rule));
    }

    #[test]
    fn fences_survive_their_bytes(fence in fence()) {
        let bytes = v1::Fence::from(&fence).encode_to_vec();
        let wire = v1::Fence::decode(bytes.as_slice()).unwrap();
        prop_assert_eq!(Fence::try_from(wire), Ok(fence));
    }
}

#[test]
fn built_in_rules_survive_their_bytes() {
    for rule in builtin::rules() {
        assert_eq!(Rule::try_from(v1::Rule::from(&rule)), Ok(rule));
    }
}

fn refused(change: impl FnOnce(&mut v1::Rule)) -> Refusal {
    let rules = builtin::rules();
    let battery = rules.iter().find(|rule| rule.id.as_str() == "battery");
    let mut wire = v1::Rule::from(battery.unwrap());
    change(&mut wire);
    Rule::try_from(wire).expect_err("it is no rule")
}

#[test]
fn what_is_no_rule_is_refused_with_its_path() {
    let levels = |rule: &mut v1::Rule, change: &dyn Fn(&mut v1::RuleLevels)| {
        if let Some(v1::rule::Trigger::Levels(levels)) = &mut rule.trigger {
            change(levels);
        }
    };
    let check = |change: &dyn Fn(&mut v1::RuleLevels), field: &str| {
        let refusal = refused(|rule| levels(rule, change));
        assert_eq!(refusal.field, field, "{refusal}");
    };
    check(&|it| it.levels[1].severity = 0, "levels[1].severity");
    check(&|it| it.levels[2].raise = None, "levels[2].raise");
    check(&|it| it.levels.clear(), "levels");
    check(
        &|it| it.clear = Some(v1::RuleCondition::default()),
        "clear.condition",
    );
    check(&|it| it.clear_lasts_us = u64::MAX, "clear_for");
    let deep = |depth: usize| {
        let mut condition = v1::RuleCondition::from_never();
        for _ in 0..depth {
            let inner = Box::new(condition);
            condition = v1::RuleCondition {
                condition: Some(v1::rule_condition::Condition::Not(inner)),
            };
        }
        condition
    };
    let too_deep = refused(|rule| levels(rule, &|it| it.levels[0].raise = Some(deep(40))));
    assert!(too_deep.detail.contains("deep"), "{too_deep}");
    assert_eq!(refused(|rule| rule.when = 9).field, "when");
    assert_eq!(refused(|rule| rule.trigger = None).field, "trigger");
    assert_eq!(refused(|rule| rule.title.clear()).field, "title");
    assert_eq!(
        refused(|rule| rule.rule_id = "-".to_owned()).field,
        "rule_id"
    );
}

impl v1::RuleCondition {
    fn from_never() -> Self {
        let never = v1::rule_condition::Condition::Never(v1::RuleNever {});
        Self {
            condition: Some(never),
        }
    }
}
