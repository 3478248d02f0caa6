//! PURE: what a parser found on its example pages, as a table.

use serde_json::Value;

/// Fields down, pages across.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// The pages' addresses; none where the result names none.
    pub pages: Vec<Option<String>>,
    /// Each field with what stands for it, by page.
    pub rows: Vec<(String, Vec<Option<String>>)>,
}

impl Found {
    /// Reads `example_result`: an array of pages with a `url` and a `result` each; anything else is
    /// the result of one page.
    pub(crate) fn of(json: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(json).ok()?;
        let pages = match &value {
            Value::Array(pages) if pages.iter().any(|page| page.get("result").is_some()) => pages
                .iter()
                .map(|page| (url(page), page.get("result")))
                .collect(),
            whole => vec![(None, Some(whole))],
        };
        let mut found = Self::default();
        for (place, (url, result)) in pages.into_iter().enumerate() {
            found.pages.push(url);
            match result {
                Some(Value::Object(fields)) => {
                    for (field, value) in fields {
                        found.put(place, field, value);
                    }
                }
                Some(Value::Null) | None => {}
                Some(other) => found.put(place, "result", other),
            }
        }
        let pages = found.pages.len();
        for (_, cells) in &mut found.rows {
            cells.resize(pages, None);
        }
        Some(found)
    }

    fn put(&mut self, page: usize, field: &str, value: &Value) {
        let place = self.rows.iter().position(|(name, _)| name == field);
        let place = place.unwrap_or_else(|| {
            self.rows.push((field.to_owned(), Vec::new()));
            self.rows.len() - 1
        });
        if let Some((_, cells)) = self.rows.get_mut(place) {
            cells.resize(page, None);
            cells.push(text(value));
        }
    }
}

fn url(page: &Value) -> Option<String> {
    page.get("url")?.as_str().map(str::to_owned)
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        Value::Array(items) if items.iter().all(is_plain) => {
            let items: Vec<_> = items.iter().filter_map(text).collect();
            Some(items.join("\n"))
        }
        other => Some(serde_json::to_string_pretty(other).unwrap_or_else(|_| other.to_string())),
    }
}

const fn is_plain(value: &Value) -> bool {
    !matches!(value, Value::Array(_) | Value::Object(_))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_stand_side_by_side_and_fields_below_one_another() {
        let json = r#"[
            {"url": "https://a.example/1", "result": {"title": "One", "tags": ["x", 2]}},
            {"url": "https://a.example/2", "result": {"title": null, "price": 3}},
            {"result": null}
        ]"#;
        let some = |text: &str| Some(text.to_owned());
        let found = Found::of(json).unwrap();
        assert_eq!(
            found.pages,
            [
                some("https://a.example/1"),
                some("https://a.example/2"),
                None
            ]
        );
        let mut rows = found.rows;
        rows.sort();
        assert_eq!(
            rows,
            [
                ("price".to_owned(), vec![None, some("3"), None]),
                ("tags".to_owned(), vec![some("x\n2"), None, None]),
                ("title".to_owned(), vec![some("One"), None, None]),
            ]
        );
    }

    #[test]
    fn what_has_another_form_is_shown_as_it_is() {
        let cell = |json: &str| {
            let found = Found::of(json).unwrap();
            assert_eq!(found.pages, [None], "{json}");
            let (field, cells) = found.rows.first().cloned().unwrap_or_default();
            (field, cells.into_iter().flatten().collect::<String>())
        };
        for (json, field, text) in [
            (r#"{"a": "b"}"#, "a", "b"),
            ("[1, 2]", "result", "1\n2"),
            ("\"x\"", "result", "x"),
            ("null", "", ""),
            (r#"{"a": {"b": []}}"#, "a", "{\n  \"b\": []\n}"),
        ] {
            assert_eq!(cell(json), (field.to_owned(), text.to_owned()), "{json}");
        }
        assert_eq!(Found::of("not JSON"), None);
        assert_eq!(
            Found::of("[]").unwrap().rows,
            [("result".to_owned(), vec![Some(String::new())])]
        );
    }
}
