//! A part of a bus, as commands read it.

use cl_bus::{After, Bus, Damage, Edge, Entry, Page, Query, ReadError};
use serde::{Deserialize, Serialize};

/// How many messages are shown if the place that was named is gone.
const USUAL_TAIL: usize = 20;

/// A part of a bus.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BusPage {
    /// The bus file, on the machine that answers.
    pub bus: String,
    /// What of it is damaged, as far as was looked.
    pub damage: Vec<Damage>,
    /// The messages with their places.
    pub entries: Vec<Entry>,
    /// The limit left some out.
    pub has_more: bool,
    /// The bus holds no message at all.
    pub is_empty: bool,
    /// The place that was named and is not there; these are the last messages instead.
    pub reset: Option<String>,
}

/// Why a part of a bus cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BusPageError {
    /// There can never have been a message of that name.
    #[error("{0} is neither a time nor a duration nor a message that is there")]
    NoPlace(String),
    /// The bus cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// Reads the part of `bus` that `query` asks for; the last messages if its place is gone.
pub fn bus_page(bus: &Bus, query: &Query) -> Result<BusPage, BusPageError> {
    let (page, reset) = match bus.page(query) {
        Ok(page) => (page, None),
        Err(ReadError::UnknownMessage { id, .. }) => {
            for place in [&query.after, &query.before].into_iter().flatten() {
                if matches!(place, After::Id(named) if *named == id && !id.has_usual_form()) {
                    return Err(BusPageError::NoPlace(id.to_string()));
                }
            }
            let instead = Query {
                after: None,
                before: None,
                filter: query.filter.clone(),
                limit: Some(USUAL_TAIL),
                keep: Edge::Newest,
            };
            (bus.page(&instead)?, Some(id.to_string()))
        }
        Err(error) => return Err(error.into()),
    };
    let Page {
        entries,
        damage,
        has_more,
    } = page;
    let is_empty = entries.is_empty() && bus.tail(1)?.entries.is_empty();
    Ok(BusPage {
        bus: bus.path().display().to_string(),
        damage,
        entries,
        has_more,
        is_empty,
        reset,
    })
}
