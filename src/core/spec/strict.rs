//! PURE: JSON in which no object may have a key twice. serde_json's own `Value` keeps the
//! last one and says nothing; only who wrote it knows what was meant.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// A JSON value, and whether an object in it has a key twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Strict {
    /// The value, with the last of each such key.
    pub value: Value,
    /// Whether there was one.
    pub has_key_twice: bool,
}

/// What is wrong with a part of a job that has a key twice: the words of the database.
pub(crate) fn key_twice(part: &str) -> String {
    match part {
        "fields" => "fields holds an entry with a key twice: write each once".to_owned(),
        other => format!("{other} has a key twice: write each once"),
    }
}

impl Strict {
    fn of(value: impl Into<Value>) -> Self {
        Self {
            value: value.into(),
            has_key_twice: false,
        }
    }
}

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any)
    }
}

struct Any;

impl<'de> Visitor<'de> for Any {
    type Value = Strict;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any valid JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Strict, E> {
        Ok(Strict::of(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Strict, E> {
        Ok(Strict::of(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Strict, E> {
        Ok(Strict::of(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Strict, E> {
        Ok(Strict::of(
            Number::from_f64(value).map_or(Value::Null, Value::Number),
        ))
    }

    fn visit_str<E>(self, value: &str) -> Result<Strict, E> {
        Ok(Strict::of(value))
    }

    fn visit_string<E>(self, value: String) -> Result<Strict, E> {
        Ok(Strict::of(value))
    }

    fn visit_unit<E>(self) -> Result<Strict, E> {
        Ok(Strict::of(Value::Null))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Strict, A::Error> {
        let (mut array, mut has_key_twice) = (Vec::new(), false);
        while let Some(item) = items.next_element::<Strict>()? {
            has_key_twice |= item.has_key_twice;
            array.push(item.value);
        }
        Ok(Strict {
            value: Value::Array(array),
            has_key_twice,
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Strict, A::Error> {
        let (mut object, mut has_key_twice) = (Map::new(), false);
        while let Some((key, member)) = members.next_entry::<String, Strict>()? {
            has_key_twice |= member.has_key_twice;
            has_key_twice |= object.insert(key, member.value).is_some();
        }
        Ok(Strict {
            value: Value::Object(object),
            has_key_twice,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_comes_twice_is_seen_however_deep() {
        for (text, has_key_twice) in [
            ("null", false),
            (r#"{"a": 1, "b": [{"a": "x"}, {"a": -1.5}]}"#, false),
            (r#"[{"a": true}, {"a": 18446744073709551615}]"#, false),
            (r#"{"a": 1, "a": 1}"#, true),
            (r#"{"a": 1, "\u0061": 2}"#, true),
            (r#"[{"b": {"a": 1, "a": 2}}]"#, true),
        ] {
            let strict: Strict = serde_json::from_str(text).unwrap();
            assert_eq!(strict.has_key_twice, has_key_twice, "{text}");
            assert_eq!(
                strict.value,
                serde_json::from_str::<Value>(text).unwrap(),
                "{text}"
            );
        }
        assert!(serde_json::from_str::<Strict>("{\"a\": }").is_err());
    }
}
