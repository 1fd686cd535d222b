//! The certificate of the public ports, kept as it is in its files.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aerostream_tls::{Identity, TlsError};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

/// TLS of the public ports.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TlsConfig {
    /// File with the certificate of the gateway and those that lead to its root (PEM). Default: no
    /// TLS.
    pub certificate: Option<PathBuf>,
    /// File with the key of the certificate (PEM).
    pub key: Option<PathBuf>,
    /// How often both files are looked at, in milliseconds; SIGHUP has them read at once. Default:
    /// 5000.
    pub watch_ms: u64,
    /// Lets ports be open to other machines without TLS, since something in front of them speaks
    /// it. Default: false.
    pub is_done_in_front: bool,
}

impl Default for TlsConfig {
    fn default() -> Self {
        Self {
            certificate: None,
            key: None,
            watch_ms: 5000,
            is_done_in_front: false,
        }
    }
}

/// Why the ports are not opened.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    /// One file without the other.
    #[error("gateway.tls needs both `certificate` and `key`, or neither")]
    Half,
    /// Tokens and telemetry would be readable on the way.
    #[error(
        "{setting} is {address}, which other machines reach, and there is no TLS: give \
         gateway.tls.certificate and gateway.tls.key, or say gateway.tls.is_done_in_front = true \
         if something in front of it speaks TLS, or listen on 127.0.0.1"
    )]
    Open {
        setting: &'static str,
        address: SocketAddr,
    },
    /// The certificate cannot be used.
    #[error("the certificate of gateway.tls cannot be used")]
    Tls(#[from] TlsError),
}

impl TlsConfig {
    /// Reads the certificate, if there is one.
    ///
    /// # Errors
    /// It cannot be used.
    pub fn load(&self) -> Result<Option<Arc<Identity>>, PortError> {
        match (&self.certificate, &self.key) {
            (Some(certificate), Some(key)) => Ok(Some(Identity::load(certificate, key)?)),
            (None, None) => Ok(None),
            _ => Err(PortError::Half),
        }
    }

    /// Refuses a port that others reach without TLS.
    ///
    /// # Errors
    /// It is such a port.
    pub fn check(&self, setting: &'static str, address: SocketAddr) -> Result<(), PortError> {
        let is_safe = self.certificate.is_some() || self.is_done_in_front;
        if is_safe || address.ip().to_canonical().is_loopback() {
            return Ok(());
        }
        Err(PortError::Open { setting, address })
    }
}

/// Reads the certificate again whenever its files change or `asked` has a new value, for ever.
pub(super) async fn keep(identity: &Identity, watch_ms: u64, mut asked: watch::Receiver<u64>) {
    let pause = Duration::from_millis(watch_ms);
    let stamp = || identity.files().map(seen);
    let mut before = stamp();
    loop {
        let is_asked = tokio::select! {
            () = tokio::time::sleep(pause) => false,
            Ok(()) = asked.changed() => true,
        };
        let now = stamp();
        if now == before && !is_asked {
            continue;
        }
        before = now;
        match identity.reload() {
            Ok(true) => tracing::info!("certificate changed; connections that are open stay"),
            Ok(false) => {}
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(
                    error,
                    "certificate not changed, since its files cannot be used"
                );
            }
        }
    }
}

fn seen(file: &Path) -> Option<(SystemTime, u64)> {
    let meta = std::fs::metadata(file).ok()?;
    Some((meta.modified().ok()?, meta.len()))
}
