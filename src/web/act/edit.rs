//! What a person changes of what a job asks for, before it is tried again: as `parserd retry --set`.

use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse as _, Redirect, Response},
};
use serde_json::Value;

use super::{
    super::page::{
        Notice, Visitor,
        job::{self, EDITED_FROM, Edited},
    },
    ActionForm, Shared, SignedForm, Vitals, changed,
};
use crate::{
    core::{
        edit::Edit,
        job::{JobId, JobState},
        spec::SCRAPER_PARAMS,
    },
    engine::change::{self, Changeable, Planned},
    store::StoreError,
};

/// Changes a job and queues it, or shows the form again with what is wrong.
pub(super) async fn edit(
    State(vitals): State<Shared>,
    visitor: Visitor,
    Path(id): Path<String>,
    SignedForm(form): SignedForm,
) -> Result<Response, Notice> {
    let id = JobId(
        id.parse()
            .map_err(|_| Notice::refused("there is no such action"))?,
    );
    let edited = Edited::of_form(|name| form.text(name));
    let planned = match plan(&vitals, id, &form).await? {
        None => return Err(Notice::no_job(id)),
        Some(Ok(planned)) => planned,
        Some(Err(why)) => {
            let shown = job::shown(&vitals, &visitor, id, None, Some(&edited.with(&why))).await?;
            return Ok((StatusCode::UNPROCESSABLE_ENTITY, shown).into_response());
        }
    };
    let now = vitals.clock.now();
    let (store, policy) = (&vitals.store, &vitals.policy);
    let done = change::change(store, policy, vec![planned.edit], now).await?;
    if done.is_empty() {
        let why = format!("Job {id}: it has changed in the meantime: look at it again.");
        return Err(Notice::nothing_done(StatusCode::CONFLICT, why));
    }
    tracing::info!(job = id.0, action = "edit", "page: done");
    changed(&vitals).await;
    Ok(Redirect::to(&format!("/jobs/{id}?done=edit")).into_response())
}

/// The change, or why it cannot be made; none where there is no such job.
async fn plan(
    vitals: &Vitals,
    id: JobId,
    form: &ActionForm,
) -> Result<Option<Result<Planned, String>>, StoreError> {
    let rows = vitals.store.rows_of(&[id]).await?;
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    let state = row.state.parse::<JobState>();
    if !state.is_ok_and(|state| EDITED_FROM.contains(&state)) {
        return Ok(Some(Err(format!(
            "It is {} by now, and stays as it is.",
            row.state
        ))));
    }
    let edits = match edits(form) {
        Ok(edits) => edits,
        Err(why) => return Ok(Some(Err(why))),
    };
    let changeable = Changeable {
        id,
        name: &row.name,
        is_change: row.is_change(),
        adopts: row.parser_id.as_deref().filter(|_| row.is_adoption),
    };
    let planned = change::plan(&vitals.store, changeable, &edits).await?;
    Ok(Some(match planned {
        Ok(planned) if planned.edit.columns.is_empty() => {
            Err("Nothing differs from what it asks for already.".to_owned())
        }
        Ok(planned) => Ok(planned),
        Err(why) => Err(why.to_string()),
    }))
}

fn edits(form: &ActionForm) -> Result<Vec<Edit>, String> {
    let params = SCRAPER_PARAMS.iter();
    let params = params.map(|key| (format!("scraper_params.{key}"), form.text(key)));
    let urls = form.text("urls");
    let urls: Vec<_> = urls.split_whitespace().map(Value::from).collect();
    let urls = ("urls".to_owned(), Value::from(urls).to_string());
    params
        .chain([urls])
        .map(|(key, value)| Edit::parse(&key, &value).map_err(|error| error.to_string()))
        .collect()
}
