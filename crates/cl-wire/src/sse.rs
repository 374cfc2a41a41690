//! Event streams as text (`text/event-stream`).

/// An event of a stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Event {
    /// Where in the stream it stands; resuming begins behind it.
    pub id: Option<String>,
    /// Its name; `message` if it has none.
    pub event: Option<String>,
    /// What it says.
    pub data: String,
}

impl Event {
    /// Returns its name.
    pub fn name(&self) -> &str {
        self.event.as_deref().unwrap_or("message")
    }
}
