//! The root certificates for HTTPS.
//!
//! Reading all certificates of a machine takes longer than the rest of a function's start. Amazon's
//! own services need only five of them. So the client starts with these five, and reads the
//! machine's when it first gets a certificate that needs another one.

use aws_sdk_dynamodb::config::{RuntimeComponents, SharedHttpClient};
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::shared::IntoShared as _;
use rustls::{CertificateError, Error as TlsError};
use std::error::Error;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The roots of all certificates of Amazon's services, as Amazon Trust Services names them.
/// <https://www.amazontrust.com/repository/>
const AMAZONS: &[u8] = include_bytes!("amazon-roots.crt");

/// Returns an HTTP client for Amazon's services, and for services that imitate them. Several
/// clients of the SDK can share it.
///
/// A certificate is accepted if it leads to one of Amazon's five roots, which are compiled in, or
/// to one of this machine's. The machine's roots are read only when a certificate needs them,
/// because that takes longer than the rest of a process's start.
///
/// If `SSL_CERT_FILE` or `SSL_CERT_DIR` is set, it names the machine's roots. Amazon's are then
/// trusted only if they are among them.
///
/// Nothing is connected before the first request.
pub fn http_client() -> SharedHttpClient {
    let is_chosen = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    match is_chosen("SSL_CERT_FILE") || is_chosen("SSL_CERT_DIR") {
        true => machines(),
        false => amazons_or_machines(AMAZONS),
    }
}

/// `roots` are Amazon's, except in tests.
fn amazons_or_machines(roots: &[u8]) -> SharedHttpClient {
    let trust = TrustStore::empty().with_pem_certificate(roots);
    let is_needed = Arc::new(AtomicBool::new(false));
    Https { amazons: trusting(trust), machines: machines(), is_needed }.into_shared()
}

fn machines() -> SharedHttpClient {
    trusting(TrustStore::default())
}

fn trusting(roots: TrustStore) -> SharedHttpClient {
    // Building checks nothing and so does not fail. If it did, the machine's roots would be used.
    let context = TlsContext::builder().with_trust_store(roots).build().unwrap_or_default();
    let tls = Provider::Rustls(CryptoMode::AwsLc);
    Builder::new().tls_provider(tls).tls_context(context).build_https()
}

/// Two clients: one that trusts few roots and starts quickly, and one that trusts the machine's.
#[derive(Debug)]
struct Https {
    amazons: SharedHttpClient,
    machines: SharedHttpClient,
    /// Whether a certificate needed the second client.
    ///
    /// Once true it stays true, and new connections use the second client directly.
    is_needed: Arc<AtomicBool>,
}

impl HttpClient for Https {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        if self.is_needed.load(Ordering::Relaxed) {
            return self.machines.http_connector(settings, components);
        }
        Connector {
            amazons: self.amazons.http_connector(settings, components),
            machines: self.machines.clone(),
            is_needed: Arc::clone(&self.is_needed),
            settings: settings.clone(),
            components: components.clone(),
        }
        .into_shared()
    }
}

/// Sends a request over the first client. If the handshake failed because of an unknown issuer,
/// sends it once more over the second.
#[derive(Debug)]
struct Connector {
    amazons: SharedHttpConnector,
    machines: SharedHttpClient,
    is_needed: Arc<AtomicBool>,
    settings: HttpConnectorSettings,
    components: RuntimeComponents,
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let again = request.try_clone();
        let first = self.amazons.call(request);
        let machines = self.machines.clone();
        let is_needed = Arc::clone(&self.is_needed);
        let (settings, components) = (self.settings.clone(), self.components.clone());
        HttpConnectorFuture::new(async move {
            let answer = first.await;
            match (again, &answer) {
                // Nothing was sent: the handshake failed.
                (Some(request), Err(error)) if is_unknown_issuer(error) => {
                    is_needed.store(true, Ordering::Relaxed);
                    machines.http_connector(&settings, &components).call(request).await
                }
                _ => answer,
            }
        })
    }
}

/// Whether a certificate was refused because its issuer is unknown.
fn is_unknown_issuer(error: &ConnectorError) -> bool {
    let mut next: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = next {
        let refused = TlsError::InvalidCertificate(CertificateError::UnknownIssuer);
        if tls_error(error) == Some(&refused) {
            return true;
        }
        next = error.source();
    }
    false
}

/// The TLS error within an I/O error, also if there are several layers. An I/O error's own `source`
/// is the source of the wrapped error, and so skips that error.
fn tls_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a TlsError> {
    match error.downcast_ref::<io::Error>() {
        Some(error) => error.get_ref().and_then(|within| tls_error(within)),
        None => error.downcast_ref(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Authority, endpoint, tls};
    use aws_sdk_dynamodb::config::retry::RetryConfig;
    use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
    use aws_sdk_dynamodb::types::AttributeValue;
    use aws_sdk_dynamodb::{Client, Config};
    use tokio_rustls::rustls::pki_types::CertificateDer;
    use tokio_rustls::rustls::pki_types::pem::PemObject as _;

    /// The machine's roots, in tests in which nobody may need them.
    #[derive(Debug)]
    struct Untouched;

    impl HttpClient for Untouched {
        fn http_connector(
            &self,
            _: &HttpConnectorSettings,
            _: &RuntimeComponents,
        ) -> SharedHttpConnector {
            panic!("the machine's roots are not to be read")
        }
    }

    /// A DynamoDB without TLS.
    async fn plain() -> String {
        tokio::task::spawn_blocking(endpoint).await.unwrap().to_owned()
    }

    /// A DynamoDB whose certificate is signed by `authority`.
    async fn signed(authority: Authority) -> String {
        tls(authority, &plain().await).await.unwrap()
    }

    /// Reads an item of a missing table, twice. An answer that there is no such table counts as
    /// success.
    async fn ask(address: String, http: SharedHttpClient) -> [Result<(), String>; 2] {
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-west-2"))
            .credentials_provider(Credentials::new("test", "test", None, None, "test"))
            .retry_config(RetryConfig::disabled())
            .endpoint_url(address)
            .http_client(http);
        let client = Client::from_conf(config.build());
        let get = async || {
            let key = AttributeValue::S("kai".to_owned());
            let get = client.get_item().table_name("none").key("userId", key);
            match get.send().await {
                Err(error) if error.as_service_error().is_none() => Err(format!("{error:?}")),
                _ => Ok(()),
            }
        };
        [get().await, get().await]
    }

    fn of(authority: Authority) -> SharedHttpClient {
        trusting(TrustStore::empty().with_pem_certificate(authority.root()))
    }

    fn two(amazons: SharedHttpClient, machines: SharedHttpClient) -> SharedHttpClient {
        Https { amazons, machines, is_needed: Arc::default() }.into_shared()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn where_amazons_roots_are_enough_the_machines_are_not_read() {
        let http = two(of(Authority::One), Untouched.into_shared());

        let answers = ask(signed(Authority::One).await, http).await;

        assert_eq!([Ok(()), Ok(())], answers);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn whom_amazons_roots_do_not_know_the_machines_may() {
        let http = two(of(Authority::One), of(Authority::Two));

        let answers = ask(signed(Authority::Two).await, http).await;

        assert_eq!([Ok(()), Ok(())], answers);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn whom_nobody_knows_is_not_spoken_to() {
        for http in [two(of(Authority::One), of(Authority::One)), http_client()] {
            for answer in ask(signed(Authority::Two).await, http).await {
                assert!(answer.unwrap_err().contains("UnknownIssuer"));
            }
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn without_tls_nobodys_roots_are_read() {
        let http = two(of(Authority::One), Untouched.into_shared());

        let answers = ask(plain().await, http).await;

        assert_eq!([Ok(()), Ok(())], answers);
    }

    #[test]
    fn amazons_roots_are_the_five_that_amazon_names() {
        // SHA-256 of each certificate, from the page that AMAZONS names.
        let named = [
            "8ecde6884f3d87b1125ba31ac3fcb13d7016de7f57cc904fe1cb97c6ae98196e",
            "1ba5b2aa8c65401a82960118f80bec4f62304d83cec4713a19c39c011ea46db4",
            "18ce6cfe7bf14e60b2e347b8dfe868cb31d02ebb3ada271569f50343b46db3a4",
            "e35d28419ed02025cfa69038cd623962458da5c695fbdea3c22b0bfb25897092",
            "568d6905a2c88708a4b3025190edcfedb1974a606a13c6e5290fcb2ae63edab5",
        ];

        let roots: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(AMAZONS).collect();
        let roots = roots.unwrap();

        let prints = roots.iter().map(|root| {
            let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, root);
            digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect::<String>()
        });
        assert_eq!(named.to_vec(), prints.collect::<Vec<_>>());
    }
}
