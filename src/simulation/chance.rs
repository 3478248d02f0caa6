//! All chance of a run, as a list of draws: it can be played again, and shortened.

/// Where the draws come from. Zero is always the benign one, so that a list that ends
/// early, or has zeros put in, makes for a run in which less happens.
#[derive(Debug)]
pub(super) struct Chance {
    rng: fastrand::Rng,
    replayed: Option<Vec<u32>>,
    drawn: Vec<u32>,
}

impl Chance {
    pub fn seeded(seed: u64) -> Self {
        Self {
            rng: fastrand::Rng::with_seed(seed),
            replayed: None,
            drawn: Vec::with_capacity(256),
        }
    }

    pub fn replaying(draws: &[u32]) -> Self {
        Self {
            rng: fastrand::Rng::with_seed(0),
            replayed: Some(draws.to_vec()),
            drawn: Vec::with_capacity(draws.len()),
        }
    }

    /// A number below `n`, which is not 0.
    pub fn below(&mut self, n: u32) -> u32 {
        let value = match &self.replayed {
            Some(draws) => draws.get(self.drawn.len()).copied().unwrap_or(0) % n,
            None => self.rng.u32(0..n),
        };
        self.drawn.push(value);
        value
    }

    /// True once in `n` times.
    pub fn once_in(&mut self, n: u32) -> bool {
        self.below(n) == n - 1
    }

    /// One of these; the first is the benign one.
    pub fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(u32::try_from(choices.len()).unwrap_or(u32::MAX)) as usize]
    }

    pub fn index(&mut self, length: usize) -> usize {
        self.below(u32::try_from(length).unwrap_or(u32::MAX)) as usize
    }

    pub fn drawn(&self) -> &[u32] {
        &self.drawn
    }
}

/// Shortens a list of draws while `fails` says that the run still fails: drops its end,
/// then makes zeros of ever smaller pieces. At most `tries` runs.
pub(super) fn shortened(
    draws: &[u32],
    mut tries: usize,
    mut fails: impl FnMut(&[u32]) -> bool,
) -> Vec<u32> {
    let mut best = draws.to_vec();
    let mut piece = best.len().max(1);
    while piece > 0 && tries > 0 {
        let mut start = 0;
        while start < best.len() && tries > 0 {
            let end = (start + piece).min(best.len());
            if best[start..end].iter().any(|draw| *draw != 0) {
                let mut shorter = best.clone();
                if end == best.len() {
                    shorter.truncate(start);
                } else {
                    shorter[start..end].fill(0);
                }
                tries -= 1;
                if fails(&shorter) {
                    best = shorter;
                }
            }
            start = end;
        }
        piece /= 2;
    }
    while best.last() == Some(&0) {
        best.pop();
    }
    best
}

#[test]
fn what_does_not_matter_is_left_out() {
    let draws: Vec<u32> = (1..=64).collect();
    let short = shortened(&draws, 1000, |draws| {
        draws.contains(&7) && draws.contains(&40)
    });
    assert_eq!(short.iter().filter(|draw| **draw != 0).count(), 2);
    assert_eq!((short.len(), short[6]), (40, 7));
}
