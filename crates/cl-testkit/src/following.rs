//! A client of one event stream, which knows just enough to be sure of what was told.

use std::io::{self, BufRead as _, BufReader, Read};
use std::net::TcpStream;
use std::time::Duration;

/// An event as it was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The place behind it, if it has one.
    pub id: Option<String>,
    /// What kind of event it is.
    pub name: String,
    /// What it says.
    pub data: String,
}

/// A client of one event stream.
#[derive(Debug)]
pub struct Follower {
    lines: BufReader<Chunks>,
    last_id: Option<String>,
}

impl Follower {
    /// Goes on behind the head of an answer whose body comes in chunks.
    pub(crate) fn new(stream: BufReader<TcpStream>, last_id: Option<&str>) -> Self {
        Self {
            lines: BufReader::with_capacity(64 * 1024, Chunks { stream, left: 0 }),
            last_id: last_id.map(str::to_owned),
        }
    }

    /// Returns the place behind the last event that had one.
    pub fn last_id(&self) -> Option<&str> {
        self.last_id.as_deref()
    }

    /// Says for how long the stream may stand still.
    ///
    /// # Errors
    ///
    /// If the socket does not take it.
    pub fn patience(&self, standstill: Duration) -> io::Result<()> {
        let socket = self.lines.get_ref().stream.get_ref();
        socket.set_read_timeout(Some(standstill))
    }

    /// Returns the next event; none at the end of the stream.
    ///
    /// # Errors
    ///
    /// If the connection breaks, or stands still for too long; what was told so far of the next
    /// event is lost then.
    pub fn tell(&mut self) -> io::Result<Option<Told>> {
        let mut told = Told {
            id: None,
            name: "message".to_owned(),
            data: String::new(),
        };
        let mut has_data = false;
        loop {
            let mut line = String::new();
            if self.lines.read_line(&mut line)? == 0 {
                return Ok(None);
            }
            let line = line.trim_end_matches('\n');
            if line.is_empty() {
                if !has_data {
                    continue;
                }
                if told.id.is_some() {
                    self.last_id.clone_from(&told.id);
                }
                return Ok(Some(told));
            }
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "id" => told.id = Some(value.to_owned()),
                "event" => value.clone_into(&mut told.name),
                "data" => {
                    if has_data {
                        told.data.push('\n');
                    }
                    told.data.push_str(value);
                    has_data = true;
                }
                // Comments, and how soon to come again.
                _ => {}
            }
        }
    }
}

/// The body of an answer that comes in chunks.
#[derive(Debug)]
struct Chunks {
    stream: BufReader<TcpStream>,
    /// Of the chunk that is being read.
    left: usize,
}

impl Read for Chunks {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            let mut size = String::new();
            self.stream.read_line(&mut size)?;
            let size = size.trim_end();
            if size.is_empty() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.left = usize::from_str_radix(size, 16).map_err(io::Error::other)?;
            if self.left == 0 {
                return Ok(0);
            }
        }
        let most = buffer.len().min(self.left);
        let read = self.stream.read(&mut buffer[..most])?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= read;
        if self.left == 0 {
            self.stream.read_line(&mut String::new())?;
        }
        Ok(read)
    }
}
