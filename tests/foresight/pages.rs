//! The pages that set the thresholds: of each site some of one type, short and long, and some of
//! others with the same header, footer and aside.

use std::{collections::BTreeMap, fs, path::Path};

use parserd::core::{
    effort::Effort,
    page::{Places, Sight, look},
    preflight::{
        Brought, Fetched, LITTLE_TEXT_CHARS, Mode, Next, Question, UNLIKE_BELOW, Verdict, next,
    },
};

/// How many pairs of two types are told apart, of all.
const FOUND: (usize, usize) = (16, 114);

/// A page with the site it is of, and what comes before the first dash of its name: its type.
#[derive(Debug)]
struct Page {
    site: String,
    name: String,
    html: String,
    sight: Sight,
}

impl Page {
    fn kind(&self) -> &str {
        self.name.split('-').next().unwrap()
    }

    fn url(&self) -> String {
        format!("https://{}.example/{}", self.site, self.name)
    }
}

/// Those of the directory, by site and name.
fn pages() -> Vec<Page> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/foresight/pages");
    let mut files = BTreeMap::new();
    for site in fs::read_dir(root).unwrap() {
        let site = site.unwrap();
        for file in fs::read_dir(site.path()).unwrap() {
            let path = file.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let site = site.file_name().into_string().unwrap();
            files.insert((site, name), fs::read_to_string(path).unwrap());
        }
    }
    let pages = files.into_iter().map(|((site, name), html)| Page {
        sight: look(&html, &Places::default()),
        site,
        name,
        html,
    });
    pages.collect()
}

/// What is found of a job with these pages, which look the same rendered.
fn verdict(pages: &[(&str, &Sight)]) -> Verdict {
    let urls: Vec<_> = pages.iter().map(|(url, _)| (*url).to_owned()).collect();
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
    let efforts = [Effort::LEAST, Effort::LEAST.rendered()];
    let fetched = pages.iter().flat_map(|(url, sight)| {
        efforts.map(|effort| Fetched {
            sent_at: 0,
            url: (*url).to_owned(),
            effort,
            credits: 1,
            brought: Brought::Page((*sight).clone()),
        })
    });
    let fetched: Vec<_> = fetched.collect();
    match next(&question, &fetched) {
        Next::Done(found, _) => found.verdict,
        other @ Next::Fetch { .. } => panic!("{other:?}"),
    }
}

#[test]
fn no_two_pages_of_one_type_are_called_mixed_and_some_of_two_types_are() {
    let pages = pages();
    let (mut alike, mut others, mut found) = (Vec::new(), Vec::new(), 0);
    for (index, a) in pages.iter().enumerate() {
        let of_site = pages[..index].iter().filter(|b| b.site == a.site);
        for b in of_site.filter(|b| b.site != "shells") {
            let likeness = a.sight.shape.likeness(&b.sight.shape);
            let row = (likeness, a.url(), b.url());
            let (a_url, b_url) = (a.url(), b.url());
            let verdicts = [
                verdict(&[(&a_url, &a.sight), (&b_url, &b.sight)]),
                verdict(&[(&b_url, &b.sight), (&a_url, &a.sight)]),
            ];
            if a.kind() == b.kind() {
                assert_eq!(verdicts, [Verdict::Ok; 2], "{row:?}");
                alike.push(row);
            } else {
                assert_eq!(verdicts[0], verdicts[1], "{row:?}");
                found += usize::from(verdicts[0] == Verdict::MixedTypes);
                others.push(row);
            }
        }
    }
    for (what, rows) in [("of one type", &mut alike), ("of two types", &mut others)] {
        rows.sort_by(|a, b| a.0.total_cmp(&b.0));
        println!("{} pairs {what}, the least alike first", rows.len());
        for (likeness, a, b) in rows.iter().take(20) {
            println!("  {likeness:.2}  {a}  {b}");
        }
    }
    assert!(alike.len() > 40, "{}", alike.len());
    // Well above the threshold: real pages differ more.
    assert!(alike[0].0 > UNLIKE_BELOW + 0.2, "{:?}", alike[0]);
    assert_eq!((found, others.len()), FOUND);
}

/// A test of variants, a banner of the day: what one page has around it all, or in its text, and
/// the other has not.
#[test]
fn pages_of_one_type_stay_alike_where_one_has_more_around_it() {
    let pages = pages();
    let mut least = (1.0, String::new());
    for page in &pages {
        let (before, after) = page.html.split_once("<body").unwrap();
        let (attributes, body) = after.split_once('>').unwrap();
        let wrapped =
            format!("{before}<body{attributes}><div id=\"variant\"><div>{body}</div></div>");
        let ad = "</p><div class=\"ad\"><ins><iframe src=\"/ad\"></iframe></ins></div>";
        for changed in [wrapped, page.html.replacen("</p>", ad, 2)] {
            let changed = look(&changed, &Places::default());
            let same_type = pages
                .iter()
                .filter(|other| other.site == page.site && other.kind() == page.kind())
                .filter(|other| other.site != "shells");
            for other in same_type {
                let likeness = changed.shape.likeness(&other.sight.shape);
                let row = (likeness, format!("{} and {}", page.url(), other.url()));
                least = if row.0 < least.0 { row } else { least };
            }
        }
    }
    println!("least alike: {least:?}");
    assert!(least.0 >= UNLIKE_BELOW, "{least:?}");
}

/// What shows little is looked at rendered, for ten credits, and only then found to need JavaScript.
#[test]
fn a_shell_shows_little_and_few_pages_do() {
    let pages = pages();
    let (shells, full): (Vec<_>, Vec<_>) = pages.iter().partition(|page| page.site == "shells");
    let shows_little = |page: &&&Page| page.sight.text_chars < LITTLE_TEXT_CHARS;
    let chars = |pages: &[&Page]| {
        let mut chars: Vec<_> = pages.iter().map(|page| page.sight.text_chars).collect();
        chars.sort_unstable();
        chars
    };
    println!("shells: {:?}\npages: {:?}", chars(&shells), chars(&full));
    assert_eq!((shells.len(), full.len()), (4, 50));
    assert_eq!(shells.iter().filter(shows_little).count(), 4);
    assert_eq!(full.iter().filter(shows_little).count(), 7);
}

/// Banners about cookies and boxes to log in are on many of them.
#[test]
fn no_page_is_blocked_or_a_login_page() {
    for page in pages() {
        assert_eq!(
            verdict(&[(&page.url(), &page.sight)]),
            Verdict::Ok,
            "{}",
            page.url()
        );
    }
}
