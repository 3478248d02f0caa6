//! What is refused, in words that say what to write instead.

use super::*;

/// The one problem holds each of these words.
fn assert_problem(error: &SpecError, words: &[&str]) {
    assert_eq!(error.problems.len(), 1, "{error}");
    for word in words {
        assert!(error.problems[0].contains(word), "{word:?} not in {error}");
    }
}

#[test]
fn what_is_wrong_whatever_the_fields_is_said_when_it_is_read() {
    let rename = |pairs: &[(&str, &str)]| {
        let pair = |(name, new): &(&str, &str)| json!({"name": name, "new_name": new});
        json!({"rename_fields": pairs.iter().map(pair).collect::<Vec<_>>()})
    };
    for (change, words) in [
        (json!([]), ["change is an array", "write an object"]),
        (json!({}), ["the change is empty", "write add_fields"]),
        (json!({"add_fields": []}), ["the change is empty", "write"]),
        (
            json!({"remove_field": ["a"]}),
            [
                "unknown key \"remove_field\"",
                "did you mean remove_fields?",
            ],
        ),
        (
            json!({"remove_fields": "a"}),
            ["remove_fields is a string", "write an array of names"],
        ),
        (
            json!({"remove_fields": [1]}),
            ["remove_fields[0] is 1", "write"],
        ),
        (
            json!({"remove_fields": [" "]}),
            ["remove_fields[0] is blank", "write"],
        ),
        (
            json!({"remove_fields": ["a", "a "]}),
            ["\"a\" twice", "write it once"],
        ),
        (
            json!({"rename_fields": {"a": "b"}}),
            ["rename_fields is an object", "write an array"],
        ),
        (
            json!({"rename_fields": ["a"]}),
            ["rename_fields[0] is \"a\"", "write"],
        ),
        (
            json!({"rename_fields": [{"name": "a"}]}),
            ["rename_fields[0] has no new_name", "write one"],
        ),
        (
            json!({"rename_fields": [{"name": "a", "new_name": "b", "newname": "b"}]}),
            ["unknown key \"newname\"", "did you mean new_name?"],
        ),
        (
            rename(&[("a", &"x".repeat(201))]),
            ["rename_fields[0].new_name has 201", "at most 200"],
        ),
        (
            rename(&[("a", "a ")]),
            ["gives \"a\" its own name", "leave it out"],
        ),
        (
            rename(&[("a", "b"), ("a", "c")]),
            ["names \"a\" twice", "write it once"],
        ),
        (
            rename(&[("a", "c"), ("b", "c")]),
            ["two fields the name \"c\"", "choose another"],
        ),
        (
            rename(&[("b", "a"), ("a", "b")]),
            [
                "in a circle (\"a\" to \"b\" and back)",
                "write updates one after the other",
            ],
        ),
        (
            rename(&[("a", "b"), ("b", "c")]),
            [
                "gives \"a\" the name \"b\", and \"b\" another one",
                "write two updates",
            ],
        ),
        (
            json!({"add_fields": [{"name": "a"}]}),
            ["add_fields[0] has no description", "write"],
        ),
        (
            json!({"modify_fields": [{"name": "a", "description": "b", "typ": "number"}]}),
            [
                "modify_fields[0] has the unknown key \"typ\"",
                "did you mean type?",
            ],
        ),
        (
            json!({"add_fields": fields(&["a", "a"])}),
            ["add_fields[1] has the name \"a\"", "once"],
        ),
        (
            json!({"add_fields": fields(&["a"]), "modify_fields": fields(&["a"])}),
            [
                "add_fields and modify_fields both have \"a\"",
                "write it in modify_fields if",
            ],
        ),
        (
            json!({"add_fields": fields(&["a"]), "remove_fields": ["a"]}),
            ["both have \"a\"", "write it in modify_fields alone"],
        ),
        (
            json!({"modify_fields": fields(&["a"]), "remove_fields": ["a"]}),
            ["both have \"a\"", "write it in one of them"],
        ),
        (
            json!({"rename_fields": [{"name": "a", "new_name": "b"}], "remove_fields": ["a"]}),
            ["both name \"a\"", "write it in one of them"],
        ),
        (
            json!({"rename_fields": [{"name": "a", "new_name": "b"}], "remove_fields": ["b"]}),
            [
                "the name \"b\", which remove_fields removes",
                "first the removal",
            ],
        ),
        (
            json!({"rename_fields": [{"name": "a", "new_name": "b"}], "modify_fields": fields(&["a"])}),
            ["modify_fields has \"a\"", "write its new name, \"b\""],
        ),
        (
            json!({"rename_fields": [{"name": "a", "new_name": "b"}], "add_fields": fields(&["b"])}),
            ["add_fields has \"b\"", "write it in modify_fields"],
        ),
        (
            json!({"remove_fields": (0..40).map(|i| format!("{i}{}", "\u{1f600}".repeat(190)))
                .chain((40..90).map(|i| format!("{i}{}", "\u{1f600}".repeat(190))))
                .collect::<Vec<_>>()}),
            ["the change is", "at most 65536"],
        ),
    ] {
        let error = FieldChanges::from_json(&change.to_string()).unwrap_err();
        assert_problem(&error, &words);
    }
    for (text, words) in [
        ("{", ["change is not valid JSON", "write an object"]),
        (
            r#"{"remove_fields": ["a"], "remove_fields": ["b"]}"#,
            ["change has a key twice", "write each once"],
        ),
    ] {
        assert_problem(&FieldChanges::from_json(text).unwrap_err(), &words);
    }
    let long = rename(&[("c", "d"), ("b", "c"), ("d", "b"), ("x", "b")]);
    let error = FieldChanges::from_json(&long.to_string()).unwrap_err();
    assert_eq!(error.problems.len(), 2, "{error}");
}

#[test]
fn what_the_fields_do_not_allow_is_refused_with_what_to_write_instead() {
    let before = fields(&["title", "products", "products.price", "products.price.net"]);
    for (change_json, words) in [
        (
            json!({"remove_fields": ["titel"]}),
            [
                "remove_fields has \"titel\"",
                "did you mean title?",
                "\"products.price\"",
            ],
        ),
        (
            json!({"rename_fields": [{"name": "x", "new_name": "y"}]}),
            [
                "rename_fields has \"x\"",
                "not a field",
                "the fields are \"products\"",
            ],
        ),
        (
            json!({"modify_fields": fields(&["x"])}),
            [
                "modify_fields has \"x\"",
                "not a field",
                "write in add_fields",
            ],
        ),
        (
            json!({"add_fields": fields(&["title"])}),
            [
                "add_fields has \"title\"",
                "there already",
                "write it in modify_fields",
            ],
        ),
        (
            json!({"rename_fields": [{"name": "title", "new_name": "products"}]}),
            [
                "the name \"products\"",
                "another field has",
                "choose a name",
            ],
        ),
        (
            json!({"remove_fields": ["products"]}),
            [
                "\"products\" is removed",
                "\"products.price\"",
                "would stay under it: remove or rename",
            ],
        ),
        (
            json!({"remove_fields": ["products", "products.price"]}),
            [
                "\"products\" is removed",
                "remove or rename what",
                "\"products.price.net\"",
            ],
        ),
        (
            json!({"rename_fields": [{"name": "products.price", "new_name": "price"}]}),
            [
                "\"products.price\" becomes \"price\"",
                "under \"price\"",
                "\"products.price.net\"",
            ],
        ),
        (
            json!({"remove_fields": ["title", "products", "products.price", "products.price.net"]}),
            [
                "every field is removed",
                "keep at least one",
                "delete the parser",
            ],
        ),
        (
            json!({"remove_fields": ["title", "products", "products.price", "products.price.net"],
                "add_fields": fields(&["x"])}),
            [
                "no field stays",
                "write two updates",
                "first the one that adds",
            ],
        ),
    ] {
        let problems = change(&change_json).apply(&before).unwrap_err().problems;
        let said = problems.join("; ");
        assert!(words.iter().all(|word| said.contains(word)), "{said}");
    }
    let many: Vec<_> = (0..100).map(|i| format!("f{i}")).collect();
    let full = fields(&many.iter().map(String::as_str).collect::<Vec<_>>());
    let add = change(&json!({"add_fields": fields(&["x"])}));
    assert_problem(
        &add.apply(&full).unwrap_err(),
        &["101 entries", "at most 100"],
    );
    let unknown = change(&json!({"remove_fields": ["x"]})).apply(&full);
    assert_problem(&unknown.unwrap_err(), &["\"f0\"", "and 90 more"]);
    let unread = add.apply(&Value::Null);
    assert_problem(&unread.unwrap_err(), &["fields is null"]);
    let empty = FieldChanges::default().apply(&full);
    assert_problem(&empty.unwrap_err(), &["the change is empty"]);
}

#[test]
fn what_one_update_cannot_do_is_refused_and_says_which_two_can() {
    let before = fields(&["a", "b", "p", "p.q"]);
    for (after, names, words) in [
        (
            fields(&["b", "p", "p.q"]),
            was(&[("b", "a")]),
            ["the parser has both", "write two updates"],
        ),
        (
            fields(&["b", "c", "p", "p.q"]),
            was(&[("b", "a"), ("c", "b")]),
            ["the parser has both", "write two updates"],
        ),
        // Neither the old name nor the new one is there.
        (
            fields(&["a", "b", "p", "c"]),
            was(&[("c", "p.r")]),
            ["`was = \"p.r\"`", "did you mean \"p.q\"?"],
        ),
        (
            fields(&["a", "b", "p", "p.q", "c"]),
            was(&[("c", "p.r")]),
            ["the parser has no field of that name", "leave was out"],
        ),
        (
            fields(&["x", "y"]),
            was(&[]),
            ["no field stays", "write two updates"],
        ),
        (
            fields(&["a", "p.q"]),
            was(&[]),
            ["\"p\" is removed", "\"p.q\""],
        ),
        (
            fields(&["a", "x", "p.q"]),
            was(&[("x", "p")]),
            ["\"p\" becomes \"x\"", "\"p.q\""],
        ),
        (
            Value::Null,
            was(&[]),
            ["fields is null", "must be an array"],
        ),
    ] {
        let error = FieldChanges::between(&before, &after, &names).unwrap_err();
        assert_problem(&error, &words);
    }
}
