//! Where a request comes from, carried along with its task, so that whatever it makes durable can
//! say it: the door, the address of the other end, and the token once it is known.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use aerostream_proto::v1;

tokio::task_local! {
    static ORIGIN: Origin;
}

/// Where a request comes from.
#[derive(Debug, Clone)]
pub struct Origin {
    door: &'static str,
    address: IpAddr,
    /// Id and role of the token.
    token: Arc<OnceLock<(String, &'static str)>>,
}

impl Origin {
    /// A request that came through a door from an address; whose it is is not known yet.
    #[must_use]
    pub fn new(door: &'static str, address: IpAddr) -> Self {
        Self {
            door,
            address,
            token: Arc::default(),
        }
    }

    /// The other end of its connection.
    #[must_use]
    pub const fn address(&self) -> IpAddr {
        self.address
    }
}

impl From<Origin> for v1::Origin {
    fn from(origin: Origin) -> Self {
        let (token_id, role) = origin.token.get().cloned().unwrap_or_default();
        Self {
            door: origin.door.to_owned(),
            address: origin.address.to_canonical().to_string(),
            token_id,
            role: role.to_owned(),
            fleet_id: String::new(),
        }
    }
}

/// Runs something on behalf of a request.
pub async fn within<F: Future>(origin: Option<Origin>, work: F) -> F::Output {
    match origin {
        Some(origin) => ORIGIN.scope(origin, work).await,
        None => work.await,
    }
}

/// The request that this is done on behalf of; `None` for what the system does by itself. A task
/// that is spawned has to be run [`within`] it.
#[must_use]
pub fn current() -> Option<Origin> {
    ORIGIN.try_with(Clone::clone).ok()
}

/// Tells whose token the request has; the first one counts.
pub fn tell_token(id: &str, role: &'static str) {
    // Without a request there is nobody to tell it of.
    let _ = ORIGIN.try_with(|origin| {
        origin.token.get_or_init(|| (id.to_owned(), role));
    });
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[tokio::test]
    async fn it_is_there_within_a_request_only() {
        assert!(current().is_none());
        let origin = Origin::new("http", Ipv4Addr::LOCALHOST.into());
        let told = within(Some(origin), async {
            tell_token("first", "admin");
            tell_token("second", "viewer");
            v1::Origin::from(current().expect("a request"))
        });
        let told = told.await;
        let words = [told.door, told.address, told.token_id, told.role];
        assert_eq!(words, ["http", "127.0.0.1", "first", "admin"]);
        assert!(current().is_none());
    }
}
