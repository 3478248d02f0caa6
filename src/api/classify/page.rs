//! What an answer of the vendor's fetch API means, and what the page in it shows. Pure.
//!
//! Most of it is of AI_PARSER_API.md, "The vendor's fetch API" and "Status codes"; what stands in
//! none of them is said where it is decided. A verdict may end a job, so nothing is said of a page
//! that the answer does not say.

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252, X_USER_DEFINED};

use super::{
    BodyEnd, RawAnswer, RawReply, TransportFault, refusal, service_detail, transport_detail,
};
use crate::{
    api::text::Quoter,
    core::{
        effort::Effort,
        job::UnixMs,
        limit::{Limit, is_of_the_account},
        outcome::{FetchOutcome, FetchRequest, PriceOutcome, Refusal},
        page::{self, Places, Sight},
        preflight::Brought,
    },
};

/// The dearest fetch costs less (75, some more on e-commerce sites): a page that sends such a header
/// itself must not use up a budget.
const CREDITS_MAX: i64 = 1_000;

/// What the fetch API sends beside a page, and hardly anybody else.
const MARKS: [&str; 2] = ["sa-credit-cost", "sa-statuscode"];

/// What the fetch API says with a 500, in lower case: that nothing was charged, and that protected
/// domains may need better proxies.
const GAVE_UP: [&str; 2] = ["not be charged", "premium"];

/// How much of a page is searched for the name of its encoding, as browsers do.
const META_BYTES: usize = 1_024;

/// What the headers say beside status and body.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PageHead {
    content_type: Option<String>,
    /// The encoding that is still on the body, say one that nobody asked for.
    content_encoding: Option<String>,
    /// What it cost: `sa-credit-cost`.
    credits: Option<i64>,
    /// What the site answered: `sa-statuscode`.
    site_status: Option<u16>,
    /// There is a header that the fetch API alone sends.
    is_marked: bool,
}

/// An answer of the fetch API.
#[derive(Debug, Clone)]
pub struct RawPage {
    /// The answer. The body of what is not to be looked at need not be read.
    pub answer: RawAnswer,
    /// The other headers.
    pub head: PageHead,
}

/// What came of a fetch.
pub type PageReply = Result<RawPage, TransportFault>;

/// How a body is to be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    Html,
    /// HTML where it looks like it: some sites do not say what they send.
    Guessed,
    /// Text that is not a page.
    Data,
    /// Neither: not read.
    Binary,
}

impl PageHead {
    /// Of an answer whose headers these are, by name in lower case.
    pub fn of<'h>(header: impl Fn(&'static str) -> Option<&'h str>) -> Self {
        let number = |name| header(name)?.trim().parse::<i64>().ok();
        let encoding = header("content-encoding").map(str::trim);
        Self {
            content_type: header("content-type").map(str::to_owned),
            content_encoding: encoding
                .filter(|encoding| {
                    !encoding.is_empty() && !encoding.eq_ignore_ascii_case("identity")
                })
                .map(str::to_owned),
            credits: number("sa-credit-cost").filter(|credits| (0..=CREDITS_MAX).contains(credits)),
            site_status: number("sa-statuscode").and_then(|status| u16::try_from(status).ok()),
            is_marked: MARKS.iter().any(|name| header(name).is_some()),
        }
    }

    /// What it cost, where that was said.
    pub const fn credits(&self) -> Option<i64> {
        self.credits
    }

    /// Whether there is sense in reading the body of a 2xx.
    pub fn is_readable(&self) -> bool {
        self.content_encoding.is_none() && self.sort() != Sort::Binary
    }

    /// As it came: in lower case a key that it echoes would not be found any more.
    fn media_type(&self) -> &str {
        let whole = self.content_type.as_deref().unwrap_or_default();
        whole.split(';').next().unwrap_or_default().trim()
    }

    fn sort(&self) -> Sort {
        let media_type = self.media_type().to_ascii_lowercase();
        let Some((kind, of_kind)) = media_type.split_once('/') else {
            return Sort::Guessed;
        };
        match (kind, of_kind) {
            ("text", "html") | ("application", "xhtml+xml") => Sort::Html,
            (_, json) if json == "json" || json.ends_with("+json") => Sort::Data,
            (_, xml) if xml == "xml" || xml.ends_with("+xml") && kind != "image" => Sort::Guessed,
            ("application", "javascript") => Sort::Data,
            ("text", _) => Sort::Guessed,
            _ => Sort::Binary,
        }
    }

    /// The encoding that `Content-Type` names.
    fn encoding(&self) -> Option<&'static Encoding> {
        let whole = self.content_type.as_deref()?;
        let named = whole.split(';').skip(1).find_map(|parameter| {
            let (name, value) = parameter.split_once('=')?;
            name.trim().eq_ignore_ascii_case("charset").then_some(value)
        })?;
        Encoding::for_label(named.trim().trim_matches(['"', '\'']).as_bytes())
    }
}

/// Whether what answers a question for the price of a fetch is the fetch API. How it says the price
/// is not documented: a JSON object with a number in it will do.
pub fn price(reply: RawReply, now: UnixMs, quoter: &Quoter) -> PriceOutcome {
    let answer = match reply {
        Ok(answer) => answer,
        Err(fault) => return PriceOutcome::Unknown(transport_detail(&fault, quoter)),
    };
    if let Some(refusal) = refusal(&answer, now) {
        return PriceOutcome::Refused(refusal, service_detail(&answer, quoter));
    }
    let body: Option<serde_json::Map<String, serde_json::Value>> =
        serde_json::from_slice(&answer.body.bytes).ok();
    let has_price = body.is_some_and(|body| body.values().any(serde_json::Value::is_number));
    if (200..=299).contains(&answer.status) && has_price {
        PriceOutcome::Priced
    } else {
        PriceOutcome::Unknown(service_detail(&answer, quoter))
    }
}

/// What is known after a fetch of a page. `now` is what an HTTP date in `Retry-After` is counted
/// from. It takes as long as looking at a page of 8 MiB does.
pub fn fetch(
    request: &FetchRequest,
    reply: PageReply,
    now: UnixMs,
    quoter: &Quoter,
) -> FetchOutcome {
    let RawPage { answer, head } = match reply {
        Ok(page) => page,
        Err(fault) => {
            let why = transport_detail(&fault, quoter).message;
            return FetchOutcome::Brought {
                brought: Brought::Nothing { why },
                // What arrived is billed, whether its answer arrives or not.
                credits: matches!(fault, TransportFault::NotConnected(_)).then_some(0),
            };
        }
    };
    let unbilled = unbilled(&answer, &head, quoter);
    let brought = match answer.status {
        200..=299 => page(request, &answer, &head, quoter),
        status @ (404 | 410) if head.is_marked => Brought::Gone { status },
        // So answers any other server, of any page: it would end every job.
        status @ (404 | 410) => Brought::Nothing {
            why: format!(
                "{status}, and nothing shows that the fetch API answered: check preflight.url"
            ),
        },
        status => match refused(request, status, &answer, &head, now, quoter) {
            Refused::Account(refusal) => {
                return FetchOutcome::Refused(refusal, service_detail(&answer, quoter));
            }
            Refused::Fetch(brought) => brought,
        },
    };
    FetchOutcome::Brought {
        brought,
        credits: head.credits.or(unbilled),
    }
}

/// Billed are 200 and 404 only, where it is the service that answers: a gateway does not know what
/// became of the request behind it.
fn unbilled(answer: &RawAnswer, head: &PageHead, quoter: &Quoter) -> Option<i64> {
    match answer.status {
        400..=403 | 405..=409 | 411..=499 => Some(0),
        500 => gave_up(head, &service_detail(answer, quoter).message).then_some(0),
        _ => None,
    }
}

/// Whether a 500 is what the fetch API says after its retries, and not that of a server which fails
/// at everything: it would end every job.
fn gave_up(head: &PageHead, text: &str) -> bool {
    let text = text.to_lowercase();
    head.is_marked || GAVE_UP.iter().any(|words| text.contains(words))
}

/// Who is refused.
enum Refused {
    Account(Refusal),
    Fetch(Brought),
}

/// What is refused with any status but 2xx, 404 and 410.
fn refused(
    request: &FetchRequest,
    status: u16,
    answer: &RawAnswer,
    head: &PageHead,
    now: UnixMs,
    quoter: &Quoter,
) -> Refused {
    let text = service_detail(answer, quoter).message;
    let why = format!("{status}: {text}");
    // The documents name no status that is passed through but 404. `sa-statuscode` tells one that is:
    // there the site is heard, unless the text speaks of the account.
    let is_of_site = head.site_status == Some(status);
    let speaks_of_key = text.to_lowercase().contains("api key");
    let speaks_of_account = speaks_of_key || is_of_the_account(&text);
    Refused::Fetch(match status {
        402 | 403 => match Limit::in_message(&text) {
            Some(Limit::Cost) => Brought::TooDear,
            // A country or a session may be what the plan lacks. That says nothing of better proxies,
            // so it is only of a fetch that asks for these that it is believed of them.
            Some(Limit::Feature) if Effort::of(Some(&request.params)) != Effort::LEAST => {
                Brought::NotInPlan { why }
            }
            Some(Limit::Feature | Limit::Country) => Brought::Nothing { why },
            None if is_of_site && !speaks_of_account => Brought::Blocked { why },
            None if status == 402 || speaks_of_account => {
                return Refused::Account(Refusal::Credits);
            }
            // Nobody's in particular, maybe a firewall's on the way: no gate closes for it and no
            // job ends. An account that is refused in other words shows it at the create.
            None => Brought::Nothing { why },
        },
        401 if is_of_site && !speaks_of_key => Brought::Blocked { why },
        429 if is_of_site => Brought::Nothing { why },
        // The site's, of which the service says that it is: as if it had been a 403.
        451 if is_of_site => Brought::Blocked { why },
        500 if gave_up(head, &text) => Brought::Blocked { why },
        // The service gave up, and says what the site answered; without that it is a gateway's.
        501..=599 if head.site_status.is_some_and(|site| site >= 400) => Brought::Blocked { why },
        // A `Retry-After` beside these may be the site's: no account waits for it.
        500..=599 => Brought::Nothing { why },
        _ => match refusal(answer, now) {
            Some(refusal) => return Refused::Account(refusal),
            // 3xx: the page is elsewhere, and that is not followed. Other 4xx: the request is not
            // understood, or the site's own (400, 405, 406, 418...), which a create may fare better with.
            None => Brought::Nothing { why },
        },
    })
}

fn page(request: &FetchRequest, answer: &RawAnswer, head: &PageHead, quoter: &Quoter) -> Brought {
    // Another try would bring the same.
    if !head.is_readable() {
        return Brought::Page(Sight::default());
    }
    let body = &answer.body;
    let nothing = |why: &str| Brought::Nothing {
        why: quoter.quote(why),
    };
    match &body.end {
        // Half a page may look like one of another type; the next try may bring it whole.
        BodyEnd::Cut(reason) => return nothing(&format!("the answer was cut ({reason})")),
        BodyEnd::TimedOut if body.bytes.trim_ascii().is_empty() => {
            return nothing("the answer did not end in time");
        }
        _ if body.bytes.trim_ascii().is_empty() => return nothing("the page is empty"),
        BodyEnd::Complete | BodyEnd::OverCap(_) | BodyEnd::TimedOut => {}
    }
    let text = decoded(&body.bytes, head.encoding());
    let is_page = match head.sort() {
        Sort::Html => true,
        Sort::Guessed => text.trim_start().starts_with('<'),
        Sort::Data | Sort::Binary => false,
    };
    if !is_page {
        return Brought::Page(Sight::default());
    }
    let places = Places::of(request.selectors.iter().map(String::as_str));
    let mut sight = if quoter.finds_key(&text) {
        // Before it is looked at: half a key at the end of what is kept would not be found any more.
        page::look(&quoter.redact(&text), &places)
    } else {
        page::look(&text, &places)
    };
    // Tags within it may have hidden it until they were left out.
    sight.title = quoter.redact(&sight.title);
    sight.opening = quoter.redact(&sight.opening);
    if quoter.finds_key(&sight.opening.replace(' ', "")) {
        sight.opening.clear();
    }
    sight.is_cut |= body.end != BodyEnd::Complete;
    Brought::Page(sight)
}

/// The text of a page: a byte order mark tells its encoding for certain, then `Content-Type` does,
/// then the page itself; else it is UTF-8.
fn decoded<'b>(bytes: &'b [u8], named: Option<&'static Encoding>) -> std::borrow::Cow<'b, str> {
    let encoding = named.or_else(|| encoding_of_meta(bytes)).unwrap_or(UTF_8);
    let (text, _, _) = encoding.decode(bytes);
    text
}

/// The encoding that a `<meta>` at the beginning names, be it as `charset` or within `content`.
fn encoding_of_meta(bytes: &[u8]) -> Option<&'static Encoding> {
    let start = &bytes[..bytes.len().min(META_BYTES)];
    let start = String::from_utf8_lossy(start).to_ascii_lowercase();
    let tags = start.split("<meta").skip(1);
    let labels = tags.filter_map(|tag| {
        let tag = tag.split('>').next()?;
        let (_, rest) = tag.split_once("charset")?;
        let value = rest.trim_start().strip_prefix('=')?.trim_start();
        let ends = |c: char| c.is_ascii_whitespace() || matches!(c, '"' | '\'' | ';' | '/');
        let value = value.trim_start_matches(['"', '\'']);
        Some(value.split(ends).next()?.to_owned())
    });
    let found = labels
        .into_iter()
        .find_map(|label| Encoding::for_label(label.as_bytes()))?;
    // What could be read as ASCII is not UTF-16, whatever it says (HTML, 13.2.3.2).
    Some(if found == UTF_16LE || found == UTF_16BE {
        UTF_8
    } else if found == X_USER_DEFINED {
        WINDOWS_1252
    } else {
        found
    })
}

#[cfg(test)]
mod tests;
