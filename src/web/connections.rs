//! The connections of the listener: how many, and how long each may hold its place.

use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    task::{AbortHandle, JoinSet},
    time::Sleep,
};

/// How many connections are served at once.
const MAX_CONNECTIONS: usize = 64;

/// The open connections. The one too many takes the place of the oldest: who holds many
/// and reads nothing must not keep a probe waiting.
#[derive(Debug, Default)]
pub(super) struct Connections {
    tasks: JoinSet<()>,
    /// The oldest first.
    handles: VecDeque<AbortHandle>,
}

impl Connections {
    /// Serves one more; whether another had to make way for it.
    pub fn spawn(&mut self, serving: impl Future<Output = ()> + Send + 'static) -> bool {
        while self.tasks.try_join_next().is_some() {}
        self.handles.retain(|handle| !handle.is_finished());
        let mut is_crowded = false;
        while self.handles.len() >= MAX_CONNECTIONS
            && let Some(oldest) = self.handles.pop_front()
        {
            oldest.abort();
            is_crowded = true;
        }
        self.handles.push_back(self.tasks.spawn(serving));
        is_crowded
    }
}

/// A stream whose peer must take what is written to it: a write that nothing is taken of
/// for so long fails.
#[derive(Debug)]
pub(super) struct Impatient<S> {
    stream: S,
    patience: Duration,
    /// Runs while a write waits.
    deadline: Option<Pin<Box<Sleep>>>,
}

impl<S> Impatient<S> {
    pub const fn new(stream: S, patience: Duration) -> Self {
        Self {
            stream,
            patience,
            deadline: None,
        }
    }

    /// What became of a write, or its end where it has waited for too long.
    fn bounded<T>(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.deadline = None;
            return written;
        }
        let patience = self.patience;
        let deadline = self
            .deadline
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        ready!(deadline.as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(
            io::ErrorKind::TimedOut,
            "the peer does not read",
        )))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Impatient<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Impatient<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write(context, bytes);
        this.bounded(context, written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write_vectored(context, slices);
        this.bounded(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = Pin::new(&mut this.stream).poll_flush(context);
        this.bounded(context, flushed)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let shut = Pin::new(&mut this.stream).poll_shutdown(context);
        this.bounded(context, shut)
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _, duplex},
        sync::oneshot,
    };

    use super::*;

    #[tokio::test]
    async fn a_peer_that_does_not_read_is_given_up_and_one_that_does_is_not() {
        let patience = Duration::from_millis(50);
        let (near, _far) = duplex(16);
        let failed = Impatient::new(near, patience).write_all(&[0; 100]).await;
        assert_eq!(failed.unwrap_err().kind(), io::ErrorKind::TimedOut);

        let (near, mut far) = duplex(16);
        let mut stream = Impatient::new(near, patience);
        let mut taken = [0; 100];
        let (written, read) = tokio::join!(stream.write_all(&[7; 100]), far.read_exact(&mut taken));
        written.unwrap();
        read.unwrap();
        assert_eq!(taken, [7; 100]);
    }

    #[tokio::test]
    async fn one_too_many_takes_the_place_of_the_oldest() {
        let mut connections = Connections::default();
        let mut ends = Vec::new();
        for _ in 0..=MAX_CONNECTIONS {
            let (held, end) = oneshot::channel::<()>();
            ends.push(end);
            let is_crowded = connections.spawn(async move {
                let _held = held;
                std::future::pending::<()>().await;
            });
            assert_eq!(is_crowded, ends.len() > MAX_CONNECTIONS);
        }
        // Its sender is dropped with the task.
        assert!(ends.remove(0).await.is_err());
        assert!(ends.iter_mut().all(|end| {
            end.try_recv()
                .is_err_and(|error| error == oneshot::error::TryRecvError::Empty)
        }));
    }
}
