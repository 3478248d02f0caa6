//! PURE: "did you mean": the known name that is near a misspelt one, if any is.

/// So many characters of a name are looked at: what is longer is near nothing.
const CHARS: usize = 80;

/// The known name most like the one found, where it is near enough to be meant.
pub fn nearest<'k>(found: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    known
        .into_iter()
        .filter_map(|name| Some((slips(found, name)?, name)))
        .min_by_key(|(slips, _)| *slips)
        .map(|(_, name)| name)
}

/// How many slips of the pen two names are apart, whatever their case; None where a third
/// of the longer one or more is different: then another name was meant.
pub fn slips(found: &str, known: &str) -> Option<usize> {
    let plain = |name: &str| -> String {
        let chars = name.chars().take(CHARS).flat_map(char::to_lowercase);
        chars.map(|c| if c == '_' { '-' } else { c }).collect()
    };
    let (found, known) = (plain(found), plain(known));
    let slips = strsim::damerau_levenshtein(&found, &known);
    let longer = found.chars().count().max(known.chars().count());
    (slips == 0 || slips * 3 <= longer).then_some(slips)
}

/// ` (did you mean X?)`, or nothing.
pub fn did_you_mean<'k>(found: &str, known: impl IntoIterator<Item = &'k str>) -> String {
    nearest(found, known).map_or_else(String::new, |name| format!(" (did you mean {name}?)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_name_that_is_near_is_suggested() {
        const KNOWN: [&str; 6] = ["name", "urls", "priority", "max_interval", "FAILED", "show"];
        for (found, expected) in [
            ("nme", Some("name")),
            ("URLs", Some("urls")),
            ("priorty", Some("priority")),
            ("max-intervall", Some("max_interval")),
            ("FALED", Some("FAILED")),
            ("shwo", Some("show")),
            ("colour", None),
            ("zzz", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(nearest(found, KNOWN), expected, "{found}");
        }
    }
}
