//! The page, as HTML: each tag on a line of its own.

use super::{assert_text, put_one_of_each};
use crate::cli::place::Place;
use crate::common::Harness;
use crate::http::site::Site;

#[tokio::test]
async fn overview_and_jobs() {
    let Harness {
        directory,
        server,
        settings,
    } = Harness::new(&[]).await;
    let place = Place { directory };
    put_one_of_each(&place).await;
    let harness = Harness {
        directory: place.directory,
        server,
        settings,
    };
    let site = Site::at_rest(harness).await;
    for (path, name) in [
        ("/", "overview"),
        ("/jobs", "jobs"),
        ("/jobs/7", "failed"),
        ("/jobs/5", "ambiguous"),
    ] {
        let (status, page) = site.get(path).await;
        assert_eq!(status, 200, "{path}");
        assert_text(&format!("page-{name}"), &page.replace("><", ">\n<"));
    }
    site.closed().await;
}
