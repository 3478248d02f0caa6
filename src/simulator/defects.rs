//! What may be wrong with what a parser finds. Pure.

use serde_json::{Map, Value, json};

use crate::core::job::named_enum;

named_enum! {
    /// What is wrong with a result.
    Defect {
        /// One column is empty in all rows.
        EmptyColumn = "empty-column",
        /// One field is missing.
        MissingField = "missing-field",
        /// One field holds something else.
        WrongType = "wrong-type",
        /// Lists have no rows.
        RowsGone = "rows-gone",
        /// Nothing was found on the last page.
        PageEmpty = "page-empty",
        /// Texts are those of a page that asks for consent.
        Wall = "wall",
        /// 50 MB more than it ought to be.
        Huge = "huge",
        /// Each key stands there twice, the second time with null.
        KeysTwice = "keys-twice",
        /// 10,000 arrays within one another.
        Deep = "deep",
    }
}

/// The bytes of a result that is [`Defect::Huge`].
const HUGE_BYTES: usize = 50 << 20;

/// The arrays of one that is [`Defect::Deep`].
const DEPTH: usize = 10_000;

/// What a page asks for that wants consent first.
const WALL: &str = "We value your privacy. Accept all cookies to continue.";

impl Defect {
    /// An answer with `example_result`, or with the `result` of one page, that has it.
    pub(super) fn apply(self, answer: &Value) -> String {
        let mut answer = answer.clone();
        let mut pages: Vec<&mut Value> = Vec::new();
        if let Some(object) = answer.as_object_mut() {
            for (key, value) in object.iter_mut() {
                match (key.as_str(), value) {
                    ("result", result) => pages.push(result),
                    ("example_result", Value::Array(items)) => {
                        pages.extend(items.iter_mut().filter_map(|item| item.get_mut("result")))
                    }
                    _ => {}
                }
            }
        }
        let count = pages.len();
        for (index, page) in pages.into_iter().enumerate() {
            self.spoil(page, index + 1 == count);
        }
        match self {
            Self::KeysTwice => keys_twice(&answer),
            Self::Deep => {
                let deep = format!("{}{}", "[".repeat(DEPTH), "]".repeat(DEPTH));
                answer.to_string().replace(&format!("\"{DEEP}\""), &deep)
            }
            _ => answer.to_string(),
        }
    }

    fn spoil(self, page: &mut Value, is_last: bool) {
        match self {
            Self::EmptyColumn => first_leaf(page, &|leaf| *leaf = Some(json!(""))),
            Self::MissingField => first_leaf(page, &|leaf| *leaf = None),
            Self::WrongType => first_leaf(page, &|leaf| {
                *leaf = Some(json!({"text": "Add to cart"}));
            }),
            Self::RowsGone => lists(page, &Vec::clear),
            Self::PageEmpty if is_last => *page = json!({}),
            Self::Wall => texts(page),
            Self::Huge => {
                if let Some(object) = page.as_object_mut() {
                    object.insert("padding".to_owned(), "x".repeat(HUGE_BYTES).into());
                }
            }
            Self::Deep => *page = json!(DEEP),
            Self::PageEmpty | Self::KeysTwice => {}
        }
    }
}

/// Stands for what is too deep for a [`Value`] until the rest is written.
const DEEP: &str = "a text that stands for arrays within one another";

/// Changes the value of the first field that holds a single value, in every row.
fn first_leaf(value: &mut Value, change: &dyn Fn(&mut Option<Value>)) {
    match value {
        Value::Array(rows) => rows.iter_mut().for_each(|row| first_leaf(row, change)),
        Value::Object(object) => {
            let is_leaf = |value: &Value| !value.is_array() && !value.is_object();
            let leaf = object.iter().find(|(_, value)| is_leaf(value));
            if let Some(key) = leaf.map(|(key, _)| key.clone()) {
                let mut leaf = object.remove(&key);
                change(&mut leaf);
                object.extend(leaf.map(|leaf| (key, leaf)));
            } else if let Some((_, within)) = object.iter_mut().next() {
                first_leaf(within, change);
            }
        }
        _ => {}
    }
}

fn lists(value: &mut Value, change: &dyn Fn(&mut Vec<Value>)) {
    match value {
        Value::Array(rows) => change(rows),
        Value::Object(object) => object.values_mut().for_each(|value| lists(value, change)),
        _ => {}
    }
}

fn texts(value: &mut Value) {
    match value {
        Value::String(text) => WALL.clone_into(text),
        Value::Array(rows) => rows.iter_mut().for_each(texts),
        Value::Object(object) => object.values_mut().for_each(texts),
        _ => {}
    }
}

fn keys_twice(value: &Value) -> String {
    fn members(object: &Map<String, Value>) -> String {
        let members = object.iter().map(|(key, value)| {
            let key = Value::from(key.as_str());
            format!("{key}:{},{key}:null", result(value))
        });
        members.collect::<Vec<_>>().join(",")
    }
    fn result(value: &Value) -> String {
        match value {
            Value::Object(object) => format!("{{{}}}", members(object)),
            Value::Array(items) => {
                let items: Vec<_> = items.iter().map(result).collect();
                format!("[{}]", items.join(","))
            }
            other => other.to_string(),
        }
    }
    // The keys of the answer itself are as they were: they are not the parser's.
    fn outside(value: &Value) -> String {
        match value {
            Value::Object(object) => {
                let members = object.iter().map(|(key, value)| {
                    let value = match key.as_str() {
                        "result" => result(value),
                        _ => outside(value),
                    };
                    format!("{}:{value}", Value::from(key.as_str()))
                });
                format!("{{{}}}", members.collect::<Vec<_>>().join(","))
            }
            Value::Array(items) => {
                let items: Vec<_> = items.iter().map(outside).collect();
                format!("[{}]", items.join(","))
            }
            other => other.to_string(),
        }
    }
    outside(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::quality::{Quality, Wanted, judge};

    #[test]
    fn each_defect_is_seen_by_who_judges_the_result() {
        let fields = json!([
            {"name": "products", "description": "d", "type": "array"},
            {"name": "products.name", "description": "d", "type": "string"},
            {"name": "products.price", "description": "d", "type": "number"},
        ]);
        let row = json!({"name": "A", "price": 1});
        let page = |url: &str| json!({"url": url, "result": {"products": [row, row]}});
        let answer = json!({"status": "FINISHED", "example_result": [page("a"), page("b")]});
        let wanted = Wanted::new(Some(&fields), None);
        for defect in Defect::ALL {
            let text = defect.apply(&answer);
            let examples = match defect {
                // Such an answer is no `Value`.
                Defect::Deep => format!("{}{}", "[".repeat(DEPTH), "]".repeat(DEPTH)),
                _ => {
                    let start = text.find("\"example_result\":").unwrap();
                    let end = text.find(",\"status\"").unwrap_or(text.len() - 1);
                    text[start + "\"example_result\":".len()..end].to_owned()
                }
            };
            let judged = judge(Some(&examples), &[], &wanted, 0.5);
            let expected = match defect {
                Defect::PageEmpty => Quality::Thin,
                Defect::WrongType => Quality::Thin,
                Defect::Huge => Quality::Ok,
                _ => Quality::Bad,
            };
            assert_eq!(judged.quality, expected, "{defect}: {:?}", judged.reason);
        }
    }

    #[test]
    fn a_single_page_is_spoilt_too() {
        let answer = json!({"parser": "p", "version": 0, "result": {"title": "A"}});
        let spoilt = Defect::EmptyColumn.apply(&answer);
        assert_eq!(
            spoilt,
            r#"{"parser":"p","result":{"title":""},"version":0}"#
        );
        let spoilt = Defect::KeysTwice.apply(&answer);
        let expected = r#"{"parser":"p","result":{"title":"A","title":null},"version":0}"#;
        assert_eq!(spoilt, expected);
    }
}
