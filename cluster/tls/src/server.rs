//! The certificate of a server.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::{TlsError, certificates, provider};

/// A certificate with its key, read from files and read again when they change.
#[derive(Debug)]
pub struct Identity {
    certificate: PathBuf,
    key: PathBuf,
    now: RwLock<Arc<CertifiedKey>>,
}

impl Identity {
    /// Reads both files.
    ///
    /// # Errors
    /// They cannot be read, or are not for each other.
    pub fn load(certificate: &Path, key: &Path) -> Result<Arc<Self>, TlsError> {
        let now = read(certificate, key)?;
        Ok(Arc::new(Self {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            now: RwLock::new(Arc::new(now)),
        }))
    }

    /// Reads both files again; connections that are open stay as they are. True if the certificate
    /// is another one now.
    ///
    /// # Errors
    /// As [`Identity::load`]; nothing is changed then.
    pub fn reload(&self) -> Result<bool, TlsError> {
        let fresh = read(&self.certificate, &self.key)?;
        let mut now = self.now.write().unwrap_or_else(PoisonError::into_inner);
        let differs = now.cert != fresh.cert;
        *now = Arc::new(fresh);
        Ok(differs)
    }

    /// The files that it is read from.
    #[must_use]
    pub fn files(&self) -> [&Path; 2] {
        [&self.certificate, &self.key]
    }

    /// What a TLS server goes by, with the protocols that it speaks, the best first.
    ///
    /// # Errors
    /// TLS cannot be set up.
    pub fn server(self: &Arc<Self>, protocols: &[&[u8]]) -> Result<Arc<ServerConfig>, TlsError> {
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Setup)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(Resolver(Arc::clone(self))));
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        Ok(Arc::new(config))
    }
}

fn read(certificate: &Path, key: &Path) -> Result<CertifiedKey, TlsError> {
    let chain = certificates(certificate)?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(|source| TlsError::File {
        path: key.to_owned(),
        source,
    })?;
    CertifiedKey::from_der(chain, private, &provider()).map_err(|source| TlsError::Mismatch {
        certificate: certificate.to_owned(),
        key: key.to_owned(),
        source,
    })
}

#[derive(Debug)]
struct Resolver(Arc<Identity>);

impl ResolvesServerCert for Resolver {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let now = self.0.now.read().unwrap_or_else(PoisonError::into_inner);
        Some(Arc::clone(&now))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;

    fn write(directory: &TempDir, name: &str) {
        let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
        fs::write(directory.path().join("cert.pem"), made.cert.pem()).unwrap();
        let key = made.signing_key.serialize_pem();
        fs::write(directory.path().join("key.pem"), key).unwrap();
    }

    #[test]
    fn a_changed_certificate_is_taken_and_a_broken_one_is_not() {
        let directory = TempDir::new().unwrap();
        let [certificate, key] = ["cert.pem", "key.pem"].map(|name| directory.path().join(name));
        write(&directory, "one.example");
        let identity = Identity::load(&certificate, &key).unwrap();
        let current = || identity.now.read().unwrap().cert.clone();
        let first = current();
        assert!(!identity.reload().unwrap(), "nothing changed");
        let old_key = fs::read(&key).unwrap();
        write(&directory, "two.example");
        let new_key = fs::read(&key).unwrap();
        fs::write(&key, &old_key).unwrap();
        let refused = identity.reload().unwrap_err();
        assert!(matches!(refused, TlsError::Mismatch { .. }), "{refused}");
        assert_eq!(current(), first, "the good one stays");
        fs::write(&key, new_key).unwrap();
        assert!(identity.reload().unwrap());
        assert_ne!(current(), first);
        fs::write(&certificate, "nothing").unwrap();
        let refused = identity.reload().unwrap_err();
        assert!(
            matches!(refused, TlsError::NoCertificate { .. }),
            "{refused}"
        );
    }
}
