//! The groups of a sample; their fields are those of the JSON.

use aerostream_proto::v1;
use async_graphql::SimpleObject;

use crate::gateway::json::enums::{Long, Object, Real64};
use crate::gateway::json::shape::{
    self, Attitude, Battery, Gnss, Health, Home, Link, Mission, Position, State, Text, Velocity,
    Wind,
};

/// Values by groups. A group that was not told is null.
#[derive(Debug, SimpleObject)]
pub struct Groups {
    position: Option<Position>,
    velocity: Option<Velocity>,
    attitude: Option<Attitude>,
    gnss: Vec<Gnss>,
    battery: Vec<Battery>,
    link: Option<Link>,
    home: Option<Home>,
    mission: Option<Mission>,
    health: Option<Health>,
    wind: Option<Wind>,
    state: Option<State>,
    text: Option<Text>,
    extras: Vec<Extra>,
}

/// A value without a field of its own: one of the four kinds.
#[derive(Debug, SimpleObject)]
pub struct Extra {
    name: String,
    number: Option<Real64>,
    integer: Option<Long>,
    flag: Option<bool>,
    text: Option<String>,
}

impl From<shape::Extra> for Extra {
    fn from(json: shape::Extra) -> Self {
        Self {
            name: json.name,
            number: json.number,
            integer: json.integer.map(Long),
            flag: json.flag,
            text: json.text,
        }
    }
}

fn inner<T>(object: Option<Object<T>>) -> Option<T> {
    object.map(|object| object.0)
}

fn list<T, U: From<T>>(objects: Vec<Object<T>>) -> Vec<U> {
    objects.into_iter().map(|object| object.0.into()).collect()
}

impl From<v1::Sample> for Groups {
    fn from(wire: v1::Sample) -> Self {
        let json = shape::Sample::from(wire);
        Self {
            position: inner(json.position),
            velocity: inner(json.velocity),
            attitude: inner(json.attitude),
            gnss: list(json.gnss),
            battery: list(json.battery),
            link: inner(json.link),
            home: inner(json.home),
            mission: inner(json.mission),
            health: inner(json.health),
            wind: inner(json.wind),
            state: inner(json.state),
            text: inner(json.text),
            extras: list(json.extras),
        }
    }
}
