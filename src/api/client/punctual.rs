//! The body of a create, which is handed out in time or not at all.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use hyper::body::{Body, Bytes, Frame, SizeHint};

use crate::{clock::lasting_ms, core::job::DurationMs};

/// One piece, so that all of it is withheld or none.
#[derive(Debug)]
pub(super) struct Punctual {
    bytes: Option<Bytes>,
    not_after: Option<DurationMs>,
}

/// It was asked for too late, and nothing of it was given.
#[derive(Debug, thiserror::Error)]
#[error("withheld: {late_ms} ms after its time, as after a pause of the process or the machine")]
pub(super) struct Withheld {
    late_ms: DurationMs,
}

impl Punctual {
    /// These bytes, not given after `not_after` of [`lasting_ms`].
    pub fn new(bytes: Vec<u8>, not_after: Option<DurationMs>) -> Self {
        Self {
            bytes: Some(bytes.into()),
            not_after,
        }
    }
}

impl Body for Punctual {
    type Data = Bytes;
    type Error = Withheld;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Withheld>>> {
        let Some(bytes) = self.bytes.take() else {
            return Poll::Ready(None);
        };
        let late_ms = self
            .not_after
            .map_or(0, |not_after| lasting_ms().saturating_sub(not_after));
        Poll::Ready(Some(if late_ms > 0 {
            Err(Withheld { late_ms })
        } else {
            Ok(Frame::data(bytes))
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let bytes = self.bytes.as_ref().map_or(0, Bytes::len);
        // No platform has longer ones.
        SizeHint::with_exact(u64::try_from(bytes).unwrap_or(u64::MAX))
    }
}

/// Whether an error comes from a body that was withheld.
pub(super) fn is_withheld(error: &(dyn std::error::Error + 'static)) -> bool {
    std::iter::successors(Some(error), |error| error.source()).any(|error| error.is::<Withheld>())
}
