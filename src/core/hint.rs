//! PURE: what a person can do about a create that was rejected, or a generation that FAILED.

use crate::core::{limit::Limit, outcome::ErrorDetail};

/// The advice for a parser that is ready and of no use.
pub const POOR_RESULT: &str = "the parser stays on the account; `parserd show` has what it found: \
     change fields or urls and retry, which pays for another parser, or change expect and retry, \
     which looks at this one again";

/// The advice for a new version of a parser that is of no use, or of less than the one before.
pub const POOR_UPDATE: &str = "the version before stays in use, and the new one is there too: \
     `parserd parsers pin` uses it all the same; another update is based on the latest one";

/// One cause of FAILED that the service documents, how its text gives it away, and the cure.
struct Cause {
    marks: &'static [&'static str],
    hint: &'static str,
}

/// In order of trust: the first that matches wins. The causes are the documented
/// ones (AI_PARSER_API.md, "Parser status"); only the download error's text is known.
const CAUSES: &[Cause] = &[
    Cause {
        marks: &[
            "page type",
            "different layout",
            "different structure",
            "same page",
        ],
        hint: "the example URLs seem to be of different page types: \
               keep one page type in this job and make a job for each other",
    },
    Cause {
        marks: &[
            "javascript",
            "render",
            "extract",
            "no data",
            "empty",
            "no content",
        ],
        hint: "nothing could be extracted: if the page needs JavaScript, \
               set scraper_params {\"render\": true}",
    },
    Cause {
        marks: &[
            "download",
            "blocked",
            "inaccessible",
            "forbidden",
            "captcha",
            "timed out",
            "timeout",
        ],
        hint: "the example URLs could not be fetched: check that they open in a browser; \
               if the site blocks scrapers, set scraper_params {\"premium\": true}, \
               or {\"ultra_premium\": true}",
    },
];

/// The advice that fits what the service said to a create that it rejected.
pub fn for_rejected_create(words: &ErrorDetail) -> &'static str {
    let limit = match words.status {
        Some(402 | 403) => Limit::in_message(&words.message),
        _ => None,
    };
    limit.map_or(
        "the service refused the job as it is: correct name, urls, scraper_params \
         or fields as its message says, then retry",
        Limit::hint,
    )
}

/// The advice that fits the service's error text.
pub fn for_failed_generation(error: &str) -> &'static str {
    let error = error.to_lowercase();
    CAUSES
        .iter()
        .find(|cause| cause.marks.iter().any(|mark| error.contains(mark)))
        .map_or(
            "check that the example URLs open and are of one page type; \
             try scraper_params {\"render\": true} or {\"premium\": true}",
            |cause| cause.hint,
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_documented_cause_has_its_hint() {
        let table = [
            (
                "DownloadError: Failed to download https://a.example/x after 3 retries",
                "premium",
            ),
            ("The page was blocked", "premium"),
            (
                "ExtractionError: nothing to extract, page may need JavaScript",
                "render",
            ),
            (
                "The example URLs are of different page types",
                "one page type",
            ),
            ("", "one page type"),
            ("something new", "render"),
        ];
        for (error, expected) in table {
            let hint = for_failed_generation(error);
            assert!(hint.contains(expected), "{error:?} got {hint:?}");
        }
    }
}
