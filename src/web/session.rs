//! Who may act: sessions that the token opens.

use std::sync::{Mutex, PoisonError};

use data_encoding::BASE32_NOPAD;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::turnstile::{SignInTurn, Turnstile};
use crate::core::job::{DurationMs, UnixMs};

/// A session ends so long after it began.
pub(super) const SESSION_MS: DurationMs = 8 * 3_600_000;

/// The oldest session ends where there would be more.
const MAX_SESSIONS: usize = 32;

/// Bytes of chance in a session's name.
const ID_BYTES: usize = 32;

type Fingerprint = [u8; 32];

/// The token, and the sessions that it opened. Gone with the process.
#[derive(Debug)]
pub(super) struct Sessions {
    token: Option<SecretString>,
    turnstile: Turnstile,
    open: Mutex<Vec<(Fingerprint, UnixMs)>>,
}

/// A session that is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Session {
    /// What its forms must carry. No other page can read it.
    pub form_token: String,
}

impl Sessions {
    /// Nobody has come yet; without a token nobody can.
    pub fn new(token: Option<SecretString>) -> Self {
        Self {
            token,
            turnstile: Turnstile::default(),
            open: Mutex::default(),
        }
    }

    /// Whether anybody may act at all.
    pub const fn are_possible(&self) -> bool {
        self.token.is_some()
    }

    /// Leave to offer a token once, after a pause that all share; none where too many wait.
    pub async fn turn(&self) -> Option<SignInTurn<'_>> {
        self.turnstile.pass().await
    }

    /// A new session's name for anyone who knows the token.
    pub fn begin(&self, _turn: &SignInTurn<'_>, offered: &str, now: UnixMs) -> Option<String> {
        self.open_for(offered, now)
    }

    fn open_for(&self, offered: &str, now: UnixMs) -> Option<String> {
        let token = self.token.as_ref()?;
        // Of hashes, whose lengths say nothing of the token's.
        let is_right = digest("", token.expose_secret()).ct_eq(&digest("", offered.trim()));
        if !bool::from(is_right) {
            return None;
        }
        let mut id = [0; ID_BYTES];
        rustls::crypto::ring::default_provider()
            .secure_random
            .fill(&mut id)
            .inspect_err(|_| tracing::error!("page: the system gives no random bytes"))
            .ok()?;
        let id = BASE32_NOPAD.encode(&id);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|(_, ends_at)| *ends_at > now);
        if open.len() >= MAX_SESSIONS {
            open.remove(0);
        }
        open.push((digest("id", &id), now.saturating_add(SESSION_MS)));
        Some(id)
    }

    /// The session of this name, if it is open.
    pub fn find(&self, id: &str, now: UnixMs) -> Option<Session> {
        let sought = digest("id", id);
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.iter()
            .any(|(found, ends_at)| *ends_at > now && bool::from(found.ct_eq(&sought)))
            .then(|| Session {
                form_token: BASE32_NOPAD.encode(&digest("form", id)),
            })
    }

    /// Ends the session of this name.
    pub fn end(&self, id: &str) {
        let sought = digest("id", id);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|(found, _)| !bool::from(found.ct_eq(&sought)));
    }
}

impl Session {
    /// Whether a form is one of this session's.
    pub fn owns(&self, form_token: &str) -> bool {
        self.form_token
            .as_bytes()
            .ct_eq(form_token.as_bytes())
            .into()
    }
}

fn digest(purpose: &str, text: &str) -> Fingerprint {
    Sha256::new()
        .chain_update(purpose)
        .chain_update([0])
        .chain_update(text)
        .finalize()
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sessions() -> Sessions {
        Sessions::new(Some(SecretString::from("a token of some length")))
    }

    #[test]
    fn the_token_opens_a_session_and_nothing_else_does() {
        let sessions = sessions();
        for offered in [
            "",
            "a token",
            "a token of some lengtH",
            "a token of some length2",
        ] {
            assert_eq!(sessions.open_for(offered, 0), None, "{offered:?}");
        }
        let id = sessions.open_for(" a token of some length\n", 0).unwrap();
        let session = sessions.find(&id, 1).unwrap();
        assert!(session.owns(&session.form_token));
        assert!(!session.owns(""));
        assert!(!session.owns(&id), "the cookie is no form token");
        assert_eq!(sessions.find("", 1), None);
        assert_eq!(sessions.find(&id.to_lowercase(), 1), None);
        let other = sessions.open_for("a token of some length", 0).unwrap();
        assert!(!sessions.find(&other, 1).unwrap().owns(&session.form_token));
        sessions.end(&id);
        assert_eq!(sessions.find(&id, 1), None);
        assert!(sessions.find(&other, 1).is_some());
    }

    #[test]
    fn a_session_ends_by_itself_and_their_number_is_bounded() {
        let sessions = sessions();
        let first = sessions.open_for("a token of some length", 0).unwrap();
        assert!(sessions.find(&first, SESSION_MS - 1).is_some());
        assert_eq!(sessions.find(&first, SESSION_MS), None);
        for _ in 0..MAX_SESSIONS {
            sessions.open_for("a token of some length", 1).unwrap();
        }
        assert_eq!(sessions.find(&first, 1), None);
        assert_eq!(sessions.open.lock().unwrap().len(), MAX_SESSIONS);
    }

    #[test]
    fn without_a_token_there_is_no_session() {
        let sessions = Sessions::new(None);
        assert!(!sessions.are_possible());
        assert_eq!(sessions.open_for("", 0), None);
    }
}
