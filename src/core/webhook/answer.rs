//! PURE: what the receiver's answer means, and what to do about it.

use crate::core::job::DurationMs;

/// What came of a POST.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// 2xx: the receiver has the message.
    Accepted,
    /// 410: the receiver wants no more of them.
    Gone,
    /// Any other status.
    Refused {
        /// The HTTP status.
        status: u16,
        /// The wait that `Retry-After` asks for.
        asked_wait_ms: Option<DurationMs>,
    },
    /// No connection was made: in the words of the transport.
    NotConnected(String),
    /// No answer came in time.
    TimedOut,
    /// The connection broke before an answer: in the words of the transport.
    Broken(String),
}

impl Answer {
    /// What an answer of this status means.
    pub const fn of_status(status: u16, asked_wait_ms: Option<DurationMs>) -> Self {
        match status {
            200..=299 => Self::Accepted,
            410 => Self::Gone,
            _ => Self::Refused {
                status,
                asked_wait_ms,
            },
        }
    }

    /// The wait that the receiver asks for.
    pub const fn asked_wait_ms(&self) -> Option<DurationMs> {
        match self {
            Self::Refused { asked_wait_ms, .. } => *asked_wait_ms,
            _ => None,
        }
    }

    /// What is wrong, for a person.
    pub fn problem(&self) -> String {
        match self {
            Self::Accepted => "the receiver accepted it".to_owned(),
            Self::Gone => "the receiver answered 410 (gone)".to_owned(),
            Self::Refused { status, .. } => format!("the receiver answered {status}"),
            Self::NotConnected(why) => format!("no connection to the receiver: {why}"),
            Self::TimedOut => "the receiver did not answer in time".to_owned(),
            Self::Broken(why) => format!("the connection to the receiver broke: {why}"),
        }
    }

    /// What to do about it.
    pub const fn cure(&self) -> &'static str {
        match self {
            Self::Accepted => "nothing",
            Self::Gone => {
                "nothing is sent any more: correct notify.url, or have the receiver accept \
                 messages again, and restart parserd"
            }
            Self::Refused { status, .. } => match status {
                300..=399 => {
                    "redirects are not followed: set notify.url to the address that it redirects to"
                }
                400 | 401 | 403 => {
                    "check that the receiver verifies with the secret of notify.secret_file, over \
                     the body as it was sent, and that its clock is right"
                }
                404 | 405 => "correct the path in notify.url",
                413 => "have the receiver accept bodies of 2 MiB",
                415 => "have the receiver accept application/json",
                429 => "nothing: it is sent again later",
                500..=599 => "look at the receiver's log; it is sent again",
                _ => "look at the receiver's log for why it refuses; it is sent again",
            },
            Self::NotConnected(_) => {
                "check that the host of notify.url is right, up and to be reached from here (under \
                 parserd-egress.conf it needs a socket of its own); it is sent again"
            }
            Self::TimedOut => {
                "have the receiver answer first and work afterwards; it is sent again"
            }
            Self::Broken(_) => "look at the receiver's log; it is sent again",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_2xx_is_accepted_and_only_410_is_the_end() {
        let refused = |status| Answer::Refused {
            status,
            asked_wait_ms: Some(7),
        };
        for (status, expected) in [
            (200, Answer::Accepted),
            (204, Answer::Accepted),
            (299, Answer::Accepted),
            (199, refused(199)),
            (301, refused(301)),
            (307, refused(307)),
            (400, refused(400)),
            (410, Answer::Gone),
            (429, refused(429)),
            (503, refused(503)),
        ] {
            assert_eq!(Answer::of_status(status, Some(7)), expected, "{status}");
        }
    }

    #[test]
    fn every_failure_says_what_is_wrong_and_what_to_do() {
        for (answer, problem, cure) in [
            (Answer::Gone, "410", "restart parserd"),
            (Answer::of_status(302, None), "302", "set notify.url to"),
            (Answer::of_status(401, None), "401", "notify.secret_file"),
            (Answer::of_status(404, None), "404", "path in notify.url"),
            (Answer::of_status(413, None), "413", "2 MiB"),
            (Answer::of_status(429, None), "429", "sent again"),
            (Answer::of_status(500, None), "500", "receiver's log"),
            (Answer::of_status(418, None), "418", "why it refuses"),
            (
                Answer::NotConnected("refused".to_owned()),
                "refused",
                "host of notify.url",
            ),
            (Answer::TimedOut, "in time", "answer first"),
            (Answer::Broken("reset".to_owned()), "reset", "sent again"),
        ] {
            assert!(answer.problem().contains(problem), "{answer:?}");
            assert!(answer.cure().contains(cure), "{answer:?}");
        }
    }
}
