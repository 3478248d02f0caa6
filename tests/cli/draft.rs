//! `parserd draft`.

use std::{io::Write as _, process::Stdio};

use super::place::{Ended, Place};

const LIST: &str = "\
https://shop.example/products/linen-shirt
https://shop.example/products/wool-socks?utm_source=mail
https://www.shop.example/products/straw-hat#top
https://shop.example/products/canvas-tote-bag
https://shop.example/products/oak-table
https://shop.example/collections/summer
https://shop.example/collections/winter?page=2
https://news.example/2024/05/17/a-long-story/
";

fn draft_of(place: &Place, list: &[u8]) -> Ended {
    let mut command = place.command(&["draft", "-"]);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(list).unwrap();
    child.wait_with_output().unwrap().into()
}

#[test]
fn a_list_becomes_a_job_file_that_loads() {
    let place = Place::new();
    place.file("urls.txt", LIST);
    let ended = place.run(&["draft", "urls.txt"]).is(0);
    let summary = "8 URLs, 2 hosts, 3 page types: 3 parsers, 90,000 credits";
    assert_eq!(ended.err.trim_end(), summary);
    assert!(!ended.out.contains("utm_source"), "{}", ended.out);
    assert!(
        !place.path("parserd.db").exists(),
        "a draft makes no database"
    );
    place.file("jobs.toml", &ended.out);
    let loaded = place
        .run(&["enqueue", "--dry-run", "--json", "jobs.toml"])
        .is(0)
        .json();
    assert_eq!(loaded["added"], 3, "{loaded}");
    assert_eq!(draft_of(&place, LIST.as_bytes()).is(0).out, ended.out);
}

#[test]
fn what_jobs_cover_already_is_left_out_and_told() {
    let place = Place::new();
    place.file(
        "there.jsonl",
        r#"{"name": "shop.example-collections", "urls": ["https://shop.example/products/bag-of-tea"]}"#,
    );
    place.run(&["enqueue", "there.jsonl"]).is(0);
    let drafted = draft_of(&place, LIST.as_bytes()).is(0);
    let drafted = drafted.says(&["3 page types: 2 parsers, 60,000 credits; 1 page type covered"]);
    place.file("jobs.toml", &drafted.out);
    let drafted = drafted.prints(&[
        "# shop.example/products/{name}: 5 URLs, covered by \"shop.example-collections\"",
        "name = \"shop.example-collections-2\"",
    ]);
    assert_eq!(
        drafted.out.matches("[[jobs]]").count(),
        2,
        "{}",
        drafted.out
    );
    let loaded = place.run(&["enqueue", "--json", "jobs.toml"]).is(0).json();
    assert_eq!(loaded["added"], 2, "{loaded}");
    // What was drafted once is covered now.
    let again = draft_of(&place, LIST.as_bytes()).is(0);
    again.says(&["0 parsers, 0 credits; 3 page types covered"]);
}

#[test]
fn bad_lines_are_told_with_their_number_and_lose_nothing() {
    let place = Place::new();
    let mut list =
        b"javascript:alert(1)\nfile:///etc/passwd\nhttps://me:hunter2@shop.example/p/1\n\
        shop.example/p/1\nhttps://a.example/\0x\n\xff\xfe\n"
            .to_vec();
    list.extend(vec![b'x'; 5 << 20]);
    list.extend(b"\n\x1b[31mred\n");
    list.extend(LIST.as_bytes());
    list.extend("bad\n".repeat(100).as_bytes());
    let ended = draft_of(&place, &list).is(0).says(&[
        "-: line 1: \"javascript:alert(1)\" is neither http nor https",
        "-: line 2: ",
        "-: line 3: the address contains a user name or password",
        "-: line 4: \"shop.example/p/1\" is not a URL",
        "-: line 6: is not UTF-8",
        "-: line 7: is longer than",
        "more lines left out",
    ]);
    assert!(!ended.err.contains("hunter2") && !ended.out.contains("hunter2"));
    assert!(!ended.err.contains('\u{1b}'), "{:?}", ended.err);
    assert!(ended.err.lines().count() < 30, "{}", ended.err);
    assert_eq!(ended.out.matches("linen-shirt").count(), 1, "{}", ended.out);
    place.file("jobs.toml", &ended.out);
    place.run(&["enqueue", "--dry-run", "jobs.toml"]).is(0);
}

#[test]
fn a_list_without_a_page_is_an_error_that_says_why() {
    let place = Place::new();
    draft_of(&place, b"")
        .is(1)
        .says(&["no URL of a page is in it"]);
    let index =
        "<sitemapindex><sitemap><loc>https://a.example/s.xml</loc></sitemap></sitemapindex>";
    draft_of(&place, index.as_bytes())
        .is(1)
        .says(&["lists 1 sitemap and no page of theirs"]);
    place
        .run(&["draft", "absent.txt"])
        .is(1)
        .says(&["cannot read absent.txt", "correct its name"]);
    draft_of(
        &place,
        b"<urlset><url><loc>https://a.example/1</loc></url><!-- ",
    )
    .is(1)
    .says(&["cannot be read on from here", "1 URL, 1 host"]);
}
