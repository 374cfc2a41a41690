//! What every handler gets.

use std::sync::Arc;
use std::time::Instant;

use cl_config::Serving;
use cl_storage::redact::Redactor;
use cl_storage::{Clock, Root};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::conducting::{Conductor, Work};
use crate::journal::{Audit, Metrics};
use crate::operation::Updater;
use crate::state::{Following, Index};
use crate::stream::{Feed, Seats};

/// What every handler gets; cloning it is cheap.
#[derive(Debug, Clone)]
pub(crate) struct App(Arc<Shared>);

/// What all handlers share.
#[derive(Debug)]
pub(crate) struct Shared {
    /// What the server was asked to be.
    pub(crate) serving: Serving,
    /// The root that it serves.
    pub(crate) root: Root,
    /// What launches need.
    pub(crate) settings: cl_conduct::Settings,
    /// What is below the root, in memory.
    pub(crate) index: Index,
    /// Launches what is queued.
    pub(crate) conductor: Conductor,
    /// Who follows what.
    pub(crate) seats: Seats,
    /// What changed lately, for those who follow it.
    pub(crate) feed: Feed,
    /// What is counted.
    pub(crate) metrics: Arc<Metrics>,
    /// Where changes are written down.
    pub(crate) audit: Audit,
    /// Replaces the program of the server.
    pub(crate) update: Updater,
    /// The port that the server listens on.
    pub(crate) port: u16,
    /// The time.
    pub(crate) clock: Arc<dyn Clock>,
    /// When the server started.
    pub(crate) started: Instant,
    /// Cancelled when the server ends; streams end with it.
    pub(crate) ending: CancellationToken,
}

impl App {
    /// Puts a server together; its index begins to fill.
    pub(crate) fn new(
        serving: Serving,
        root: Root,
        clock: Arc<dyn Clock>,
        ending: CancellationToken,
        url: String,
        port: u16,
    ) -> std::io::Result<Self> {
        let following = Following {
            root: root.clone(),
            extra_roots: serving.config.storage.extra_roots.clone(),
            is_read_only: serving.is_read_only,
            clock: Arc::clone(&clock),
        };
        let index = Index::start(following, ending.clone());
        let settings = cl_conduct::Settings {
            config: Arc::clone(&serving.config),
            source: serving.source.clone(),
            environment: serving.environment.clone(),
            executable: serving.executable.clone(),
            url: Some(url),
        };
        let conductor = if serving.is_read_only {
            Conductor::idle()
        } else {
            Conductor::start(Work {
                root: root.clone(),
                settings: settings.clone(),
                clock: Arc::clone(&clock),
                index: index.clone(),
                ending: ending.clone(),
            })?
        };
        let api = &serving.config.api;
        // An eighth of the connections is left for those who only ask.
        let most_streams = api.limits.max_connections - api.limits.max_connections / 8;
        let seats = Seats::new(most_streams, api.sse.max_clients_per_run);
        let audit = Audit::new(&root, Redactor::new(serving.config.all_secrets()));
        let app = Self(Arc::new(Shared {
            seats,
            feed: Feed::new(),
            metrics: Arc::new(Metrics::new()),
            audit,
            settings,
            conductor,
            update: Updater::default(),
            port,
            serving,
            root,
            index,
            clock,
            started: Instant::now(),
            ending,
        }));
        crate::journal::follow(app.clone());
        Ok(app)
    }

    /// Returns the current time.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

impl std::ops::Deref for App {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}
