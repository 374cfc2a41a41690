//! Questions to a server and their answers.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, ETAG, HeaderValue, IF_NONE_MATCH};
use reqwest::{Method, RequestBuilder, Response, StatusCode, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::answer::Asked;
use crate::error::ClientError;
use crate::path::Path;
use crate::stream::EventStream;

/// By this header a change that is asked for twice is made once.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// How much patience there is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) answer: Duration,
    pub(crate) silence: Duration,
    pub(crate) give_up: Option<Duration>,
    pub(crate) body: usize,
}

/// Asks one server.
///
/// Cheap to clone. Futures may be dropped at any time; whether the server has done what
/// was asked is not known then.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    base: Arc<Url>,
    token: Option<HeaderValue>,
    limits: Limits,
}

/// An answer that may be the one that is known already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fresh<T> {
    /// It is.
    Same,
    /// It is a new one.
    New {
        /// The answer.
        value: T,
        /// By what to ask whether it is still the same.
        etag: Option<String>,
    },
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("base", &self.base.as_str())
            .field("has_token", &self.token.is_some())
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl Client {
    pub(crate) fn new(
        http: reqwest::Client,
        base: Url,
        token: Option<HeaderValue>,
        limits: Limits,
    ) -> Self {
        Self {
            http,
            base: Arc::new(base),
            token,
            limits,
        }
    }

    /// Returns the address of the server, for people.
    pub fn server(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// Returns a client with other patience for answers, such as for stopping with a grace.
    #[must_use]
    pub fn answer_within(&self, time: Duration) -> Self {
        let mut client = self.clone();
        client.limits.answer = time;
        client
    }

    /// Asks for something in JSON.
    pub async fn get<T: DeserializeOwned>(&self, path: &Path) -> Result<T, ClientError> {
        self.ask(Method::GET, path, |request| request, Read::json)
            .await
    }

    /// Asks for a body as it is.
    pub async fn get_bytes(&self, path: &Path) -> Result<Vec<u8>, ClientError> {
        self.ask(Method::GET, path, |request| request, Read::bytes)
            .await
    }

    /// Asks for something in JSON unless it is what `etag` stands for.
    pub async fn get_fresh<T: DeserializeOwned>(
        &self,
        path: &Path,
        etag: Option<&str>,
    ) -> Result<Fresh<T>, ClientError> {
        let ask = |request: RequestBuilder| match etag {
            Some(etag) => request.header(IF_NONE_MATCH, etag),
            None => request,
        };
        self.ask(Method::GET, path, ask, Read::fresh).await
    }

    /// Asks for a change. Answers without a body are read as `()`.
    pub async fn post<T: DeserializeOwned>(
        &self,
        path: &Path,
        body: &impl Serialize,
    ) -> Result<T, ClientError> {
        self.ask(Method::POST, path, |request| request.json(body), Read::json)
            .await
    }

    /// Asks for a change that is made once however often it is asked for with the same `key`.
    pub async fn post_once<T: DeserializeOwned>(
        &self,
        path: &Path,
        body: &impl Serialize,
        key: Option<&str>,
    ) -> Result<T, ClientError> {
        let ask = |request: RequestBuilder| {
            let request = request.json(body);
            match key {
                Some(key) => request.header(IDEMPOTENCY_KEY, key),
                None => request,
            }
        };
        self.ask(Method::POST, path, ask, Read::json).await
    }

    /// Asks for a change that needs no further words.
    pub async fn post_empty<T: DeserializeOwned>(&self, path: &Path) -> Result<T, ClientError> {
        self.ask(Method::POST, path, |request| request, Read::json)
            .await
    }

    /// Asks to delete something. Answers without a body are read as `()`.
    pub async fn delete<T: DeserializeOwned>(&self, path: &Path) -> Result<T, ClientError> {
        self.ask(Method::DELETE, path, |request| request, Read::json)
            .await
    }

    /// Follows a stream of events, behind the place `after` if one is given.
    ///
    /// Returns once the server has accepted; the first connection is tried once.
    pub async fn follow(
        &self,
        path: Path,
        after: Option<String>,
    ) -> Result<EventStream, ClientError> {
        EventStream::open(self.clone(), path, after).await
    }

    pub(crate) fn limits(&self) -> Limits {
        self.limits
    }

    /// Makes a request to the server and nobody else.
    pub(crate) fn request(
        &self,
        method: Method,
        path: &Path,
    ) -> Result<RequestBuilder, ClientError> {
        let url = path
            .below(&self.base)
            .ok_or_else(|| ClientError::Protocol {
                request: format!("{method} {path}"),
                what: "the path has an empty part or leads upwards".to_owned(),
                may_pass: false,
            })?;
        let request = self.http.request(method, url);
        Ok(match &self.token {
            Some(token) => request.header(AUTHORIZATION, token.clone()),
            None => request,
        })
    }

    async fn ask<T>(
        &self,
        method: Method,
        path: &Path,
        fill: impl FnOnce(RequestBuilder) -> RequestBuilder,
        read: impl AsyncFnOnce(Asked<'_>, Response) -> Result<T, ClientError>,
    ) -> Result<T, ClientError> {
        let name = format!("{method} {path}");
        let asked = Asked {
            server: self.server(),
            request: &name,
            largest: self.limits.body,
        };
        let request = fill(self.request(method, path)?);
        let answer = async {
            let response = request.send().await;
            read(asked, response.map_err(|error| asked.no_answer(error))?).await
        };
        let time = self.limits.answer;
        tokio::time::timeout(time, answer)
            .await
            .unwrap_or(Err(ClientError::Timeout {
                request: name.clone(),
                after: time,
            }))
    }
}

/// How answers are read.
struct Read;

impl Read {
    async fn json<T: DeserializeOwned>(asked: Asked<'_>, from: Response) -> Result<T, ClientError> {
        asked.json(from).await
    }

    async fn bytes(asked: Asked<'_>, from: Response) -> Result<Vec<u8>, ClientError> {
        asked.bytes(from).await
    }

    async fn fresh<T: DeserializeOwned>(
        asked: Asked<'_>,
        from: Response,
    ) -> Result<Fresh<T>, ClientError> {
        if from.status() == StatusCode::NOT_MODIFIED {
            return Ok(Fresh::Same);
        }
        let etag = from.headers().get(ETAG).and_then(|it| it.to_str().ok());
        let etag = etag.map(str::to_owned);
        let value = asked.json(from).await?;
        Ok(Fresh::New { value, etag })
    }
}
