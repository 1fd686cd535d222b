//! The table of the REST door: what is not here is not served, and what is here is told about.

use axum::http::Method;
use axum::routing::{get, post};

use super::openapi::{self as about, DOCUMENT, page};
use super::route::Route;
use super::{
    alerts, audit, commands as given, dead_letters, fences, probe, read, registry, rules, summary,
    telemetry,
};
use crate::gateway::{graphql, ws};

/// Every route, in the order in which it is told about.
#[must_use]
pub fn routes() -> Vec<Route> {
    let groups = [
        drones(),
        commands(),
        of_alerts(),
        fleets(),
        rules_of_fleets(),
        rules_of_drones(),
        fences_of_fleets(),
        letters(),
        probes(),
        doors(),
        ws::routes(),
    ];
    groups.into_iter().flatten().collect()
}

fn drones() -> Vec<Route> {
    const DRONES: &str = "/api/v1/drones";
    const ONE: &str = "/api/v1/drones/{id}";
    const PAST: &str = "/api/v1/drones/{id}/telemetry";
    const RETIRE: &str = "/api/v1/drones/{id}/retire";
    let samples = about::telemetry::ingest;
    vec![
        Route::post("/api/v1/telemetry", telemetry::ingest, samples),
        Route::get(DRONES, read::drones, about::drones::list),
        Route::post(DRONES, registry::enrol, about::drones::enrol),
        Route::get(ONE, read::drone, about::drones::live),
        Route::get(PAST, read::past, about::drones::past),
        Route::post(RETIRE, registry::retire, about::drones::retire),
    ]
}

fn commands() -> Vec<Route> {
    const OF_DRONE: &str = "/api/v1/drones/{id}/commands";
    const NEXT: &str = "/api/v1/drones/{id}/commands/next";
    const ANSWER: &str = "/api/v1/drones/{id}/commands/{command}/answer";
    const MANY: &str = "/api/v1/commands";
    const GROUP: &str = "/api/v1/command-groups/{id}";
    const ONE: &str = "/api/v1/commands/{id}";
    const CANCEL: &str = "/api/v1/commands/{id}/cancel";
    const CONFIRM: &str = "/api/v1/commands/{id}/confirm";
    vec![
        Route::post(OF_DRONE, given::give, about::commands::give),
        Route::get(OF_DRONE, given::list, about::commands::list),
        Route::post(MANY, given::give_many, about::commands::give_many),
        Route::get(GROUP, given::show_group, about::commands::show_group),
        Route::get(ONE, given::show, about::commands::show),
        Route::post(CANCEL, given::cancel, about::commands::cancel),
        Route::post(CONFIRM, given::confirm, about::commands::confirm),
        Route::get(NEXT, given::next, about::commands::next),
        Route::post(ANSWER, given::answer, about::commands::answer),
    ]
}

fn of_alerts() -> Vec<Route> {
    const ALL: &str = "/api/v1/alerts";
    const OF_DRONE: &str = "/api/v1/drones/{id}/alerts";
    const ONE: &str = "/api/v1/drones/{id}/alerts/{alert}";
    const ACKNOWLEDGE: &str = "/api/v1/drones/{id}/alerts/{alert}/acknowledge";
    const COMMENTS: &str = "/api/v1/drones/{id}/alerts/{alert}/comments";
    vec![
        Route::get(ALL, alerts::list, about::alerts::list),
        Route::get(OF_DRONE, alerts::of_drone, about::alerts::of_drone),
        Route::get(ONE, alerts::show, about::alerts::show),
        Route::post(ACKNOWLEDGE, alerts::acknowledge, about::alerts::acknowledge),
        Route::post(COMMENTS, alerts::comment, about::alerts::comment),
    ]
}

fn fleets() -> Vec<Route> {
    const SUMMARY: &str = "/api/v1/fleet/summary";
    const FLEETS: &str = "/api/v1/fleets";
    const ONE: &str = "/api/v1/fleets/{id}";
    const DRONES: &str = "/api/v1/fleets/{id}/drones";
    const REVOKE: &str = "/api/v1/tokens/revoke";
    vec![
        Route::get(SUMMARY, summary::summary, about::fleets::summary),
        Route::get(FLEETS, registry::fleets, about::fleets::list),
        Route::post(FLEETS, registry::create_fleet, about::fleets::create),
        Route::patch(ONE, registry::change_fleet, about::fleets::change),
        Route::get(DRONES, registry::fleet_drones, about::fleets::drones),
        Route::post(REVOKE, registry::revoke, about::fleets::revoke),
    ]
}

fn rules_of_fleets() -> Vec<Route> {
    use about::rules as told;
    const FIELDS: &str = "/api/v1/rules/fields";
    const RULES: &str = "/api/v1/fleets/{id}/rules";
    const TEST: &str = "/api/v1/fleets/{id}/rules/test";
    const ONE: &str = "/api/v1/fleets/{id}/rules/{rule}";
    vec![
        Route::get(FIELDS, rules::rule_fields, told::fields),
        Route::get(RULES, rules::of_fleet, told::list_of_fleet),
        Route::post(RULES, rules::create_of_fleet, told::create_of_fleet),
        Route::post(TEST, rules::test, told::test),
        Route::get(ONE, rules::one_of_fleet, told::show_of_fleet),
        Route::put(ONE, rules::put_of_fleet, told::put_of_fleet),
        Route::delete(ONE, rules::remove_of_fleet, told::remove_of_fleet),
    ]
}

fn rules_of_drones() -> Vec<Route> {
    use about::rules as told;
    const RULES: &str = "/api/v1/drones/{id}/rules";
    const ONE: &str = "/api/v1/drones/{id}/rules/{rule}";
    vec![
        Route::get(RULES, rules::of_drone, told::list_of_drone),
        Route::post(RULES, rules::create_of_drone, told::create_of_drone),
        Route::get(ONE, rules::one_of_drone, told::show_of_drone),
        Route::put(ONE, rules::put_of_drone, told::put_of_drone),
        Route::delete(ONE, rules::remove_of_drone, told::remove_of_drone),
    ]
}

fn fences_of_fleets() -> Vec<Route> {
    use about::rules as told;
    const FENCES: &str = "/api/v1/fleets/{id}/fences";
    const ONE: &str = "/api/v1/fleets/{id}/fences/{fence}";
    vec![
        Route::get(FENCES, fences::list, told::fences),
        Route::post(FENCES, fences::create, told::create_fence),
        Route::get(ONE, fences::show, told::show_fence),
        Route::put(ONE, fences::put, told::put_fence),
        Route::delete(ONE, fences::remove, told::remove_fence),
    ]
}

fn letters() -> Vec<Route> {
    const LETTERS: &str = "/api/v1/dead-letters";
    const ONE: &str = "/api/v1/dead-letters/{id}";
    const REPLAY: &str = "/api/v1/dead-letters/{id}/replay";
    vec![
        Route::get(LETTERS, dead_letters::list, about::dead_letters::list),
        Route::get(ONE, dead_letters::show, about::dead_letters::show),
        Route::post(REPLAY, dead_letters::replay, about::dead_letters::replay),
        Route::get("/api/v1/audit", audit::list, about::audit::list),
    ]
}

fn probes() -> Vec<Route> {
    vec![
        Route::get("/", probe::root, about::probes::root),
        Route::get("/healthz", probe::healthz, about::probes::healthz),
        Route::get("/readyz", probe::readyz, about::probes::readyz),
        Route::get("/metrics", probe::metrics, about::probes::metrics),
        Route::get(DOCUMENT, about::serve, about::probes::document),
    ]
}

/// What OpenAPI has no words for: pages, other languages, WebSockets.
fn doors() -> Vec<Route> {
    vec![
        Route::door(
            Method::GET,
            page::PAGE,
            get(page::page),
            "a page to read about the calls and to try them",
        ),
        Route::part(page::FILES, get(page::file)),
        Route::door(
            Method::GET,
            "/graphql",
            get(graphql::page),
            "a page to write GraphQL queries in",
        ),
        Route::door(
            Method::POST,
            "/graphql",
            post(graphql::answer),
            "GraphQL: of each drone only what is asked for",
        ),
        Route::door(
            Method::GET,
            "/events/v1/alerts",
            get(alerts::stream),
            "server-sent events: alerts as they happen, with `last-event-id` what was missed",
        ),
        Route::part("/graphql/{file}", get(graphql::file)),
    ]
}
