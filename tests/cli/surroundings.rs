//! `parserd check` on what lies around parserd: the way to the service, clock, disk, files.

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
};

use super::place::{KEY, Place, job_line};

fn check(place: &Place, url: &str, env: &[(&str, &str)]) -> crate::cli::place::Ended {
    let own = [("PARSERD__API__KEY", KEY), ("PARSERD__API__BASE_URL", url)];
    place.run_with(&[&own, env].concat(), &["check"])
}

/// Answers one connection after the other with these bytes; never ends by itself.
fn answering(answer: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            let _asked = connection.read(&mut [0; 4096]);
            let _gone = connection.write_all(answer);
        }
    });
    address.to_string()
}

#[test]
fn what_is_in_the_way_to_the_service_is_named() {
    let place = Place::new();
    let plain = answering(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n");
    let mute = answering(b"");
    for (url, cause) in [
        (
            "https://parserd-test.invalid".to_owned(),
            "its name is not found (DNS)",
        ),
        ("http://127.0.0.1:1".to_owned(), "nothing listens there"),
        (format!("https://{plain}"), "does not speak TLS"),
        (format!("http://{mute}"), "fails or breaks"),
    ] {
        check(&place, &url, &[]).is(1).prints(&[
            "FAIL service",
            "cannot be reached",
            cause,
            "cure: ",
        ]);
    }
    for answer in [
        &b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"[..],
        b"HTTP/1.1 302 Found\r\nlocation: http://portal.example/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
        b"HTTP/1.1 511 Network Authentication Required\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
    ] {
        check(&place, &format!("http://{}", answering(answer)), &[])
            .is(1)
            .prints(&["FAIL service: a proxy or a portal answers", "cure: "]);
    }
    let proxy = [("HTTPS_PROXY", "http://proxy.example:3128")];
    check(&place, "https://127.0.0.1:1", &proxy)
        .is(1)
        .prints(&["warn proxy: HTTPS_PROXY is set", "goes straight"]);
    let beside = check(&place, "http://127.0.0.1:1", &proxy).is(1);
    assert!(!beside.out.contains("warn proxy"), "{}", beside.out);
}

#[test]
fn a_clock_that_is_off_is_told() {
    let place = Place::new();
    let old = answering(
        b"HTTP/1.1 200 OK\r\ndate: Tue, 01 Jan 2019 00:00:00 GMT\r\ncontent-length: 2\r\n\
          connection: close\r\n\r\n[]",
    );
    check(&place, &format!("http://{old}"), &[]).is(0).prints(&[
        "warn clock: this machine's is ",
        " ahead of the service's",
        "timedatectl",
        "ok   service",
    ]);
}

#[test]
fn a_log_that_grew_and_an_old_sqlite3_are_told() {
    let place = Place::new();
    place.file("a.jsonl", &job_line("a"));
    place.run(&["enqueue", "a.jsonl"]).is(0);
    // Of no size on the disk, and without a header that means anything.
    let log = std::fs::File::create(place.path("parserd.db-wal")).unwrap();
    log.set_len(300 << 20).unwrap();
    place.file(
        "sqlite3",
        "#!/bin/sh\necho '3.34.1 2021-01-20 14:10:07 10e20c0b'\n",
    );
    let path = place.directory.path().to_str().unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let permissions = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(place.path("sqlite3"), permissions).unwrap();
    }
    check(&place, "http://127.0.0.1:1", &[("PATH", path)])
        .is(1)
        .prints(&[
            "warn log: ",
            "parserd.db-wal has 314 MB",
            "wal_checkpoint(TRUNCATE)",
            "warn sqlite3: the program sqlite3 here is 3.34: its INSERTs need 3.38",
        ]);
}

#[cfg(target_os = "linux")]
#[test]
fn files_of_another_user_are_told() {
    let place = Place::new();
    place.file("a.jsonl", &job_line("a"));
    place.run(&["enqueue", "a.jsonl"]).is(0);
    let log = place.path("parserd.db-wal");
    std::fs::File::create(&log).unwrap();
    if std::os::unix::fs::chown(&log, Some(65_534), None).is_err() {
        println!("not run: only root gives files away");
        return;
    }
    check(&place, "http://127.0.0.1:1", &[]).is(1).prints(&[
        "warn owner: ",
        "its -wal to user 65534",
        "chown",
    ]);
}

/// Runs parserd without root's leave to pass over files' modes.
#[cfg(target_os = "linux")]
fn unprivileged(place: &Place, args: &[&str]) -> Option<crate::cli::place::Ended> {
    if !rustix::process::geteuid().is_root() {
        return Some(place.run_with(&[("PARSERD__API__KEY", KEY)], args));
    }
    let ended = std::process::Command::new("setpriv")
        .args(["--inh-caps=-all", "--bounding-set=-all"])
        .arg(env!("CARGO_BIN_EXE_parserd"))
        .args(args)
        .env("PARSERD__API__KEY", KEY)
        .env("PARSERD__API__BASE_URL", "http://127.0.0.1:1")
        .current_dir(place.directory.path())
        .output();
    ended
        .inspect_err(|error| println!("not run: no setpriv ({error})"))
        .ok()
        .map(Into::into)
}

#[cfg(target_os = "linux")]
#[test]
fn a_database_that_this_user_may_not_write_or_see_is_told_by_every_command() {
    use std::{fs::Permissions, os::unix::fs::PermissionsExt as _};
    let place = Place::new();
    place.file("a.jsonl", &job_line("a"));
    place.run(&["enqueue", "a.jsonl"]).is(0);
    let mode = |name: &str, mode| {
        std::fs::set_permissions(place.path(name), Permissions::from_mode(mode)).unwrap();
    };
    mode("parserd.db", 0o440);
    let Some(ended) = unprivileged(&place, &["check"]) else {
        return;
    };
    ended
        .is(1)
        .prints(&["FAIL database: ", "parserd.db: Permission denied", "0660"]);
    for args in [&["run"][..], &["enqueue", "a.jsonl"]] {
        let ended = unprivileged(&place, args).unwrap();
        ended.is(1).says(&["parserd.db: Permission denied", "0660"]);
    }
    mode("parserd.db", 0o660);
    std::fs::create_dir(place.path("locked")).unwrap();
    std::fs::rename(place.path("parserd.db"), place.path("locked/p.db")).unwrap();
    mode("locked", 0);
    let elsewhere = "database.url=sqlite://locked/p.db";
    for args in [
        &["status"][..],
        &["jobs"],
        &["plan"],
        &["backup", "b.db"],
        &["enqueue", "a.jsonl"],
    ] {
        let args = [&["--set", elsewhere], args].concat();
        let ended = unprivileged(&place, &args).unwrap();
        ended.is(1).says(&["p.db: Permission denied", "group"]);
    }
    mode("locked", 0o700);
}

#[cfg(target_os = "linux")]
#[test]
fn what_keeps_a_database_from_being_opened_is_told_with_its_own_cure() {
    let place = Place::new();
    place.file("parserd.db", &"not a database, ".repeat(100));
    let ended = check(&place, "http://127.0.0.1:1", &[]).is(1);
    let ended = ended.prints(&["FAIL database: ", "cure: set database.url"]);
    assert!(!ended.out.contains("directory must exist"), "{}", ended.out);
    place.file("parserd.db", "");
    check(&place, "http://127.0.0.1:1", &[])
        .is(1)
        .prints(&["ok   database: ", "does not exist yet, and can be created"]);
}

#[cfg(unix)]
#[test]
fn a_device_is_no_database_and_a_capital_m_no_unit() {
    let place = Place::new();
    for command in [&["status"][..], &["enqueue", "-"], &["run"], &["check"]] {
        for (setting, words) in [
            ("database.url=sqlite:///dev/null", "is a device"),
            ("poll.timeout=30M", "write \"30m\" for minutes"),
        ] {
            let args = [&["--set", setting][..], command].concat();
            let ended = place.run_with(&[("PARSERD__API__KEY", KEY)], &args).is(78);
            let printed = ended.out + &ended.err;
            assert!(printed.contains(words), "{args:?}: {printed}");
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_disk_with_little_room_is_told() {
    let place = Place::new();
    let program = env!("CARGO_BIN_EXE_parserd");
    let script = format!(
        "mount -t tmpfs -o size=4m tmpfs . && cd \"$PWD\" && \
         {program} --set api.base_url=http://127.0.0.1:1 check"
    );
    let ended = std::process::Command::new("unshare")
        .args(["-Urm", "sh", "-c", &script])
        .env("PARSERD__API__KEY", KEY)
        .current_dir(place.directory.path())
        .output();
    match ended {
        Ok(ended) if !String::from_utf8_lossy(&ended.stdout).is_empty() => {
            let printed = String::from_utf8_lossy(&ended.stdout).into_owned();
            assert!(printed.contains("warn disk: 4 MB free"), "{printed}");
            assert!(printed.contains("make room there"), "{printed}");
        }
        ended => println!("not run: no mount namespace ({ended:?})"),
    }
}
