//! TLS of both sides: whom a client trusts, and the certificate of a server, which may change while
//! it serves. No bytes are moved here.

mod client;
mod server;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, pem};

pub use client::Trust;
pub use server::Identity;

/// Why TLS cannot be spoken.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file could not be read.
    #[error("the file {} could not be read as PEM", path.display())]
    File { path: PathBuf, source: pem::Error },
    /// The file holds nothing of what it is for.
    #[error("the file {} holds no certificate in PEM", path.display())]
    NoCertificate { path: PathBuf },
    /// A certificate that is to be trusted is none.
    #[error("the file {} holds a certificate that cannot be trusted", path.display())]
    BadAuthority {
        path: PathBuf,
        source: rustls::Error,
    },
    /// Certificate and key are not for each other, or not for TLS.
    #[error(
        "the certificate {} and the key {} cannot be used together",
        certificate.display(), key.display()
    )]
    Mismatch {
        certificate: PathBuf,
        key: PathBuf,
        source: rustls::Error,
    },
    /// The versions of TLS that are built in do not fit each other.
    #[error("TLS cannot be set up")]
    Setup(#[source] rustls::Error),
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let failed = |source| TlsError::File {
        path: path.to_owned(),
        source,
    };
    let found = CertificateDer::pem_file_iter(path).map_err(failed)?;
    let found: Vec<_> = found.collect::<Result<_, _>>().map_err(failed)?;
    if found.is_empty() {
        return Err(TlsError::NoCertificate {
            path: path.to_owned(),
        });
    }
    Ok(found)
}
