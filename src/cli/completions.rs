//! `parserd completions`: what a shell completes: commands and options by the definition of the
//! command line, and names by asking the program ([`super::names`]) while one types.

use std::io;

use clap::{Command, ValueHint};
use clap_complete::Shell;

use super::{Exit, help};
use crate::cli::output::Out;

/// Prints the completions of a shell, to be loaded by it.
#[derive(Debug, clap::Args)]
pub struct CompletionsArgs {
    /// Which shell
    shell: Shell,
}

pub(super) fn completions(args: CompletionsArgs) -> anyhow::Result<Exit> {
    let mut out = Out::default();
    out.text(&script(args.shell)?)?;
    out.flush()?;
    Ok(Exit::Done)
}

/// The script of a shell.
///
/// # Errors
/// Only if memory cannot be written to.
pub(super) fn script(shell: Shell) -> io::Result<String> {
    let mut script = Vec::new();
    let mut command = help::completed();
    if shell == Shell::Zsh {
        command = marked(command);
    }
    clap_complete::generate(shell, &mut command, "parserd", &mut script);
    let script = String::from_utf8(script).map_err(io::Error::other)?;
    Ok(match shell {
        Shell::Bash => script + BASH,
        Shell::Fish => script + FISH,
        Shell::Zsh => with_zsh_names(&script),
        _ => script,
    })
}

/// A name with a colon is several words to bash, of which it replaces the last. Nothing of a name
/// is expanded.
const BASH: &str = r#"
# Names from the database; what else there is where no name is to come.
_parserd_or_names() {
    local line="${COMP_LINE:0:COMP_POINT}" name
    local -a words
    read -ra words <<< "$line"
    [[ "$line" == *[[:space:]] ]] && words+=("")
    local head="${words[-1]%"$2"}"
    COMPREPLY=()
    while IFS= read -r name; do
        printf -v name '%q' "$name"
        COMPREPLY+=("${name#"$head"}")
    done < <("$1" names -- "${words[@]:1}" 2>/dev/null)
    (( ${#COMPREPLY[@]} )) || _parserd "$@"
}
if [[ "${BASH_VERSINFO[0]}" -eq 4 && "${BASH_VERSINFO[1]}" -ge 4 || "${BASH_VERSINFO[0]}" -gt 4 ]]; then
    complete -F _parserd_or_names -o nosort -o bashdefault -o default parserd
fi
"#;

const FISH: &str = r#"
# Names from the database.
function __parserd_names
    set -l words (commandline -opc)
    $words[1] names -- $words[2..-1] (commandline -ct) 2>/dev/null
end
complete -c parserd -n "__fish_seen_subcommand_from show resolve retry cancel resume wait pin delete" -f -a "(__parserd_names)"
"#;

const ZSH: &str = r#"
# Names from the database: the words are those before _arguments takes some away.
_parserd_names() {
    local -a names
    names=(${(f)"$("${(Q)parserd_words[1]}" names -- "${(@Q)parserd_words[2,-1]}" 2>/dev/null)"})
    (( $#names )) && compadd -a names
}
"#;

/// The arguments that names are completed for, by command. The hint stands for them in zsh's script:
/// clap has none for what the program itself knows.
fn marked(command: Command) -> Command {
    let mark = |command: Command, name: &str, arg: &str| {
        command.mut_subcommand(name, |sub| {
            sub.mut_arg(arg, |arg| arg.value_hint(ValueHint::Username))
        })
    };
    let jobs = ["retry", "cancel", "resume"].map(|name| (name, "jobs"));
    let jobs = jobs
        .into_iter()
        .chain([("show", "job"), ("resolve", "job"), ("wait", "names")]);
    let command = jobs.fold(command, |command, (name, arg)| mark(command, name, arg));
    command.mut_subcommand("parsers", |parsers| {
        mark(mark(parsers, "pin", "name"), "delete", "names")
    })
}

fn with_zsh_names(script: &str) -> String {
    let script = script.replace(":_users'", ":_parserd_names'");
    let start = "_parserd() {\n";
    let words = "    local -a parserd_words\n    parserd_words=(\"${(@)words[1,CURRENT]}\")\n";
    script.replacen(start, &format!("{}\n{start}{words}", ZSH.trim_start()), 1)
}
