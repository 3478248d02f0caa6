//! PURE: how many requests may be under way at once, learned from the service's 429s.
//!
//! Halved where the service throttles, it comes back fast to one below where that was and
//! then tries one more only now and then, so that a service with a limit is kept at it.

/// How many times as many answers as requests may be under way pass before one more is
/// tried where the service throttled before.
const PATIENCE: u64 = 100;

/// Requests under way at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Concurrency {
    /// The configured bound.
    max: u64,
    /// As many may be under way now.
    limit: u64,
    /// As many went well before the last throttling.
    ceiling: u64,
    /// Answers since `limit` was last changed.
    answers: u64,
}

impl Concurrency {
    /// At the configured bound, as long as nobody throttles.
    pub fn new(max: usize) -> Self {
        let max = u64::try_from(max).unwrap_or(u64::MAX).max(1);
        Self {
            max,
            limit: max,
            ceiling: max,
            answers: 0,
        }
    }

    /// How many requests may be under way.
    pub fn limit(&self) -> usize {
        usize::try_from(self.limit).unwrap_or(usize::MAX)
    }

    /// After a 429 that closed the gate, or kept it closed: once for all that were sent
    /// together.
    #[must_use]
    pub fn throttled(self) -> Self {
        Self {
            limit: (self.limit / 2).max(1),
            ceiling: (self.limit - 1).max(1),
            answers: 0,
            ..self
        }
    }

    /// After any other answer.
    #[must_use]
    pub fn answered(self) -> Self {
        if self.limit >= self.max {
            return self;
        }
        let answers = self.answers + 1;
        let patience = if self.limit < self.ceiling {
            self.limit
        } else {
            self.limit * PATIENCE
        };
        if answers < patience {
            return Self { answers, ..self };
        }
        let limit = self.limit + 1;
        Self {
            limit,
            ceiling: self.ceiling.max(limit),
            answers: 0,
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(mut concurrency: Concurrency, answers: u64) -> Concurrency {
        for _ in 0..answers {
            concurrency = concurrency.answered();
        }
        concurrency
    }

    #[test]
    fn nobody_throttles_and_the_bound_is_what_may_be_under_way() {
        assert_eq!(after(Concurrency::new(16), 1_000).limit(), 16);
        assert_eq!(Concurrency::new(0).limit(), 1);
    }

    #[test]
    fn throttling_halves_it_down_to_one() {
        let mut concurrency = Concurrency::new(16);
        for expected in [8, 4, 2, 1, 1] {
            concurrency = concurrency.throttled();
            assert_eq!(concurrency.limit(), expected);
        }
    }

    #[test]
    fn it_comes_back_fast_to_where_it_went_well_and_then_slowly() {
        let cut = after(Concurrency::new(16), 1).throttled().throttled();
        assert_eq!((cut.limit(), cut.ceiling), (4, 7));
        let back = after(cut, 4 + 5 + 6);
        assert_eq!(back.limit(), 7);
        assert_eq!(after(back, 699).limit(), 7);
        let more = after(back, 700);
        assert_eq!((more.limit(), more.ceiling), (8, 8));
    }

    #[test]
    fn a_service_that_takes_five_at_once_throttles_less_than_one_request_in_a_hundred() {
        let mut concurrency = Concurrency::new(16);
        let (mut requests, mut refusals) = (0, 0);
        while requests < 100_000 {
            let together = concurrency.limit() as u64;
            requests += together;
            if together > 5 {
                refusals += together - 5;
                concurrency = concurrency.throttled();
            } else {
                concurrency = after(concurrency, together);
            }
        }
        assert!(refusals * 100 < requests, "{refusals} of {requests}");
    }
}
