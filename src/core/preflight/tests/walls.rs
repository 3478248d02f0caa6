//! What stands in a page's place, as real sites have it, and pages that only look like that.

use super::*;

/// A page of a site with this title: `start` comes first, then a header, and `texts` paragraphs.
fn full(title: &str, start: &str, texts: usize) -> String {
    let text = "<p>This lamp is made of ash wood by hand, with a shade of linen, and lasts.</p>";
    format!(
        "<!doctype html><html><head><title>{title}</title></head><body>{start}<header><a href=/>\
         <img src=/l.svg></a><nav><ul><li><a href=/a>Lamps</a></li></ul></nav></header><main>\
         <h1>An ash lamp</h1>{}<table><tr><th>Height</th><td>40 cm</td></tr></table></main>\
         <footer><p>All prices with tax</p></footer></body></html>",
        text.repeat(texts)
    )
}

const LOGIN_BOX: &str = "<div class=account><form action=/login method=post><label>Mail <input name=u>\
    </label><label>Password <input type=password name=p></label><button>Log in</button></form></div>";

const BANNER: &str = "<div id=cookies><p>We use cookies to improve your experience, to measure and to \
    show what fits. You can change that at any time.</p><button>Accept all</button><button>Reject \
    all</button></div>";

#[track_caller]
fn assert_verdict(html: &str, expected: Verdict, what: &str) {
    let sight = look(html, &Places::default());
    let urls = [A.to_owned()];
    let fetch = |effort| Fetched {
        sent_at: 0,
        url: A.to_owned(),
        effort,
        credits: 1,
        brought: Brought::Page(sight.clone()),
    };
    let question = Question {
        is_down: false,
        has_waited: false,
        urls: &urls,
        own: Effort::LEAST,
        known: None,
        not_in_plan: &[],
        mode: Mode::Check,
        max_credits: 150,
    };
    // Rendered it is the same.
    let fetched = [fetch(Effort::LEAST), fetch(Effort::LEAST.rendered())];
    match next(&question, &fetched) {
        Next::Done(found, _) => assert_eq!(found.verdict, expected, "{what}: {found:?}\n{sight:?}"),
        other @ Next::Fetch { .. } => panic!("{what}: {other:?}"),
    }
}

#[test]
fn a_challenge_a_refusal_and_a_consent_page_are_blocked() {
    for (what, html) in [
        (
            "Cloudflare, a challenge",
            "<!DOCTYPE html><html><head><title>Just a moment...</title><meta name=robots \
             content=noindex></head><body class=no-js><div class=main-wrapper role=main><div \
             class=main-content><noscript><div class=h2><span id=challenge-error-text>Enable \
             JavaScript and cookies to continue</span></div></noscript></div></div><script>\
             window._cf_chl_opt={}</script></body></html>",
        ),
        (
            "Cloudflare, before 2023",
            "<html><head><title>Just a moment...</title></head><body><h1>shop.example</h1><h2>Checking \
             if the site connection is secure</h2><p>shop.example needs to review the security of \
             your connection before proceeding.</p></body></html>",
        ),
        (
            "Cloudflare, a block",
            "<html><head><title>Attention Required! | Cloudflare</title></head><body><div><h1>Sorry, \
             you have been blocked</h1><h2>You are unable to access shop.example</h2><h2>Why have I \
             been blocked?</h2><p>This website is using a security service to protect itself from \
             online attacks.</p><p>Cloudflare Ray ID: 8</p></div></body></html>",
        ),
        (
            "Cloudflare, a rule",
            "<html><head><title>Access denied | shop.example used Cloudflare to restrict access</title>\
             </head><body><h1>Error 1020</h1><h2>Access denied</h2></body></html>",
        ),
        (
            "Akamai",
            "<HTML><HEAD><TITLE>Access Denied</TITLE></HEAD><BODY><H1>Access Denied</H1>You don't have \
             permission to access \"http&#58;&#47;&#47;shop&#46;example&#47;\" on this server.<P>\
             Reference&#32;&#35;18&#46;4c1</BODY></HTML>",
        ),
        (
            "DataDome",
            "<html lang=en><head><title>shop.example</title><style>#cmsg{}</style></head><body><p \
             id=cmsg>Please enable JS and disable any ad blocker</p><script>var dd={'rt':'c'}</script>\
             <script src=https://ct.captcha-delivery.com/c.js></script></body></html>",
        ),
        (
            "PerimeterX",
            "<html><head><title>Access to this page has been denied</title></head><body><section><h1>\
             Please verify you are a human</h1><p>Access to this page has been denied because we \
             believe you are using automation tools to browse the website.</p><ul><li>Javascript is \
             disabled or blocked by an extension</li></ul></section></body></html>",
        ),
        (
            "PerimeterX, press and hold",
            "<html><head><title>Robot or human?</title></head><body><p>Activate and hold the button to \
             confirm that you're human. Thank You!</p></body></html>",
        ),
        (
            "Imperva, a frame",
            "<html><head><META NAME=robots CONTENT=noindex></head><body><iframe id=main-iframe \
             src=\"/_Incapsula_Resource?x=1\">Request unsuccessful. Incapsula incident ID: \
             877000010-8</iframe></body></html>",
        ),
        (
            "Imperva, its later page",
            "<html><head><title>Pardon Our Interruption</title></head><body><h1>Pardon Our \
             Interruption</h1><p>As you were browsing something about your browser made us think you \
             were a bot.</p><ul><li>You've disabled JavaScript in your web browser.</li></ul></body>\
             </html>",
        ),
        (
            "AWS",
            "<html><head><title>Human Verification</title></head><body><div id=captcha-container></div>\
             </body></html>",
        ),
        (
            "F5",
            "<html><head><title>Request Rejected</title></head><body>The requested URL was rejected. \
             Please consult with your administrator.<br><br>Your support ID is: 18</body></html>",
        ),
        (
            "a search engine",
            "<html><head><title>https://search.example/?q=lamp</title></head><body><div>Our systems \
             have detected unusual traffic from your computer network. This page checks to see if \
             it's really you.</div></body></html>",
        ),
        (
            "a bookshop",
            "<html><head><title>Amazonas.example</title></head><body><h4>Enter the characters you see \
             below</h4><p>Sorry, we just need to make sure you're not a robot.</p></body></html>",
        ),
        (
            "consent, by its title",
            "<html><head><title>Before you continue to Video</title></head><body><h1>Before you \
             continue</h1><p>We use cookies and data to deliver services.</p><form><button>Accept all\
             </button></form></body></html>",
        ),
        (
            "consent, by its text",
            "<html><head><title>The Post</title></head><body><div><h1>Before you continue to The Post\
             </h1><p>We and our partners store cookies on a device.</p><button>Accept</button></div></body>\
             </html>",
        ),
    ] {
        assert_verdict(html, Verdict::Blocked, what);
    }
}

#[test]
fn a_form_to_log_in_is_a_login_page() {
    let form = "<form><input name=u><input type=password><button>Go</button></form>";
    for title in [
        "Log in",
        "Login | Shop",
        "Sign in to continue - Shop",
        "Anmelden",
        "Iniciar sesi\u{f3}n",
        "\u{412}\u{43e}\u{439}\u{442}\u{438}",
        "\u{4f1a}\u{5458}\u{767b}\u{5f55}",
        "\u{30e6}\u{30fc}\u{30b6}\u{30fc}\u{30ed}\u{30b0}\u{30a4}\u{30f3}",
    ] {
        assert_verdict(&full(title, form, 1), Verdict::Login, title);
    }
    let bare = format!("<title>Shop</title><h1>Sign in</h1>{form}");
    assert_verdict(&bare, Verdict::Login, "by its text");
}

#[test]
fn a_page_that_only_looks_like_that_is_none() {
    for (what, html) in [
        ("a banner", full("An ash lamp", BANNER, 8)),
        (
            "a banner above a shell",
            format!("<title>Lamps</title>{BANNER}<div id=app></div>"),
        ),
        (
            "a login box above little",
            full("An ash lamp", LOGIN_BOX, 3),
        ),
        ("a login box", full("An ash lamp", LOGIN_BOX, 8)),
        (
            "both",
            full("An ash lamp", &format!("{BANNER}{LOGIN_BOX}"), 8),
        ),
        ("a blog", full("Our blog in numbers", LOGIN_BOX, 8)),
        ("a novel", full("Just a moment in time", "", 8)),
        ("an article", full("Captcha - Fjordpedia", "", 8)),
        (
            "a notice",
            full("Security check at the port: be early", "", 8),
        ),
        ("a long page", full("Access denied: the film", "", 40)),
        (
            "a hint on scripts",
            full(
                "An ash lamp",
                "<p>Please enable JavaScript for the best experience.</p>",
                8,
            ),
        ),
    ] {
        assert_verdict(&html, Verdict::Ok, what);
    }
}

#[test]
fn a_page_that_was_not_read_to_its_end_is_neither_mixed_nor_lacking() {
    let places = Places::of(["div.price > span"]);
    let whole = look(&product(40), &places);
    let cut = Sight {
        is_cut: true,
        ..look(&listing(), &places)
    };
    let urls = [A.to_owned(), B.to_owned()];
    let fetched = [&whole, &cut]
        .into_iter()
        .zip(&urls)
        .map(|(sight, url)| Fetched {
            sent_at: 0,
            url: url.clone(),
            effort: Effort::LEAST,
            credits: 1,
            brought: Brought::Page(sight.clone()),
        });
    let fetched: Vec<_> = fetched.collect();
    let question = |urls| Question {
        is_down: false,
        has_waited: false,
        urls,
        own: Effort::LEAST,
        known: None,
        not_in_plan: &[],
        mode: Mode::Check,
        max_credits: 150,
    };
    let verdict = |urls| match next(&question(urls), &fetched) {
        Next::Done(found, _) => Some(found.verdict),
        Next::Fetch { .. } => None,
    };
    assert_eq!(verdict(&urls), Some(Verdict::Ok));
    // The place that it lacks may stand where it was not read.
    assert_eq!(verdict(&urls[1..]), Some(Verdict::Ok));
    let whole_listing = Fetched {
        sent_at: 0,
        brought: Brought::Page(look(&listing(), &places)),
        ..fetched[1].clone()
    };
    let fetched = [fetched[0].clone(), whole_listing];
    let Next::Done(found, _) = next(&question(&urls), &fetched) else {
        panic!("a fetch")
    };
    assert_eq!(found.verdict, Verdict::MixedTypes);
}
