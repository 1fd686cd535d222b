//! Whom a client trusts.

use std::path::{Path, PathBuf};

use rustls::{ClientConfig, RootCertStore};

use crate::{TlsError, certificates, provider};

/// Whose word a client takes for who a server is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Trust {
    /// Those that this machine trusts.
    #[default]
    Machine,
    /// Those of a PEM file and no other.
    File(PathBuf),
}

impl Trust {
    /// Those of a file if one is named, else those of the machine.
    #[must_use]
    pub fn new(file: Option<&Path>) -> Self {
        file.map_or(Self::Machine, |file| Self::File(file.to_owned()))
    }

    /// What a TLS client goes by.
    ///
    /// # Errors
    /// The certificates cannot be read, or there are none.
    pub fn client(&self) -> Result<ClientConfig, TlsError> {
        let roots = match self {
            Self::Machine => of_machine(),
            Self::File(path) => of_file(path)?,
        };
        let config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Setup)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(config)
    }
}

/// Possibly none: then no server is trusted, and a client that speaks to none does not mind.
fn of_machine() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

fn of_file(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        let added = roots.add(certificate);
        added.map_err(|source| TlsError::BadAuthority {
            path: path.to_owned(),
            source,
        })?;
    }
    Ok(roots)
}
