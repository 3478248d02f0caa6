use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::*;

#[test]
fn a_database_that_is_no_regular_file_is_refused_before_it_is_opened() {
    let fixture = Fixture::new();
    let directory = fixture.dir.path().to_owned();
    mknodat(CWD, directory.join("fifo"), FileType::Fifo, Mode::RWXU, 0).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(directory.join("socket")).unwrap();
    std::os::unix::fs::symlink("/dev/null", directory.join("link")).unwrap();
    std::fs::write(directory.join("file"), "").unwrap();
    for (url, words) in [
        (
            "sqlite:///dev/null",
            "\"sqlite:///dev/null\" is a device, and a database is",
        ),
        ("sqlite://link", "is a device"),
        ("sqlite://fifo", "is a FIFO"),
        (
            "sqlite://socket",
            "is a socket, and a database is a regular file; write sqlite://",
        ),
    ] {
        let mut refused = Fixture::new().flag("database.url", url);
        refused.sources.working_dir.clone_from(&directory);
        let error = refused.error();
        assert!(error.contains(words), "{error}");
        assert!(error.contains("database.url (the command line)"), "{error}");
    }
    let regular = fixture.flag("database.url", "sqlite://file");
    assert_eq!(regular.settings().database_path(), directory.join("file"));
}
