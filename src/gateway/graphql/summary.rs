//! A fleet in numbers: the shape of the JSON, where only lists of names are told another way.

use std::borrow::Cow;

use async_graphql::parser::types::Field;
use async_graphql::registry::Registry;
use async_graphql::{
    ContextSelectionSet, OutputType, Positioned, ServerResult, SimpleObject, Value,
};

use super::session::Session;
use crate::error::Problem;
use crate::gateway::json::enums::Long;
use crate::gateway::json::summary::{Counts, Summary};
use crate::gateway::summary::{Asked, Asking};

/// Drones by a word; `unknown` if they never told.
#[derive(SimpleObject)]
struct Count {
    name: String,
    drones: Long,
}

/// GraphQL has no maps.
impl OutputType for Counts {
    fn type_name() -> Cow<'static, str> {
        Vec::<Count>::type_name()
    }

    fn qualified_type_name() -> String {
        Vec::<Count>::qualified_type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        Vec::<Count>::create_type_info(registry)
    }

    async fn resolve(
        &self,
        context: &ContextSelectionSet<'_>,
        field: &Positioned<Field>,
    ) -> ServerResult<Value> {
        let counts = self.0.iter().map(|(name, drones)| Count {
            name: name.clone(),
            drones: *drones,
        });
        counts.collect::<Vec<_>>().resolve(context, field).await
    }
}

/// Counts the drones as they are now.
pub(super) async fn ask(session: &Session, asking: &Asking) -> Result<Summary, Problem> {
    let asked = Asked::new(&session.gateway, session.principal(), asking);
    let asked = asked.map_err(camel_case)?;
    let _turn = session.turn().await?;
    let summary = asked.answer(&session.gateway).await?;
    Ok(Summary::new(asked.fleet.as_ref(), summary))
}

/// Names the argument at fault as it is called here.
fn camel_case(problem: Problem) -> Problem {
    match problem.field.as_deref() {
        Some("cell_deg") => problem.at("cellDeg"),
        Some("within_s") => problem.at("withinS"),
        _ => problem,
    }
}
