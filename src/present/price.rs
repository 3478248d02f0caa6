//! PURE: what it costs to take jobs up again.

use super::format::{cost, count, grouped};
use crate::{
    core::{
        budget::Budget,
        job::{ErrorKind, JobState, ParkReason},
        ladder::Ladder,
    },
    store::report::JobRow,
};

/// Jobs by what taking them up again leads to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Price {
    /// Created again.
    anew: usize,
    /// Of these, those with a parser that is asked for before another is paid for.
    had_parser: usize,
    /// Of these, those whose example pages are fetched before anything else.
    foreseen: usize,
    /// Whose parser is looked for in the account's list first.
    looked_for: usize,
    /// Polled, which is free.
    polled: usize,
    /// Updates that may send what costs as much as a create.
    changed: usize,
    /// Updates, deletes and adoptions that are free.
    free: usize,
    /// Creates that the ladder may send besides, where generations of these FAIL.
    climbs: usize,
}

impl Price {
    pub(crate) fn of<'a>(rows: impl IntoIterator<Item = &'a JobRow>) -> Self {
        let mut price = Self::default();
        for row in rows {
            if is_polled(row) {
                price.polled += 1;
            } else if row.is_free() {
                price.free += 1;
            } else if row.is_change() {
                price.changed += 1;
            } else if is_created_anew(row) {
                price.anew += 1;
                price.had_parser += usize::from(row.parser_id.is_some());
                let kind = row.error_kind.as_deref();
                let is_foreseen = kind == Some(ErrorKind::PreflightFailed.as_str());
                price.foreseen += usize::from(is_foreseen);
            } else {
                price.looked_for += 1;
            }
        }
        price
    }

    /// The same, with as many jobs more that ask for another parser than before.
    pub(crate) const fn and_anew(self, jobs: usize) -> Self {
        Self {
            anew: self.anew.saturating_add(jobs),
            ..self
        }
    }

    /// The same, with what the ladder may send besides; to be asked for last. A job that is tried
    /// again has all its rungs.
    pub(crate) fn with_ladder(self, ladder: Option<Ladder>) -> Self {
        let rungs = ladder.map_or(0, |ladder| ladder.max_creates_per_job - 1);
        let rungs = usize::try_from(rungs).unwrap_or(0);
        // A parser that is polled may turn out to be FAILED, too.
        let generated = self.anew + self.looked_for + self.polled;
        Self {
            climbs: generated.saturating_mul(rungs),
            ..self
        }
    }

    /// How many creates may be sent in all, and updates that cost as much.
    const fn at_most(self) -> usize {
        self.creates().saturating_add(self.climbs)
    }

    /// How many creates may be sent without those of the ladder, and updates that cost as much.
    pub(crate) const fn creates(self) -> usize {
        self.anew
            .saturating_add(self.looked_for)
            .saturating_add(self.changed)
    }

    /// What it leads to, a line for each kind of job.
    pub(crate) fn lines(self, budget: &Budget) -> Vec<String> {
        self.said_of(|jobs| count(jobs, "job"), budget)
    }

    /// What another try of this one job leads to: the same words as those of many.
    pub(crate) fn of_one(row: &JobRow, budget: &Budget) -> String {
        let said = Self::of([row]).said_of(|_| "it".to_owned(), budget);
        said.join("; ")
    }

    fn said_of(self, jobs: impl Fn(usize) -> String, budget: &Budget) -> Vec<String> {
        let price = |number| cost(number, budget);
        let lines: [(usize, &dyn Fn(usize) -> String); 8] = [
            (self.anew, &|n| {
                format!("{} will be created again: {}", jobs(n), price(n))
            }),
            (self.had_parser, &|n| self.looked_up_first(n)),
            (self.foreseen, &|n| {
                let whose = match n {
                    1 if self.anew == 1 => "its pages".to_owned(),
                    n => format!("the pages of {n} of them"),
                };
                format!(
                    "{whose} are fetched anew first, unless preflight.mode is off now: nothing \
                     else is sent where these speak against it"
                )
            }),
            (self.looked_for, &|n| {
                format!(
                    "{} may have a parser: that is looked for first, free; a create is sent only \
                     where there is none: {}",
                    jobs(n),
                    price(n)
                )
            }),
            (self.polled, &|n| {
                format!(
                    "{} may have a parser that still finishes: it is polled, and nothing is paid",
                    jobs(n)
                )
            }),
            (self.changed, &|n| {
                format!(
                    "{} may add or modify fields of a parser: {}",
                    jobs(n),
                    price(n)
                )
            }),
            (self.free, &|n| {
                format!(
                    "{} may change, delete or adopt a parser, free of charge",
                    jobs(n)
                )
            }),
            (self.climbs, &|n| {
                format!("the ladder may create again what FAILS: {} more", price(n))
            }),
        ];
        let lines = lines.iter().filter(|(number, _)| *number > 0);
        lines.map(|(number, line)| line(*number)).collect()
    }

    /// That parsers are asked for before others are paid for.
    fn looked_up_first(self, had: usize) -> String {
        match (self.anew, had) {
            (1, _) => {
                "it had a parser: that is looked up first, free, and used if it is ready after all"
                    .to_owned()
            }
            (_, 1) => "1 of them had a parser: it is looked up first, free, and used if it is \
                       ready after all"
                .to_owned(),
            (_, had) => format!(
                "{had} of them had parsers: these are looked up first, free, and used if they are \
                 ready after all"
            ),
        }
    }

    /// All of it at the most, as a button has it: `up to 60,000 credits`.
    pub(crate) fn on_button(self, budget: &Budget) -> String {
        match self.credits(budget) {
            0 => "free".to_owned(),
            credits => format!("up to {} credits", grouped(credits)),
        }
    }

    /// All of it at the most, in credits.
    pub(crate) fn credits(self, budget: &Budget) -> i64 {
        let creates = i64::try_from(self.at_most()).unwrap_or(i64::MAX);
        creates.saturating_mul(budget.credits_per_create)
    }

    /// All of it at the most: `for up to 2 x 30,000 = 60,000 credits`.
    pub(crate) fn in_all(self, budget: &Budget) -> String {
        match self.at_most() {
            0 => "for nothing".to_owned(),
            creates => format!("for {}", cost(creates, budget)),
        }
    }
}

/// Whether a retry sends a new create; else the parser is polled, or a create in
/// doubt is settled, before anything is sent.
fn is_created_anew(row: &JobRow) -> bool {
    !is_polled(row) && !is_parked_for(row, &[ParkReason::Ambiguous])
}

/// Whether a job's parser may still finish.
fn is_polled(row: &JobRow) -> bool {
    let kind = row.error_kind.as_deref();
    let kind: Option<ErrorKind> = kind.and_then(|kind| kind.parse().ok());
    !row.is_edited && row.parser_id.is_some() && kind.is_some_and(ErrorKind::parser_may_finish)
}

/// Whether a job is PARKED for one of these reasons.
pub(crate) fn is_parked_for(row: &JobRow, reasons: &[ParkReason]) -> bool {
    let named = |reason: &ParkReason| row.park_reason.as_deref() == Some(reason.as_str());
    row.state == JobState::Parked.as_str() && reasons.iter().any(named)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUDGET: Budget = Budget {
        credits_per_create: 30_000,
        max_credits_per_day: None,
        max_credits: None,
        spent: 0,
        spent_today: 0,
        spent_later: 0,
        day: 0,
    };

    fn row(state: &str, reason: Option<&str>, kind: Option<&str>, parser: bool) -> JobRow {
        JobRow {
            id: 1,
            name: "a".to_owned(),
            action: "create".to_owned(),
            change: None,
            state: state.to_owned(),
            park_reason: reason.map(str::to_owned),
            parser_id: parser.then(|| "p".to_owned()),
            parser_version: None,
            creates: 1,
            error_kind: kind.map(str::to_owned),
            error_status: None,
            error_message: None,
            error_hint: None,
            priority: 0,
            created_at: 0,
            updated_at: 0,
            finished_at: None,
            due_at: 0,
            preflight: None,
            effective_params: None,
            labels: None,
            is_edited: false,
            is_adoption: false,
        }
    }

    #[test]
    fn a_price_is_what_the_jobs_may_cost_at_the_most() {
        let price = |anew, had_parser, looked_for, polled| Price {
            anew,
            had_parser,
            looked_for,
            polled,
            ..Price::default()
        };
        let failed = |kind, parser| row("FAILED", None, Some(kind), parser);
        let parked = |reason| row("PARKED", Some(reason), None, false);
        let change = |action: &str, change: serde_json::Value| JobRow {
            action: action.to_owned(),
            change: Some(change).filter(|change| !change.is_null()),
            ..row("FAILED", None, Some("bad_request"), true)
        };
        for (row, expected) in [
            (failed("bad_request", false), price(1, 0, 0, 0)),
            (failed("generation_failed", true), price(1, 1, 0, 0)),
            (failed("not_found", true), price(1, 1, 0, 0)),
            (failed("generation_timeout", true), price(0, 0, 0, 1)),
            (failed("generation_timeout", false), price(1, 0, 0, 0)),
            (failed("unexpected_response", true), price(0, 0, 0, 1)),
            (failed("poor_result", true), price(0, 0, 0, 1)),
            (
                JobRow {
                    is_edited: true,
                    ..failed("poor_result", true)
                },
                price(1, 1, 0, 0),
            ),
            (parked("credits"), price(1, 0, 0, 0)),
            (parked("budget"), price(1, 0, 0, 0)),
            (parked("ambiguous"), price(0, 0, 1, 0)),
            (
                JobRow {
                    is_adoption: true,
                    creates: 0,
                    ..failed("not_found", true)
                },
                Price {
                    free: 1,
                    ..Price::default()
                },
            ),
            (
                change("delete", serde_json::Value::Null),
                Price {
                    free: 1,
                    ..Price::default()
                },
            ),
            (
                change("update", serde_json::json!({"remove_fields": ["a"]})),
                Price {
                    free: 1,
                    ..Price::default()
                },
            ),
            (
                change(
                    "update",
                    serde_json::json!({"remove_fields": ["a"],
                        "add_fields": [{"name": "b", "description": "b"}]}),
                ),
                Price {
                    changed: 1,
                    ..Price::default()
                },
            ),
        ] {
            assert_eq!(Price::of([&row]), expected, "{row:?}");
        }
    }

    #[test]
    fn each_kind_of_job_has_its_line_and_all_have_one_price() {
        let price = Price {
            anew: 3,
            had_parser: 1,
            foreseen: 2,
            looked_for: 2,
            polled: 1,
            changed: 1,
            free: 2,
            climbs: 0,
        };
        let lines = price.lines(&BUDGET);
        for (line, start) in lines.iter().zip([
            "3 jobs will be created again: up to 3 x 30,000 = 90,000 credits",
            "1 of them had a parser: it is looked up first, free",
            "the pages of 2 of them are fetched anew first",
            "2 jobs may have a parser: that is looked for first, free",
            "1 job may have a parser that still finishes: it is polled",
            "1 job may add or modify fields of a parser: up to 1 x 30,000 = 30,000 credits",
            "2 jobs may change, delete or adopt a parser, free of charge",
        ]) {
            assert!(line.starts_with(start), "{line}");
        }
        assert_eq!(lines.len(), 7);
        assert_eq!(price.on_button(&BUDGET), "up to 180,000 credits");
        assert_eq!(Price::default().on_button(&BUDGET), "free");
        assert_eq!(
            price.in_all(&BUDGET),
            "for up to 6 x 30,000 = 180,000 credits"
        );
        // As `plan` counts: each create, and each that follows it.
        let ladder = Ladder {
            max_creates_per_job: 3,
            max_credits_per_day: None,
            credits_per_create: 30_000,
        };
        let climbing = price.with_ladder(Some(ladder));
        assert_eq!(climbing.creates(), price.creates());
        assert_eq!(
            climbing.lines(&BUDGET).last().unwrap(),
            "the ladder may create again what FAILS: up to 12 x 30,000 = 360,000 credits more"
        );
        assert_eq!(climbing.on_button(&BUDGET), "up to 540,000 credits");
        assert_eq!(climbing.credits(&BUDGET), 540_000);
        assert_eq!(price.with_ladder(None), price);
        assert_eq!(Price::default().with_ladder(Some(ladder)), Price::default());
        assert_eq!(Price::default().lines(&BUDGET), [""; 0]);
        assert_eq!(Price::default().in_all(&BUDGET), "for nothing");
    }

    #[test]
    fn one_job_is_spoken_of_as_many_are() {
        for (row, words) in [
            (
                row("FAILED", None, Some("generation_failed"), true),
                "it will be created again: up to 1 x 30,000 = 30,000 credits; it had a parser: that \
                 is looked up first, free, and used if it is ready after all",
            ),
            (
                row("FAILED", None, Some("preflight_failed"), false),
                "it will be created again: up to 1 x 30,000 = 30,000 credits; its pages are fetched \
                 anew first, unless preflight.mode is off now: nothing else is sent where these \
                 speak against it",
            ),
            (
                row("FAILED", None, Some("generation_timeout"), true),
                "it may have a parser that still finishes: it is polled, and nothing is paid",
            ),
        ] {
            assert_eq!(Price::of_one(&row, &BUDGET), words);
            let of_many = Price::of([&row]).lines(&BUDGET).join("; ");
            assert_eq!(of_many.replacen("1 job", "it", 1), words);
        }
    }
}
