//! PURE: what identifies a message.

use data_encoding::BASE32_NOPAD;
use sha2::{Digest as _, Sha256};

use crate::core::job::UnixMs;

/// Bytes of the digest that stand in an id: enough for no two messages to share one.
const DIGEST_BYTES: usize = 10;

/// The value of `webhook-id` for these events, each with its id, its time and its name: the same
/// where the same events are sent again. With the ids of the first and the last one alone, two
/// databases, or one that was restored, would send different messages under one id, and a receiver
/// that looks for repeats would drop some.
pub fn id<'a>(events: impl IntoIterator<Item = (i64, UnixMs, &'a str)>) -> String {
    let mut digest = Sha256::new();
    let (mut first, mut last) = (None, 0);
    for (id, at, name) in events {
        digest.update(format!("{id} {at} {name}\n"));
        first.get_or_insert(id);
        last = id;
    }
    let digest = BASE32_NOPAD.encode(&digest.finalize()[..DIGEST_BYTES]);
    let digest = digest.to_lowercase();
    format!("parserd-{}-{last}-{digest}", first.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_events_have_the_same_id_and_others_another() {
        let events = [(3, 1_000, "failed"), (9, 2_000, "parked")];
        let known = id(events);
        assert!(known.starts_with("parserd-3-9-"), "{known}");
        assert!(!known.contains('.'), "a dot ends an id where it is signed");
        assert_eq!(known, id(events));
        for other in [
            vec![events[0]],
            vec![events[0], (9, 2_001, "parked")],
            vec![events[0], (9, 2_000, "failed")],
            vec![(2, 1_000, "failed"), events[1]],
            vec![events[0], (5, 1_500, "failed"), events[1]],
        ] {
            assert_ne!(known, id(other.iter().copied()), "{other:?}");
        }
    }
}
