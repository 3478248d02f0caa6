//! Wake-ups that were lost once, each as what happened and what must follow.

use super::*;

const NONE_DUE: DuePolls = DuePolls {
    are_many: false,
    may_be_more: false,
    next_due: None,
};

const LISTS: DuePolls = DuePolls {
    are_many: true,
    ..NONE_DUE
};

#[derive(Debug)]
struct Row {
    what: &'static str,
    happens: fn(&mut View),
    then: Step,
}

const fn wait(until: Option<UnixMs>) -> Step {
    Step::Wait { until }
}

const ROWS: &[Row] = &[
    Row {
        what: "nothing happens",
        happens: |_| {},
        then: wait(None),
    },
    Row {
        what: "seeds 38799, 52035, 65143: a parked job was set free while its worker ended",
        happens: |view| {
            view.agenda.task_ended(false);
            view.agenda.job_ended(true);
        },
        then: Step::Claim(Claim::Creates),
    },
    Row {
        what: "a job was changed while its worker ended: a look passed over it, being leased",
        happens: |view| {
            view.agenda.task_ended(true);
            view.agenda.job_ended(false);
            view.agenda.creates_claimed(NEVER);
            view.agenda.no_doubts(None);
        },
        then: Step::Claim(Claim::Polls),
    },
    Row {
        what: "seeds 891555, 989991: polls are for lists again, soon after the last list",
        happens: |view| {
            view.agenda.survey_ended();
            view.agenda.surveyed(150);
            view.agenda.take_probe();
            view.agenda.polls_claimed(LISTS, 100);
        },
        then: wait(Some(150)),
    },
    Row {
        what: "the same, and the time of the next list came",
        happens: |view| {
            view.agenda.surveyed(150);
            view.agenda.take_probe();
            view.agenda.polls_claimed(LISTS, 100);
            view.now = 150;
        },
        then: Step::Claim(Claim::Polls),
    },
    Row {
        what: "seed 79436: an account was known again, and its creates in doubt were taken up",
        happens: |view| {
            view.agenda.task_ended(true);
            view.agenda.creates_claimed(NEVER);
            view.agenda.polls_claimed(NONE_DUE, 100);
        },
        then: Step::Claim(Claim::Doubts),
    },
    Row {
        what: "a commit was reported lost and took effect, or somebody else committed",
        happens: |view| view.agenda.look_at_all(),
        then: Step::Claim(Claim::Doubts),
    },
    Row {
        what: "a parked job was set free, its budget having room",
        happens: |view| view.agenda.create_due(100),
        then: Step::Claim(Claim::Creates),
    },
    Row {
        what: "as many parsers were generated as may be, and one task ends",
        happens: |view| {
            view.agenda.create_due(90);
            view.agenda.no_capacity();
            view.agenda.task_ended(false);
        },
        then: Step::Claim(Claim::Creates),
    },
    Row {
        what: "the gate closed just before a list for polls was asked for",
        happens: |view| {
            view.agenda.polls_claimed(LISTS, 100);
            view.agenda.survey_refused();
            view.read_gate = Admission::NoneUntil(Some(130));
        },
        then: wait(Some(130)),
    },
    Row {
        what: "the list that answers for polls failed with its task",
        happens: |view| {
            view.agenda.polls_claimed(LISTS, 100);
            view.agenda.survey_started();
            view.agenda.survey_ended();
        },
        then: Step::Claim(Claim::Polls),
    },
    Row {
        what: "more creates are in doubt than one list could take",
        happens: |view| view.agenda.doubts_ended(120),
        then: wait(Some(120)),
    },
    Row {
        what: "what was sent before is asked for while the gate is closed: it is not forgotten",
        happens: |view| {
            view.list_wish = ListWish::Lasting;
            view.read_gate = Admission::NoneUntil(Some(140));
        },
        then: wait(Some(140)),
    },
    Row {
        what: "each job is set aside till all were looked for, while the next list waits",
        happens: |view| {
            view.is_sweeping = true;
            view.lists_at = 160;
        },
        then: wait(Some(160)),
    },
    Row {
        what: "a probe comes, and only parked jobs are there for it",
        happens: |view| view.create_gate = Admission::NoneUntil(Some(170)),
        then: wait(Some(170)),
    },
    Row {
        what: "the canary that was set free ended, and a probe is due again",
        happens: |view| {
            view.agenda.canary_freed(true);
            view.agenda.creates_claimed(NEVER);
            view.agenda.task_ended(false);
            view.agenda.job_ended(false);
            view.create_gate = Admission::Canary;
        },
        then: Step::FreeCanary,
    },
    Row {
        what: "the budget is used up: who costs nothing goes on all the same",
        happens: |view| {
            view.budget_hold = Some(NEVER);
            view.agenda.create_due(100);
        },
        then: Step::Claim(Claim::Creates),
    },
    Row {
        what: "all are parked for want of budget, and the day turns",
        happens: |view| view.budget_hold = Some(180),
        then: wait(Some(180)),
    },
    Row {
        what: "credits are gone, and a job came: it may cost nothing",
        happens: |view| {
            view.create_gate = Admission::NoneUntil(Some(170));
            view.lets_free = true;
            view.agenda.create_due(100);
        },
        then: Step::Claim(Claim::Creates),
    },
    Row {
        what: "the same while the canary is out, and the job is claimed",
        happens: |view| {
            view.create_gate = Admission::NoneUntil(None);
            view.lets_free = true;
            view.claimed.creates = 1;
        },
        then: Step::Start(Start::Create),
    },
    Row {
        what: "a probe comes, and there is no budget for it",
        happens: |view| {
            view.create_gate = Admission::Canary;
            view.lets_free = true;
            view.budget_hold = Some(180);
        },
        then: wait(Some(180)),
    },
    Row {
        what: "credits are back, and more are parked than were set free at once",
        happens: |view| {
            view.agenda.held_freed(true, true);
            view.agenda.creates_claimed(NEVER);
        },
        then: Step::FreeHeld,
    },
    Row {
        what: "no parked job is there for the probe",
        happens: |view| {
            view.agenda.canary_freed(false);
            view.create_gate = Admission::Canary;
        },
        then: wait(None),
    },
];

#[test]
fn wake_ups_that_were_lost_once_are_not() {
    for row in ROWS {
        let mut view = idle(100);
        (row.happens)(&mut view);
        assert_eq!(next(&view), row.then, "{}", row.what);
    }
}

/// The parser that was asked for by itself showed that lists lie.
#[test]
fn lists_that_lie_leave_each_poll_to_itself_at_once() {
    let mut view = idle(100);
    view.agenda.surveyed(1_000);
    view.agenda.take_probe();
    view.agenda.polls_claimed(LISTS, 100);
    view.agenda.surveys_lie(500);
    assert_eq!(next(&view), Step::Claim(Claim::Polls));
    assert!(!view.agenda.may_survey(499));
    assert!(view.agenda.may_survey(500));
}
