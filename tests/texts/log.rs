//! The log of a job's life.

use super::{assert_text, typed};
use crate::common::{Harness, program::parserd};

async fn logged(format: &str) -> String {
    let rules = ["create status=500 nth=1", "create fail=\"DownloadError\""];
    let mut harness = Harness::new(&rules).await;
    harness.set("log.format", format);
    harness.enqueue(1).await;
    typed(parserd(&harness, &["run", "--until-done"]))
}

#[tokio::test(flavor = "multi_thread")]
async fn as_text_and_as_json() {
    for format in ["text", "json"] {
        assert_text(&format!("log-{format}"), &logged(format).await);
    }
}
