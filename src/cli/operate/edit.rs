//! `parserd retry --set`: jobs are changed before they are tried again.

use std::collections::HashMap;

use super::Chosen;
use crate::{
    cli::{Usage, output::print_message},
    core::{edit::Edit, job::JobId, ladder::Ladder},
    engine::change::{self, Changeable, Planned},
    present::{format::quoted, price::Price},
    store::{Store, StoreError, report::JobRow},
};

/// Reads the settings that are about jobs.
pub(in crate::cli) fn parse(settings: &[(String, String)]) -> Result<Vec<Edit>, Usage> {
    let edits = settings.iter().map(|(key, value)| Edit::parse(key, value));
    edits
        .collect::<Result<_, _>>()
        .map_err(|error| Usage(format!("--set: {error}")))
}

/// What becomes of the jobs, by id; those that cannot be changed are named and left out.
pub(super) async fn plan(
    store: &Store,
    edits: &[Edit],
    chosen: &mut Chosen,
) -> Result<HashMap<i64, Planned>, StoreError> {
    let mut planned = HashMap::new();
    if edits.is_empty() {
        return Ok(planned);
    }
    for row in std::mem::take(&mut chosen.rows) {
        let changeable = Changeable {
            id: JobId(row.id),
            name: &row.name,
            is_change: row.is_change(),
            adopts: row.parser_id.as_deref().filter(|_| row.is_adoption),
        };
        match change::plan(store, changeable, edits).await? {
            Ok(plan) => {
                planned.insert(row.id, plan);
                chosen.rows.push(row);
            }
            Err(why) => {
                chosen.missed += 1;
                print_message(&format!(
                    "error: job {} {} cannot be changed: {why}",
                    row.id,
                    quoted(&row.name)
                ));
            }
        }
    }
    Ok(planned)
}

/// What it costs to try the jobs again as they are then.
pub(super) fn price<'a>(
    rows: impl IntoIterator<Item = &'a JobRow>,
    planned: &HashMap<i64, Planned>,
    ladder: Option<Ladder>,
) -> Price {
    let is_another = |row: &&JobRow| {
        let plan = planned.get(&row.id);
        plan.is_some_and(|plan| plan.is_another_parser)
    };
    let (anew, as_before): (Vec<_>, Vec<_>) = rows.into_iter().partition(is_another);
    Price::of(as_before)
        .and_anew(anew.len())
        .with_ladder(ladder)
}
