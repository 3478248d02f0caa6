//! Where the API key comes from, the token of the page, and the secret of the webhook.

use std::fs::{File, Metadata};
use std::io::{ErrorKind, Read};
use std::path::Path;

use secrecy::{ExposeSecret as _, SecretString};

use super::error::{BadValue, ConfigError};
use super::guessable::{CURE, guessable};
use super::layers::{CREDENTIALS_DIRECTORY, Sources};
use super::read::Reader;

/// The names of systemd's credentials.
const CREDENTIAL: &str = "api_key";
const TOKEN_CREDENTIAL: &str = "http_token";
const NOTIFY_CREDENTIAL: &str = "notify_secret";
/// The longest key file that is read, in bytes.
const MAX_BYTES: u64 = 4096;
const KEY_CURE: &str = "the key alone, on one line";

/// The key, or why there is none.
#[derive(Debug, Clone)]
pub(super) enum Key {
    Known(SecretString),
    Absent,
    /// The user who runs this may not read it. That is not a fault of `parserd status`,
    /// which needs no key, so it is reported when the key is asked for.
    NotForUs(ConfigError),
}

/// `api.key`, else `api.key_file`, else systemd's credential.
pub(super) fn resolve(reader: &mut Reader, sources: &Sources) -> Key {
    let is_given = |(text, _): &(String, String)| !text.trim().is_empty();
    let file = reader.text("api.key_file").filter(is_given);
    let credential = credentials(sources)
        .map(|directory| directory.join(CREDENTIAL))
        // One that may be there and cannot be looked at is reported, not passed over.
        .filter(|path| path.try_exists().unwrap_or(true));
    // A blank one is not a key; it is reported only where there is no other.
    let has_other = file.is_some() || credential.is_some();
    let inline = reader
        .text("api.key")
        .filter(|found| is_given(found) || !has_other);
    match (inline, file) {
        (Some((_, key_origin)), Some((_, file_origin))) => {
            let problem = format!("is given, and so is api.key_file ({file_origin})");
            let bad = BadValue::new(problem, "one of the two");
            reader.problems.push(bad.at("api.key", key_origin));
            Key::Absent
        }
        (Some((text, origin)), None) => settle(reader, "api.key", &origin, secret(&text)),
        (None, Some((path, origin))) => {
            let path = sources.working_dir.join(path.trim());
            let exempt = credentials(sources).is_some_and(|directory| path.starts_with(directory));
            settle(reader, "api.key_file", &origin, key_file(&path, exempt))
        }
        (None, None) => match credential {
            Some(path) => {
                let origin = format!("systemd credential {CREDENTIAL}");
                settle(reader, "api.key", &origin, key_file(&path, true))
            }
            None => Key::Absent,
        },
    }
}

/// `http.token_file`, else systemd's credential.
pub(super) fn token(reader: &mut Reader, sources: &Sources) -> Key {
    file_or_credential(
        reader,
        sources,
        "http.token_file",
        TOKEN_CREDENTIAL,
        |token| match guessable(token) {
            None => Ok(()),
            Some(why) => {
                let problem = format!("contains a token that could be guessed: it {why}");
                Err(BadValue::new(problem, CURE))
            }
        },
    )
}

/// `notify.secret_file`, else systemd's credential; `check` says what is wrong with what is there.
pub(super) fn notify<T>(
    reader: &mut Reader,
    sources: &Sources,
    check: impl FnOnce(&str) -> Result<T, BadValue>,
) -> Key {
    file_or_credential(
        reader,
        sources,
        "notify.secret_file",
        NOTIFY_CREDENTIAL,
        |secret| check(secret).map(drop),
    )
}

/// What is in the file that `key` names, else in systemd's credential of this name, and passes
/// `check`, whose problem follows the path of the file.
fn file_or_credential(
    reader: &mut Reader,
    sources: &Sources,
    key: &str,
    credential_name: &str,
    check: impl FnOnce(&str) -> Result<(), BadValue>,
) -> Key {
    let credential = credentials(sources).map(|directory| directory.join(credential_name));
    let file = reader.text(key).filter(|(path, _)| !path.trim().is_empty());
    let (path, origin, exempt) = match (file, credential) {
        (Some((path, origin)), _) => {
            let path = sources.working_dir.join(path.trim());
            let exempt = credentials(sources).is_some_and(|directory| path.starts_with(directory));
            (path, origin, exempt)
        }
        (None, Some(path)) if path.exists() => {
            (path, format!("systemd credential {credential_name}"), true)
        }
        (None, _) => return Key::Absent,
    };
    let read = key_file(&path, exempt).and_then(|secret| match check(secret.expose_secret()) {
        Ok(()) => Ok(secret),
        Err(bad) => {
            let problem = format!("{} {}", path.display(), bad.problem);
            Err(SecretFault::BadValue(BadValue::new(problem, bad.cure)))
        }
    });
    settle(reader, key, &origin, read)
}

fn credentials(sources: &Sources) -> Option<&Path> {
    sources.variable(CREDENTIALS_DIRECTORY).map(Path::new)
}

enum SecretFault {
    BadValue(BadValue),
    NotForUs(BadValue),
}

fn settle(
    reader: &mut Reader,
    key: &str,
    origin: &str,
    read: Result<SecretString, SecretFault>,
) -> Key {
    match read {
        Ok(secret) => Key::Known(secret),
        Err(SecretFault::NotForUs(bad)) => Key::NotForUs(bad.at(key, origin)),
        Err(SecretFault::BadValue(bad)) => {
            reader.problems.push(bad.at(key, origin));
            Key::Absent
        }
    }
}

fn secret(text: &str) -> Result<SecretString, SecretFault> {
    // Some editors begin a file with a byte order mark.
    let key = text.trim_start_matches('\u{feff}').trim();
    let problem = if key.is_empty() {
        "is empty"
    } else if key.chars().any(|c| c.is_whitespace() || c.is_control()) {
        "contains whitespace or a control character"
    } else if !key.is_ascii() {
        "contains a character that is not ASCII, which no key has"
    } else {
        return Ok(SecretString::from(key));
    };
    Err(SecretFault::BadValue(BadValue::new(problem, KEY_CURE)))
}

fn key_file(path: &Path, exempt: bool) -> Result<SecretString, SecretFault> {
    let shown = path.display();
    let cannot_read = |error: std::io::Error| {
        let not_for_us = error.kind() == ErrorKind::PermissionDenied;
        let bad = BadValue::new(
            format!("cannot read {shown}: {error}"),
            "the path of a file that holds it and that parserd's user can read",
        );
        if not_for_us {
            SecretFault::NotForUs(bad)
        } else {
            SecretFault::BadValue(bad)
        }
    };
    // Before it is opened: opening a pipe would wait for a writer.
    if !std::fs::metadata(path).map_err(cannot_read)?.is_file() {
        let problem = format!("{shown} is not a regular file");
        return Err(SecretFault::BadValue(BadValue::new(
            problem,
            "the path of a file that holds it",
        )));
    }
    // The mode is that of the file that was opened, whatever the path becomes.
    let file = File::open(path).map_err(cannot_read)?;
    let metadata = file.metadata().map_err(cannot_read)?;
    if let Some(mode) = loose_mode(&metadata).filter(|_| !exempt) {
        return Err(SecretFault::BadValue(BadValue::new(
            format!("others than its owner have access to {shown} (mode {mode:04o})"),
            format!("chmod 600 {shown}, and have it owned by parserd's user"),
        )));
    }
    let mut text = String::new();
    file.take(MAX_BYTES + 1)
        .read_to_string(&mut text)
        .map_err(cannot_read)?;
    if text.len() as u64 > MAX_BYTES {
        let problem = format!("{shown} is longer than {MAX_BYTES} bytes");
        return Err(SecretFault::BadValue(BadValue::new(problem, KEY_CURE)));
    }
    secret(&text).map_err(|fault| match fault {
        SecretFault::BadValue(bad) => {
            SecretFault::BadValue(BadValue::new(format!("{shown} {}", bad.problem), bad.cure))
        }
        other => other,
    })
}

/// The permissions of a file that anyone but its owner has access to.
#[cfg(unix)]
fn loose_mode(metadata: &Metadata) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt;
    let mode = metadata.permissions().mode() & 0o7777;
    (mode & 0o077 != 0).then_some(mode)
}

#[cfg(not(unix))]
fn loose_mode(_: &Metadata) -> Option<u32> {
    None
}
