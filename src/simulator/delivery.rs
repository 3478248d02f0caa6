//! How an answer goes over the wire: whole, or in one of the bad ways.

use std::convert::Infallible;
use std::io;
use std::sync::LazyLock;
use std::time::Duration;

use flate2::{Compress, Compression, Crc, FlushCompress};
use futures_util::{Stream, StreamExt, stream};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::Response;
use hyper::body::{Bytes, Frame};

use super::http::{Delivery, HttpAnswer};

/// A body as hyper sends it. An error in it breaks the connection.
pub(super) type WireBody = UnsyncBoxBody<Bytes, io::Error>;

const CHUNK_BYTES: usize = 64 * 1024;

const BOMB_CHUNK_BYTES: usize = 1024 * 1024;
const BOMB_CHUNKS: usize = 1024;

/// Makes the response that a client will see.
pub(super) fn response(
    answer: HttpAnswer,
    delivery: Delivery,
) -> Result<Response<WireBody>, hyper::http::Error> {
    let mut response = Response::builder().status(answer.status);
    for (name, value) in &answer.headers {
        response = response.header(name, value);
    }
    let body = Bytes::from(answer.body);
    match delivery {
        Delivery::Whole => response.body(whole(body)),
        Delivery::Cut => response
            .header("content-length", body.len().max(1))
            .body(cut(body)),
        Delivery::Slow(over_ms) => response
            .header("content-length", body.len())
            .body(slow(body, Duration::from_millis(over_ms.unsigned_abs()))),
        Delivery::Endless => response.body(endless(body)),
        Delivery::GzipBomb => response
            .header("content-encoding", "gzip")
            .body(gzip_bomb(body)),
    }
}

fn whole(body: Bytes) -> WireBody {
    let body = Full::new(body).map_err(|never: Infallible| match never {});
    body.boxed_unsync()
}

fn streamed(chunks: impl Stream<Item = io::Result<Bytes>> + Send + 'static) -> WireBody {
    StreamBody::new(chunks.map(|chunk| chunk.map(Frame::data))).boxed_unsync()
}

fn cut(body: Bytes) -> WireBody {
    let half = body.slice(..body.len() / 2);
    let broken = stream::once(async {
        // Gives the half a moment to leave before the connection breaks.
        tokio::time::sleep(Duration::from_millis(20)).await;
        Err(io::Error::other("the body is cut"))
    });
    streamed(stream::iter([Ok(half)]).chain(broken))
}

fn slow(body: Bytes, over: Duration) -> WireBody {
    const DROPS: u32 = 20;
    let drop_bytes = body.len().div_ceil(DROPS as usize).max(1);
    let pause = over / DROPS;
    let drops: Vec<Bytes> = body
        .chunks(drop_bytes)
        .map(|part| body.slice_ref(part))
        .collect();
    streamed(stream::iter(drops).then(move |part| async move {
        tokio::time::sleep(pause).await;
        Ok(part)
    }))
}

fn endless(body: Bytes) -> WireBody {
    let spaces = Bytes::from(vec![b' '; CHUNK_BYTES]);
    streamed(stream::iter([Ok(body)]).chain(stream::repeat_with(move || Ok(spaces.clone()))))
}

fn gzip_bomb(body: Bytes) -> WireBody {
    static SPACES: LazyLock<(Bytes, Crc)> = LazyLock::new(|| {
        let spaces = vec![b' '; BOMB_CHUNK_BYTES];
        (deflated(&spaces), crc(&spaces))
    });
    let mut whole_crc = crc(&body);
    let (chunk, chunk_crc) = &*SPACES;
    (0..BOMB_CHUNKS).for_each(|_| whole_crc.combine(chunk_crc));

    let mut head = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    head.extend_from_slice(&deflated(&body));
    // An empty last block, the checksum, the length modulo 2^32.
    let mut tail = vec![0x03, 0x00];
    tail.extend_from_slice(&whole_crc.sum().to_le_bytes());
    tail.extend_from_slice(&whole_crc.amount().to_le_bytes());

    let chunks = stream::iter(std::iter::repeat_n(chunk.clone(), BOMB_CHUNKS));
    let whole = stream::iter([Bytes::from(head)])
        .chain(chunks)
        .chain(stream::iter([Bytes::from(tail)]));
    streamed(whole.map(Ok))
}

fn crc(bytes: &[u8]) -> Crc {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc
}

/// Deflates to whole bytes without a last block and without reference to what
/// stands before, so that the result may be repeated.
fn deflated(bytes: &[u8]) -> Bytes {
    let mut compress = Compress::new(Compression::default(), false);
    // Deflate's worst case is far below this.
    let mut output = Vec::with_capacity(bytes.len() * 2 + 1024);
    // Only a misuse of its state can fail, and this state is fresh.
    let _ = compress.compress_vec(bytes, &mut output, FlushCompress::Full);
    Bytes::from(output)
}
