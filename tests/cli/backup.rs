//! `parserd backup`.

use parserd::store::{Role, Store};

use crate::place::{Place, finished, generating};

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
    let names: Vec<_> = std::fs::read_dir(place.folder.path())
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
        .says(&["nowhere", "the folder must exist"]);
    place.run(&["backup"]).is(2).says(&["<FILE>"]);
}
