//! `parserd simulate control`: credits and faults of a simulator that is running.

use anyhow::Context as _;
use secrecy::SecretString;
use serde_json::Value;
use url::Url;

use super::DEFAULT_KEY;
use crate::api::client::control::{Control, ControlRequest};
use crate::cli::output::Out;
use crate::config::Settings;
use crate::core::text::escaped;
use crate::present::format::{count, grouped};
use crate::simulator::FaultRule;

/// Changes a simulator that is running, and prints its state; without a change, the state alone.
#[derive(Debug, clap::Args)]
pub struct ControlArgs {
    /// The simulator's address; without it, `api.base_url` and `api.key` of the configuration
    #[arg(long, value_name = "URL")]
    at: Option<Url>,

    /// The simulator's key, with --at
    #[arg(long, default_value = DEFAULT_KEY, requires = "at")]
    key: String,

    /// The credits that are left from now on
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(0..))]
    credits: Option<i64>,

    /// Credits to add to those that are left
    #[arg(long, value_name = "N", conflicts_with = "credits",
        value_parser = clap::value_parser!(i64).range(0..))]
    add_credits: Option<i64>,

    /// Removes all faults; those of --fault come after it
    #[arg(long)]
    clear_faults: bool,

    /// A fault to add; may be repeated. `parserd help simulate` lists the words
    #[arg(long = "fault", value_name = "RULE")]
    faults: Vec<FaultRule>,

    /// Print the state as JSON
    #[arg(long)]
    json: bool,
}

impl ControlArgs {
    /// What the simulator is asked for, in this order: first what it may refuse.
    fn requests(&self) -> Vec<ControlRequest> {
        let mut requests = Vec::new();
        requests.extend(self.credits.map(ControlRequest::SetCredits));
        requests.extend(self.add_credits.map(ControlRequest::AddCredits));
        if self.clear_faults {
            requests.push(ControlRequest::ClearFaults);
        }
        if !self.faults.is_empty() {
            let texts = self.faults.iter().map(|rule| rule.text.clone());
            requests.push(ControlRequest::AddFaults(texts.collect()));
        }
        if requests.is_empty() {
            requests.push(ControlRequest::State);
        }
        requests
    }
}

/// Changes the simulator, and prints the state that it has then.
pub(super) async fn control(
    args: ControlArgs,
    settings: impl FnOnce() -> anyhow::Result<Settings>,
) -> anyhow::Result<()> {
    let (url, key) = match &args.at {
        Some(url) => (url.clone(), SecretString::from(args.key.as_str())),
        None => {
            let settings = settings()?;
            let key = settings.require_key()?.clone();
            (settings.api.base_url, key)
        }
    };
    let named = || format!("cannot control the simulator at {url} (another address: --at URL)");
    let simulator = Control::new(&url, key).with_context(named)?;
    let mut state = Value::Null;
    for request in args.requests() {
        state = simulator.ask(&request).await.with_context(named)?;
    }
    let mut out = Out::default();
    if args.json {
        out.json(&state)?;
    } else {
        out.text(&as_text(&state))?;
    }
    out.flush()
}

/// A simulator's state for people.
fn as_text(state: &Value) -> String {
    let number = |value: &Value| value.as_i64().map(grouped);
    let credits = &state["credits"];
    let left = number(&credits["left"]).map(|left| format!("{left} left"));
    let left = left.unwrap_or_else(|| "no limit".to_owned());
    let spent = number(&credits["spent"]).unwrap_or_default();
    let parsers = pairs(&state["parsers"], |status, count| {
        Some(format!("{} {status}", number(count)?))
    });
    let requests = pairs(&state["requests"], |endpoint, by_status| {
        let by_status = pairs(by_status, |status, count| {
            Some(format!("{status}: {}", number(count)?))
        });
        Some(format!("{endpoint} ({by_status})"))
    });
    let mut text = format!(
        "credits:  {left}, {spent} spent\nparsers:  {parsers}\nrequests: {requests}\nfaults:   "
    );
    let faults = state["faults"].as_array().map_or(&[][..], Vec::as_slice);
    if faults.is_empty() {
        text.push_str("none\n");
    }
    for (index, fault) in faults.iter().enumerate() {
        let rule = escaped(fault["rule"].as_str().unwrap_or_default());
        let applied = fault["applied"].as_u64().unwrap_or(0);
        let applied = count(usize::try_from(applied).unwrap_or(usize::MAX), "request");
        let indent = if index == 0 { "" } else { "          " };
        text.push_str(&format!("{indent}{rule} (applied to {applied})\n"));
    }
    text
}

/// The members of an object as a list in words; `none` where there are none.
fn pairs(object: &Value, word: impl Fn(&str, &Value) -> Option<String>) -> String {
    let members = object.as_object().into_iter().flatten();
    let words: Vec<_> = members
        .filter_map(|(key, value)| word(&escaped(key), value))
        .collect();
    match words.is_empty() {
        true => "none".to_owned(),
        false => words.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        args: ControlArgs,
    }

    fn parse(args: &[&str]) -> Result<ControlArgs, String> {
        let args = std::iter::once("control").chain(args.iter().copied());
        let cli = Cli::try_parse_from(args).map_err(|error| error.to_string())?;
        Ok(cli.args)
    }

    #[test]
    fn what_may_be_refused_is_asked_for_first() {
        let args = [
            "--fault",
            "get lose",
            "--clear-faults",
            "--add-credits",
            "30000",
        ];
        let requests = parse(&args).unwrap().requests();
        let expected = [
            ControlRequest::AddCredits(30_000),
            ControlRequest::ClearFaults,
            ControlRequest::AddFaults(vec!["get lose".to_owned()]),
        ];
        assert_eq!(requests, expected);
        assert_eq!(parse(&[]).unwrap().requests(), [ControlRequest::State]);
        let set = parse(&["--credits", "0"]).unwrap().requests();
        assert_eq!(set, [ControlRequest::SetCredits(0)]);
    }

    #[test]
    fn bad_switches_are_refused_with_the_reason() {
        let cases: &[(&[&str], &str)] = &[
            (&["--credits", "1", "--add-credits", "1"], "cannot be used"),
            (&["--credits=-1"], "-1 is not in"),
            (&["--fault", "get losse"], "did you mean lose?"),
            (&["--key", "k"], "--at"),
        ];
        for (args, reason) in cases {
            let error = parse(args).expect_err("it must be refused");
            assert!(error.contains(reason), "{args:?}: {error}");
        }
    }

    #[test]
    fn a_state_is_told_in_lines() {
        let state = json!({
            "credits": {"left": 30_000, "spent": 60_000},
            "parsers": {"FINISHED": 1, "GENERATING": 2},
            "requests": {"create": {"201": 2, "lost": 1}, "list": {"200": 4}},
            "faults": [
                {"rule": "create lose", "applied": 1},
                {"rule": "get lose", "applied": 0},
            ],
        });
        let expected = "\
credits:  30,000 left, 60,000 spent
parsers:  1 FINISHED, 2 GENERATING
requests: create (201: 2, lost: 1), list (200: 4)
faults:   create lose (applied to 1 request)
          get lose (applied to 0 requests)
";
        assert_eq!(as_text(&state), expected);
        let fresh = json!({
            "credits": {"left": null, "spent": 0}, "parsers": {}, "requests": {}, "faults": [],
        });
        let expected = "\
credits:  no limit, 0 spent
parsers:  none
requests: none
faults:   none
";
        assert_eq!(as_text(&fresh), expected);
    }
}
