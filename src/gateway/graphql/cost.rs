//! What a query may cost, told from its text before anything is asked of anybody.
//!
//! Fragments are measured once and counted wherever they are spread, so that measuring takes no
//! longer than the text is; the library, which follows every spread, sees only what passed here.

use std::collections::HashMap;

use async_graphql::parser::types::{
    Directive, ExecutableDocument, Field, OperationDefinition, Selection, SelectionSet,
};
use async_graphql::{Name, Positioned, Value, Variables};

use super::config::GraphqlConfig;
use crate::error::{ErrorCode, Problem};
use crate::gateway::http::input::PAGE_DEFAULT;

/// Fields that answer with a page of entries.
const PAGED: [&str; 4] = ["alerts", "drones", "telemetry", "fences"];
/// Fields that bring more than one value each, and how many they are taken for.
const HEAVY: [(&str, u64); 11] = [
    ("active", 100),
    ("changes", 10),
    ("rules", 100),
    ("ruleFields", 60),
    ("levels", 4),
    ("commands", 100),
    ("stamps", 20),
    ("extras", 20),
    ("raw", 20),
    ("gnss", 2),
    ("battery", 2),
];
/// Lists of the schema that tell of types, which have such lists in turn.
const CATALOGUES: [&str; 4] = ["fields", "inputFields", "interfaces", "possibleTypes"];
/// How many of them may be within each other; GraphiQL asks for one level.
const CATALOGUES_MAX: usize = 2;
/// Levels and spreads within each other that are followed.
const FOLLOWED_MAX: usize = 64;

/// What a selection amounts to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Measure {
    pub depth: usize,
    /// Fields as written.
    pub fields: usize,
    pub directives: usize,
    /// Values that it may bring.
    pub cost: u64,
    catalogues: usize,
}

impl Measure {
    fn of_directives(list: &[Positioned<Directive>]) -> Self {
        Self {
            directives: list.len(),
            ..Self::default()
        }
    }

    fn add(&mut self, other: Self) {
        self.depth = self.depth.max(other.depth);
        self.fields = self.fields.saturating_add(other.fields);
        self.directives = self.directives.saturating_add(other.directives);
        self.cost = self.cost.saturating_add(other.cost);
        self.catalogues = self.catalogues.max(other.catalogues);
    }
}

/// Measures every operation of a document and holds it against the limits.
///
/// # Errors
/// It is beyond one of them.
pub fn check(
    document: &ExecutableDocument,
    variables: &Variables,
    config: &GraphqlConfig,
) -> Result<Measure, Problem> {
    let mut all = Measure::default();
    for (_, operation) in document.operations.iter() {
        let mut meter = Meter {
            document,
            operation: &operation.node,
            variables,
            fragments: HashMap::new(),
        };
        all.add(meter.operation()?);
    }
    within(all, config)?;
    Ok(all)
}

fn within(measure: Measure, config: &GraphqlConfig) -> Result<(), Problem> {
    let too_large = |detail: String| Err(Problem::new(ErrorCode::TooLarge, detail).at("query"));
    if measure.depth > config.depth_max {
        return too_large(format!(
            "the query is {} levels deep; at most {} are answered (depth_max)",
            measure.depth, config.depth_max
        ));
    }
    if measure.fields > config.fields_max {
        return too_large(format!(
            "the query has {} fields, aliases and fragments counted; at most {} are answered \
             (fields_max)",
            measure.fields, config.fields_max
        ));
    }
    if measure.directives > config.directives_max {
        return too_large(format!(
            "the query has {} directives; at most {} are taken (directives_max)",
            measure.directives, config.directives_max
        ));
    }
    if measure.catalogues > CATALOGUES_MAX {
        return too_large(format!(
            "lists of the schema may be asked for within each other {CATALOGUES_MAX} levels deep"
        ));
    }
    if measure.cost > config.cost_max as u64 {
        return too_large(format!(
            "the query may bring {} values, its fields times the entries of its pages; at most {} \
             are answered (cost_max): ask for fewer fields or a smaller `first`",
            measure.cost, config.cost_max
        ));
    }
    Ok(())
}

struct Meter<'a> {
    document: &'a ExecutableDocument,
    operation: &'a OperationDefinition,
    variables: &'a Variables,
    /// `None` while a fragment is measured: who meets it then is within it.
    fragments: HashMap<&'a Name, Option<Measure>>,
}

impl<'a> Meter<'a> {
    fn operation(&mut self) -> Result<Measure, Problem> {
        let mut all = self.selections(&self.operation.selection_set.node, 0)?;
        all.add(Measure::of_directives(&self.operation.directives));
        for variable in &self.operation.variable_definitions {
            all.add(Measure::of_directives(&variable.node.directives));
        }
        Ok(all)
    }

    fn selections(&mut self, set: &'a SelectionSet, level: usize) -> Result<Measure, Problem> {
        if level > FOLLOWED_MAX {
            let detail =
                format!("levels and fragments may be within each other {FOLLOWED_MAX} deep");
            return Err(Problem::new(ErrorCode::TooLarge, detail).at("query"));
        }
        let mut all = Measure::default();
        for selection in &set.items {
            let part = match &selection.node {
                Selection::Field(field) => self.field(&field.node, level)?,
                Selection::InlineFragment(inline) => {
                    self.selections(&inline.node.selection_set.node, level + 1)?
                }
                Selection::FragmentSpread(spread) => {
                    self.fragment(&spread.node.fragment_name.node, level)?
                }
            };
            all.add(part);
            all.add(Measure::of_directives(selection.node.directives()));
        }
        Ok(all)
    }

    fn field(&mut self, field: &'a Field, level: usize) -> Result<Measure, Problem> {
        let within = self.selections(&field.selection_set.node, level + 1)?;
        let name = field.name.node.as_str();
        let entries = if PAGED.contains(&name) {
            self.page(field)
        } else {
            let heavy = HEAVY.iter().find(|(heavy, _)| *heavy == name);
            heavy.map_or(1, |(_, weight)| *weight)
        };
        Ok(Measure {
            depth: within.depth + 1,
            fields: within.fields.saturating_add(1),
            cost: within.cost.saturating_add(1).saturating_mul(entries),
            catalogues: within.catalogues + usize::from(CATALOGUES.contains(&name)),
            ..within
        })
    }

    /// A fragment that is not there costs nothing; the library says so.
    fn fragment(&mut self, name: &'a Name, level: usize) -> Result<Measure, Problem> {
        match self.fragments.get(name) {
            Some(Some(known)) => return Ok(*known),
            Some(None) => {
                let detail = format!("the fragment `{name}` is spread within itself");
                return Err(Problem::new(ErrorCode::Invalid, detail).at("query"));
            }
            None => {}
        }
        let Some(fragment) = self.document.fragments.get(name) else {
            return Ok(Measure::default());
        };
        self.fragments.insert(name, None);
        let mut measure = self.selections(&fragment.node.selection_set.node, level + 1)?;
        measure.add(Measure::of_directives(&fragment.node.directives));
        self.fragments.insert(name, Some(measure));
        Ok(measure)
    }

    /// How many entries a page may have. What is no number is refused later, by its type.
    fn page(&self, field: &Field) -> u64 {
        let first = field
            .arguments
            .iter()
            .find(|(name, _)| name.node == "first");
        let asked = first.and_then(|(_, value)| {
            let value = value.node.clone();
            match value.into_const_with(|name| self.variable(&name).ok_or(())) {
                Ok(Value::Number(number)) => number.as_u64(),
                _ => None,
            }
        });
        asked.unwrap_or(PAGE_DEFAULT as u64).max(1)
    }

    fn variable(&self, name: &Name) -> Option<Value> {
        if let Some(given) = self.variables.get(name) {
            return Some(given.clone());
        }
        let defined = &self.operation.variable_definitions;
        let defined = defined.iter().find(|one| one.node.name.node == *name)?;
        Some(defined.node.default_value.as_ref()?.node.clone())
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;
    use serde_json::json;

    use super::*;

    fn measured(query: &str, variables: serde_json::Value) -> Result<Measure, Problem> {
        let document = parse_query(query).unwrap();
        let variables = Variables::from_json(variables);
        check(&document, &variables, &GraphqlConfig::default())
    }

    fn cost(query: &str, variables: serde_json::Value) -> u64 {
        measured(query, variables).unwrap().cost
    }

    #[test]
    fn pages_multiply_what_is_within_them() {
        let none = json!({});
        assert_eq!(cost("{ drone(id: \"a\") { id fleetId } }", none.clone()), 3);
        assert_eq!(
            cost("{ drones(first: 10) { nodes { id } } }", none.clone()),
            30
        );
        assert_eq!(cost("{ drones { nodes { id } } }", none.clone()), 300);
        let nested = "{ drones(first: 2) { nodes { telemetry(first: 5) { nodes { seq } } } } }";
        assert_eq!(cost(nested, none.clone()), 2 * (1 + (1 + 5 * 3)));
        let variable = "query($n: Int = 7) { drones(first: $n) { nodes { id } } }";
        assert_eq!(cost(variable, none.clone()), 21);
        assert_eq!(cost(variable, json!({ "n": 3 })), 9);
        let spread =
            "{ drones(first: 4) { ...f ...f } } fragment f on DroneConnection { nodes { id } }";
        assert_eq!(cost(spread, none), 4 * (1 + 2 * 2));
    }

    fn refused(query: &str) -> Problem {
        measured(query, json!({})).expect_err(query)
    }

    #[test]
    fn what_is_beyond_a_limit_is_told_with_the_limit() {
        let deep = format!("{}a{}", "{ a ".repeat(30), " }".repeat(30));
        assert!(refused(&deep).detail.contains("30 levels deep; at most 16"));
        let aliases: String = (0..10_000).map(|n| format!(" a{n}: __typename")).collect();
        let problem = refused(&format!("{{ {aliases} }}"));
        assert!(problem.detail.contains("10000 fields"), "{problem}");
        let directives = "@include(if: true) ".repeat(51);
        assert!(
            refused(&format!("{{ a {directives} }}"))
                .detail
                .contains("51 directives")
        );
        let costly =
            "{ drones(first: 1000) { nodes { telemetry(first: 1000) { nodes { seq } } } } }";
        assert!(refused(costly).detail.contains("cost_max"));
        let schema =
            "{ __schema { types { fields { type { fields { type { fields { name } } } } } } } }";
        assert!(refused(schema).detail.contains("lists of the schema"));
    }

    #[test]
    fn fragments_within_fragments_are_counted_without_being_followed_each_time() {
        // Twenty fragments, each of which spreads the next one ten times.
        let mut query = "{ ...f0 }".to_owned();
        for n in 0..20 {
            let next = format!(" ...f{} ", n + 1).repeat(10);
            query.push_str(&format!(" fragment f{n} on Query {{ {next} }}"));
        }
        query.push_str(" fragment f20 on Query { a }");
        assert!(refused(&query).detail.contains("fields_max"));
        let own = "{ ...f } fragment f on Query { a { ...g } } fragment g on Query { ...f }";
        assert!(refused(own).detail.contains("within itself"));
        let mut chain = "{ ...f0 }".to_owned();
        for n in 0..5000 {
            chain.push_str(&format!(" fragment f{n} on Query {{ ...f{} }}", n + 1));
        }
        assert!(refused(&chain).detail.contains("64 deep"));
    }
}
