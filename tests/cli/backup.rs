//! `parserd backup`.

use parserd::store::{Role, Store};

use super::place::{Place, finished, generating};

#[tokio::test]
async fn a_backup_is_made_beside_a_daemon_and_holds_every_job() {
    let place = Place::new();
    place
        .jobs(vec![
            ("waits", vec![]),
            ("makes", generating("makes")),
            ("done", finished("done")),
        ])
        .await;
    let path = place.path("parserd.db");
    let daemon = Store::open(&path, Role::Daemon).await.unwrap();
    let made = place.run(&["backup", "copy.db", "--json"]).is(0);
    let bytes = place.path("copy.db").metadata().unwrap().len();
    assert_eq!(
        made.says(&["copy.db:", "3 jobs, checked"]).json(),
        serde_json::json!({"file": "copy.db", "bytes": bytes, "jobs": 3})
    );
    daemon.close().await;
    let copy = ["--set", "database.url=sqlite://copy.db"];
    let jobs = |place: &Place, set: &[&str]| {
        let args = [set, &["jobs", "--json"]].concat();
        place.run(&args).is(0).json()
    };
    assert_eq!(jobs(&place, &copy), jobs(&place, &[]));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = |name| place.path(name).metadata().unwrap().permissions().mode();
        assert_eq!(mode("copy.db"), mode("parserd.db"));
    }
    let names: Vec<_> = std::fs::read_dir(place.directory.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains("backup"))
        .collect();
    assert!(names.is_empty(), "left behind: {names:?}");
}

#[tokio::test]
async fn a_backup_overwrites_nothing_and_names_what_is_wrong() {
    let place = Place::new();
    place
        .run(&["backup", "copy.db"])
        .is(1)
        .says(&["error: there is no database", "database.url"]);
    assert!(!place.path("parserd.db").exists() && !place.path("copy.db").exists());
    place.jobs(vec![("a", vec![])]).await;
    place.file("copy.db", "precious");
    place
        .run(&["backup", "copy.db"])
        .is(1)
        .says(&["copy.db is there already", "name another file"]);
    assert_eq!(std::fs::read(place.path("copy.db")).unwrap(), b"precious");
    place
        .run(&["backup", "parserd.db"])
        .is(1)
        .says(&["is there already"]);
    place
        .run(&["backup", "nowhere/copy.db"])
        .is(1)
        .says(&["nowhere", "directory must exist"]);
    place.run(&["backup"]).is(2).says(&["<FILE>"]);
    place
        .run(&["backup", "-"])
        .is(2)
        .says(&["cannot go to standard output", "./-"]);
    assert!(!place.path("-").exists());
    place.run(&["backup", "./-"]).is(0);
}

/// What hidden directories and files of backups there are.
#[cfg(target_os = "linux")]
fn hidden(place: &Place) -> Vec<String> {
    std::fs::read_dir(place.directory.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with(".parserd-backup-"))
        .collect()
}

/// A backup of a large database, begun by a line for the shell, that gets `signal` while it
/// copies; how it ended. One that was done before the signal came is tried again.
#[cfg(target_os = "linux")]
fn signalled(place: &Place, line: &str, signal: rustix::process::Signal) -> (Option<i32>, String) {
    use rustix::process::{Pid, Signal, kill_process};
    use std::{
        os::unix::process::ExitStatusExt as _,
        process::{Command, Stdio},
        time::Duration,
    };
    let mut child = Command::new("sh")
        .args(["-c", line])
        .arg(place.command(&[]).get_program())
        .env_clear()
        .current_dir(place.directory.path())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let id = Pid::from_child(&child);
    let mut is_over = false;
    while hidden(place).is_empty() && !is_over {
        std::thread::sleep(Duration::from_millis(1));
        is_over = child.try_wait().unwrap().is_some();
    }
    // Stopped first, so that it is copying still when the signal comes.
    for signal in [Signal::STOP, signal, Signal::CONT] {
        if !is_over {
            kill_process(id, signal).unwrap();
        }
    }
    let output = child.wait_with_output().unwrap();
    let printed = String::from_utf8(output.stderr).unwrap();
    let code = output.status.code();
    if code == Some(0) && place.path("copy.db").exists() {
        std::fs::remove_file(place.path("copy.db")).unwrap();
        return signalled(place, line, signal);
    }
    (
        code.or(output.status.signal().map(|signal| -signal)),
        printed,
    )
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_backup_that_is_stopped_leaves_nothing_and_what_a_killed_one_left_is_named_and_removed() {
    use rustix::process::Signal;
    let place = Place::new();
    place.jobs(vec![("a", vec![])]).await;
    place
        .sql(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200000) \
             INSERT INTO job_events (job_id, event, detail) \
             SELECT 1, 'note', json_object('x', hex(randomblob(150))) FROM n",
        )
        .await;
    let backup = "exec \"$0\" backup copy.db";
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        let (code, printed) = signalled(&place, backup, signal);
        assert_eq!(code, Some(1), "{signal:?}: {printed}");
        assert!(
            printed.contains("stopped before the backup was done"),
            "{printed}"
        );
        assert_eq!(hidden(&place), Vec::<String>::new(), "{signal:?}");
    }
    // As `nohup` has it, the terminal's end is no reason to stop.
    let nohup = "trap '' HUP; exec \"$0\" backup nohup.db";
    let (code, printed) = signalled(&place, nohup, Signal::HUP);
    assert_eq!(code, Some(0), "{printed}");
    let (code, printed) = signalled(&place, backup, Signal::KILL);
    assert_eq!(code, Some(-9), "{printed}");
    let left = hidden(&place);
    assert_eq!(left.len(), 1, "{left:?}");
    assert!(!place.path("copy.db").exists());
    let own = [("PARSERD__API__BASE_URL", "http://127.0.0.1:1")];
    place
        .run_with(&own, &["check"])
        .prints(&["warn backup: a backup that was killed left", &left[0]]);
    place
        .run(&["backup", "copy.db"])
        .is(0)
        .says(&["removed what an earlier backup left", &left[0]]);
    assert_eq!(hidden(&place), Vec::<String>::new());
}

#[cfg(unix)]
#[test]
fn a_umask_that_shuts_the_owner_out_is_refused_with_the_cure() {
    use std::process::Command;
    let place = Place::new();
    place.file("jobs.jsonl", &crate::cli::place::job_line("a"));
    let under = |umask: &str, args: &str| {
        let program = place.command(&[]);
        let output = Command::new("sh")
            .args(["-c", &format!("umask {umask}; exec \"$0\" {args}")])
            .arg(program.get_program())
            .env_clear()
            .env("PARSERD__API__KEY", crate::cli::place::KEY)
            .current_dir(place.directory.path())
            .output();
        crate::cli::place::Ended::from(output.unwrap())
    };
    let words = ["the umask takes from the owner", "umask 027"];
    for umask in ["0777", "0400", "0200"] {
        under(umask, "enqueue jobs.jsonl").is(1).says(&words);
        under(umask, "run --until-done").is(1).says(&words);
        for name in ["parserd.db", "parserd.db.lock"] {
            assert!(!place.path(name).exists(), "{umask}: {name}");
        }
    }
    under("0177", "enqueue jobs.jsonl").is(0);
    under("0600", "backup copy.db").is(1).says(&words);
    assert!(!place.path("copy.db").exists());
    under("0077", "backup copy.db").is(0);
}
