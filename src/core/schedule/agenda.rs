//! PURE: when to look for what, and how that changes with what happens.

use super::NEVER;
use crate::core::job::UnixMs;

/// What the daemon knows of when something is due. It is kept from step to step; whatever
/// could make a job due is told to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Agenda {
    /// When to look for QUEUED jobs.
    pub(super) creates_at: UnixMs,
    /// When to look for GENERATING jobs.
    pub(super) polls_at: UnixMs,
    /// When to look for creates in doubt.
    pub(super) doubts_at: UnixMs,
    /// When the next list for them may be asked for.
    pub(super) doubts_list_at: UnixMs,
    /// As many parsers are being generated as may be; a task's end makes room.
    pub(super) at_capacity: bool,
    /// A probe was due and no parked job is there any more to be the canary.
    pub(super) no_probe_candidate: bool,
    /// More jobs may be PARKED for reasons that hold no longer than were set free at once.
    pub(super) has_held: bool,
    /// A create had the last turn.
    pub(super) is_turn_of_polls: bool,
    /// The lists that answer for many polls.
    pub(super) survey: SurveyTimes,
}

/// Lists that answer for many polls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct SurveyTimes {
    /// Whether lists answer for what is due.
    pub(super) is_on: bool,
    /// One is to be asked for now.
    pub(super) is_due: bool,
    pub(super) is_under_way: bool,
    /// When the next one is asked for.
    pub(super) next_at: UnixMs,
    /// Before this, parsers are asked for one by one: the last list was of no use.
    pub(super) useless_until: UnixMs,
    /// A job that the last one showed as being generated is to be asked for by itself.
    pub(super) wants_probe: bool,
}

/// What a look for polls found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DuePolls {
    /// So many are due that lists are to answer for them.
    pub are_many: bool,
    /// There may be more than were claimed.
    pub may_be_more: bool,
    /// When the next one is due, where that was asked.
    pub next_due: Option<UnixMs>,
}

impl Agenda {
    /// Anything may be due: somebody committed, or it is not known what was stored.
    pub const fn look_at_all(&mut self) {
        self.at_capacity = false;
        self.no_probe_candidate = false;
        self.creates_at = 0;
        self.polls_at = 0;
        self.doubts_at = 0;
    }

    /// A job is QUEUED and due then.
    pub fn create_due(&mut self, at: UnixMs) {
        self.creates_at = self.creates_at.min(at);
    }

    /// A job is GENERATING and due then.
    pub fn poll_due(&mut self, at: UnixMs) {
        self.polls_at = self.polls_at.min(at);
    }

    /// A create in doubt is due then.
    pub fn doubt_due(&mut self, at: UnixMs) {
        self.doubts_at = self.doubts_at.min(at);
    }

    /// A task ended. Is it `overtaken`, a look may have passed over its jobs, which were
    /// leased, or it made others due.
    pub const fn task_ended(&mut self, overtaken: bool) {
        self.at_capacity = false;
        if overtaken {
            self.look_at_all();
        }
    }

    /// A task ended with a job that is now where it is. PARKED, it may have been set free
    /// already, and a look passed over it, since it was leased.
    pub const fn job_ended(&mut self, is_parked: bool) {
        self.no_probe_candidate = false;
        if is_parked {
            self.creates_at = 0;
        }
    }

    /// The list for creates in doubt ended; the next one is not before `list_at`. There may
    /// be more of them than one could take.
    pub const fn doubts_ended(&mut self, list_at: UnixMs) {
        self.doubts_list_at = list_at;
        self.doubts_at = 0;
    }

    /// None is in doubt before then.
    pub fn no_doubts(&mut self, next_due: Option<UnixMs>) {
        self.doubts_at = next_due.unwrap_or(NEVER);
    }

    /// As many parsers are being generated as may be.
    pub const fn no_capacity(&mut self) {
        self.at_capacity = true;
    }

    /// QUEUED jobs were claimed: more are due then.
    pub const fn creates_claimed(&mut self, next_at: UnixMs) {
        self.creates_at = next_at;
    }

    /// One parked job was set free to be the canary, or there is none. No other one is before
    /// a task ends.
    pub const fn canary_freed(&mut self, is_one: bool) {
        self.no_probe_candidate = true;
        if is_one {
            self.creates_at = 0;
        }
    }

    /// PARKED jobs were set free whose reasons hold no longer: maybe not all of them. The next
    /// ones are when none of these is due any more.
    pub const fn held_freed(&mut self, is_any: bool, may_be_more: bool) {
        self.has_held = may_be_more;
        if is_any {
            self.creates_at = 0;
        }
    }

    /// Whether more may be set free.
    pub const fn has_held(&self) -> bool {
        self.has_held
    }

    /// A create started: a poll comes first next.
    pub const fn create_started(&mut self) {
        self.is_turn_of_polls = true;
    }

    /// A poll started: a create comes first next.
    pub const fn poll_started(&mut self) {
        self.is_turn_of_polls = false;
    }

    /// The clock was set: times of lists are those of before.
    pub fn clock_set(&mut self) {
        self.doubts_list_at = 0;
        self.survey = SurveyTimes::default();
    }

    /// When to look for polls: lists answer for them at their own pace.
    pub(super) fn polls_look_at(&self) -> UnixMs {
        if self.survey.is_on {
            self.polls_at.max(self.survey.next_at)
        } else {
            self.polls_at
        }
    }

    /// Whether lists may answer for polls, as far as the last ones were of use.
    pub const fn may_survey(&self, now: UnixMs) -> bool {
        now >= self.survey.useless_until
    }

    /// GENERATING jobs were claimed.
    pub fn polls_claimed(&mut self, due: DuePolls, now: UnixMs) {
        let survey = &mut self.survey;
        survey.is_on = due.are_many;
        let is_away = now < survey.next_at;
        survey.is_due = survey.is_on && !survey.is_under_way && !is_away;
        self.polls_at = if due.may_be_more {
            now
        } else if survey.is_on && is_away {
            // Lists answer again, soon after the last one.
            survey.next_at
        } else if survey.is_on {
            // The end of the list sets it.
            NEVER
        } else {
            due.next_due.unwrap_or(NEVER)
        };
    }

    /// Whether the job that lists are held against is still looked for; asked once.
    pub const fn take_probe(&mut self) -> bool {
        self.survey.wants_probe = false;
        self.survey.is_on
    }

    /// A list is under way, which counts as a poll.
    pub const fn survey_started(&mut self) {
        self.survey.is_due = false;
        self.survey.is_under_way = true;
        self.poll_started();
    }

    /// The gate closed just before it: it is looked anew whether one is needed.
    pub const fn survey_refused(&mut self) {
        self.survey.is_due = false;
        self.polls_at = 0;
    }

    /// The task that asked for a list ended, however it did.
    pub const fn survey_ended(&mut self) {
        self.survey.is_under_way = false;
        self.polls_at = 0;
    }

    /// A list answered; the next one is asked for at `next_at`.
    pub const fn surveyed(&mut self, next_at: UnixMs) {
        self.survey.next_at = next_at;
        self.survey.wants_probe = true;
    }

    /// There was no list.
    pub const fn survey_failed(&mut self) {
        self.survey.is_on = false;
        self.survey.is_due = false;
    }

    /// Lists are of no use before then.
    pub const fn surveys_useless(&mut self, until: UnixMs) {
        self.survey.useless_until = until;
    }

    /// Lists say what is not so: each parser is asked for by itself.
    pub const fn surveys_lie(&mut self, until: UnixMs) {
        self.survey_failed();
        self.surveys_useless(until);
        self.polls_at = 0;
    }
}
