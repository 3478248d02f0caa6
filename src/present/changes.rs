//! PURE: what an update changes, in words.

use serde_json::Value;

use crate::{core::field_changes::name_of, store::report::JobRow, store::updates::UpdateRow};

/// What a job changes, a line each; none of a job that makes a parser.
pub(crate) fn lines(row: &JobRow) -> Vec<String> {
    let Some(changes) = row.changes() else {
        let change = row.change.as_ref().map(Value::to_string);
        return change.into_iter().collect();
    };
    let text = |field: &Value, key: &str| {
        let text = field.get(key).and_then(Value::as_str);
        text.map(str::to_owned)
    };
    let whole = |verb: &'static str| {
        move |field: &Value| {
            let kind = text(field, "type").map_or_else(String::new, |kind| format!(" ({kind})"));
            let description = text(field, "description").unwrap_or_default();
            let selector =
                text(field, "selector").map_or_else(String::new, |at| format!(", at {at}"));
            format!("{verb} {}{kind}: {description}{selector}", name_of(field))
        }
    };
    let renames = changes.rename_fields.iter();
    let renames = renames.map(|rename| format!("rename {} to {}", rename.name, rename.new_name));
    let removals = changes.remove_fields.iter();
    let removals = removals.map(|name| format!("remove {name}"));
    renames
        .chain(removals)
        .chain(changes.modify_fields.iter().map(whole("modify")))
        .chain(changes.add_fields.iter().map(whole("add")))
        .collect()
}

/// What a request was, and what came of it: `free, based on version 0: made version 1`.
pub(crate) fn request(request: &UpdateRow) -> String {
    let base = match request.base_version {
        Some(version) if request.part != "delete" => format!(", based on version {version}"),
        _ => String::new(),
    };
    let outcome = match (request.outcome.as_str(), request.version) {
        ("made", Some(version)) => format!("made version {version}"),
        ("made", None) => "took effect, or counts as if".to_owned(),
        ("not_made", _) => "changed nothing".to_owned(),
        ("pending", _) => "not known yet".to_owned(),
        (other, _) => other.to_owned(),
    };
    format!("{}{base}: {outcome}", request.part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_says_what_it_was_and_what_came_of_it() {
        let of = |part: &str, base_version, outcome: &str, version| {
            request(&UpdateRow {
                parser_id: "p".to_owned(),
                part: part.to_owned(),
                base_version,
                change: None,
                sent_at: 0,
                credits: 0,
                outcome: outcome.to_owned(),
                version,
                settled_at: None,
            })
        };
        let made = of("free", Some(0), "made", Some(1));
        assert_eq!(made, "free, based on version 0: made version 1");
        let pending = of("paid", Some(3), "pending", None);
        assert_eq!(pending, "paid, based on version 3: not known yet");
        assert_eq!(
            of("delete", Some(3), "not_made", None),
            "delete: changed nothing"
        );
    }
}
