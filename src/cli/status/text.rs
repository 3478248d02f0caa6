//! The status for people.

use super::{AccountReport, ClosedGate, Credits, Next, Spending, StatusFacts, StatusReport};
use crate::cli::fold;
use crate::core::gate::{GateReason, Scope};
use crate::core::job::{Action, JobState, ParkReason, UnixMs};
use crate::core::text::escaped;
use crate::present::{foresight, remedies::Parked};
use crate::{
    cli::output::Columns,
    core::timestamp::iso,
    present::format::{count, grouped, lasting, quoted, relative, span},
};

/// What is said first where no daemon runs.
pub(super) const NOT_RUNNING: &str = "not running: nothing moves until `parserd run`";

impl StatusReport {
    /// The same for people.
    pub(super) fn block(&self) -> String {
        let mut lines = self.place();
        lines.push(String::new());
        lines.extend(self.states());
        lines.extend(self.rest());
        lines.push(String::new());
        fold::block(&lines)
    }

    /// The same for a window that may be too low for it: what matters most comes first.
    pub(super) fn frame(&self, bar: String) -> String {
        let mut lines = vec![bar];
        if self.daemon_running == Some(false) {
            lines.push(NOT_RUNNING.to_owned());
        }
        lines.push(String::new());
        lines.extend(self.states());
        lines.extend(self.rest());
        lines.push(String::new());
        lines.extend(self.place());
        fold::block(&lines)
    }

    fn place(&self) -> Vec<String> {
        let mut lines = vec![format!("database  {}", escaped(&self.database))];
        lines.extend(self.around.daemon_lines(self.daemon_running, self.now));
        lines
    }

    fn rest(&self) -> Vec<String> {
        let mut lines = Vec::new();
        lines.extend(self.known.change_lines());
        lines.extend(self.known.parser_lines());
        lines.extend(self.known.foresight_lines());
        lines.extend(self.known.parked_lines());
        lines.extend(self.known.doubt_lines(self.now));
        lines.extend(self.known.gate_lines(self.now));
        lines.extend(self.known.no_list_lines(self.now));
        lines.extend(self.known.account.lines());
        lines.extend(self.known.credits.lines());
        lines.extend(self.known.spending.iter().flat_map(Spending::lines));
        lines.extend(self.around.failure_lines());
        lines.extend(self.next_lines());
        lines.extend(self.around.event_lines(self.now));
        lines
    }

    fn states(&self) -> Vec<String> {
        let mut columns = Columns::new(&[]);
        for (state, jobs) in &self.known.states {
            let note = match state {
                JobState::Queued => self.around.held_note().unwrap_or_default(),
                JobState::Creating if self.known.in_doubt > 0 => {
                    format!("{} in doubt", grouped(self.known.in_doubt))
                }
                JobState::Failed if *jobs > 0 => {
                    "see `parserd jobs --state FAILED`, then `parserd retry`".to_owned()
                }
                _ => String::new(),
            };
            columns.row([state.to_string(), format!("{:>9}", grouped(*jobs)), note]);
        }
        columns.lines()
    }

    fn next_lines(&self) -> Vec<String> {
        let line = |what: &str, at: Option<UnixMs>| {
            let at = at?;
            let at = if at <= self.now {
                "now".to_owned()
            } else {
                relative(at, self.now)
            };
            Some(format!("  {what} {at}"))
        };
        let is_out_of_credits = self
            .known
            .gates
            .iter()
            .any(|gate| gate.gate == Scope::Create && gate.reason == GateReason::Credits);
        let waits = |parked: &Parked| parked.reason == ParkReason::Credits;
        let may_probe = is_out_of_credits
            && self.known.credits.has_room
            && (self.next.create.is_some() || self.known.parked.iter().any(waits));
        let probes = self.known.gates.iter().map(|gate| gate.next_probe_at);
        let probe = probes.max().filter(|_| may_probe);
        let creates = if is_out_of_credits || !self.known.credits.has_room {
            "start QUEUED jobs (only those that cost nothing)"
        } else {
            "create"
        };
        let Next {
            create,
            budget,
            look_for_creates_in_doubt,
            poll,
        } = self.next;
        let lines: Vec<_> = [
            line(creates, self.held(create, true)).map(|line| match &self.known.no_list {
                Some(_) => "  create as soon as the account's list is available".to_owned(),
                None => line,
            }),
            line("create", probe)
                .map(|line| format!("{line}: one, to see whether credits are back")),
            line("create within the budget again", budget),
            line(
                "look for requests in doubt",
                self.held(look_for_creates_in_doubt, false),
            ),
            line("poll", self.held(poll, false)),
        ]
        .into_iter()
        .flatten()
        .collect();
        let lines = if lines.is_empty() {
            vec!["  nothing is scheduled".to_owned()]
        } else {
            lines
        };
        titled("Next", lines)
    }

    /// When what is due at `at` is done, as the gates stand: a create needs both, everything else
    /// only that of the reads; without credits jobs have their turns anyway.
    fn held(&self, at: Option<UnixMs>, both: bool) -> Option<UnixMs> {
        let gates = self.known.gates.iter();
        let mine = gates
            .filter(|gate| gate.gate == Scope::Read || both && gate.reason != GateReason::Credits);
        let probe = mine.map(|gate| gate.next_probe_at).max();
        at.map(|at| at.max(probe.unwrap_or(at)))
    }
}

impl Spending {
    fn lines(&self) -> Vec<String> {
        let mut columns = Columns::new(&[
            "  KEY",
            "JOBS",
            "FINISHED",
            "FAILED",
            "CREATES",
            "CREDITS",
            "PER WORKING PARSER",
        ]);
        for row in &self.rows {
            let per_parser = row.credits_per_working_parser;
            columns.row([
                format!("  {}", row.key.as_deref().unwrap_or("(none)")),
                grouped(row.jobs),
                grouped(row.finished),
                grouped(row.failed),
                grouped(row.creates),
                grouped(row.credits),
                per_parser.map_or_else(String::new, grouped),
            ]);
        }
        titled(&format!("Spent by {}", self.by), columns.lines())
    }
}

impl StatusFacts {
    fn change_lines(&self) -> Vec<String> {
        let counts = self.changes.iter().map(|(action, jobs)| {
            let jobs = usize::try_from(*jobs).unwrap_or_default();
            count(jobs, action.as_str())
        });
        let counts: Vec<_> = counts.collect();
        let line = (!counts.is_empty()).then(|| format!("  {} not done yet", counts.join(", ")));
        titled("Of these, changes of parsers", line.into_iter().collect())
    }

    fn parser_lines(&self) -> Vec<String> {
        let counts = self.parsers;
        if counts.all() == 0 {
            return Vec::new();
        }
        let parts = [
            (counts.ok, "ok"),
            (counts.thin, "thin"),
            (counts.bad, "bad"),
            (counts.not_judged, "not judged"),
        ];
        let parts = parts.iter().filter(|(count, _)| *count > 0);
        let parts: Vec<_> = parts
            .map(|(count, quality)| format!("{} {quality}", grouped(*count)))
            .collect();
        let mut lines = vec![format!("  {}", parts.join(", "))];
        let poor = [(counts.bad, "bad"), (counts.thin, "thin")];
        if let Some((_, quality)) = poor.iter().find(|(count, _)| *count > 0) {
            lines.push(format!(
                "    what to do: `parserd parsers --quality {quality}` says why"
            ));
        }
        titled("Parsers", lines)
    }

    fn foresight_lines(&self) -> Vec<String> {
        if self.foresight.is_empty() {
            return Vec::new();
        }
        let rows = foresight::table(&self.foresight).into_iter();
        let lines = rows.map(|(jobs, what)| format!("  {} {what}", grouped(jobs)));
        titled("Preflight", lines.collect())
    }

    fn parked_lines(&self) -> Vec<String> {
        let lines = self.parked.iter().flat_map(|parked| {
            [
                format!(
                    "  {} {}: {}",
                    grouped(parked.jobs),
                    parked.reason,
                    parked.why
                ),
                format!("    what to do: {}", parked.what_to_do),
            ]
        });
        titled("Parked", lines.collect())
    }

    fn doubt_lines(&self, now: UnixMs) -> Vec<String> {
        let mut lines: Vec<_> = self
            .doubts
            .iter()
            .map(|doubt| {
                let since = doubt
                    .doubt_since
                    .map_or_else(String::new, |at| format!(", in doubt {}", lasting(at, now)));
                let cause = match doubt.doubt_cause.as_deref() {
                    Some("service_error") => ", the service answered with an error",
                    Some("interrupted") => ", parserd was stopped before the answer",
                    Some(_) => ", the answer was lost",
                    None => "",
                };
                let creates = doubt.action == Action::Create.as_str();
                let next = if doubt.state == JobState::Parked.as_str() {
                    format!("settle it: `parserd resolve {}`", doubt.id)
                } else {
                    let what = if creates {
                        "the account's list"
                    } else {
                        "the parser"
                    };
                    format!(
                        "{what} is looked at {}",
                        relative(doubt.due_at.max(now), now)
                    )
                };
                let action = if creates {
                    String::new()
                } else {
                    format!("{} of ", doubt.action)
                };
                format!(
                    "  job {} {action}{}{since}{cause}; {next}",
                    doubt.id,
                    quoted(&doubt.name)
                )
            })
            .collect();
        let more = self.all_doubts() - i64::try_from(self.doubts.len()).unwrap_or(i64::MAX);
        if more > 0 {
            lines.push(format!(
                "  and {} more: parserd jobs --state CREATING --state PARKED",
                grouped(more)
            ));
        }
        lines.extend(self.given_up_line());
        titled("Requests in doubt", lines)
    }

    fn given_up_line(&self) -> Option<String> {
        let given_up = self.given_up;
        (given_up.creates > 0).then(|| {
            format!(
                "  {} of CANCELLED jobs, up to {} credits: counted as spent; `parserd jobs --state \
                 CANCELLED` lists these jobs, `parserd resolve ID` looks for what was made, and the \
                 same job enqueued again takes it for nothing",
                grouped(given_up.creates),
                grouped(given_up.credits)
            )
        })
    }

    /// How many requests are in doubt, those that only a person can settle among them.
    fn all_doubts(&self) -> i64 {
        let ambiguous = |parked: &&Parked| parked.reason == ParkReason::Ambiguous;
        let parked = self.parked.iter().find(ambiguous);
        self.in_doubt
            .saturating_add(parked.map_or(0, |parked| parked.jobs))
    }

    fn no_list_lines(&self, now: UnixMs) -> Vec<String> {
        let Some(no_list) = &self.no_list else {
            return Vec::new();
        };
        let lines = vec![
            format!(
                "  {}, since {}: HTTP {}: {}",
                lasting(no_list.since, now),
                iso(no_list.since),
                no_list.http_status,
                no_list.why
            ),
            "    what to do: nothing is created without a list; see `parserd check`, correct \
             api.base_url, or tell the service's support"
                .to_owned(),
        ];
        titled("No list of the account", lines)
    }

    fn gate_lines(&self, now: UnixMs) -> Vec<String> {
        let line = |gate: &ClosedGate| {
            let before = match gate.gate {
                Scope::Create => "creates",
                Scope::Read => "polls and lists",
            };
            format!(
                "  {before} are held: {}, {}; next probe {}",
                gate.reason,
                lasting(gate.since, now),
                relative(gate.next_probe_at.max(now), now)
            )
        };
        titled("Gates closed", self.gates.iter().map(line).collect())
    }
}

impl AccountReport {
    fn lines(&self) -> Vec<String> {
        let mut lines: Vec<_> = self
            .findings
            .iter()
            .flat_map(|finding| {
                [
                    format!("  {}", escaped(&finding.cause)),
                    format!("    what to do: {}", finding.cure),
                ]
            })
            .collect();
        let lag = &self.list_lag;
        if let (Some(ms), true) = (lag.shown_within_ms, lag.settle_after_error_counts) {
            lines.push(format!(
                "  its list showed new parsers within {}: after a 500 reconcile.settle_after_error \
                 counts",
                span(ms)
            ));
        }
        titled("The account", lines)
    }
}

impl Credits {
    fn lines(&self) -> Vec<String> {
        let limit = |limit: Option<i64>| match limit {
            Some(limit) => format!("of {} that the budget allows", grouped(limit)),
            None => "(no limit is set)".to_owned(),
        };
        let mut lines = vec![
            format!(
                "  today (UTC) {} {}",
                grouped(self.spent_today),
                limit(self.max_per_day)
            ),
            format!("  in total {} {}", grouped(self.spent), limit(self.max)),
        ];
        if self.spent_on_updates > 0 {
            lines.push(format!(
                "  of that, {} for updates",
                grouped(self.spent_on_updates)
            ));
        }
        if self.spent_on_fetches > 0 {
            lines.push(format!(
                "  of that, {} for fetches of example pages",
                grouped(self.spent_on_fetches)
            ));
        }
        if self.dated_ahead > 0 {
            lines.push(format!(
                "  of today's, {} are dated later: the clock was ahead, or is behind now; they count \
                 on each day up to then, until a running parserd finds the clock to agree with the \
                 service's",
                grouped(self.dated_ahead)
            ));
        }
        if self.redated > 0 {
            lines.push(format!(
                "  of today's, {} are dated later: the clock was ahead when they were spent; they \
                 count today, when it was found, and on no other day",
                grouped(self.redated)
            ));
        }
        if self.to_come > 0 {
            let to_come = grouped(self.to_come);
            lines.push(format!(
                "  to come: up to {to_come} for the QUEUED and PARKED jobs"
            ));
        }
        titled("Credits spent", lines)
    }
}

/// A heading with its lines, after an empty one; nothing where there are none.
pub(super) fn titled(title: &str, lines: Vec<String>) -> Vec<String> {
    if lines.is_empty() {
        return lines;
    }
    let mut all = vec![String::new(), title.to_owned()];
    all.extend(lines);
    all
}
