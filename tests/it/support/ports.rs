//! Free ports for servers that cannot be given a bound listener.

use std::net::{Ipv4Addr, TcpListener};

use rand::Rng;

/// Below the kernel's range for outgoing connections, so that nobody takes a port by chance
/// while its server is down and is to come back on it.
const RANGE: std::ops::Range<u16> = 15_000..32_000;

/// How many to try before giving up.
const TRIES: u32 = 1_000;

/// A port of 127.0.0.1 on which nobody listens.
pub fn free_port() -> u16 {
    let mut rng = rand::rng();
    (0..TRIES)
        .map(|_| rng.random_range(RANGE))
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .expect("one of many ports is free")
}
