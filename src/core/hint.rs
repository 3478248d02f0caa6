//! PURE: what a person can do about a create that was rejected, or a parser of no use. What a
//! generation that FAILED calls for is a [`crate::core::remedy::Remedy`].

use crate::core::{limit::Limit, outcome::ErrorDetail};

/// The advice for a parser that is ready and of no use.
pub const POOR_RESULT: &str = "the parser stays on the account; `parserd show` has what it found: \
     change fields or urls and retry, which pays for another parser, or change expect and retry, \
     which looks at this one again";

/// The advice for a new version of a parser that is of no use, or of less than the one before.
pub const POOR_UPDATE: &str = "the version before stays in use, and the new one is there too: \
     `parserd parsers pin` uses it all the same; another update is based on the latest one";

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
