//! A question to the person at the terminal.

use std::io::{self, IsTerminal as _, Write as _};

use anyhow::Context as _;

/// Whether there is a person who sees a question and can answer it.
pub fn is_possible() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Whether that person says yes. Anything else, the end of the input too, is a no.
pub async fn agreed(question: &str) -> anyhow::Result<bool> {
    let mut terminal = io::stderr();
    write!(terminal, "{question} [y/N] ")
        .and_then(|()| terminal.flush())
        .context("cannot ask on the terminal")?;
    let read = || {
        let mut line = String::new();
        io::stdin().read_line(&mut line).map(|_| line)
    };
    let line = tokio::task::spawn_blocking(read)
        .await
        .context("the answer was not waited for")?
        .context("cannot read the answer")?;
    Ok(is_yes(&line))
}

fn is_yes(line: &str) -> bool {
    ["y", "yes"]
        .iter()
        .any(|yes| line.trim().eq_ignore_ascii_case(yes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_yes_is_yes() {
        for (line, yes) in [
            ("y\n", true),
            (" YES \r\n", true),
            ("", false),
            ("\n", false),
            ("n\n", false),
            ("yes please\n", false),
        ] {
            assert_eq!(is_yes(line), yes, "{line:?}");
        }
    }
}
