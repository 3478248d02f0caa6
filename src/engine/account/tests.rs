use super::*;
use crate::{
    core::{budget::utc_day, rules::Rules},
    store::{Gates as _, Role, Store},
};

const DAY_MS: i64 = 86_400_000;

const POLICY: GatePolicy = GatePolicy {
    rules: Rules::KEPT,
    probe_interval_ms: 1,
    max_probe_interval_ms: 1,
    hold_interval_ms: 1,
    max_hold_interval_ms: 1,
};

const BUDGET: Budget = Budget {
    credits_per_create: 30_000,
    max_credits_per_day: Some(1),
    max_credits: None,
    spent: 0,
    spent_today: 0,
    spent_later: 0,
    day: 0,
};

#[tokio::test]
async fn a_canary_comes_back_also_where_others_were_told_to_slow_down_meanwhile() {
    use crate::core::outcome::Refusal;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("p.db");
    let store = Store::open(&path, Role::Daemon).await.unwrap();
    let account = Account::load(&store, POLICY, BUDGET, 1, 0).await.unwrap();
    let (mut first, mut straggler) = (
        account.admit(Scope::Create, 0).unwrap(),
        account.admit(Scope::Create, 0).unwrap(),
    );
    account.report(&mut first, &Signal::NotConnected, 0);
    let canary = account.admit(Scope::Create, 10).unwrap();
    assert!(canary.is_canary());
    let retry_after_ms = Some(30_000);
    let slow_down = Signal::Refused(Refusal::Throttled { retry_after_ms });
    account.report(&mut straggler, &slow_down, 20);
    drop(canary);
    assert!(account.admit(Scope::Create, 29_000).is_none());
    assert!(account.admit(Scope::Create, 31_000).unwrap().is_canary());
}

#[tokio::test]
async fn an_operator_who_opens_a_gate_is_not_overruled_by_a_canary_that_was_out() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("p.db");
    let store = Store::open(&path, Role::Daemon).await.unwrap();
    let account = Account::load(&store, POLICY, BUDGET, 1, 0).await.unwrap();
    let refused = Signal::Refused(crate::core::outcome::Refusal::Credits);
    let mut first = account.admit(Scope::Create, 0).unwrap();
    account.report(&mut first, &refused, 0);
    account.save(&store).await.unwrap();
    let mut canary = account.admit(Scope::Create, 10).unwrap();
    assert!(canary.is_canary());
    let operator = Store::open(&path, Role::Tool).await.unwrap();
    operator.set_gate(Scope::Create, None).await.unwrap();
    account.report(&mut canary, &refused, 20);
    account.save(&store).await.unwrap();
    assert_eq!(account.gate(Scope::Create), Gate::Open);
    assert!(store.gates().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_hold_that_the_next_day_does_not_end_lasts_into_the_day_after() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("p.db");
    let store = Store::open(&path, Role::Daemon).await.unwrap();
    let account = Account::load(&store, POLICY, BUDGET, 1, 5).await.unwrap();
    assert_eq!(account.budget_hold(5), None);
    account.reserve(5).unwrap_err();
    for now in [5, DAY_MS, 3 * DAY_MS + 7] {
        // Were it in the past, the daemon would look for room without a pause.
        let until = (utc_day(now) + 1) * DAY_MS;
        assert_eq!(account.budget_hold(now), Some(until));
        assert!(!account.end_budget_hold(now));
    }
}

#[tokio::test]
async fn what_may_still_be_given_back_is_not_announced_and_counts_for_refusals() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("p.db");
    let store = Store::open(&path, Role::Daemon).await.unwrap();
    let budget = Budget {
        max_credits_per_day: Some(60_000),
        max_credits: None,
        ..BUDGET
    };
    let account = Account::load(&store, POLICY, budget, 1, 5).await.unwrap();
    let announced = |now| account.budget_announcement(AnnouncedShares::default(), now);
    let (refused, kept) = (account.reserve(5).unwrap(), account.reserve(5).unwrap());
    account.reserve(5).unwrap_err();
    assert_eq!(announced(5), None);
    account.refund(30_000, 5);
    drop(refused);
    assert_eq!(announced(5), None);
    let yesterdays = account.reserve(6).unwrap();
    drop(kept);
    assert_eq!(announced(6), None, "half of it");
    // An answer that comes when the day is over says nothing of the new one.
    let todays = account.reserve(DAY_MS).unwrap();
    drop(yesterdays);
    assert_eq!(announced(DAY_MS), None);
    let second = account.reserve(DAY_MS).unwrap();
    drop((todays, second));
    let (event, _) = announced(DAY_MS).unwrap();
    assert!(matches!(
        event,
        GeneralEvent::Budget80 { spent: 60_000, .. }
    ));
}

#[tokio::test]
async fn what_a_fetch_cost_takes_the_place_of_what_was_set_aside() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("p.db");
    let store = Store::open(&path, Role::Daemon).await.unwrap();
    let budget = Budget {
        max_credits_per_day: Some(30),
        max_credits: Some(40),
        ..BUDGET
    };
    let account = Account::load(&store, POLICY, budget, 1, 0).await.unwrap();
    assert!(account.reserve_small(25, 0));
    assert!(!account.reserve_small(6, 0));
    account.correct(25, 10, 0);
    assert!(account.reserve_small(20, 0));
    assert!(!account.reserve_small(1, 0));
    account.correct(20, 25, 0);
    // What was spent today is 35 of 30, and in all 35 of 40.
    assert!(!account.reserve_small(0, 0));
    assert!(!account.reserve_small(6, DAY_MS));
    assert!(account.reserve_small(5, DAY_MS));
    assert_eq!(account.budget_hold(0), None);
}
