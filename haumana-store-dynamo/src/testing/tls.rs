//! TLS in front of a service that speaks none.
//!
//! With it, tests check which certificates the client accepts, on real handshakes.

use std::io;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// The signer of the certificate. Both were made for this, are valid for a hundred years and for
/// `localhost`, and nobody trusts either.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authority {
    /// The first.
    One,
    /// The second.
    Two,
}

impl Authority {
    /// Returns its root certificate, as PEM.
    pub fn root(self) -> &'static [u8] {
        match self {
            Self::One => include_bytes!("certificates/root-one.crt"),
            Self::Two => include_bytes!("certificates/root-two.crt"),
        }
    }

    fn server(self) -> (&'static [u8], &'static [u8]) {
        match self {
            Self::One => (
                include_bytes!("certificates/server-one.crt"),
                include_bytes!("certificates/server-one.key"),
            ),
            Self::Two => (
                include_bytes!("certificates/server-two.crt"),
                include_bytes!("certificates/server-two.key"),
            ),
        }
    }
}

/// Listens on a free port with a certificate by `authority`, forwards everything to `behind`
/// (`http://127.0.0.1:8000`), and returns its own address.
///
/// # Errors
///
/// If no port is free.
pub async fn tls(authority: Authority, behind: &str) -> io::Result<String> {
    let (certificate, key) = authority.server();
    let certificate = CertificateDer::from_pem_slice(certificate).map_err(io::Error::other)?;
    let key = PrivateKeyDer::from_pem_slice(key).map_err(io::Error::other)?;
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|config| config.with_no_client_auth().with_single_cert(vec![certificate], key))
        .map_err(io::Error::other)?;
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = format!("https://localhost:{}", listener.local_addr()?.port());
    let behind = behind.trim_start_matches("http://").to_owned();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(pass_on(acceptor.clone(), client, behind.clone()));
        }
    });
    Ok(address)
}

/// Passes bytes on in both directions until one side ends.
async fn pass_on(acceptor: TlsAcceptor, client: TcpStream, behind: String) -> io::Result<()> {
    client.set_nodelay(true)?;
    let mut client = acceptor.accept(client).await?;
    let mut service = TcpStream::connect(behind).await?;
    service.set_nodelay(true)?;
    tokio::io::copy_bidirectional(&mut client, &mut service).await?;
    Ok(())
}
