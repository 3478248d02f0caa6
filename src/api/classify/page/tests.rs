use secrecy::SecretString;
use serde_json::json;

use super::*;
use crate::api::classify::Body;

const NOW: UnixMs = 1_700_000_000_000;

fn request(params: &serde_json::Value) -> FetchRequest {
    FetchRequest {
        url: "https://a.example/1".to_owned(),
        params: params.as_object().cloned().unwrap_or_default(),
        max_credits: 150,
        selectors: vec!["h1".to_owned(), ".none".to_owned()],
    }
}

fn raw(status: u16, headers: &[(&str, &str)], body: &[u8], end: BodyEnd) -> RawPage {
    let header = |name: &str| {
        headers
            .iter()
            .find(|(key, _)| *key == name)
            .map(|(_, v)| *v)
    };
    RawPage {
        answer: RawAnswer {
            status,
            retry_after: header("retry-after").map(str::to_owned),
            body: Body {
                bytes: body.to_vec(),
                end,
            },
        },
        head: PageHead::of(header),
    }
}

fn of(page: RawPage) -> FetchOutcome {
    fetch(&request(&json!({})), Ok(page), NOW, &Quoter::default())
}

/// What is known in one word, with the credits.
fn word(outcome: &FetchOutcome) -> (&'static str, Option<i64>) {
    match outcome {
        FetchOutcome::Brought { brought, credits } => {
            let word = match brought {
                Brought::Pending => "pending",
                Brought::Page(_) => "page",
                Brought::Gone { .. } => "gone",
                Brought::Blocked { .. } => "blocked",
                Brought::NotInPlan { .. } => "not in plan",
                Brought::TooDear => "too dear",
                Brought::Nothing { .. } => "nothing",
            };
            (word, *credits)
        }
        FetchOutcome::Refused(Refusal::Unauthorized, _) => ("unauthorized", None),
        FetchOutcome::Refused(Refusal::Throttled { .. }, _) => ("throttled", None),
        FetchOutcome::Refused(Refusal::Credits | Refusal::AccountLimit, _) => ("credits", None),
    }
}

#[track_caller]
fn sight(outcome: FetchOutcome) -> Sight {
    match outcome {
        FetchOutcome::Brought {
            brought: Brought::Page(sight),
            ..
        } => sight,
        other => panic!("no page: {other:?}"),
    }
}

#[test]
fn every_status_has_the_outcome_of_the_table() {
    for status in 100..1000 {
        let page = raw(status, &[], b"<p>words</p>", BodyEnd::Complete);
        let expected = match status {
            200..=299 => ("page", None),
            401 => ("unauthorized", None),
            402 => ("credits", None),
            429 => ("throttled", None),
            404 | 410 => ("nothing", None),
            400..=499 => ("nothing", Some(0)),
            _ => ("nothing", None),
        };
        assert_eq!(word(&of(page)), expected, "{status}");
    }
}

#[test]
fn what_speaks_against_a_page_is_believed_of_the_fetch_api_alone() {
    const COST: (&str, &str) = ("sa-credit-cost", "1");
    const UNREAD: (&str, &str) = ("sa-credit-cost", "one");
    const SITE: (&str, &str) = ("sa-statuscode", "404");
    const PLAIN: (&str, &str) = ("server", "nginx");
    let gave_up = "Request failed. You will not be charged for this request.";
    let hint = "Protected domains may need premium=true";
    for (status, header, text, expected) in [
        (404, COST, "", ("gone", Some(1))),
        (404, UNREAD, "", ("gone", None)),
        (404, SITE, "", ("gone", None)),
        (404, PLAIN, "<h1>Not Found</h1>", ("nothing", None)),
        (410, COST, "", ("gone", Some(1))),
        (410, PLAIN, "", ("nothing", None)),
        (500, ("sa-credit-cost", "0"), "", ("blocked", Some(0))),
        (500, PLAIN, gave_up, ("blocked", Some(0))),
        (500, PLAIN, hint, ("blocked", Some(0))),
        (500, PLAIN, "Internal Server Error", ("nothing", None)),
        (500, PLAIN, "", ("nothing", None)),
    ] {
        let page = raw(status, &[header], text.as_bytes(), BodyEnd::Complete);
        assert_eq!(word(&of(page)), expected, "{status} {header:?} {text}");
    }
    let wrong = of(raw(404, &[PLAIN], b"", BodyEnd::Complete));
    assert!(format!("{wrong:?}").contains("check preflight.url"));
}

#[test]
fn a_refusal_is_told_apart_by_its_text_and_by_whom_the_service_heard() {
    let exhausted = "You have exhausted the API credits available in this monthly cycle. Please \
                     upgrade your plan or enable overages";
    let premium = "Your current plan does not allow you to use our premium proxies.";
    let country = "Your current plan does not allow you to use geotargeting outside of US and EU";
    let key = "Unauthorized request, please make sure your API key is valid.";
    let retried = "Request failed. You will not be charged for this request. Protected domains may \
                   need premium=true";
    for (status, site, params, text, expected) in [
        (403, None, json!({}), exhausted, "credits"),
        (403, Some("403"), json!({}), exhausted, "credits"),
        (402, None, json!({}), "", "credits"),
        (402, None, json!({}), exhausted, "credits"),
        (403, None, json!({"premium": true}), premium, "not in plan"),
        (402, None, json!({"render": true}), premium, "not in plan"),
        // It says nothing of better proxies where none were asked for.
        (
            403,
            None,
            json!({"session_number": 7}),
            "your plan does not include sessions",
            "nothing",
        ),
        (
            403,
            None,
            json!({"premium": true, "country_code": "jp"}),
            country,
            "nothing",
        ),
        (
            403,
            None,
            json!({}),
            "This request exceeds your max_cost",
            "too dear",
        ),
        (403, None, json!({}), "<html>Forbidden</html>", "nothing"),
        (
            403,
            Some("403"),
            json!({}),
            "<html>Access denied</html>",
            "blocked",
        ),
        (
            403,
            Some("200"),
            json!({}),
            "<html>Access denied</html>",
            "nothing",
        ),
        (
            402,
            Some("402"),
            json!({}),
            "<html>Pay per crawl</html>",
            "blocked",
        ),
        (401, None, json!({}), key, "unauthorized"),
        (401, Some("401"), json!({}), key, "unauthorized"),
        (401, None, json!({}), "", "unauthorized"),
        (
            401,
            Some("401"),
            json!({}),
            "<html>Members only</html>",
            "blocked",
        ),
        (
            429,
            Some("429"),
            json!({}),
            "<html>Slow down</html>",
            "nothing",
        ),
        (429, None, json!({}), "", "throttled"),
        (451, Some("451"), json!({}), "", "blocked"),
        (451, None, json!({}), "", "nothing"),
        (500, None, json!({}), retried, "blocked"),
        (503, Some("503"), json!({}), "", "blocked"),
        (502, None, json!({}), "<html>Bad gateway</html>", "nothing"),
        (302, None, json!({}), "", "nothing"),
    ] {
        let headers: Vec<_> = site
            .map(|site| ("sa-statuscode", site))
            .into_iter()
            .collect();
        let page = raw(status, &headers, text.as_bytes(), BodyEnd::Complete);
        let outcome = fetch(&request(&params), Ok(page), NOW, &Quoter::default());
        assert_eq!(
            word(&outcome).0,
            expected,
            "{status} {site:?} {params} {text}"
        );
    }
}

#[test]
fn a_price_is_told_by_a_number_in_an_object_and_by_nothing_else() {
    let told = |status: u16, body: &str| {
        let answer = RawAnswer {
            status,
            retry_after: None,
            body: Body {
                bytes: body.as_bytes().to_vec(),
                end: BodyEnd::Complete,
            },
        };
        match price(Ok(answer), NOW, &Quoter::default()) {
            PriceOutcome::Priced => "priced",
            PriceOutcome::Refused(..) => "refused",
            PriceOutcome::Unknown(_) => "unknown",
        }
    };
    for (status, body, expected) in [
        (200, r#"{"credits": 1}"#, "priced"),
        (
            200,
            r#"{"cost": 10, "url": "https://example.com/"}"#,
            "priced",
        ),
        (200, r#"{"error": "no such page"}"#, "unknown"),
        (200, "<html>Welcome</html>", "unknown"),
        (200, "[1]", "unknown"),
        (200, "", "unknown"),
        (404, r#"{"code": 404}"#, "unknown"),
        (302, "", "unknown"),
        (500, "", "unknown"),
        (401, "", "refused"),
        (429, "", "refused"),
    ] {
        assert_eq!(told(status, body), expected, "{status} {body}");
    }
    let fault = TransportFault::NotConnected("refused".to_owned());
    let outcome = price(Err(fault), NOW, &Quoter::default());
    assert!(matches!(outcome, PriceOutcome::Unknown(_)), "{outcome:?}");
}

#[test]
fn the_waits_of_the_service_count_and_those_of_a_site_do_not() {
    let asks = [("retry-after", "7")];
    match of(raw(429, &asks, b"", BodyEnd::Complete)) {
        FetchOutcome::Refused(Refusal::Throttled { retry_after_ms }, _) => {
            assert_eq!(retry_after_ms, Some(7_000));
        }
        other => panic!("{other:?}"),
    }
    let outcome = of(raw(503, &asks, b"", BodyEnd::Complete));
    assert_eq!(word(&outcome).0, "nothing");
}

#[test]
fn what_a_fetch_cost_is_what_the_service_says_or_nothing_where_nothing_was_made() {
    for (status, cost, expected) in [
        (200, Some("10"), Some(10)),
        (200, None, None),
        (404, Some("1"), Some(1)),
        (404, None, None),
        (500, Some("0"), Some(0)),
        (500, None, None),
        (403, None, Some(0)),
        (502, None, None),
        (200, Some("-1"), None),
        (200, Some("99999999999"), None),
        (200, Some("many"), None),
    ] {
        let headers: Vec<_> = cost
            .map(|cost| ("sa-credit-cost", cost))
            .into_iter()
            .collect();
        let outcome = of(raw(status, &headers, b"<p>x", BodyEnd::Complete));
        assert_eq!(word(&outcome).1, expected, "{status} {cost:?}");
    }
    for (fault, expected) in [
        (TransportFault::NotConnected("refused".to_owned()), Some(0)),
        (TransportFault::TimedOut("late".to_owned()), None),
        (TransportFault::Broken("reset".to_owned()), None),
    ] {
        let outcome = fetch(&request(&json!({})), Err(fault), NOW, &Quoter::default());
        assert_eq!(word(&outcome), ("nothing", expected));
    }
}

#[test]
fn a_page_is_looked_at_as_far_as_it_was_read() {
    let html = b"<html><title>Books</title><h1>A book</h1></html>";
    for (end, is_cut) in [
        (BodyEnd::Complete, false),
        (BodyEnd::OverCap(9), true),
        (BodyEnd::TimedOut, true),
    ] {
        let seen = sight(of(raw(200, &[("content-type", "text/html")], html, end)));
        assert_eq!(seen.is_cut, is_cut);
        assert_eq!(
            (seen.title.as_str(), seen.opening.as_str()),
            ("Books", "A book")
        );
        assert_eq!(seen.has_places, [true, false]);
    }
    for (body, end) in [
        (&html[..], BodyEnd::Cut("reset".to_owned())),
        (b"", BodyEnd::Complete),
        (b" \n", BodyEnd::TimedOut),
    ] {
        let outcome = of(raw(200, &[], body, end));
        assert_eq!(word(&outcome).0, "nothing", "{outcome:?}");
    }
}

#[test]
fn what_is_not_html_has_no_shape_whatever_it_is() {
    const PAGE: &str = "page of HTML";
    const TEXT: &str = "page without a shape";
    for (kind, body, expected) in [
        (Some("text/html; charset=utf-8"), "<p>x", PAGE),
        (Some("TEXT/HTML"), "words", TEXT),
        (Some("application/xhtml+xml"), "<p>x", PAGE),
        (None, "<p>x", PAGE),
        (Some("nonsense"), "\u{feff} <!doctype html><p>x", PAGE),
        (Some("text/plain"), "<html><p>x", PAGE),
        (Some("text/plain"), "if a <b> c", TEXT),
        (Some("application/xml"), "<rss><item>x", PAGE),
        (Some("application/json"), r#"{"html":"<p>x</p>"}"#, TEXT),
        (Some("application/ld+json"), "<p>", TEXT),
        (Some("image/png"), "<p>x", TEXT),
        (Some("image/svg+xml"), "<svg>", TEXT),
        (Some("application/pdf"), "%PDF", TEXT),
        (Some("application/octet-stream"), "<p>x", TEXT),
        (Some("video/mp4"), "", TEXT),
    ] {
        let headers: Vec<_> = kind
            .map(|kind| ("content-type", kind))
            .into_iter()
            .collect();
        let page = raw(200, &headers, body.as_bytes(), BodyEnd::Complete);
        let is_readable = page.head.is_readable();
        let outcome = of(page);
        let found = match &outcome {
            FetchOutcome::Brought {
                brought: Brought::Page(sight),
                ..
            } if sight.is_html() => PAGE,
            FetchOutcome::Brought {
                brought: Brought::Page(_),
                ..
            } => TEXT,
            other => word(other).0,
        };
        assert_eq!(found, expected, "{kind:?} {body}");
        let is_binary = kind.is_some_and(|kind| {
            ["image/", "video/", "application/pdf", "application/octet"]
                .iter()
                .any(|start| kind.starts_with(start))
        });
        assert_eq!(is_readable, !is_binary, "{kind:?}");
    }
    let packed = raw(
        200,
        &[("content-encoding", "br")],
        b"<p>x",
        BodyEnd::Complete,
    );
    assert!(!packed.head.is_readable());
    assert_eq!(word(&of(packed)).0, "page");
    let plain = raw(
        200,
        &[("content-encoding", "identity")],
        b"<p>x",
        BodyEnd::Complete,
    );
    assert_eq!(word(&of(plain)).0, "page");
}

#[test]
fn an_encoding_is_that_of_the_mark_the_header_the_page_or_utf_8() {
    let utf16 = |text: &str| -> Vec<u8> {
        let units = std::iter::once(0xfeff).chain(text.encode_utf16());
        units.flat_map(u16::to_le_bytes).collect()
    };
    let cases: [(Option<&str>, Vec<u8>); 12] = [
        (None, "<title>Bücher</title>".into()),
        (Some("text/html"), "\u{feff}<title>Bücher</title>".into()),
        (
            Some("text/html; charset=iso-8859-1"),
            b"<title>B\xfccher</title>".into(),
        ),
        (
            Some("text/html;Charset=\"Windows-1252\""),
            b"<title>B\xfccher</title>".into(),
        ),
        (
            Some("text/html; charset=utf-8"),
            "<title>Bücher</title><meta charset=latin1>".into(),
        ),
        (
            Some("text/html; charset=latin1"),
            utf16("<title>Bücher</title>"),
        ),
        (
            Some("text/html; charset=none"),
            b"<meta charset=latin1><title>B\xfccher</title>".into(),
        ),
        (None, utf16("<title>Bücher</title>")),
        (
            None,
            b"<META CHARSET = 'latin1'/><title>B\xfccher</title>".into(),
        ),
        (
            None,
            b"<meta name=a><meta http-equiv=Content-Type content=\"text/html; charset=latin1\">\
              <title>B\xfccher</title>"
                .into(),
        ),
        (None, "<meta charset=utf-16le><title>Bücher</title>".into()),
        (
            Some("text/html"),
            "<title>Bücher</title><p>charset=latin1".into(),
        ),
    ];
    for (kind, body) in cases {
        let headers: Vec<_> = kind
            .map(|kind| ("content-type", kind))
            .into_iter()
            .collect();
        let seen = sight(of(raw(200, &headers, &body, BodyEnd::Complete)));
        assert_eq!(
            seen.title,
            "Bücher",
            "{kind:?} {}",
            String::from_utf8_lossy(&body)
        );
    }
    let late = [
        vec![b' '; META_BYTES],
        b"<meta charset=latin1><title>\xfc".to_vec(),
    ]
    .concat();
    let seen = sight(of(raw(
        200,
        &[("content-type", "text/html")],
        &late,
        BodyEnd::Complete,
    )));
    assert_eq!(seen.title, "\u{fffd}");
}

#[test]
fn the_key_is_in_nothing_that_is_kept_of_a_page() {
    let key = "SECRET/0123";
    let quoter = Quoter::hiding(&SecretString::from(key));
    // Where what is kept of a title ends within the key, and where tags stand within it.
    let long = format!("<title>{}{key}</title>", "x".repeat(193));
    let torn = "<title>t</title><p>SECRET<b>/0123</b>";
    let torn_wide = "<title>t</title><p>SECRET<div>/0123</div>";
    for (status, headers, body) in [
        (200, &[][..], long.as_str()),
        (200, &[], torn),
        (200, &[], torn_wide),
        (200, &[("content-type", "image/SECRET/0123")], ""),
        (500, &[], key),
        (403, &[], key),
        (401, &[], key),
    ] {
        let page = raw(status, headers, body.as_bytes(), BodyEnd::Complete);
        let outcome = fetch(&request(&json!({})), Ok(page), NOW, &quoter);
        let text = format!("{outcome:?}");
        assert!(!text.to_uppercase().contains("SECRET"), "{text}");
    }
}
