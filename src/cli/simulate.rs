//! `parserd simulate`: the AI Parser API on a loopback socket.

mod control;

use std::future::Future;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::config::Settings;
use crate::core::cure;
use crate::core::effort::Proxy;
use crate::simulator::server::Server;
use crate::simulator::{FaultRule, Faults, Simulator, WorldConfig, script};

/// The key that a simulator has unless it is given another.
const DEFAULT_KEY: &str = "demo-key";

/// Serves a simulator of the AI Parser API, for tests of your own.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct SimulateArgs {
    #[command(subcommand)]
    command: Option<SimulateCommand>,

    #[command(flatten)]
    serve: ServeArgs,
}

/// What to do with a simulator, other than to serve one.
#[derive(Debug, clap::Subcommand)]
enum SimulateCommand {
    /// Change credits and faults of a simulator that is running, and print its state
    Control(control::ControlArgs),
}

/// What the simulator is like.
#[derive(Debug, clap::Args)]
struct ServeArgs {
    /// Where to listen: a loopback address with a port, 0 for any free one
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:0", value_parser = loopback)]
    listen: SocketAddr,

    /// The API key; any other gets 401
    #[arg(long, default_value = DEFAULT_KEY)]
    key: String,

    /// What all chance is drawn from; the same seed, the same fate of every name
    #[arg(long, default_value_t = 1)]
    seed: u64,

    /// Scales the generation times: 1 is a median of 60 s, 0 is at once
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0,
        value_parser = scale, allow_hyphen_values = true)]
    generation_scale: f64,

    /// The account's credits; without it, more than can be spent
    #[arg(long)]
    credits: Option<i64>,

    /// Whether the account's first parser is free
    #[arg(long, value_name = "BOOL", default_value_t = true, action = clap::ArgAction::Set)]
    first_free: bool,

    /// Answers 429 to more requests than this at once
    #[arg(long, value_name = "N")]
    concurrency_limit: Option<u64>,

    /// The best proxies that the plan includes: standard, premium or ultra_premium
    #[arg(long, value_name = "PROXY", default_value_t = Proxy::UltraPremium)]
    plan: Proxy,

    /// The share of pages that the fetch API sees otherwise than the generator
    #[arg(long, value_name = "SHARE", default_value_t = 0.0,
        value_parser = share, allow_hyphen_values = true)]
    fetches_astray: f64,

    /// What is to go wrong, for example 'create status=500 after p=0.5'; may be
    /// repeated. See below for the words
    #[arg(long = "fault", value_name = "RULE", long_help = FAULT_HELP)]
    faults: Vec<FaultRule>,

    /// A TOML file with an array `faults` of such rules
    #[arg(long, value_name = "FILE")]
    script: Option<PathBuf>,
}

const FAULT_HELP: &str = "\
What is to go wrong; may be repeated. A rule is a line of words, the endpoint first:

  create status=500 after p=0.5
  create lose after nth=1 per-name
  create lose land-late=20s name=\"my shop\"
  any status=429 retry-after=3s from=10s until=20s
  get say=FINISHED:FINISED

Endpoint: create, get, list, patch, delete, parse, account, fetch,
  urlcost, other, any
Which requests: name=TEXT from=TIME until=TIME nth=3 nth=2-5 nth=4- first=5 every=N
  p=0.25 per-name (nth, first and every count each parser's name by itself)
What comes back: status=CODE (with body=TEXT, retry-after=TIME,
  retry-after-date=TIME or retry-after-text=TEXT), lose (with reset),
  redirect=LOCATION; each with before (nothing is done, the default) or after (all
  is done)
The answer: delay=TIME cut slow=TIME endless gzip-bomb unreadable missing=KEY
  rekey=OLD:NEW say=OLD:NEW limit=N
What a parser found (get, parse): result=empty-column|missing-field|wrong-type|
  rows-gone|page-empty|wall|huge|keys-twice|deep
Of a create, patch or delete: land-late=TIME show-late=TIME
Of a create or a paid patch: generation=TIME fail=TEXT
Of a create: alter-name=lower|trim|slug|cut:N
Of a patch that is not based on the latest version: base=fork|conflict";

fn loopback(text: &str) -> Result<SocketAddr, String> {
    match text.parse::<SocketAddr>() {
        Ok(addr) if addr.ip().is_loopback() => Ok(addr),
        Ok(_) => Err("the simulator listens on a loopback address only".to_owned()),
        Err(_) => Err("it must be an IP address and a port, such as 127.0.0.1:8080".to_owned()),
    }
}

fn scale(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(scale) if scale.is_finite() && scale >= 0.0 => Ok(scale),
        Ok(_) | Err(_) => Err("it must be a number that is not negative".to_owned()),
    }
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        Ok(_) | Err(_) => Err("it must be a number from 0 to 1".to_owned()),
    }
}

fn unread(path: &Path, error: io::Error) -> anyhow::Error {
    let what_to_do = cure::of_reading(&error);
    anyhow::Error::new(error).context(format!(
        "cannot read the script {}: {what_to_do}",
        path.display()
    ))
}

/// What is to be pasted into the shell in which parserd runs. Another key than the default is not
/// repeated: whoever gave it knows it.
fn to_paste(base_url: &str, key: &str) -> String {
    let key = match key {
        DEFAULT_KEY => format!("export PARSERD__API__KEY={DEFAULT_KEY}"),
        _ => "# and PARSERD__API__KEY, the key of --key".to_owned(),
    };
    format!("export PARSERD__API__BASE_URL={base_url}\n{key}\n")
}

/// Serves until `shutdown` is done, or controls one that is served.
pub async fn simulate(
    args: SimulateArgs,
    settings: impl FnOnce() -> anyhow::Result<Settings>,
    shutdown: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    match args.command {
        None => serve(args.serve, shutdown).await,
        Some(SimulateCommand::Control(args)) => control::control(args, settings).await,
    }
}

async fn serve(args: ServeArgs, shutdown: impl Future<Output = ()>) -> anyhow::Result<()> {
    let mut rules = args.faults;
    if let Some(path) = &args.script {
        let text = std::fs::read_to_string(path).map_err(|error| unread(path, error))?;
        let scripted = script::parse_script(&text)
            .with_context(|| format!("the script {} is bad", path.display()))?;
        rules.extend(scripted);
    }
    let key = args.key.clone();
    let world = WorldConfig {
        key: args.key,
        seed: args.seed,
        credits: args.credits,
        first_free: args.first_free,
        generation_scale: args.generation_scale,
        best_proxy: args.plan,
        fetches_astray: args.fetches_astray,
        ..WorldConfig::default()
    };
    let mut simulator = Simulator::new(world, Faults::new(args.seed, rules));
    simulator.concurrency_limit = args.concurrency_limit;
    let server = Server::start(args.listen, simulator)
        .await
        .map_err(|error| {
            let what_to_do = cure::of_listening(&error, "--listen (0 is any free one)");
            anyhow::Error::new(error)
                .context(format!("cannot listen at {}: {what_to_do}", args.listen))
        })?;
    let mut stdout = std::io::stdout();
    let base_url = server.base_url();
    let ready = format!("listening on {base_url}\n{}", to_paste(&base_url, &key));
    // At once: who waits for the first line may not read the rest.
    stdout.write_all(ready.as_bytes())?;
    stdout.flush()?;
    shutdown.await;
    server.shutdown().await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        args: ServeArgs,
    }

    fn parse(args: &[&str]) -> Result<ServeArgs, String> {
        let args = std::iter::once("simulate").chain(args.iter().copied());
        let cli = Cli::try_parse_from(args).map_err(|error| error.to_string())?;
        Ok(cli.args)
    }

    #[test]
    fn switches_are_optional_and_faults_repeat() {
        let args = parse(&[]).unwrap();
        assert_eq!(
            (args.key.as_str(), args.generation_scale),
            ("demo-key", 1.0)
        );
        assert!(args.first_free && args.credits.is_none() && args.faults.is_empty());
        let rules = [
            "--fault",
            "get lose",
            "--fault",
            "create status=500 after p=0.5",
        ];
        assert_eq!(parse(&rules).unwrap().faults.len(), 2);
    }

    #[test]
    fn bad_switches_are_refused_with_the_reason() {
        let cases: &[(&[&str], &str)] = &[
            (&["--listen", "0.0.0.0:80"], "a loopback address only"),
            (&["--listen", "localhost"], "an IP address and a port"),
            (&["--generation-scale", "-1"], "not negative"),
            (&["--generation-scale", "NaN"], "not negative"),
            (&["--fetches-astray", "1.5"], "from 0 to 1"),
            (&["--plan", "free"], "standard"),
            (&["--fault", "create statsu=500"], "did you mean status?"),
        ];
        for (args, reason) in cases {
            let error = parse(args).expect_err("it must be refused");
            assert!(error.contains(reason), "{args:?}: {error}");
        }
    }

    #[test]
    fn no_other_key_than_the_default_is_printed() {
        let url = "http://127.0.0.1:8080";
        let lines = "export PARSERD__API__BASE_URL=http://127.0.0.1:8080\n";
        let known = to_paste(url, "demo-key");
        assert_eq!(known, format!("{lines}export PARSERD__API__KEY=demo-key\n"));
        let other = to_paste(url, "s3cret");
        assert!(
            other.starts_with(lines) && !other.contains("s3cret"),
            "{other}"
        );
    }

    #[tokio::test]
    async fn a_bad_script_is_named_with_the_reason() {
        let script = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(script.path(), "faults = [\"get\"]").unwrap();
        let path = script.path().display().to_string();
        let args = parse(&["--script", &path]).unwrap();
        let error = serve(args, std::future::pending()).await.unwrap_err();
        let error = format!("{error:#}");
        assert!(
            error.contains(&path) && error.contains("it does nothing"),
            "{error}"
        );
    }
}
