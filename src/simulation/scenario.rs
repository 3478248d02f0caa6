//! What a run is made of: jobs, settings, the account, what goes wrong.

mod faults;

use std::collections::VecDeque;

use self::faults::{
    ALTER, ALTER_RESTORED, CREATE, FAIL, FETCH, GATEWAY, IN_THE_WAY, LAG, LATE, PATCH, PLAIN, READ,
};
use super::chance::Chance;
use crate::{
    core::backoff::Schedule,
    core::budget::Budget,
    core::gate::GatePolicy,
    core::ladder::Ladder,
    core::lifecycle::{OnExisting, Policy},
    core::list_lag::LagSamples,
    core::preflight::Mode,
    core::quality::QualityGate,
    core::rules::Rules,
    engine::daemon::Limits,
    engine::foresight::Preflight,
    simulator::{FaultRule, Faults, WorldConfig},
};

const MINUTE_MS: i64 = 60_000;

/// Half an hour before midnight, UTC.
pub(super) const BEGAN_AT: i64 = 20_000 * 86_400_000 - 30 * MINUTE_MS;

/// The HTTP client's total timeout.
pub(super) const REQUEST_TIMEOUT_MS: i64 = 75_000;

/// No request arrives later than this after it was sent: well within the settling time,
/// which stands for just that.
pub(super) const LATEST_ARRIVAL_MS: i64 = 5 * MINUTE_MS;

/// How long a create whose answer was lost stays in doubt.
pub(super) const SETTLE_MS: i64 = 15 * MINUTE_MS;

/// What goes wrong more often than anything else in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Focus {
    /// The machine stands still while a create is late.
    Freeze,
    /// Another address is asked for a while.
    Elsewhere,
    /// An old copy is put in the place of the database.
    Restore,
    /// Parsers say that they FAILED, and people retry.
    Retry,
    /// Lists are partial while creates are in doubt.
    Partial,
    /// Gateways answer for creates that land late.
    Gateways,
    /// People resolve, and another tool makes parsers of the same names.
    Strangers,
    /// People change and delete parsers, and another tool changes them too.
    Change,
    /// Generations FAIL for want of parameters.
    Ladder,
    /// Pages are looked at before a create, and something is in their way.
    Preflight,
}

#[derive(Debug)]
pub(super) struct Scenario {
    pub focus: Option<Focus>,
    pub jobs: u32,
    pub max_requests: u32,
    /// More due parsers than this are looked for in lists.
    pub single_polls: u32,
    pub max_credits: Option<i64>,
    pub max_credits_per_day: Option<i64>,
    pub credits: Option<i64>,
    pub credits_per_create: i64,
    pub credits_per_parse: i64,
    pub on_existing: OnExisting,
    pub rules: Vec<&'static str>,
    /// Lists are partial from the beginning, as far as that can be told.
    pub is_partial: bool,
    /// Lists were seen to show new parsers at once, and do.
    pub is_quick: bool,
    /// The service alters names.
    pub alters_names: bool,
    pub probe_interval_ms: i64,
    pub retry_interval_ms: i64,
    pub chaos: u32,
    pub chaos_once_in: u32,
    /// Steps until nothing goes wrong any more.
    pub calm_after: u32,
    /// What follows from a bad result.
    pub quality_gate: QualityGate,
    /// How many held-out pages each job has.
    pub checks: u32,
    /// How far the ladder goes, if it is on.
    pub ladder: Option<Ladder>,
    /// Whether and how pages are looked at before a create.
    pub preflight: Preflight,
    /// Of what the texts of URLs tell that it is in the way of a page.
    pub pages: &'static [&'static str],
    /// Beside each daemon another waits, to take over when it ends.
    pub has_standby: bool,
}

impl Scenario {
    /// Draws one, about `only` where that is given.
    pub fn draw(chance: &mut Chance, only: Option<Focus>) -> Self {
        let mut rules = Vec::new();
        let focus = only.or(chance.of(&[
            None,
            None,
            Some(Focus::Freeze),
            Some(Focus::Freeze),
            Some(Focus::Elsewhere),
            Some(Focus::Restore),
            Some(Focus::Retry),
            Some(Focus::Strangers),
            Some(Focus::Gateways),
            Some(Focus::Partial),
            Some(Focus::Change),
            Some(Focus::Change),
            Some(Focus::Ladder),
            Some(Focus::Preflight),
        ]));
        if focus == Some(Focus::Retry) {
            rules.push(chance.of(&[
                "get say=FINISHED:FAILED nth=1",
                "get say=GENERATING:FAILED nth=1",
            ]));
        } else if focus == Some(Focus::Gateways) {
            rules.push(chance.of(GATEWAY));
        } else if focus == Some(Focus::Partial) {
            rules.push("create status=500 after p=0.5");
        } else if focus == Some(Focus::Strangers) {
            // Somebody says of a create that made nothing that it made another job's parser.
            rules.push(chance.of(&["create lose before nth=1", "create status=500 before nth=1"]));
        } else if focus == Some(Focus::Change) {
            for _ in 0..chance.of(&[1, 1, 2]) {
                rules.push(chance.of(PATCH));
            }
            if chance.once_in(4) {
                rules.push("get result=page-empty p=0.5");
            }
        } else if focus == Some(Focus::Preflight) {
            if chance.once_in(3) {
                rules.push(chance.of(CREATE));
            }
        } else if focus == Some(Focus::Ladder) {
            // Else it FAILs for its pages.
            if !chance.once_in(2) {
                rules.push(chance.of(FAIL));
            }
            if chance.once_in(3) {
                rules.push(chance.of(CREATE));
            }
        } else if focus == Some(Focus::Elsewhere) {
            rules.push(chance.of(&["create generation=40m", "create lose after p=0.5"]));
        } else if chance.once_in(3) {
            let alter = if focus == Some(Focus::Restore) {
                ALTER_RESTORED
            } else {
                ALTER
            };
            let kinds = [LATE, GATEWAY, alter, LAG];
            let kind = chance.of(&kinds);
            rules.push(chance.of(kind));
        } else {
            for _ in 0..chance.of(&[0, 1, 1, 2]) {
                rules.push(chance.of(CREATE));
            }
        }
        for _ in 0..chance.of(&[0, 0, 1, 2]) {
            rules.push(chance.of(READ));
        }
        let preflight = Self::draw_preflight(chance, focus);
        if preflight.mode != Mode::Off {
            for _ in 0..chance.of(&[0, 1, 1, 2]) {
                rules.push(chance.of(FETCH));
            }
        }
        // Until what is about the run has shown.
        let takes_long = matches!(
            focus,
            Some(
                Focus::Elsewhere
                    | Focus::Partial
                    | Focus::Change
                    | Focus::Ladder
                    | Focus::Preflight
            )
        );
        Self {
            focus,
            jobs: if focus == Some(Focus::Strangers) {
                3
            } else if focus == Some(Focus::Change) {
                1
            } else {
                chance.of(&[1, 2, 2, 3])
            },
            max_requests: if focus == Some(Focus::Strangers) {
                1
            } else {
                chance.of(&[1, 2, 3, 4])
            },
            single_polls: chance.of(&[1000, 1000, 0, 1]),
            max_credits: if focus == Some(Focus::Change) {
                chance.of(&[None, None, None, Some(60_002), Some(120_000)])
            } else if focus == Some(Focus::Ladder) {
                chance.of(&[None, None, None, None, Some(120_000)])
            } else {
                chance.of(&[None, None, None, Some(30_000), Some(60_002)])
            },
            max_credits_per_day: if focus == Some(Focus::Change) {
                chance.of(&[None, None, None, Some(60_000)])
            } else {
                chance.of(&[None, None, None, Some(30_000)])
            },
            credits: if focus == Some(Focus::Change) {
                chance.of(&[None, None, None, Some(60_000), Some(90_000)])
            } else if focus == Some(Focus::Ladder) {
                chance.of(&[None, None, None, Some(60_000), Some(120_000)])
            } else {
                chance.of(&[None, None, Some(0), Some(30_000), Some(60_000)])
            },
            credits_per_create: 30_000,
            credits_per_parse: 1,
            // Who wants another parser in spite of those that are there pays for it, also
            // where an old copy of the database has forgotten them.
            on_existing: if focus == Some(Focus::Restore) {
                OnExisting::Adopt
            } else {
                chance.of(&[OnExisting::Adopt, OnExisting::Adopt, OnExisting::Create])
            },
            is_partial: (focus == Some(Focus::Partial) || chance.once_in(5)) && tells_by_id(&rules),
            is_quick: (takes_long || chance.once_in(2))
                && !rules.iter().any(|rule| rule.contains("show-late")),
            alters_names: rules.iter().any(|rule| rule.contains("alter-name")),
            pages: if preflight.mode != Mode::Off || focus == Some(Focus::Ladder) {
                IN_THE_WAY
            } else {
                PLAIN
            },
            preflight,
            rules,
            probe_interval_ms: 15 * MINUTE_MS,
            retry_interval_ms: 2_000,
            chaos: if focus == Some(Focus::Change) {
                chance.of(&[6, 10, 14])
            } else if focus.is_some() {
                chance.of(&[4, 6, 8])
            } else {
                chance.of(&[0, 1, 2, 4, 6, 8])
            },
            chaos_once_in: chance.of(&[32, 12, 24, 48]),
            calm_after: if takes_long {
                500
            } else {
                chance.of(&[60, 120, 200, 300])
            },
            quality_gate: chance.of(&[QualityGate::Report, QualityGate::Report, QualityGate::Fail]),
            checks: chance.of(&[0, 0, 0, 1, 2]),
            has_standby: chance.once_in(2),
            ladder: (focus == Some(Focus::Ladder)
                || focus != Some(Focus::Change) && chance.once_in(4))
            .then(|| Ladder {
                max_creates_per_job: chance.of(&[2, 2, 3]),
                max_credits_per_day: chance.of(&[None, Some(30_000), Some(60_000)]),
                credits_per_create: 30_000,
            }),
        }
    }

    fn draw_preflight(chance: &mut Chance, focus: Option<Focus>) -> Preflight {
        let is_on = match focus {
            Some(Focus::Preflight) => true,
            Some(Focus::Change) => false,
            _ => chance.once_in(6),
        };
        if !is_on {
            return Preflight::OFF;
        }
        Preflight {
            mode: chance.of(&[Mode::Check, Mode::Repair]),
            max_credits_per_job: chance.of(&[150, 150, 60, 12, 2]),
            max_age_ms: chance.of(&[24 * 60 * MINUTE_MS, 60 * MINUTE_MS, 10 * MINUTE_MS]),
            rules: Rules::KEPT,
        }
    }

    /// Whether lists may be partial: see [`tells_by_id`].
    pub fn tells_by_id(&self) -> bool {
        tells_by_id(&self.rules)
    }

    pub fn faults(&self, seed: u64) -> Faults {
        let rules = self.rules.iter().map(|rule| {
            rule.parse::<FaultRule>()
                .unwrap_or_else(|error| panic!("{rule}: {error}"))
        });
        Faults::new(seed, rules)
    }

    pub fn world(&self, seed: u64) -> WorldConfig {
        WorldConfig {
            seed,
            credits: self.credits,
            first_free: false,
            generation_scale: 0.5,
            ..WorldConfig::default()
        }
    }

    /// What answers at another address: an account without credits and without parsers.
    pub fn world_elsewhere(&self, seed: u64) -> WorldConfig {
        WorldConfig {
            credits: Some(0),
            ..self.world(seed ^ 1)
        }
    }

    pub fn policy(&self, rules: Rules) -> Policy {
        Policy {
            on_existing: self.on_existing,
            poll: Schedule {
                initial_interval_ms: 30_000,
                multiplier: 2.0,
                max_interval_ms: 4 * MINUTE_MS,
            },
            first_look_ms: None,
            poll_timeout_ms: 30 * MINUTE_MS,
            retry: Schedule {
                initial_interval_ms: self.retry_interval_ms,
                multiplier: 2.0,
                max_interval_ms: 5 * MINUTE_MS,
            },
            max_attempts: 5,
            settle_ms: SETTLE_MS,
            settle_after_error_ms: 30_000,
            quality_gate: self.quality_gate,
            min_fill: 0.5,
            ladder: self.ladder,
            rules,
        }
    }

    /// What was measured of the lists before.
    pub fn list_lag(&self) -> LagSamples {
        LagSamples {
            shown_within_ms: if self.is_quick {
                [0; 3].into()
            } else {
                VecDeque::new()
            },
            ..LagSamples::default()
        }
    }

    pub const fn gate_policy(&self, rules: Rules) -> GatePolicy {
        GatePolicy {
            probe_interval_ms: self.probe_interval_ms,
            max_probe_interval_ms: 6 * 60 * MINUTE_MS,
            hold_interval_ms: self.retry_interval_ms,
            max_hold_interval_ms: 5 * MINUTE_MS,
            rules,
        }
    }

    pub fn budget(&self, is_bounded: bool) -> Budget {
        let bound = |bound: Option<i64>| bound.filter(|_| is_bounded);
        Budget {
            credits_per_create: self.credits_per_create,
            max_credits_per_day: bound(self.max_credits_per_day),
            max_credits: bound(self.max_credits),
            spent: 0,
            spent_today: 0,
            spent_later: 0,
            day: 0,
        }
    }

    pub fn limits(&self) -> Limits {
        Limits {
            max_generating: 1000,
            single_polls: self.single_polls as usize,
        }
    }
}

/// Whether the service tells the truth of a single parser. One that leaves it out of its
/// lists and denies it by its id as well has deleted it, for all that anyone can tell.
fn tells_by_id(rules: &[&str]) -> bool {
    !rules.iter().any(|rule| rule.starts_with("get status=404"))
}
