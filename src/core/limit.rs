//! PURE: which 402 and 403 are about one request rather than about the account. The service
//! tells them apart by their text alone (AI_PARSER_API.md, "Status codes").

/// What a request asks for that this account may not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// Proxies, rendering or the like that the plan does not include.
    Feature,
    /// A country that the plan does not include.
    Country,
    /// It would cost more than its own `max_cost`.
    Cost,
}

/// Texts that speak of the account's credits, whatever else stands beside them.
const OF_THE_ACCOUNT: &[&str] = &[
    "exhausted",
    "overage",
    "out of credits",
    "no credits",
    "not enough credits",
    "insufficient credits",
    "number of parsers",
    "parser limit",
    "limit of parsers",
    "suspended",
];

/// Texts by which the plan refuses something.
const REFUSES: &[&str] = &[
    "not allow",
    "not include",
    "not support",
    "not available",
    "not permitted",
    "not have access",
    "n't allow",
    "n't include",
    "n't support",
    "only available on",
    "upgrade",
];

const COUNTRY: &[&str] = &[
    "country",
    "countries",
    "geotarget",
    "geo-target",
    "geo target",
];
const FEATURE: &[&str] = &[
    "premium",
    "render",
    "javascript",
    "residential",
    "mobile",
    "session",
];

/// Whether the text of a 402 or 403 says that the account's credits are used up, or that the account
/// itself is refused. What it does not say so may be about the request, or about a page that was asked for.
pub fn is_of_the_account(text: &str) -> bool {
    let text = text.to_lowercase();
    OF_THE_ACCOUNT.iter().any(|mark| text.contains(mark))
}

impl Limit {
    /// The limit that the text of a 402 or 403 speaks of, if it is about the request. Any
    /// other text is about the account: nothing FAILs for it.
    pub fn in_message(text: &str) -> Option<Self> {
        let text = text.to_lowercase();
        let has = |marks: &[&str]| marks.iter().any(|mark| text.contains(mark));
        if has(&["max_cost", "max cost"]) {
            return Some(Self::Cost);
        }
        if is_of_the_account(&text) || !text.contains("plan") || !has(REFUSES) {
            return None;
        }
        if has(COUNTRY) {
            Some(Self::Country)
        } else {
            has(FEATURE).then_some(Self::Feature)
        }
    }

    /// What a person can do about it.
    pub const fn hint(self) -> &'static str {
        match self {
            Self::Feature => {
                "the account's plan does not include what this job's scraper_params ask for: \
                 remove premium, ultra_premium or render from them, or upgrade the plan; then retry"
            }
            Self::Country => {
                "the account's plan does not include this country: remove country_code from \
                 scraper_params, choose one that it includes, or upgrade the plan; then retry"
            }
            Self::Cost => {
                "this job would cost more than its own max_cost: raise max_cost or remove it \
                 from scraper_params, then retry"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_text_about_the_request_is_about_the_request() {
        use Limit::{Cost, Country, Feature};
        let table = [
            (
                "Your current plan does not allow you to use our premium proxies. Please upgrade \
                 your plan to be able to use this feature.",
                Some(Feature),
            ),
            (
                "your current plan doesn't include ultra_premium",
                Some(Feature),
            ),
            (
                "Your current plan does not allow you to use geotargeting outside of US and EU",
                Some(Country),
            ),
            (
                "country_code jp is not available on your plan",
                Some(Country),
            ),
            ("This request exceeds your max_cost", Some(Cost)),
            (
                "You have exhausted the API credits available in this monthly cycle. Upgrade your \
                 plan for premium support or enable overages",
                None,
            ),
            ("Your plan does not allow more: parser limit reached", None),
            ("upgrade your plan", None),
            ("Forbidden", None),
            ("<html>Access denied to premium content</html>", None),
            ("the answer says nothing more", None),
            ("", None),
        ];
        for (text, expected) in table {
            assert_eq!(Limit::in_message(text), expected, "{text}");
        }
    }
}
