//! `parserd wait`: beside a running daemon, until jobs are done.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use crate::{
    cli::{
        Exit,
        output::{print_error, print_message},
        run::ending::listed,
        selector::{NamedArgs, unknown},
        shutdown,
    },
    config::Settings,
    core::{
        duration,
        job::{JobId, JobState},
    },
    present::format::count,
    store::{Commits as _, JobStore as _, Role, Store, has_daemon, waiting::AtRest},
};

/// How often it is looked whether a daemon still runs, where nothing happens.
const DAEMON_LOOK: Duration = Duration::from_secs(5);

/// How long a daemon that ran may be away, as while it is restarted.
const RESTART: Duration = Duration::from_secs(60);

/// Waits beside a running daemon until jobs are done, or can go no further without a person.
///
/// Ends as `run --until-done` does: with 0 where all are FINISHED or CANCELLED, 3 where some became
/// FAILED meanwhile (one that was FAILED before is named, and does not count), 4 where some are PARKED
/// and none became FAILED; with 1 where the time is over, or no daemon runs.
#[derive(Debug, clap::Args)]
pub struct WaitArgs {
    /// Jobs by name or id; none for all
    #[arg(value_name = "NAME", conflicts_with = "named")]
    names: Vec<String>,

    #[command(flatten)]
    named: NamedArgs,

    /// At most this long, such as 30m or 2h
    #[arg(long, value_name = "DURATION", value_parser = timeout)]
    timeout: Option<Duration>,
}

fn timeout(text: &str) -> Result<Duration, String> {
    duration::parse(text).map_err(|error| error.to_string())
}

/// Why waiting ended.
enum Ended {
    AtRest(AtRest),
    Timeout(AtRest),
    NoDaemon(AtRest),
    Told,
}

pub(super) async fn wait(settings: &Settings, args: WaitArgs) -> anyhow::Result<Exit> {
    let store = Store::open(settings.database_path(), Role::Reader).await?;
    let mut jobs = Vec::new();
    for name in &args.names {
        match store.find(name).await? {
            Some(id) => jobs.push(id),
            None => {
                print_message(&unknown(&store, name).await?);
                store.close().await;
                return Ok(Exit::Failed);
            }
        }
    }
    let selector = args.named.selector();
    if !selector.selects_all() {
        jobs = store.selected_ids(&selector).await?;
        if jobs.is_empty() {
            print_message(
                "error: no job has that label and name: `parserd jobs` takes the same --label and --name",
            );
            store.close().await;
            return Ok(Exit::Failed);
        }
    }
    let jobs = (!jobs.is_empty()).then_some(jobs);
    let before: HashSet<JobId> = store.at_rest(jobs.as_deref()).await?.failed;
    let waiting = until_at_rest(&store, jobs.as_deref());
    let ended = match args.timeout {
        Some(timeout) => match tokio::time::timeout(timeout, waiting).await {
            Ok(ended) => ended?,
            Err(_) => match store.at_rest(jobs.as_deref()).await? {
                found if found.moving() == 0 => Ended::AtRest(found),
                found => Ended::Timeout(found),
            },
        },
        None => waiting.await?,
    };
    store.close().await;
    Ok(concluded(ended, &before))
}

async fn until_at_rest(store: &Store, jobs: Option<&[JobId]>) -> anyhow::Result<Ended> {
    let mut told = std::pin::pin!(shutdown());
    let mut commits = store.commits().await?;
    let mut seen_at = None;
    loop {
        let found = store.at_rest(jobs).await?;
        if found.moving() == 0 {
            return Ok(Ended::AtRest(found));
        }
        let now = Instant::now();
        if has_daemon(store.path()) != Some(false) {
            seen_at = Some(now);
        } else if is_gone(seen_at.map(|at| now - at)) {
            return Ok(Ended::NoDaemon(found));
        }
        tokio::select! {
            () = &mut told => return Ok(Ended::Told),
            committed = commits.next() => committed?,
            () = tokio::time::sleep(DAEMON_LOOK) => {}
        }
    }
}

/// Whether no daemon is to be expected back, where none runs: `seen` is how long ago one did.
fn is_gone(seen: Option<Duration>) -> bool {
    seen.is_none_or(|ago| ago > RESTART)
}

/// Says how the jobs stand, and with which code the command ends.
fn concluded(ended: Ended, before: &HashSet<JobId>) -> Exit {
    let (found, why) = match ended {
        Ended::Told => return Exit::Failed,
        Ended::AtRest(found) => (found, None),
        Ended::Timeout(found) => (found, Some("the time is over")),
        Ended::NoDaemon(found) => (
            found,
            Some("no parserd runs, and nothing moves without one"),
        ),
    };
    let states: Vec<_> = JobState::ALL
        .iter()
        .filter_map(|state| Some((*state, *found.states.get(state)?)))
        .collect();
    let states = listed(&states).unwrap_or_else(|| "none".to_owned());
    let new: Vec<_> = found.failed.difference(before).collect();
    let old = found.failed.len() - new.len();
    let older = match old {
        0 => String::new(),
        old => format!(" ({} of before)", count(old, "FAILED job")),
    };
    print_message(&format!("jobs: {states}{older}"));
    if let Some(why) = why {
        print_error(&format!(
            "error: {} not done: {why}",
            count(usize::try_from(found.moving()).unwrap_or(0), "job")
        ));
        return Exit::Failed;
    }
    if !new.is_empty() {
        Exit::FailedJobs
    } else if found.states.contains_key(&JobState::Parked) {
        Exit::ParkedJobs
    } else {
        Exit::Done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_daemon_that_ran_may_be_restarted_and_one_that_never_did_is_not_waited_for() {
        for (seen_s, gone) in [
            (None, true),
            (Some(0), false),
            (Some(60), false),
            (Some(61), true),
        ] {
            assert_eq!(is_gone(seen_s.map(Duration::from_secs)), gone, "{seen_s:?}");
        }
    }
}
