//! TLS on the server's TCP ports.

use std::fmt;
use std::io;
use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig, crypto};

/// Whether clients have to show a certificate: see [`ServerBuilder::tls_clients`](crate::ServerBuilder::tls_clients).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientCertificates {
    /// They have to (Redis's `tls-auth-clients yes`).
    Required,
    /// They may, and one that is shown has to be good (`tls-auth-clients optional`).
    Optional,
}

/// What a server shows, and what it asks for.
pub(super) struct Tls {
    pub certificates: Vec<u8>,
    pub key: Vec<u8>,
    pub clients: Option<(Vec<u8>, ClientCertificates)>,
}

impl Tls {
    /// # Errors
    /// `InvalidInput`, with what is wrong with the certificates or the key.
    pub(super) fn acceptor(&self) -> io::Result<TlsAcceptor> {
        let provider = Arc::new(crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(Arc::clone(&provider));
        let config = config.with_safe_default_protocol_versions().map_err(invalid)?;
        let config = match &self.clients {
            None => config.with_no_client_auth(),
            Some((authorities, wanted)) => {
                let mut roots = RootCertStore::empty();
                for certificate in certificates(authorities)? {
                    roots.add(certificate).map_err(invalid)?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                let verifier = match wanted {
                    ClientCertificates::Required => verifier,
                    ClientCertificates::Optional => verifier.allow_unauthenticated(),
                };
                config.with_client_cert_verifier(verifier.build().map_err(invalid)?)
            }
        };
        let key = PrivateKeyDer::from_pem_slice(&self.key).map_err(invalid)?;
        let config = config.with_single_cert(certificates(&self.certificates)?, key).map_err(invalid)?;
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

fn certificates(pem: &[u8]) -> io::Result<Vec<CertificateDer<'static>>> {
    let all = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>().map_err(invalid)?;
    if all.is_empty() { Err(invalid("there is no certificate in it")) } else { Ok(all) }
}

fn invalid(why: impl fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, format!("TLS: {why}"))
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;
    use tokio_rustls::TlsConnector;
    use tokio_rustls::rustls::ClientConfig;
    use tokio_rustls::rustls::pki_types::ServerName;

    use super::*;
    use crate::{Server, ServerBuilder, Store};

    const AUTHORITY: &[u8] = include_bytes!("../../tests/tls/ca.crt");
    const CERTIFICATE: &[u8] = include_bytes!("../../tests/tls/server.crt");
    const KEY: &[u8] = include_bytes!("../../tests/tls/server.key");
    const CLIENT: (&[u8], &[u8]) =
        (include_bytes!("../../tests/tls/client.crt"), include_bytes!("../../tests/tls/client.key"));

    fn builder() -> ServerBuilder {
        Server::builder().tls(CERTIFICATE, KEY)
    }

    /// What a client is answered, or why it is not.
    fn ask(server: &Server, own: Option<(&[u8], &[u8])>, request: &[u8]) -> io::Result<Vec<u8>> {
        let mut roots = RootCertStore::empty();
        certificates(AUTHORITY)?.into_iter().for_each(|certificate| roots.add(certificate).unwrap());
        let provider = Arc::new(crypto::ring::default_provider());
        let config =
            ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_root_certificates(roots);
        let config = match own {
            None => config.with_no_client_auth(),
            Some((chain, key)) => config
                .with_client_auth_cert(certificates(chain)?, PrivateKeyDer::from_pem_slice(key).unwrap())
                .unwrap(),
        };
        let addr = server.addr();
        super::super::runtime()?.block_on(async {
            let stream = TcpStream::connect(addr).await?;
            let name = ServerName::try_from("localhost").unwrap();
            let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
            stream.write_all(request).await?;
            // The last of it may still be with TLS, which does not send it while it is read.
            stream.flush().await?;
            let mut all = Vec::new();
            // Its end comes with TLS's good-bye.
            stream.read_to_end(&mut all).await.map(|_| all)
        })
    }

    #[test]
    fn a_client_that_trusts_it_is_answered() {
        let store = Store::new();
        let page = "x".repeat(1 << 20);
        store.insert("page", page.as_str()).unwrap();
        let server = builder().start(&store).unwrap();
        assert!(server.url().starts_with("rediss://127.0.0.1:"));
        assert_eq!(ask(&server, None, b"PING\r\nQUIT\r\n").unwrap(), b"+PONG\r\n+OK\r\n");
        let expected = format!("$1048576\r\n{page}\r\n").repeat(5) + "+OK\r\n";
        let request = ["GET page\r\n"; 5].concat() + "QUIT\r\n";
        assert!(ask(&server, None, request.as_bytes()).unwrap() == expected.as_bytes());
    }

    #[test]
    fn who_writes_all_before_it_reads_gets_all_answers() {
        let store = Store::new();
        store.insert("page", "x".repeat(1 << 10)).unwrap();
        let server = builder().start(&store).unwrap();
        // More than the system's buffers take.
        let request = format!("GET {}page\r\n", " ".repeat(500)).repeat(30_000) + "QUIT\r\n";
        let expected = format!("$1024\r\n{}\r\n", "x".repeat(1 << 10)).repeat(30_000) + "+OK\r\n";
        assert!(ask(&server, None, request.as_bytes()).unwrap() == expected.as_bytes());
    }

    #[test]
    fn clients_show_who_they_are_where_they_have_to() {
        let quit = b"QUIT\r\n";
        let required =
            builder().tls_clients(AUTHORITY, ClientCertificates::Required).start(&Store::new()).unwrap();
        assert!(ask(&required, None, quit).is_err());
        assert_eq!(ask(&required, Some(CLIENT), quit).unwrap(), b"+OK\r\n");
        let optional =
            builder().tls_clients(AUTHORITY, ClientCertificates::Optional).start(&Store::new()).unwrap();
        assert_eq!(ask(&optional, None, quit).unwrap(), b"+OK\r\n");
        assert_eq!(ask(&optional, Some(CLIENT), quit).unwrap(), b"+OK\r\n");
    }

    #[test]
    fn who_speaks_no_tls_is_not_answered() {
        use std::io::{Read, Write};

        let server = builder().start(&Store::new()).unwrap();
        let mut client = std::net::TcpStream::connect(server.addr()).unwrap();
        client.write_all(b"PING\r\n").unwrap();
        let mut told = Vec::new();
        let _ = client.read_to_end(&mut told);
        assert!(!told.starts_with(b"+PONG"));
    }

    #[test]
    fn what_is_no_certificate_is_told_at_the_start() {
        for (certificates, key) in
            [(&b""[..], KEY), (CERTIFICATE, b""), (CERTIFICATE, CLIENT.1), (b"x", b"x")]
        {
            let error = Server::builder().tls(certificates, key).start(&Store::new()).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{error}");
        }
    }
}
