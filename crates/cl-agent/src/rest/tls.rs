//! Encrypted connections: one way to make a client, for every process that needs one.
//!
//! Only short-lived processes of their own may call this; the supervisor never does.

use std::time::Duration;

use reqwest::{Certificate, ClientBuilder, redirect};

/// Variables that name files with certificates to trust besides the system's.
///
/// `SSL_CERT_FILE` and `SSL_CERT_DIR` stand for the system's own and are read by
/// the library that loads those.
pub const CA_VARIABLES: &[&str] = &[
    "NODE_EXTRA_CA_CERTS",
    "CURL_CA_BUNDLE",
    "REQUESTS_CA_BUNDLE",
];

/// How long connecting may take, the handshake included.
const CONNECT: Duration = Duration::from_secs(10);

/// The largest certificate file; the usual bundles have some hundred kilobytes.
const CA_CAP_BYTES: u64 = 16 * 1024 * 1024;

/// Returns a client that keeps nothing, follows no redirect and obeys the usual proxy variables.
///
/// A redirect would carry a question, and perhaps a key, to a place that nobody has
/// named. For an address without encryption no certificates are loaded. Fails with
/// a line about what is wrong with the certificates.
pub fn client(
    url: &reqwest::Url,
    ca_files: &[String],
    user_agent: &str,
) -> Result<reqwest::Client, String> {
    // Only fails if there is a provider already, which is as good.
    rustls::crypto::ring::default_provider()
        .install_default()
        .unwrap_or_default();
    let builder = ClientBuilder::new()
        .connect_timeout(CONNECT)
        .pool_max_idle_per_host(0)
        .redirect(redirect::Policy::none())
        .user_agent(user_agent);
    let builder = if url.scheme() == "https" {
        builder.tls_certs_merge(certificates(ca_files)?)
    } else {
        builder.tls_certs_only([])
    };
    builder.build().map_err(|error| {
        let error = causes(&error);
        format!("no encrypted connection is possible ({error}); install the system's CA certificates or set SSL_CERT_FILE")
    })
}

fn certificates(files: &[String]) -> Result<Vec<Certificate>, String> {
    let mut found = Vec::new();
    for file in files {
        let text = read(file).map_err(|error| format!("could not read {file}: {error}"))?;
        let bundle = Certificate::from_pem_bundle(&text)
            .map_err(|error| format!("{file} holds no certificates: {}", causes(&error)))?;
        found.extend(bundle);
    }
    Ok(found)
}

fn read(file: &str) -> std::io::Result<Vec<u8>> {
    use std::io::Read as _;
    let mut text = Vec::new();
    std::fs::File::open(file)?
        .take(CA_CAP_BYTES)
        .read_to_end(&mut text)?;
    Ok(text)
}

/// Returns an error and its causes as one line, without the address, which may hold a secret.
pub fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut at = Some(error);
    while let Some(error) = at {
        let text = match error.downcast_ref::<reqwest::Error>() {
            Some(error) => plain(error),
            None => error.to_string(),
        };
        if parts.last() != Some(&text) {
            parts.push(text);
        }
        at = error.source();
    }
    parts.join(": ")
}

/// The library appends the whole address to its message.
fn plain(error: &reqwest::Error) -> String {
    let text = error.to_string();
    match text.find(" for url (") {
        Some(at) => text[..at].to_owned(),
        None => text,
    }
}
