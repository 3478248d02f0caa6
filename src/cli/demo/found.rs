//! PURE: what a parser found, as lines.

use serde_json::Value;

/// A page's address, and what was found there: the fields with their values.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// The page.
    pub url: String,
    /// Fields and values.
    pub fields: Vec<(String, String)>,
}

/// The first page of an example result; none where that has no fields.
pub(super) fn first_page(example_result: &str) -> Option<Found> {
    let pages: Value = serde_json::from_str(example_result).ok()?;
    let page = pages.get(0)?;
    let fields = page.get("result")?.as_object()?;
    let fields: Vec<_> = fields
        .iter()
        .map(|(name, value)| (name.clone(), words(value)))
        .collect();
    (!fields.is_empty()).then(|| Found {
        url: page["url"].as_str().unwrap_or_default().to_owned(),
        fields,
    })
}

fn words(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        value => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_page_has_its_fields_in_words() {
        let result = r#"[{"url":"u","result":{"title":"A Light","price":51.77,"tags":["a"]}},
            {"url":"v","result":{"title":"other"}}]"#;
        let found = first_page(result).unwrap();
        assert_eq!(found.url, "u");
        let mut fields = found.fields;
        fields.sort();
        let expected = [
            ("price", "51.77"),
            ("tags", "[\"a\"]"),
            ("title", "A Light"),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(fields, expected);
        for none in ["", "[]", r#"[{"url":"u"}]"#, r#"[{"url":"u","result":{}}]"#] {
            assert_eq!(first_page(none), None, "{none}");
        }
    }
}
