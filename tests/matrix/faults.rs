//! Every fault that the simulator knows, and the proof that none is left out.

use parserd::simulator::{
    Delivery, FaultRule,
    faults::{AnswerFault, Edit, Effect, NameChange, RetryAfter},
};

/// The kinds of faults, in one place: the list and the type cannot differ.
macro_rules! kinds {
    ($($kind:ident),+ $(,)?) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Kind { $($kind),+ }
        impl Kind {
            pub const ALL: &[Self] = &[$(Self::$kind),+];
        }
    };
}

kinds! {
    LostClosed, LostReset, Status, StatusBody, RetryAfterSeconds, RetryAfterDate, RetryAfterText,
    Redirect, Cut, Slow, Endless, GzipBomb, Delay, LandLate, ShowLate, Generation, Fail,
    NameLower, NameTrim, NameCut, NameSlug, NameEscape, NameCollapse, NameNfc, NameAscii,
    NameSuffix, StaleBase, Drop, Rekey, Say, Limit, Item, Raw, Unreadable, Result,
    NotDone, DoneAllTheSame,
}

/// The statuses that stand in place of the service's answer.
const STATUSES: &[u16] = &[
    200, 201, 202, 204, 206, 300, 301, 302, 303, 304, 307, 308, 400, 401, 402, 403, 404, 405, 408,
    409, 410, 413, 415, 418, 422, 425, 429, 451, 500, 501, 502, 503, 504, 520, 599,
];

/// Faults beside the plain statuses, as the simulator's grammar has them, without the
/// endpoint and the numbers of the requests. `{done}` stands for `before` and `after`.
const OTHERS: &[&str] = &[
    "lose {done}",
    "lose reset {done}",
    "lose land-late=100ms",
    "lose after show-late=100ms",
    "lose {done} delay=3s",
    "status=500 land-late=50ms",
    "status=200 body=\"\" {done}",
    "status=200 body=[] {done}",
    "status=200 body={} {done}",
    "status=200 body=null {done}",
    "status=202 body=\"<html>hello</html>\" {done}",
    "status=503 body=\"<html>no</html>\" {done}",
    "status=429 retry-after=1s {done}",
    "status=429 retry-after-date=1s {done}",
    "status=429 retry-after-text=soon {done}",
    "status=503 retry-after=1s {done}",
    "redirect=/elsewhere {done}",
    "redirect=/elsewhere status=302 {done}",
    "delay=100ms",
    "delay=3s",
    "cut",
    "slow=100ms",
    "slow=40s",
    "endless",
    "gzip-bomb",
    "unreadable",
    "missing=id",
    "missing=name",
    "missing=status",
    "missing=version",
    "rekey=id:parser_id",
    "rekey=name:title",
    "rekey=status:state",
    "say=GENERATING:WARMING_UP",
    "say=FINISHED:FINISED",
    "limit=0",
    "item=null",
    "item=NaN",
    "item={'id':'x','name':'\\ud800'}",
    "raw=name:null",
    "raw=id:NaN",
    "raw=status:NaN",
    "raw=example_result:[NaN]",
    "result=empty-column",
    "result=missing-field",
    "result=wrong-type",
    "result=rows-gone",
    "result=page-empty",
    "result=wall",
    "result=keys-twice",
    "result=deep",
    "land-late=50ms",
    "show-late=100ms",
    "generation=80ms",
    "fail=\"DownloadError: Failed to download\"",
    "alter-name=lower",
    "alter-name=trim",
    "alter-name=slug",
    "alter-name=cut:3",
    "alter-name=escape",
    "alter-name=collapse",
    "alter-name=nfc",
    "alter-name=ascii",
    "alter-name=suffix:-1",
    "base=conflict",
    "lose after alter-name=lower",
    "lose after alter-name=slug",
    "lose after alter-name=suffix:-1",
    "status=504 land-late=50ms",
    "status=504 after alter-name=slug",
];

/// Every fault's text. Whether a request is carried out matters to creates only, so
/// the others meet each fault once.
pub fn all(is_create: bool) -> Vec<String> {
    let statuses = STATUSES
        .iter()
        .map(|status| format!("status={status} {{done}}"));
    let patterns = statuses.chain(OTHERS.iter().map(|text| (*text).to_owned()));
    patterns
        .flat_map(|pattern| match pattern.contains("{done}") {
            true if is_create => vec![
                pattern.replace("{done}", "before"),
                pattern.replace("{done}", "after"),
            ],
            true => vec![pattern.replace("{done}", "before")],
            false => vec![pattern],
        })
        .collect()
}

/// What an effect is made of. Without a wildcard: a fault that the simulator learns
/// does not compile here until it has a kind, and its kind then asks for a row.
pub fn kinds(effect: &Effect) -> Vec<Kind> {
    let Effect {
        has_effect,
        answer,
        delivery,
        delay_ms,
        land_after_ms,
        list_after_ms,
        generation_ms,
        fail_with,
        alter_name,
        stale_base,
        edits,
    } = effect;
    let mut kinds = Vec::new();
    kinds.extend(has_effect.map(|is_done| match is_done {
        true => Kind::DoneAllTheSame,
        false => Kind::NotDone,
    }));
    match answer {
        None => {}
        Some(AnswerFault::Lost { is_reset: true }) => kinds.push(Kind::LostReset),
        Some(AnswerFault::Lost { is_reset: false }) => kinds.push(Kind::LostClosed),
        Some(AnswerFault::Redirect {
            status: _,
            location: _,
        }) => kinds.push(Kind::Redirect),
        Some(AnswerFault::Status {
            status: _,
            body,
            retry_after,
        }) => {
            kinds.push(Kind::Status);
            kinds.extend(body.as_ref().map(|_| Kind::StatusBody));
            kinds.extend(retry_after.as_ref().map(|form| match form {
                RetryAfter::Seconds(_) => Kind::RetryAfterSeconds,
                RetryAfter::Date(_) => Kind::RetryAfterDate,
                RetryAfter::Text(_) => Kind::RetryAfterText,
            }));
        }
    }
    match delivery {
        None | Some(Delivery::Whole) => {}
        Some(Delivery::Cut) => kinds.push(Kind::Cut),
        Some(Delivery::Slow(_)) => kinds.push(Kind::Slow),
        Some(Delivery::Endless) => kinds.push(Kind::Endless),
        Some(Delivery::GzipBomb) => kinds.push(Kind::GzipBomb),
    }
    kinds.extend(delay_ms.map(|_| Kind::Delay));
    kinds.extend(land_after_ms.map(|_| Kind::LandLate));
    kinds.extend(list_after_ms.map(|_| Kind::ShowLate));
    kinds.extend(generation_ms.map(|_| Kind::Generation));
    kinds.extend(fail_with.as_ref().map(|_| Kind::Fail));
    kinds.extend(alter_name.as_ref().map(|change| match change {
        NameChange::Lower => Kind::NameLower,
        NameChange::Trim => Kind::NameTrim,
        NameChange::Cut(_) => Kind::NameCut,
        NameChange::Slug => Kind::NameSlug,
        NameChange::Escape => Kind::NameEscape,
        NameChange::Collapse => Kind::NameCollapse,
        NameChange::Nfc => Kind::NameNfc,
        NameChange::Ascii => Kind::NameAscii,
        NameChange::Suffix(_) => Kind::NameSuffix,
    }));
    kinds.extend(stale_base.as_ref().map(|_| Kind::StaleBase));
    kinds.extend(edits.iter().map(|edit| match edit {
        Edit::Drop(_) => Kind::Drop,
        Edit::Rekey(..) => Kind::Rekey,
        Edit::Say(..) => Kind::Say,
        Edit::Limit(_) => Kind::Limit,
        Edit::Item(_) => Kind::Item,
        Edit::Raw(..) => Kind::Raw,
        Edit::Unreadable => Kind::Unreadable,
        Edit::Result(_) => Kind::Result,
    }));
    kinds
}

#[test]
fn every_kind_of_fault_that_the_simulator_knows_has_a_row() {
    let mut covered = Vec::new();
    for text in all(true) {
        // What is for one endpoint only is refused on the others.
        let on = ["create", "list", "get", "patch"]
            .map(|endpoint| format!("{endpoint} {text}").parse::<FaultRule>());
        let rules: Vec<FaultRule> = on.into_iter().flatten().collect();
        assert!(!rules.is_empty(), "{text} is no fault");
        covered.extend(rules.iter().flat_map(|rule| kinds(&rule.effect)));
    }
    for kind in Kind::ALL {
        assert!(covered.contains(kind), "no row has {kind:?}");
    }
}
