//! The plan for people.

use super::line::ChangeLine;
use super::{PlanLine, PlanReport, Unnamed};
use crate::cli::fold;
use crate::core::text::escaped;
use crate::engine::plan::Verdict;
use crate::{
    cli::output::Columns,
    present::format::{count, grouped, relative},
};

impl PlanReport {
    /// The same for people.
    pub(super) fn block(&self) -> String {
        let mut lines = self.jobs();
        lines.push(self.sum());
        lines.extend(self.unnamed.iter().flat_map(Unnamed::lines));
        lines.extend(self.account());
        lines.extend(self.limits());
        lines.extend(self.gates.iter().map(|gate| {
            format!(
                "nothing is created for now: the gate is closed for {}, next probe {}",
                gate.reason,
                relative(gate.next_probe_at.max(self.now), self.now)
            )
        }));
        lines.extend(
            self.findings.iter().map(|finding| {
                format!("{}; what to do: {}", escaped(&finding.cause), finding.cure)
            }),
        );
        lines.push(String::new());
        fold::block(&lines)
    }

    fn jobs(&self) -> Vec<String> {
        if self.jobs.is_empty() {
            return Vec::new();
        }
        let mut columns = Columns::new(&["", "VERDICT", "NAME", "NOTE"]).one_line();
        for job in &self.jobs {
            let verdict = job.verdict.to_string();
            columns.row([job.symbol.to_owned(), verdict, job.name.clone(), job.note()]);
        }
        columns.keep_whole(&[0, 1]);
        let mut rows = columns.lines().into_iter();
        let mut lines: Vec<_> = rows.next().into_iter().collect();
        for (job, row) in self.jobs.iter().zip(rows) {
            lines.push(row);
            lines.extend(job.details());
        }
        lines.push(String::new());
        lines
    }

    fn sum(&self) -> String {
        let parts: Vec<_> = self
            .totals
            .iter()
            .filter(|(_, jobs)| **jobs > 0)
            .map(|(verdict, jobs)| {
                let jobs = i64::try_from(*jobs).unwrap_or(i64::MAX);
                format!("{} {verdict}", grouped(jobs))
            })
            .collect();
        let credits = &self.credits;
        if parts.is_empty() {
            let is_read = self.bad.is_empty();
            let words = if is_read {
                "nothing to do"
            } else {
                "bad files are not planned"
            };
            return words.to_owned();
        }
        let mut sum = parts.join(", ");
        if credits.cost_at_most == 0 {
            sum.push_str(": no credits");
            return sum;
        }
        sum.push_str(&format!(": up to {} credits", grouped(credits.cost)));
        let without_ladder = credits.cost_at_most.saturating_sub(credits.ladder);
        if without_ladder > credits.cost {
            sum.push_str(&format!(
                ", {} if every unknown one is created",
                grouped(without_ladder)
            ));
        }
        if credits.ladder > 0 {
            sum.push_str(&format!(
                "; {} at most with the ladder's creates",
                grouped(credits.cost_at_most)
            ));
        }
        sum
    }

    fn account(&self) -> Vec<String> {
        let service = &self.service;
        let mut lines = Vec::new();
        let unseen = "what it holds already would be adopted, not paid for";
        match (service.parsers, &service.not_asked, &service.no_list) {
            (Some(parsers), ..) => {
                lines.push(format!("account: {} there", count(parsers, "parser")))
            }
            (None, Some(error), _) => {
                lines.extend([format!("account: not asked; {unseen}"), escaped(error)])
            }
            (None, None, why) => lines.push(format!(
                "account: no list ({}); {unseen}",
                escaped(why.as_deref().unwrap_or_default())
            )),
        }
        match (self.credits.account_left, &service.no_account) {
            (Some(left), _) => lines.push(format!(
                "account: {} credits left, as far as its page knows",
                grouped(left)
            )),
            (None, Some(why)) => lines.push(format!(
                "account: the credits left cannot be looked up ({})",
                escaped(why)
            )),
            (None, None) => {}
        }
        lines
    }

    fn limits(&self) -> Vec<String> {
        let left = |left: Option<i64>| match left {
            Some(left) => format!("{} credits left", grouped(left)),
            None => "no limit".to_owned(),
        };
        let mut lines = vec![format!(
            "budget: today (UTC) {}, in total {}",
            left(self.credits.budget_left_today),
            left(self.credits.budget_left)
        )];
        let creates = &self.creates;
        if creates.ahead > 0 {
            lines.push(format!(
                "first: {} of jobs that are queued already",
                count(
                    usize::try_from(creates.ahead).unwrap_or(usize::MAX),
                    "create"
                )
            ));
        }
        for (parked, reason) in [
            (creates.parked_for_budget, "budget"),
            (creates.parked_for_credits, "credits"),
        ] {
            if parked > 0 {
                lines.push(format!(
                    "{} creates would be PARKED for {reason}, {} sent now",
                    grouped(parked),
                    grouped(creates.fit_now)
                ));
            }
        }
        lines
    }
}

impl PlanLine {
    /// What changes, a line a field, and what else is to be said.
    fn details(&self) -> Vec<String> {
        let mut lines: Vec<_> = self.changes.iter().flat_map(ChangeLine::lines).collect();
        lines.extend(self.likely_renames.iter().map(|rename| {
            format!(
                "{} looks renamed to {}, which is free: write {}",
                escaped(&rename.was),
                escaped(&rename.name),
                escaped(&rename.write)
            )
        }));
        // The first note of a forecast stands in the table.
        let in_table = usize::from(self.note.is_some());
        lines.extend(self.notes.iter().skip(in_table).map(|note| escaped(note)));
        lines
            .into_iter()
            .map(|line| format!("      {line}"))
            .collect()
    }

    fn note(&self) -> String {
        let place = match (&self.file, self.line) {
            (Some(file), Some(line)) => format!("{file}:{line}"),
            _ => String::new(),
        };
        let there = match (self.verdict, self.id, &self.state) {
            (Verdict::AlreadyThere, Some(id), Some(state)) => format!("job {id}, {state}"),
            _ => String::new(),
        };
        let parser = self.parser_id.as_ref().map(|id| format!("parser {id}"));
        [
            there,
            parser.unwrap_or_default(),
            self.note.clone().unwrap_or_default(),
            place,
        ]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join("; ")
    }
}

impl ChangeLine {
    fn lines(&self) -> Vec<String> {
        let name = escaped(&self.name);
        let first = match (self.change, &self.new_name) {
            (_, Some(new_name)) => format!("{name} -> {} (free)", escaped(new_name)),
            ("remove", None) => format!("- {name} (free)"),
            ("add", None) => format!("+ {name}"),
            (_, None) => format!("~ {name}"),
        };
        let parts = self.parts.iter().map(|part| {
            let text = |text: &Option<String>| match text {
                Some(text) => format!("\"{}\"", escaped(text)),
                None => "none".to_owned(),
            };
            format!(
                "    {}: {} -> {}",
                part.key,
                text(&part.before),
                text(&part.after)
            )
        });
        std::iter::once(first).chain(parts).collect()
    }
}
