//! One request and its answer, as far as it can be read. No URL, header or key gets out.

use std::time::Instant;

use hyper::body::Bytes;
use reqwest::header::RETRY_AFTER;
use tokio::sync::{mpsc, oneshot};

use super::{chunks::Chunks, punctual::is_withheld};
use crate::{
    api::{
        answer_json,
        classify::{Body, BodyEnd, RawAnswer, RawReply, TransportFault},
        text::Quoter,
    },
    core::outcome::{Flaws, ListedParser},
};

/// More of an error's body than this is not read, in bytes.
pub(super) const MAX_ERROR_BODY_BYTES: usize = 64 * 1024;

/// So much of a list is kept to be quoted, in bytes.
const LIST_HEAD_BYTES: usize = 4 * 1024;

/// How many pieces of a list wait for being read.
const LIST_CHUNKS: usize = 8;

/// Sends one request, reads its answer, and logs that it was, without URL,
/// headers and key.
pub(super) async fn exchange(
    endpoint: &'static str,
    request: reqwest::RequestBuilder,
    cap_bytes: usize,
) -> RawReply {
    let asking = async {
        match request.send().await {
            Ok(response) => Ok(read(response, cap_bytes).await),
            Err(error) => Err(fault(error)),
        }
    };
    logged_by(endpoint, |answer: &RawAnswer| answer.status, asking).await
}

/// Logs what came of a request, whose answer has this status.
pub(super) async fn logged_by<T>(
    endpoint: &'static str,
    status: impl FnOnce(&T) -> u16,
    asking: impl Future<Output = Result<T, TransportFault>>,
) -> Result<T, TransportFault> {
    let started = Instant::now();
    let reply = asking.await;
    log(endpoint, started, reply.as_ref().map(status));
    reply
}

/// The same of an answer of which more is known.
pub(super) async fn logged<T>(
    endpoint: &'static str,
    asking: impl Future<Output = (RawReply, T)>,
) -> (RawReply, T) {
    let started = Instant::now();
    let (reply, rest) = asking.await;
    log(
        endpoint,
        started,
        reply.as_ref().map(|answer| answer.status),
    );
    (reply, rest)
}

fn log(endpoint: &'static str, started: Instant, status: Result<u16, &TransportFault>) {
    let elapsed_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    match status {
        Ok(http_status) => tracing::debug!(endpoint, http_status, elapsed_ms, "answered"),
        Err(TransportFault::NotConnected(_)) => {
            tracing::debug!(endpoint, elapsed_ms, "not connected");
        }
        Err(TransportFault::TimedOut(_)) => tracing::debug!(endpoint, elapsed_ms, "timed out"),
        Err(TransportFault::Broken(_)) => tracing::debug!(endpoint, elapsed_ms, "broken off"),
    }
}

fn head(response: &reqwest::Response) -> (u16, Option<String>) {
    let retry_after = response.headers().get(RETRY_AFTER);
    let retry_after = retry_after.and_then(|value| Some(value.to_str().ok()?.to_owned()));
    (response.status().as_u16(), retry_after)
}

/// Reads a list as it comes, so that an account of any size takes no more memory than
/// what is kept of it.
pub(super) async fn read_list(
    mut response: reqwest::Response,
    cap_bytes: usize,
    quoter: Quoter,
) -> (RawAnswer, Result<(Vec<ListedParser>, Flaws), String>) {
    let (status, retry_after) = head(&response);
    let (chunks, inbox) = mpsc::channel(LIST_CHUNKS);
    let (done, parsing) = oneshot::channel();
    // Not one of the runtime's threads for what blocks, another each time: the C library
    // would keep a list's room for each of them.
    let reader = std::thread::Builder::new()
        .name("list".to_owned())
        .spawn(move || {
            // Nobody waits for it any more where the request was given up.
            let _unwanted = done.send(answer_json::list(Chunks::new(inbox), &quoter));
        });
    let mut bytes = Vec::new();
    let mut count = 0;
    let end = loop {
        match next_chunk(&mut response).await {
            Ok(None) => break BodyEnd::Complete,
            Ok(Some(chunk)) => {
                count += chunk.len();
                if count > cap_bytes {
                    break BodyEnd::OverCap(cap_bytes);
                }
                let room = LIST_HEAD_BYTES - bytes.len();
                bytes.extend_from_slice(&chunk[..chunk.len().min(room)]);
                // Not a list, or an item that is not one: the rest of it does not matter.
                if chunks.send(chunk).await.is_err() {
                    break BodyEnd::Complete;
                }
            }
            Err(end) => break end,
        }
    };
    drop(chunks);
    let parsers = match (parsing.await, reader) {
        (Ok(parsers), _) => parsers,
        (Err(_), Err(error)) => Err(format!("no thread to read it with: {error}")),
        (Err(error), Ok(_)) => Err(format!("reading it ended: {error}")),
    };
    let body = Body { bytes, end };
    let answer = RawAnswer {
        status,
        retry_after,
        body,
    };
    (answer, parsers)
}

async fn next_chunk(response: &mut reqwest::Response) -> Result<Option<Bytes>, BodyEnd> {
    response.chunk().await.map_err(|error| match fault(error) {
        TransportFault::TimedOut(_) => BodyEnd::TimedOut,
        TransportFault::NotConnected(text) | TransportFault::Broken(text) => BodyEnd::Cut(text),
    })
}

pub(super) async fn read(mut response: reqwest::Response, cap_bytes: usize) -> RawAnswer {
    let (status, retry_after) = head(&response);
    let cap_bytes = if response.status().is_success() {
        cap_bytes
    } else {
        cap_bytes.min(MAX_ERROR_BODY_BYTES)
    };
    let mut bytes = Vec::new();
    let end = loop {
        match next_chunk(&mut response).await {
            Ok(None) => break BodyEnd::Complete,
            Ok(Some(chunk)) => {
                let room = cap_bytes - bytes.len();
                bytes.extend_from_slice(&chunk[..chunk.len().min(room)]);
                if chunk.len() > room {
                    break BodyEnd::OverCap(cap_bytes);
                }
            }
            Err(end) => break end,
        }
    };
    RawAnswer {
        status,
        retry_after,
        body: Body { bytes, end },
    }
}

/// The one place where a `reqwest::Error` becomes text: without its URL, which
/// holds the key.
pub(super) fn fault(error: reqwest::Error) -> TransportFault {
    let error = error.without_url();
    let text = chain(&error);
    // A connect timeout is both, and nothing was sent; no more was of a body that was withheld.
    if error.is_connect() || error.is_builder() || is_withheld(&error) {
        TransportFault::NotConnected(text)
    } else if error.is_timeout() {
        TransportFault::TimedOut(text)
    } else {
        TransportFault::Broken(text)
    }
}

/// An error and its causes, joined by colons.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        // Some errors repeat their cause.
        if !text.ends_with(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        cause = error.source();
    }
    text
}
