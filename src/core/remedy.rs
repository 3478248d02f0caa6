//! PURE: what a FAILED generation calls for, read from the service's error text: advice for people,
//! and the parameters that one more create is to be sent with.

use std::borrow::Cow;

use crate::core::{
    effort::{Effort, Proxy},
    limit::Limit,
};

/// The advice for pages that are of different types.
pub const ONE_TYPE: &str = "keep one page type in this job and make a job for each other";

/// What a FAILED generation calls for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// To ask for less, or to have a better plan.
    Plan(Limit),
    /// To keep one page type.
    OneType,
    /// To run the pages' JavaScript.
    Render,
    /// To fetch through better proxies.
    BetterProxies,
    /// To look at the pages: the text says nothing that is known.
    CheckPages,
}

/// How texts give away what they call for, in order of trust: the first that matches wins. The
/// causes are the documented ones (AI_PARSER_API.md, "Parser status"); only the download error's
/// text is known.
const MARKS: &[(Remedy, &[&str])] = &[
    (
        Remedy::OneType,
        &[
            "page type",
            "different layout",
            "different structure",
            "same page",
        ],
    ),
    (
        Remedy::Render,
        &[
            "javascript",
            "render",
            "extract",
            "no data",
            "empty",
            "no content",
        ],
    ),
    (
        Remedy::BetterProxies,
        &[
            "download",
            "blocked",
            "inaccessible",
            "forbidden",
            "captcha",
            "timed out",
            "timeout",
        ],
    ),
];

impl Remedy {
    /// What the service's error text calls for.
    pub fn of_failure(error: &str) -> Self {
        if let Some(limit) = Limit::in_message(error) {
            return Self::Plan(limit);
        }
        let error = error.to_lowercase();
        MARKS
            .iter()
            .find(|(_, marks)| marks.iter().any(|mark| error.contains(mark)))
            .map_or(Self::CheckPages, |(remedy, _)| *remedy)
    }

    /// The effort that one more create is to be sent with, after one that was sent with `now`;
    /// none where no parameter is known to help.
    pub fn next_effort(self, now: Effort) -> Option<Effort> {
        match self {
            Self::Render => (!now.render).then(|| now.rendered()),
            Self::BetterProxies => now.through_better(),
            Self::Plan(_) | Self::OneType | Self::CheckPages => None,
        }
    }

    /// What a person can do, after a create that was sent with `now`.
    pub fn hint(self, now: Effort) -> Cow<'static, str> {
        let text = match self {
            Self::Plan(limit) => limit.hint(),
            Self::OneType => {
                return Cow::Owned(format!(
                    "the example URLs seem to be of different page types: {ONE_TYPE}"
                ));
            }
            Self::Render if now.render => {
                "nothing could be extracted, and JavaScript was run (render is set): check that \
                 the example URLs show what is wanted to everybody, without a login or a click"
            }
            Self::Render => {
                "nothing could be extracted: if the page needs JavaScript, \
                 set scraper_params {\"render\": true}"
            }
            Self::BetterProxies => match now.proxy {
                Proxy::Standard => {
                    "the example URLs could not be fetched: check that they open in a browser; \
                     if the site blocks scrapers, set scraper_params {\"premium\": true}, \
                     or {\"ultra_premium\": true}"
                }
                Proxy::Premium => {
                    "the example URLs could not be fetched, with premium: check that they open in \
                     a browser; if the site blocks scrapers, set scraper_params \
                     {\"ultra_premium\": true} in place of premium"
                }
                Proxy::UltraPremium => {
                    "the example URLs could not be fetched, with ultra_premium: check that they \
                     open in a browser, and take others in place of those that do not"
                }
            },
            Self::CheckPages => match (now.render, now.proxy) {
                (false, Proxy::Standard) => {
                    "check that the example URLs open and are of one page type; \
                     try scraper_params {\"render\": true} or {\"premium\": true}"
                }
                (false, Proxy::Premium | Proxy::UltraPremium) => {
                    "check that the example URLs open and are of one page type; \
                     try scraper_params {\"render\": true}"
                }
                (true, Proxy::Standard) => {
                    "check that the example URLs open and are of one page type; \
                     try scraper_params {\"premium\": true}"
                }
                (true, Proxy::Premium) => {
                    "check that the example URLs open and are of one page type; \
                     try scraper_params {\"ultra_premium\": true} in place of premium"
                }
                (true, Proxy::UltraPremium) => {
                    "check that the example URLs open and are of one page type"
                }
            },
        };
        Cow::Borrowed(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn effort(proxy: Proxy, render: bool) -> Effort {
        Effort { proxy, render }
    }

    /// Error texts, what each calls for, and whether another create may help one that was sent
    /// with nothing set.
    #[test]
    fn each_documented_cause_has_its_remedy() {
        let premium = Some(effort(Proxy::Premium, false));
        let render = Some(effort(Proxy::Standard, true));
        let table = [
            (
                "DownloadError: Failed to download https://a.example/x after 3 retries",
                Remedy::BetterProxies,
                premium,
            ),
            ("The page was BLOCKED", Remedy::BetterProxies, premium),
            (
                "ExtractionError: nothing to extract, page may need JavaScript",
                Remedy::Render,
                render,
            ),
            (
                "The example URLs are of different page types",
                Remedy::OneType,
                None,
            ),
            (
                "Download failed: the pages have a different layout",
                Remedy::OneType,
                None,
            ),
            (
                "Failed to download: your current plan does not allow you to use premium proxies",
                Remedy::Plan(Limit::Feature),
                None,
            ),
            (
                "download failed: country_code jp is not available on your plan",
                Remedy::Plan(Limit::Country),
                None,
            ),
            (
                "the download exceeds max_cost",
                Remedy::Plan(Limit::Cost),
                None,
            ),
            ("", Remedy::CheckPages, None),
            ("something new", Remedy::CheckPages, None),
        ];
        for (error, remedy, next) in table {
            let found = Remedy::of_failure(error);
            assert_eq!(found, remedy, "{error:?}");
            assert_eq!(found.next_effort(Effort::LEAST), next, "{error:?}");
        }
    }

    #[test]
    fn an_effort_only_grows_and_comes_to_an_end() {
        use Proxy::{Premium, Standard, UltraPremium};
        let table = [
            (Remedy::Render, (Standard, false), Some((Standard, true))),
            (Remedy::Render, (Premium, false), Some((Premium, true))),
            (Remedy::Render, (Standard, true), None),
            (
                Remedy::BetterProxies,
                (Standard, true),
                Some((Premium, true)),
            ),
            (
                Remedy::BetterProxies,
                (Premium, false),
                Some((UltraPremium, false)),
            ),
            (Remedy::BetterProxies, (UltraPremium, false), None),
            (Remedy::BetterProxies, (UltraPremium, true), None),
            (Remedy::OneType, (Standard, false), None),
            (Remedy::CheckPages, (Standard, false), None),
            (Remedy::Plan(Limit::Feature), (Standard, false), None),
        ];
        for (remedy, (proxy, render), next) in table {
            let now = effort(proxy, render);
            let next = next.map(|(proxy, render)| effort(proxy, render));
            assert_eq!(remedy.next_effort(now), next, "{remedy:?} after {now:?}");
        }
    }

    /// No hint says to set what is set; each that leaves something to set names it.
    #[test]
    fn a_hint_advises_only_what_is_not_set_yet() {
        let remedies = [
            Remedy::OneType,
            Remedy::Render,
            Remedy::BetterProxies,
            Remedy::CheckPages,
        ];
        for remedy in remedies {
            for proxy in Proxy::ALL {
                for render in [false, true] {
                    let now = effort(*proxy, render);
                    let hint = remedy.hint(now);
                    let advises = |key: &str| hint.contains(&format!("\"{key}\": true"));
                    let label = format!("{remedy:?} after {now:?}: {hint}");
                    assert!(!(render && advises("render")), "{label}");
                    assert!(!(*proxy >= Proxy::Premium && advises("premium")), "{label}");
                    assert!(
                        !(*proxy == Proxy::UltraPremium && advises("ultra_premium")),
                        "{label}"
                    );
                    if let Some(next) = remedy.next_effort(now) {
                        let key = if next.render == render {
                            next.proxy.as_str()
                        } else {
                            "render"
                        };
                        assert!(advises(key), "{label}");
                    }
                }
            }
        }
        let hint = Remedy::OneType.hint(Effort::LEAST);
        assert!(hint.contains("one page type"), "{hint}");
        assert_eq!(
            Remedy::Plan(Limit::Cost).hint(Effort::LEAST),
            Limit::Cost.hint()
        );
    }
}
