//! What no file names: parsers that stay, or go with `--prune`, and jobs that wait.

use std::path::PathBuf;

use serde::Serialize;

use super::{PlanLine, Planning};
use crate::cli::exit::Usage;
use crate::core::diff::{ParserBeside, Prune};
use crate::engine::plan::{Forecast, Verdict};
use crate::manifest::JobFile;
use crate::present::format::count;
use crate::store::Manifest as _;

/// How much of what is there no file names.
#[derive(Debug, Serialize)]
pub(in crate::cli) struct Unnamed {
    /// Parsers that no file names.
    parsers: usize,
    /// Parsers in the place of which there are others.
    replaced: usize,
    /// Jobs that are to make a parser yet, or FAILED to; they are always left alone.
    waiting: usize,
    /// Of these, the FAILED ones, which do not go on by themselves.
    failed: usize,
    /// The number for `apply --prune --delete`; null without `--prune`.
    pub delete: Option<usize>,
    /// The files, as they are to be named again.
    #[serde(skip)]
    files: String,
}

impl Planning<'_> {
    /// Looks at what no file names. With `prune` it is among the jobs of the plan.
    pub(super) async fn unnamed(
        &mut self,
        files: &[PathBuf],
        prune: bool,
    ) -> anyhow::Result<Option<Unnamed>> {
        // What a bad file names is not known.
        if files.is_empty() || !self.bad.is_empty() {
            return Ok(None);
        }
        if prune && self.files.iter().all(JobFile::is_empty) {
            let usage = "no file names a job, so --prune would mean every parser there is: look at \
                         the files, or delete by name with `parserd parsers delete`";
            return Err(Usage(usage.to_owned()).into());
        }
        let beside = match self.planner.store {
            Some(store) => store.beside().await?,
            None => Default::default(),
        };
        let pruned = Prune::of(beside, &self.names);
        let all = pruned.deleted.iter().chain(&pruned.left);
        let replaced = all.clone().filter(|row| row.is_replaced).count();
        let files = files.iter().map(|file| file.display().to_string());
        let unnamed = Unnamed {
            parsers: all.count() - replaced,
            replaced,
            waiting: pruned.waiting,
            failed: pruned.failed,
            delete: prune.then_some(pruned.deleted.len()),
            files: files.collect::<Vec<_>>().join(" "),
        };
        if prune {
            self.digest.prune(&pruned);
            self.jobs.extend(pruned.deleted.into_iter().map(deleted));
            self.jobs.extend(pruned.left.into_iter().map(left));
        }
        Ok(Some(unnamed))
    }
}

fn deleted(row: ParserBeside) -> PlanLine {
    let why = if row.is_replaced {
        "another parser took its place"
    } else {
        "no file names it"
    };
    let mut line = line(row, Verdict::Delete, why);
    line.is_free = true;
    line
}

fn left(row: ParserBeside) -> PlanLine {
    if row.is_protected {
        let why = "it is protected, and stays: to have it deleted set protect of the job that made \
                   it to 0 first";
        return line(row, Verdict::Kept, why);
    }
    let why = "it would be deleted, and a job of its name is not done yet: left for the next time";
    line(row, Verdict::InFlight, why)
}

fn line(row: ParserBeside, verdict: Verdict, why: &str) -> PlanLine {
    let forecast = Forecast {
        verdict,
        parser_id: Some(row.parser_id),
        remote_name: None,
        note: Some(why.to_owned()),
    };
    PlanLine::of(row.name, forecast)
}

impl Unnamed {
    /// The same for people.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let stay = |n: usize| if n == 1 { "it stays" } else { "they stay" };
        match self.delete {
            Some(0) => lines.push("nothing is to be deleted".to_owned()),
            Some(n) => lines.push(format!(
                "to delete {}: parserd apply --prune --delete {n} {}",
                if n == 1 { "it" } else { "them" },
                self.files
            )),
            None => {
                for (n, what) in [
                    (self.parsers, "named by no file"),
                    (self.replaced, "replaced by another"),
                ] {
                    if n > 0 {
                        let are = if n == 1 { "is" } else { "are" };
                        lines.push(format!(
                            "{} {are} {what}: {} (--prune)",
                            count(n, "parser"),
                            stay(n)
                        ));
                    }
                }
            }
        }
        let going = self.waiting.saturating_sub(self.failed);
        if going > 0 {
            let (are, one) = match going {
                1 => ("is", "it goes on (`parserd cancel NAME` cancels it)"),
                _ => ("are", "they go on (`parserd cancel NAME` cancels one)"),
            };
            lines.push(format!(
                "{} that no file names {are} not done yet: {one}",
                count(going, "job")
            ));
        }
        if self.failed > 0 {
            let (are, one) = match self.failed {
                1 => ("is", "it stays"),
                _ => ("are", "they stay"),
            };
            lines.push(format!(
                "{} that no file names {are} FAILED: {one} so (`parserd show NAME` says why, \
                 `parserd retry NAME` tries again, `parserd cancel NAME` cancels)",
                count(self.failed, "job")
            ));
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_that_failed_are_not_said_to_go_on() {
        let lines = |waiting, failed| {
            let unnamed = Unnamed {
                parsers: 0,
                replaced: 0,
                waiting,
                failed,
                delete: None,
                files: String::new(),
            };
            unnamed.lines()
        };
        assert_eq!(lines(0, 0), [""; 0]);
        let all = lines(3, 2);
        assert_eq!(
            all[0],
            "1 job that no file names is not done yet: it goes on (`parserd cancel NAME` cancels it)"
        );
        assert!(
            all[1].starts_with("2 jobs that no file names are FAILED: they stay so"),
            "{all:?}"
        );
        assert!(
            all[1].contains("`parserd retry NAME` tries again"),
            "{all:?}"
        );
        assert!(lines(1, 1)[0].starts_with("1 job that no file names is FAILED: it stays so"));
    }
}
