//! A body that comes in pieces, to be read by what waits for its bytes.

use std::io::{self, Read};

use hyper::body::Bytes;
use tokio::sync::mpsc;

/// Pieces from a channel as one stream of bytes; to be read outside of async code.
pub(super) struct Chunks {
    inbox: mpsc::Receiver<Bytes>,
    rest: Bytes,
}

impl Chunks {
    pub fn new(inbox: mpsc::Receiver<Bytes>) -> Self {
        Self {
            inbox,
            rest: Bytes::new(),
        }
    }
}

impl Read for Chunks {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() {
            match self.inbox.blocking_recv() {
                Some(chunk) => self.rest = chunk,
                // The sender knows whether this is the body's end, and says so.
                None => return Ok(0),
            }
        }
        let count = self.rest.len().min(into.len());
        into[..count].copy_from_slice(&self.rest.split_to(count));
        Ok(count)
    }
}
