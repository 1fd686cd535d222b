//! TLS towards a door whose address is https.

use std::path::Path;

use tonic::transport::{Certificate, ClientTlsConfig, Endpoint};

/// A gRPC endpoint; by TLS if its address says so, trusting a file of certificates or else what
/// the machine trusts.
///
/// # Errors
/// The address is none, or the certificates cannot be used.
pub fn endpoint(address: &str, ca: Option<&Path>) -> Result<Endpoint, String> {
    let wrong = |error: tonic::transport::Error| told(&error);
    let endpoint = Endpoint::from_shared(address.to_owned()).map_err(wrong)?;
    if endpoint.uri().scheme_str() != Some("https") {
        return Ok(endpoint);
    }
    let tls = match ca {
        None => ClientTlsConfig::new().with_native_roots(),
        Some(path) => {
            let pem = std::fs::read(path).map_err(|error| {
                let path = path.display();
                format!("the certificates in {path} cannot be read: {error}")
            })?;
            ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem))
        }
    };
    endpoint.tls_config(tls).map_err(wrong)
}

fn told(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |told, cause| format!("{told}: {cause}"))
}
