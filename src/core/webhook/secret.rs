//! PURE: the secret that sender and receiver share, and signatures by it.

use std::fmt;

use data_encoding::BASE64;
use ring::hmac;
use secrecy::SecretString;

/// What a secret begins with.
const PREFIX: &str = "whsec_";

/// How many bytes a secret has, at least and at most.
const MIN_BYTES: usize = 24;
const MAX_BYTES: usize = 64;

/// The version of a signature that is symmetric.
const VERSION: &str = "v1";

/// Why a text is not a secret. No message repeats it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// It begins otherwise.
    #[error("does not begin with {PREFIX}")]
    Prefix,
    /// What follows cannot be decoded.
    #[error("is not valid: what follows {PREFIX} is not base64 (with its padding)")]
    Base64,
    /// It is too short or too long.
    #[error("has {0} bytes, and a secret has {MIN_BYTES} to {MAX_BYTES}")]
    Length(usize),
}

/// The secret of a webhook. `Debug` does not print it.
#[derive(Clone)]
pub struct WebhookSecret {
    key: hmac::Key,
    base64: SecretString,
}

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookSecret(..)")
    }
}

impl WebhookSecret {
    /// Reads `whsec_` and the base64 of 24 to 64 bytes.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, SecretError> {
        let base64 = text.strip_prefix(PREFIX).ok_or(SecretError::Prefix)?;
        let bytes = BASE64
            .decode(base64.as_bytes())
            .map_err(|_| SecretError::Base64)?;
        if !(MIN_BYTES..=MAX_BYTES).contains(&bytes.len()) {
            return Err(SecretError::Length(bytes.len()));
        }
        Ok(Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, &bytes),
            base64: SecretString::from(base64),
        })
    }

    /// Its part that is secret, to be looked for in what is sent.
    pub const fn base64(&self) -> &SecretString {
        &self.base64
    }

    /// The value of `webhook-signature` for a message: `v1,` and the base64 of the HMAC-SHA256 of
    /// `id.timestamp.body`. The timestamp is in Unix seconds.
    pub fn sign(&self, id: &str, timestamp_s: i64, body: &str) -> String {
        let signed = format!("{id}.{timestamp_s}.{body}");
        let tag = hmac::sign(&self.key, signed.as_bytes());
        format!("{VERSION},{}", BASE64.encode(tag.as_ref()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vector that the reference libraries publish.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const TIMESTAMP_S: i64 = 1_614_265_330;
    const BODY: &str = "{\"test\": 2432232314}";

    #[test]
    fn the_published_vector_is_signed_as_published() {
        let secret = WebhookSecret::parse(SECRET).unwrap();
        assert_eq!(
            secret.sign(ID, TIMESTAMP_S, BODY),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
    }

    #[test]
    fn the_reference_library_signs_alike() {
        let secret = WebhookSecret::parse(SECRET).unwrap();
        let reference = standardwebhooks::Webhook::new(SECRET).unwrap();
        for (id, timestamp_s, body) in [
            (ID, TIMESTAMP_S, BODY),
            ("parserd-1-500-abc", 0, ""),
            (
                "a",
                4_102_444_800,
                "{\"name\":\"Bücher \\u0000 \u{1f4da}\"}",
            ),
        ] {
            assert_eq!(
                secret.sign(id, timestamp_s, body),
                reference.sign(id, timestamp_s, body.as_bytes()).unwrap()
            );
        }
    }

    #[test]
    fn a_secret_is_a_prefix_and_the_base64_of_24_to_64_bytes() {
        let of = |bytes: usize| format!("{PREFIX}{}", BASE64.encode(&vec![7; bytes]));
        for (text, expected) in [
            (of(24), None),
            (of(64), None),
            (of(23), Some(SecretError::Length(23))),
            (of(65), Some(SecretError::Length(65))),
            (PREFIX.to_owned(), Some(SecretError::Length(0))),
            (String::new(), Some(SecretError::Prefix)),
            (BASE64.encode(&[7; 32]), Some(SecretError::Prefix)),
            (of(25).replace('=', ""), Some(SecretError::Base64)),
            (of(24).replace('B', "-"), Some(SecretError::Base64)),
            (format!("{} ", of(24)), Some(SecretError::Base64)),
        ] {
            assert_eq!(WebhookSecret::parse(&text).err(), expected, "{text}");
        }
    }

    #[test]
    fn neither_a_secret_nor_what_is_wrong_with_one_shows_it() {
        let secret = WebhookSecret::parse(SECRET).unwrap();
        assert_eq!(format!("{secret:?}"), "WebhookSecret(..)");
        let wrong = "whsec_hunter2";
        let error = WebhookSecret::parse(wrong).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }
}
