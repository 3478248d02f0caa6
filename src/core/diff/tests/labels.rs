//! Labels, which are set for nothing.

use super::*;

#[test]
fn labels_that_are_left_out_stay_and_an_empty_object_takes_them_away() {
    let labels = |pairs: &[(&str, &str)]| {
        let pair = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        Some(pairs.iter().map(pair).collect::<Labels>())
    };
    let team = labels(&[("team", "a")]);
    for (wanted, there, differs) in [
        (None, team.clone(), false),
        (team.clone(), team.clone(), false),
        (labels(&[("team", "b")]), team.clone(), true),
        (labels(&[]), team.clone(), true),
        (labels(&[]), None, false),
        (team.clone(), None, true),
    ] {
        let with = |labels| JobSpec { labels, ..books() };
        let asked = with(there.clone());
        let known = Known {
            state: Some(JobState::Finished),
            asked: Some(&asked),
            ..Known::default()
        };
        let found = diff(&with(wanted.clone()), &known);
        assert_eq!((found.verb, found.creates), (Verb::Same, 0));
        assert_eq!(
            found.settings == ["labels"],
            differs,
            "{wanted:?} {there:?}"
        );
        assert!(found.is_free());
    }
}
