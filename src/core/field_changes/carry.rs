//! What a change makes of what was said of fields elsewhere.

use serde_json::{Map, Value};

use super::FieldChanges;

impl FieldChanges {
    /// `expect` (JSON) by the names that fields have after this change: a renamed field keeps its
    /// expectation, a removed one has none. None where nothing is left, or it is not an object.
    pub fn carry_expect(&self, expect: &str) -> Option<String> {
        let Ok(Value::Object(before)) = serde_json::from_str::<Value>(expect) else {
            return None;
        };
        let mut after = Map::new();
        for (name, expectation) in before {
            let rename = self.rename_fields.iter().find(|rename| rename.name == name);
            match rename {
                Some(rename) => {
                    after.insert(rename.new_name.clone(), expectation);
                }
                None if self.remove_fields.contains(&name) => {}
                // Carried before, it has the new name already.
                None => {
                    after.entry(name).or_insert(expectation);
                }
            }
        }
        (!after.is_empty()).then(|| Value::Object(after).to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expectation_goes_with_its_field_and_carrying_twice_changes_nothing() {
        let change = r#"{"rename_fields":[{"name":"a","new_name":"b"}],"remove_fields":["c"]}"#;
        let change = FieldChanges::from_json(change).unwrap();
        let table = [
            (r#"{"a":{"min":1}}"#, Some(r#"{"b":{"min":1}}"#)),
            (r#"{"b":{"min":1}}"#, Some(r#"{"b":{"min":1}}"#)),
            (r#"{"c":{"min":1}}"#, None),
            (
                r#"{"c":{"min":1},"d":{"max":2}}"#,
                Some(r#"{"d":{"max":2}}"#),
            ),
            ("{}", None),
            ("nonsense", None),
        ];
        for (expect, expected) in table {
            assert_eq!(change.carry_expect(expect).as_deref(), expected, "{expect}");
        }
    }
}
