//! A notification to systemd that never waits: what cannot be sent at once is given up.

use std::{
    ffi::{OsStr, OsString},
    fmt::Write as _,
    io,
    os::unix::{ffi::OsStrExt as _, net::UnixDatagram},
};

use sd_notify::NotifyState;

/// Sends these messages to `socket`, a path, or `@` and the rest of an abstract name (Linux).
///
/// # Errors
/// Whatever the system says; [`io::ErrorKind::WouldBlock`] where nobody reads.
pub(super) fn notify(socket: &OsStr, messages: &[NotifyState<'_>]) -> io::Result<()> {
    let mut text = String::new();
    for message in messages {
        // A String takes everything.
        let _infallible = writeln!(text, "{message}");
    }
    let from = UnixDatagram::unbound()?;
    from.set_nonblocking(true)?;
    connect(&from, socket)?;
    // A datagram is sent whole or not at all.
    from.send(text.as_bytes()).map(drop)
}

fn connect(from: &UnixDatagram, socket: &OsStr) -> io::Result<()> {
    let Some(name) = socket.as_bytes().strip_prefix(b"@") else {
        return from.connect(socket);
    };
    #[cfg(target_os = "linux")]
    {
        use std::os::{linux::net::SocketAddrExt as _, unix::net::SocketAddr};
        from.connect_addr(&SocketAddr::from_abstract_name(name)?)
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _abstract = name;
        Err(io::Error::from(io::ErrorKind::Unsupported))
    }
}

/// Where the environment says that notices go.
pub(super) fn socket() -> Option<OsString> {
    std::env::var_os("NOTIFY_SOCKET").filter(|socket| !socket.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const READY: &[NotifyState<'_>] = &[NotifyState::Ready, NotifyState::Status("well")];

    #[test]
    fn a_notice_that_nobody_reads_is_given_up_and_the_next_one_that_fits_arrives() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let systemd = UnixDatagram::bind(&path).unwrap();
        let mut sent = 0;
        let error = loop {
            match notify(path.as_os_str(), READY) {
                Ok(()) => sent += 1,
                Err(error) => break error,
            }
            assert!(sent < 100_000, "it takes everything");
        };
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        let mut buffer = [0; 99];
        let length = systemd.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"READY=1\nSTATUS=well\n");
        notify(path.as_os_str(), READY).unwrap();
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn an_abstract_socket_is_told() {
        use std::os::{linux::net::SocketAddrExt as _, unix::net::SocketAddr};
        let name = format!("parserd-test-{}-{}", std::process::id(), fastrand::u64(..));
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let systemd = UnixDatagram::bind_addr(&address).unwrap();
        notify(OsStr::new(&format!("@{name}")), READY).unwrap();
        let mut buffer = [0; 99];
        let length = systemd.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"READY=1\nSTATUS=well\n");
    }

    #[test]
    fn a_socket_that_is_not_there_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("none");
        let error = notify(path.as_os_str(), READY).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
