//! Pages as they are, and as they would be if someone wanted to do harm.

use super::*;

fn seen(html: &str) -> Sight {
    look(html, &Places::default())
}

#[test]
fn only_what_a_reader_sees_counts_as_text() {
    for (html, chars, opening) in [
        ("<p>Hello  <b>you</b></p>", 8, "Hello you"),
        (
            "<title>No</title><script>var no</script><style>p{}</style><p>yes",
            3,
            "yes",
        ),
        (
            "<noscript>Enable <b>JavaScript</b></noscript><p>x</p>",
            1,
            "x",
        ),
        ("<template><p>no</p></template>y", 1, "y"),
        ("<h1>Sign in</h1>To <b>g</b>o<br>on", 12, "Sign in To go on"),
        ("<iframe src=x>Refused</iframe>", 0, "Refused"),
        ("<!-- no --><textarea>no</textarea>z", 1, "z"),
        ("plain text", 9, "plain text"),
    ] {
        let sight = seen(html);
        assert_eq!(
            (sight.text_chars, sight.opening.as_str()),
            (chars, opening),
            "{html}"
        );
    }
    assert_eq!(seen("<title>\n A\n title </title>").title, "A title");
    assert!(!seen("{\"a\": 1}").is_html());
}

#[test]
fn a_place_is_found_also_where_end_tags_are_left_out() {
    let html =
        "<div class=card><h3>T</h3><p>text<ul><li>a<li>b</ul><span class=price>$1</span></div>";
    let places = Places::of(["div.card > span.price", "div.card > em", "li:nth-child(2)"]);
    assert_eq!(look(html, &places).has_places, [true, false, true]);
}

#[test]
fn who_asks_for_a_password_is_noticed() {
    assert!(seen("<form><input name=a><input type=password></form>").asks_password);
    assert!(!seen("<form><input type=text></form>").asks_password);
}

fn listing(items: usize) -> String {
    let item = |n: usize| format!("<li class=item><a href=/p/{n}>Item {n}</a><span>$ {n}</span>");
    let items: String = (0..items).map(item).collect();
    format!("<html><body><nav><a>Home</a></nav><ul>{items}</ul><footer>f</footer></body></html>")
}

const ARTICLE: &str = "<html><body><nav><a>Home</a></nav><article><h1>T</h1><p>One <em>two</em>\
    </p><blockquote><p>Three</p></blockquote><figure><img><figcaption>F</figcaption></figure>\
    <section><h2>More</h2><table><tbody><tr><td>1</td></tr></tbody></table></section></article>\
    </body></html>";

#[test]
fn pages_of_one_type_are_alike_whatever_their_length_and_of_two_types_are_not() {
    let (short, long) = (seen(&listing(3)), seen(&listing(400)));
    let article = seen(ARTICLE);
    assert!(short.shape.likeness(&long.shape) > 0.8);
    assert!(short.shape.likeness(&article.shape) < 0.5);
    let same = article.shape.likeness(&article.shape);
    assert!((same - 1.0).abs() < f64::EPSILON, "{same}");
}

/// Each takes a moment with the memory of a page; a parser that builds a tree takes minutes.
#[test]
fn hostile_pages_are_read_in_the_time_of_their_length() {
    let deep = "<div>".repeat(1 << 20);
    let tangled = "<b><i><a>".repeat(20_000) + &"<p>x".repeat(20_000);
    let attributes: String = (0..300_000).map(|n| format!(" a{n}=1")).collect();
    let names: String = (0..100_000).map(|n| format!("<x{n}></x{n}>")).collect();
    for (what, html, is_cut) in [
        ("deep", deep, true),
        ("tangled", tangled, true),
        ("attributes", format!("<div{attributes}>x</div>"), true),
        (
            "an attribute without end",
            format!("<p a='{}", "x".repeat(1 << 20)),
            false,
        ),
        (
            "a comment without end",
            format!("<p>a<!--{}", "x".repeat(1 << 20)),
            false,
        ),
        ("names", names, false),
        ("long", format!("<p>{}", "word ".repeat(2 << 20)), true),
    ] {
        let sight = seen(&html);
        assert_eq!(sight.is_cut, is_cut, "{what}");
        assert!(sight.opening.chars().count() <= OPENING_MAX_CHARS, "{what}");
    }
}

#[test]
fn a_long_list_without_end_tags_is_not_deep() {
    for item in ["<li>x", "<p>x", "<option>x", "<dt>x<dd>y", "<tr><td>x<td>y"] {
        let sight = seen(&format!("<div>{}</div><p>end</p>", item.repeat(2_000)));
        assert!(!sight.is_cut && sight.text_chars >= 2_003, "{item}");
    }
}
