//! What a person does to several jobs: chosen from the list, confirmed on a page that says what it
//! costs, then done.

use std::collections::HashSet;

use axum::extract::State;
use maud::Markup;

use super::{
    super::page::{
        Notice, Visitor,
        bulk::{self, Chosen, Outlook},
        filter::Asked,
    },
    ActionForm, Shared, SignedForm, Vitals, changed,
};
use crate::{
    core::{
        job::{JobId, JobState},
        selector::Selector,
    },
    engine::operate::{self, OperatorAction},
    present::format::{count, grouped},
    store::{
        Ledger as _, StoreError,
        browse::{Filter, SORTED_JOBS},
        report::JobRow,
    },
};

/// So many jobs are changed at once, at the most: the browser waits for it.
const MAX_JOBS: usize = SORTED_JOBS;

/// What is to be done, and what it costs; nothing is done yet.
pub(super) async fn confirm(
    State(vitals): State<Shared>,
    visitor: Visitor,
    SignedForm(form): SignedForm,
) -> Result<Markup, Notice> {
    let chosen = chosen(&vitals, &form).await?;
    if chosen.is_none {
        return Ok(bulk::nothing_chosen(&visitor, &chosen));
    }
    let outlook = outlook(&vitals, &chosen).await?;
    Ok(bulk::confirmation(&visitor, &chosen, &outlook))
}

/// Does what was confirmed; where that is more by now, it is to be confirmed anew.
pub(super) async fn carry_out(
    State(vitals): State<Shared>,
    visitor: Visitor,
    SignedForm(form): SignedForm,
) -> Result<Markup, Notice> {
    let mut chosen = chosen(&vitals, &form).await?;
    if chosen.is_none {
        return Ok(bulk::nothing_chosen(&visitor, &chosen));
    }
    let mut outlook = outlook(&vitals, &chosen).await?;
    let number = |name: &str| form.text(name).parse::<i64>().unwrap_or(0);
    let jobs = i64::try_from(chosen.rows.len()).unwrap_or(i64::MAX);
    let credits = chosen.price().credits(&outlook.budget);
    if jobs > number("jobs") || credits > number("credits") {
        let why = "Nothing was done: it is about more jobs or credits by now. Look at it again.";
        outlook.notes.insert(0, why.to_owned());
        return Ok(bulk::confirmation(&visitor, &chosen, &outlook));
    }
    let ids: Vec<_> = chosen.rows.iter().map(|row| JobId(row.id)).collect();
    let now = vitals.clock.now();
    let (store, policy) = (&vitals.store, &vitals.policy);
    let done = operate::operate(store, policy, chosen.action, &ids, now).await?;
    let done: HashSet<_> = done.into_iter().collect();
    let missed = ids.into_iter().filter(|id| !done.contains(id));
    let missed = missed.map(|id| (id.0, "its state has changed in the meantime".to_owned()));
    chosen.left_out.extend(missed);
    let action = bulk::word(chosen.action);
    tracing::info!(jobs = done.len(), action, "page: done");
    changed(&vitals).await;
    Ok(bulk::report(&visitor, &chosen, done.len()))
}

fn action(form: &ActionForm) -> Result<OperatorAction, Notice> {
    let all = [
        OperatorAction::Retry,
        OperatorAction::Resume,
        OperatorAction::Cancel,
    ];
    let asked = form.text("action");
    let found = all.into_iter().find(|action| bulk::word(*action) == asked);
    found.ok_or_else(|| Notice::refused("there is no such action"))
}

async fn chosen(vitals: &Vitals, form: &ActionForm) -> Result<Chosen, Notice> {
    let action = action(form)?;
    let filter = Asked::of(form.query()).filter;
    let is_all = form.text("all") == "yes";
    let mut ids = if is_all {
        let possible = possible(&filter, action);
        match possible {
            Some(filter) => vitals.store.matching_ids(&filter, MAX_JOBS + 1).await?,
            None => Vec::new(),
        }
    } else {
        let ids = form.all("job");
        ids.iter()
            .filter_map(|id| id.parse().ok().map(JobId))
            .collect()
    };
    let is_none = !is_all && ids.is_empty();
    let is_cut = ids.len() > MAX_JOBS;
    ids.truncate(MAX_JOBS);
    let rows = vitals.store.rows_of(&ids).await?;
    let found: HashSet<_> = rows.iter().map(|row| row.id).collect();
    let missing = ids.iter().filter(|id| !found.contains(&id.0));
    let mut left_out: Vec<_> = missing
        .map(|id| (id.0, "there is no such job".to_owned()))
        .collect();
    let is_possible = |row: &JobRow| {
        action
            .states()
            .iter()
            .any(|state| row.state == state.as_str())
    };
    let (rows, others): (Vec<_>, Vec<_>) = rows.into_iter().partition(is_possible);
    left_out.extend(others.into_iter().map(|row| {
        (
            row.id,
            format!("it is {}, where this is not possible", row.state),
        )
    }));
    Ok(Chosen {
        action,
        rows,
        left_out,
        filter,
        is_all,
        is_none,
        is_cut,
        ladder: vitals.policy.ladder,
    })
}

/// The filter, for the states from which the action is possible; none where there is no such.
fn possible(filter: &Filter, action: OperatorAction) -> Option<Filter> {
    let asked = &filter.selector.states;
    let is_asked = |state: &&JobState| asked.is_empty() || asked.contains(state);
    let states: Vec<_> = action.states().iter().filter(is_asked).copied().collect();
    (!states.is_empty()).then(|| Filter {
        selector: Selector {
            states,
            ..filter.selector.clone()
        },
        text: filter.text.clone(),
    })
}

async fn outlook(vitals: &Vitals, chosen: &Chosen) -> Result<Outlook, StoreError> {
    let now = vitals.clock.now();
    let budget = vitals
        .budget
        .clone()
        .having(vitals.store.spent(now).await?, now);
    let mut notes = Vec::new();
    if chosen.action == OperatorAction::Cancel {
        let ids: Vec<_> = chosen.rows.iter().map(|row| JobId(row.id)).collect();
        let creates = vitals.store.pending_creates(&ids).await?;
        if !creates.is_empty() {
            let credits = creates.iter().map(|create| create.credits).sum();
            notes.push(format!(
                "{} in doubt: if parsers were made, {} credits are paid for them, and cancelling \
                 gives them up.",
                count(creates.len(), "create"),
                grouped(credits)
            ));
        }
    } else if chosen.price().creates() > 0 {
        if let Err(over) = budget.admits(now) {
            notes.push(format!("The jobs will be parked again: {}.", over.message));
        }
        let gates = &vitals.looks.get().await?.gates;
        if let Some((_, closure)) = gates
            .iter()
            .find(|(_, closure)| !closure.reason.is_passing())
        {
            notes.push(format!(
                "Creating is paused ({}): the jobs wait until that ends. The overview has the \
                 button that makes parserd try at once.",
                closure.reason
            ));
        }
    }
    Ok(Outlook { budget, notes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_match_are_those_with_which_it_is_possible() {
        use JobState::{Failed, Finished, Parked, Queued};
        for (asked, action, states) in [
            (&[][..], OperatorAction::Retry, Some(&[Parked, Failed][..])),
            (&[Failed], OperatorAction::Retry, Some(&[Failed])),
            (&[Failed], OperatorAction::Resume, None),
            (&[Finished], OperatorAction::Cancel, None),
            (&[Queued, Finished], OperatorAction::Cancel, Some(&[Queued])),
        ] {
            let filter = Filter {
                selector: Selector::of_states(asked),
                text: String::new(),
            };
            let found = possible(&filter, action).map(|filter| filter.selector.states);
            assert_eq!(found.as_deref(), states, "{asked:?} {action:?}");
        }
    }
}
