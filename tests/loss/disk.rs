//! Disks that are full, read-only, or fail to sync, under the real program.
//!
//! The disk is a small tmpfs in a mount namespace: the test runs itself again inside one.
//! Where the kernel allows none, or there is no strace, it says so and does nothing.

use std::{
    io::Write as _,
    path::PathBuf,
    process::{Command, Stdio},
};

use parserd::{core::job::JobState, simulator::Endpoint};
use rustix::process::Signal;

use crate::common::{
    Harness,
    program::{Program, parserd, stderr, written},
};

/// Set where a test runs inside a namespace of its own.
const IS_INSIDE: &str = "PARSERD_TEST_INSIDE_NAMESPACE";

/// Whether this is inside a mount namespace. If not, runs the test `name` in one.
fn is_inside(name: &str) -> bool {
    if std::env::var_os(IS_INSIDE).is_some() {
        return true;
    }
    let unshare = |program: &std::ffi::OsStr, args: &[&str]| {
        let mut command = Command::new("unshare");
        command.arg("-Urm").arg(program).args(args);
        command.env(IS_INSIDE, "1").output()
    };
    let mounts = "mount -t tmpfs -o size=1m none /tmp";
    let is_allowed = unshare("sh".as_ref(), &["-c", mounts]);
    if !is_allowed.is_ok_and(|output| output.status.success()) {
        eprintln!("not run: no mount namespace is to be had on this machine");
        return false;
    }
    let this = std::env::current_exe().unwrap();
    // Without the name of the crate.
    let place = module_path!().split_once("::").map(|(_, place)| place);
    let name = format!("{}::{name}", place.unwrap());
    let output = unshare(this.as_os_str(), &["--exact", &name, "--nocapture"]).unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}{}",
        stderr(&output)
    );
    false
}

/// A small disk with the harness' database on it.
struct Disk {
    directory: PathBuf,
}

impl Disk {
    fn under(harness: &mut Harness) -> Self {
        let directory = harness.directory.path().join("disk");
        std::fs::create_dir(&directory).unwrap();
        let disk = Self { directory };
        disk.mount(&["-t", "tmpfs", "-o", "size=2m", "none"]);
        let database = format!("sqlite://{}", disk.directory.join("p.db").display());
        harness.set("database.url", &database);
        disk
    }

    fn mount(&self, args: &[&str]) {
        let status = Command::new("mount")
            .args(args)
            .arg(&self.directory)
            .status();
        assert!(status.unwrap().success(), "mount {args:?}");
    }

    /// Writes until there is no room.
    fn fill(&self) {
        let mut file = std::fs::File::create(self.directory.join("filler")).unwrap();
        for size in [1 << 16, 1 << 12, 1] {
            while file.write_all(&vec![b'x'; size]).is_ok() {}
        }
    }

    fn make_room(&self) {
        std::fs::remove_file(self.directory.join("filler")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // The directory beneath must be removable; the namespace ends with the test anyway.
        let _unmounted = Command::new("umount")
            .arg("-l")
            .arg(&self.directory)
            .status();
    }
}

/// A program whose create is under way, on a disk that is full by now, and that has been
/// answered and says that it cannot store the answer.
async fn answered_on_a_full_disk(harness: &Harness, disk: &Disk) -> Program {
    harness.enqueue(1).await;
    let program = Program::start(parserd(harness, &["run", "--until-done"]));
    harness.await_states(&[(JobState::Creating, 1)]).await;
    disk.fill();
    harness
        .wait_until("a word on the full disk", async || {
            String::from_utf8_lossy(&written(&program.stderr)).contains("full")
        })
        .await;
    assert_eq!(harness.requests(Endpoint::Create), 1);
    harness.await_states(&[(JobState::Creating, 1)]).await;
    program
}

async fn assert_finishes_without_another_create(harness: &Harness, program: Program) {
    let output = program.ended().await;
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    harness.await_states(&[(JobState::Finished, 1)]).await;
    assert_eq!(harness.requests(Endpoint::Create), 1);
    harness.assert_one_parser_each(1);
}

#[tokio::test]
async fn an_answer_that_meets_a_full_disk_is_kept_until_there_is_room() {
    if !is_inside("an_answer_that_meets_a_full_disk_is_kept_until_there_is_room") {
        return;
    }
    let mut harness = Harness::new(&["create delay=1s"]).await;
    let disk = Disk::under(&mut harness);
    let program = answered_on_a_full_disk(&harness, &disk).await;
    disk.make_room();
    assert_finishes_without_another_create(&harness, program).await;
}

#[tokio::test]
async fn killed_while_the_disk_is_full_it_finds_the_parser_when_there_is_room() {
    if !is_inside("killed_while_the_disk_is_full_it_finds_the_parser_when_there_is_room") {
        return;
    }
    let mut harness = Harness::new(&["create delay=1s"]).await;
    let disk = Disk::under(&mut harness);
    let program = answered_on_a_full_disk(&harness, &disk).await;
    program.signal(Signal::KILL);
    program.ended().await;
    disk.make_room();
    let program = Program::start(parserd(&harness, &["run", "--until-done"]));
    assert_finishes_without_another_create(&harness, program).await;
}

#[tokio::test]
async fn a_read_only_database_is_told_and_loses_nothing() {
    if !is_inside("a_read_only_database_is_told_and_loses_nothing") {
        return;
    }
    let mut harness = Harness::new(&[]).await;
    let disk = Disk::under(&mut harness);
    harness.enqueue(1).await;
    disk.mount(&["-o", "remount,ro"]);
    let run = || Program::start(parserd(&harness, &["run", "--until-done"]));
    let output = run().ended().await;
    let printed = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{printed}");
    assert!(
        printed.contains("p.db") && printed.contains("write"),
        "{printed}"
    );
    assert_eq!(harness.requests(Endpoint::Create), 0);
    disk.mount(&["-o", "remount,rw"]);
    let program = run();
    assert_finishes_without_another_create(&harness, program).await;
}

#[tokio::test]
async fn a_backup_to_a_full_disk_leaves_nothing() {
    if !is_inside("a_backup_to_a_full_disk_leaves_nothing") {
        return;
    }
    let mut harness = Harness::new(&[]).await;
    let database = harness.database();
    harness.enqueue(1).await;
    harness
        .sql(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) \
             INSERT INTO job_events (job_id, event, detail) \
             SELECT 1, 'note', json_object('x', hex(randomblob(100))) FROM n",
        )
        .await
        .unwrap();
    let disk = Disk::under(&mut harness);
    let mut command = parserd(&harness, &["backup", "disk/copy.db"]);
    command.env(
        "PARSERD__DATABASE__URL",
        format!("sqlite://{}", database.display()),
    );
    let output = Program::start(command).ended().await;
    let printed = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{printed}");
    assert!(printed.contains("full"), "{printed}");
    let left: Vec<_> = std::fs::read_dir(&disk.directory).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn a_sync_that_fails_at_any_point_doubles_and_loses_nothing() {
    const JOBS: usize = 3;
    let is_there = Command::new("strace")
        .args(["-o", "/dev/null", "true"])
        .status()
        .is_ok_and(|status| status.success());
    if !is_there {
        eprintln!("not run: strace is not there, or may trace nothing");
        return;
    }
    let mut failed_syncs = 0;
    for first in [1, 3, 5, 8, 11] {
        let harness = Harness::new(&[]).await;
        harness.enqueue(JOBS).await;
        let trace = harness.directory.path().join("trace");
        let plain = parserd(&harness, &["run", "--until-done"]);
        let mut traced = Command::new("strace");
        traced
            .args(["-f", "-e", "trace=fsync,fdatasync", "-e"])
            .arg(format!(
                "inject=fsync,fdatasync:error=EIO:when={first}..{}",
                first + 2
            ))
            .arg("-o")
            .arg(&trace)
            .arg(plain.get_program())
            .args(plain.get_args())
            .current_dir(harness.directory.path())
            .env_clear()
            .stdin(Stdio::null());
        for (key, value) in plain.get_envs() {
            traced.env(key, value.unwrap());
        }
        // It may end by itself with an error, or recover: both are honest.
        let output = Program::start(traced).ended().await;
        assert_ne!(output.status.code(), None, "{}", stderr(&output));
        let trace = std::fs::read_to_string(&trace).unwrap();
        failed_syncs += trace.matches("(INJECTED)").count();
        let output = Program::start(parserd(&harness, &["run", "--until-done"]))
            .ended()
            .await;
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        harness
            .await_states(&[(JobState::Finished, JOBS as i64)])
            .await;
        harness.assert_one_parser_each(JOBS);
    }
    println!("{failed_syncs} syncs failed");
    assert!(failed_syncs > 5, "only {failed_syncs} syncs failed");
}

#[tokio::test]
async fn a_database_with_two_names_is_refused_by_both() {
    let harness = Harness::new(&[]).await;
    harness.enqueue(1).await;
    let other = harness.directory.path().join("other.db");
    std::fs::hard_link(harness.database(), &other).unwrap();
    for path in [harness.database(), other.clone()] {
        let mut command = parserd(&harness, &["run", "--until-done"]);
        let url = format!("sqlite://{}", path.display());
        command.env("PARSERD__DATABASE__URL", url);
        let output = Program::start(command).ended().await;
        let printed = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{printed}");
        assert!(printed.contains("hard link"), "{printed}");
    }
    assert_eq!(harness.requests(Endpoint::Create), 0);
    std::fs::remove_file(other).unwrap();
    let program = Program::start(parserd(&harness, &["run", "--until-done"]));
    assert_finishes_without_another_create(&harness, program).await;
}

#[tokio::test]
async fn a_database_file_that_is_a_mount_is_refused_with_the_cure() {
    if !is_inside("a_database_file_that_is_a_mount_is_refused_with_the_cure") {
        return;
    }
    let harness = Harness::new(&[]).await;
    harness.enqueue(1).await;
    let directory = harness.directory.path().join("container");
    std::fs::create_dir(&directory).unwrap();
    let file = directory.join("parserd.db");
    std::fs::write(&file, "").unwrap();
    let jobs = "{\"name\": \"other\", \"urls\": [\"https://other.example/\"]}";
    std::fs::write(harness.directory.path().join("jobs.jsonl"), jobs).unwrap();
    let mut mount = Command::new("mount");
    mount.arg("--bind").arg(harness.database()).arg(&file);
    assert!(mount.status().unwrap().success());
    for args in [
        &["run", "--until-done"][..],
        &["enqueue", "jobs.jsonl"],
        &["check"],
        &["status"],
        &["backup", "copy.db"],
    ] {
        let mut command = parserd(&harness, args);
        command.env(
            "PARSERD__DATABASE__URL",
            format!("sqlite://{}", file.display()),
        );
        let output = Program::start(command).ended().await;
        let printed = String::from_utf8_lossy(&output.stdout).into_owned() + &stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{args:?}: {printed}");
        for words in ["mount point", "mount its directory instead"] {
            assert!(printed.contains(words), "{args:?}: {printed}");
        }
    }
    let left: Vec<_> = std::fs::read_dir(&directory).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!(harness.requests(Endpoint::Create), 0);
    let unmounted = Command::new("umount").arg(&file).status().unwrap();
    assert!(unmounted.success());
    let program = Program::start(parserd(&harness, &["run", "--until-done"]));
    assert_finishes_without_another_create(&harness, program).await;
}
