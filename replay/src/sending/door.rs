//! `TelemetryService.Ingest`: a batch up, its result down.

use std::time::Duration;

use aerostream_proto::v1::telemetry_service_client::TelemetryServiceClient;
use aerostream_proto::v1::{Batch, BatchResult, IngestRequest};
use aerostream_simulator::tls::endpoint;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

use crate::config::Config;
use crate::error::Error;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// The gateway, and who asks.
#[derive(Debug, Clone)]
pub struct Door {
    client: TelemetryServiceClient<Channel>,
    bearer: Option<MetadataValue<Ascii>>,
}

/// What became of a batch.
#[derive(Debug)]
pub enum Answer {
    Result(BatchResult),
    /// It was not taken; the same again may be.
    Later {
        code: String,
        after: Duration,
    },
    /// The same will never be taken.
    Never {
        code: String,
        detail: String,
    },
}

impl Door {
    /// Connects when it is first used.
    ///
    /// # Errors
    /// The endpoint or the token cannot be used at all.
    pub fn new(config: &Config) -> Result<Self, Error> {
        let wrong = |detail: String| Error::Endpoint {
            endpoint: config.endpoint.clone(),
            detail,
        };
        let token = config.token.as_deref();
        let bearer = token
            .map(|token| format!("Bearer {token}").parse())
            .transpose();
        let bearer = bearer
            .map_err(|_| wrong("the token has characters that no header may have".to_owned()))?;
        let endpoint = endpoint(&config.endpoint, config.ca.as_deref())
            .map_err(wrong)?
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(ANSWER_TIMEOUT)
            .tcp_nodelay(true);
        Ok(Self {
            client: TelemetryServiceClient::new(endpoint.connect_lazy()),
            bearer,
        })
    }

    /// Sends one batch.
    pub async fn send(mut self, batch: Batch) -> Answer {
        let mut request = Request::new(IngestRequest {
            batches: vec![batch],
        });
        if let Some(bearer) = self.bearer {
            request.metadata_mut().insert("authorization", bearer);
        }
        match self.client.ingest(request).await {
            Ok(reply) => match reply.into_inner().results.pop() {
                Some(result) => match result.retry {
                    Some(retry) => Answer::Later {
                        code: retry.code,
                        after: Duration::from_millis(u64::from(retry.after_ms)),
                    },
                    None => Answer::Result(result),
                },
                None => Answer::Later {
                    code: "no_result".to_owned(),
                    after: Duration::ZERO,
                },
            },
            Err(status) => judge(&status),
        }
    }
}

fn judge(status: &Status) -> Answer {
    let code = format!("{:?}", status.code());
    match status.code() {
        Code::Unauthenticated
        | Code::PermissionDenied
        | Code::InvalidArgument
        | Code::NotFound
        | Code::FailedPrecondition
        | Code::OutOfRange
        | Code::Unimplemented => Answer::Never {
            code,
            detail: status.message().to_owned(),
        },
        _ => Answer::Later {
            code: format!("{code}: {}", status.message()),
            after: Duration::ZERO,
        },
    }
}
