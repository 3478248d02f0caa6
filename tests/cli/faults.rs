//! What the system refuses is told with the next step.

use std::net::TcpListener;

use super::place::Place;

#[test]
fn a_file_that_cannot_be_read_is_told_with_the_next_step() {
    let place = Place::new();
    std::fs::create_dir(place.path("directory")).unwrap();
    place.file("bad.toml", "[log\nlevel = 'x'");
    let cases: [(&[&str], i32, &str); 6] = [
        (&["enqueue", "absent.json"], 65, "correct its name"),
        (&["plan", "absent.json"], 65, "correct its name"),
        (&["enqueue", "directory"], 65, "name the files in it"),
        (
            &["--config", "absent.toml", "status"],
            78,
            "correct its name",
        ),
        (
            &["--config", "bad.toml", "status"],
            78,
            "config/parserd.toml shows",
        ),
        (&["simulate", "--script", "absent"], 1, "correct its name"),
    ];
    for (args, code, next) in cases {
        place.run(args).is(code).says(&[next]);
    }
}

#[test]
fn an_address_that_is_taken_is_told_with_the_next_step() {
    let place = Place::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    place.run(&["simulate", "--listen", &address]).is(1).says(&[
        &address,
        "choose another port in --listen",
        "already in use",
    ]);
    let listen = format!("http.listen={address}");
    place
        .run_with(
            &[("PARSERD__API__KEY", crate::cli::place::KEY)],
            &["--set", &listen, "run"],
        )
        .is(1)
        .says(&["choose another port in http.listen", "already in use"]);
}
