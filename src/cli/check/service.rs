//! The service, and the way to it.

use std::time::Duration;

use url::Url;

use super::findings::Checker;
use crate::api::Service as _;
use crate::api::client::{Client, ClientConfig};
use crate::config::Settings;
use crate::core::job::DurationMs;
use crate::core::outcome::{
    AccountOutcome, ErrorDetail, Flaws, ListOutcome, ListedParser, PriceOutcome, Refusal,
};
use crate::core::preflight::Mode;
use crate::present::format::{count, grouped, span};

/// A service that takes longer than this to list parsers is not waited for here.
const LIST_TIMEOUT: Duration = Duration::from_secs(30);

/// Clocks further apart than this are worth a word: waits are counted by this one, days of
/// the budget begin by it.
const MAX_CLOCK_OFF_MS: DurationMs = 60_000;

/// What other programs read to find a proxy.
const PROXY_VARIABLES: &[&str] = &["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];

impl Checker {
    /// Asks the service; returns its list, where there is one.
    pub(super) async fn service(
        &mut self,
        settings: &Settings,
    ) -> anyhow::Result<Option<(Vec<ListedParser>, Flaws)>> {
        const NAME: &str = "service";
        let url = &settings.api.base_url;
        let is_fetching = settings.preflight.mode != Mode::Off;
        let config = ClientConfig {
            request_timeout: settings.api.request_timeout.min(LIST_TIMEOUT),
            account_url: settings.api.account_url.clone(),
            fetch_url: settings.preflight.url.clone().filter(|_| is_fetching),
            ..ClientConfig::new(url.clone(), settings.require_key()?.clone())
        };
        let client = match Client::new(config) {
            Ok(client) => client,
            Err(error) => {
                let error_text = error.to_string();
                let cure = if error_text.to_lowercase().contains("certificate") {
                    "install the system's CA certificates (ca-certificates)"
                } else {
                    "correct api.base_url, api.account_url, preflight.url and api.key"
                };
                self.fail(NAME, error_text, cure)?;
                return Ok(None);
            }
        };
        if let Some(account) = client.account().await {
            self.account(settings, account)?;
        }
        if let Some(price) = client.price().await {
            self.preflight(settings, price)?;
        }
        let is_set = |name: &&&str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        // Nobody goes to his own machine by a proxy.
        if let Some(name) = PROXY_VARIABLES.iter().find(is_set)
            && url.scheme() == "https"
        {
            self.warn(
                "proxy",
                format!("{name} is set, and parserd goes straight to the service"),
                "allow connections to the service without the proxy",
            )?;
        }
        let listed = client.list().await;
        self.clock(&client)?;
        match listed {
            ListOutcome::Listed(parsers, flaws) => {
                let there = count(parsers.len(), "parser");
                self.ok(
                    NAME,
                    format!("{url} answers, the key is accepted; {there} there"),
                )?;
                self.flaws(&flaws)?;
                return Ok(Some((parsers, flaws)));
            }
            ListOutcome::Refused(refusal, words) => self.refused(NAME, &refusal, &words)?,
            ListOutcome::Trouble(words) => self.no_list(url, &words)?,
        }
        Ok(None)
    }

    /// Why the account's list cannot be had.
    fn no_list(&mut self, url: &Url, words: &ErrorDetail) -> anyhow::Result<()> {
        const NAME: &str = "service";
        match words.status {
            None => {
                let (cause, cure) = unreachable(&words.message);
                self.fail(
                    NAME,
                    format!("{url} cannot be reached: {cause} ({})", words.message),
                    cure,
                )
            }
            Some(300..=399 | 407 | 511) => self.fail(
                NAME,
                format!(
                    "a proxy or a portal answers in the service's place: {}",
                    words
                ),
                "allow connections to the service without it, or correct api.base_url",
            ),
            Some(500..) => self.fail(
                NAME,
                words.to_string(),
                "none here: the service has trouble, try again later",
            ),
            Some(_) => self.fail(
                NAME,
                format!(
                    "{url} does not answer as the AI Parser API: {}; without the account's \
                     list no create is sent",
                    words
                ),
                "correct api.base_url; if it is right, tell the service's support",
            ),
        }
    }

    /// What cannot be read of the account's list.
    fn flaws(&mut self, flaws: &Flaws) -> anyhow::Result<()> {
        const NAME: &str = "list";
        if flaws.is_null {
            return self.warn(
                NAME,
                "it is null instead of a list: taken for empty, and not trusted",
                "none is needed if the account has no parser; else tell the service's support",
            );
        }
        let Some(why) = flaws.hide(|_| false) else {
            return Ok(());
        };
        self.warn(
            NAME,
            format!("it has {why}: a parser may hide there, so an absence proves nothing"),
            "give these parsers a name, or delete them; else tell the service's support",
        )
    }

    fn account(&mut self, settings: &Settings, account: AccountOutcome) -> anyhow::Result<()> {
        const NAME: &str = "account";
        let each = settings.budget.credits_per_create;
        match account {
            AccountOutcome::Left { credits } if credits < each => self.warn(
                NAME,
                format!(
                    "{} credits left, and a create costs {}",
                    grouped(credits),
                    grouped(each)
                ),
                "add credits; parserd then goes on by itself",
            ),
            AccountOutcome::Left { credits } => {
                self.ok(NAME, format!("{} credits left", grouped(credits)))
            }
            AccountOutcome::Refused(_, words) | AccountOutcome::Unknown(words) => self.warn(
                NAME,
                format!("the credits left cannot be looked up: {words}"),
                "correct api.account_url, or set it to \"\"; parserd works without it",
            ),
        }
    }

    /// Whether pages can be fetched before a create. Where none can, the daemon sends creates all the
    /// same, and nobody would notice.
    fn preflight(&mut self, settings: &Settings, price: PriceOutcome) -> anyhow::Result<()> {
        const NAME: &str = "preflight";
        let mode = settings.preflight.mode;
        let url = settings.preflight.url.as_ref().map_or("", Url::as_str);
        match price {
            PriceOutcome::Priced => self.ok(NAME, format!("{url} prices fetches; mode {mode}")),
            PriceOutcome::Refused(refusal, words) => self.refused(NAME, &refusal, &words),
            PriceOutcome::Unknown(words) => self.warn(
                NAME,
                format!("{url} does not price a fetch as the fetch API does: {words}"),
                "correct preflight.url; `parserd preflight NAME` shows whether pages can be fetched \
                 there. If none can, creates are sent as with mode off",
            ),
        }
    }

    fn refused(
        &mut self,
        name: &'static str,
        refusal: &Refusal,
        words: &ErrorDetail,
    ) -> anyhow::Result<()> {
        match refusal {
            Refusal::Unauthorized => self.fail(
                name,
                format!("it does not accept the key: {words}"),
                "take the key from the dashboard, and put it where api.key or api.key_file says",
            ),
            Refusal::Credits | Refusal::AccountLimit => self.fail(
                name,
                format!("it says that the credits are exhausted: {words}"),
                "add credits, then `parserd resume`; if these are not the API's own words, check \
                 for a proxy in between",
            ),
            Refusal::Throttled { .. } => self.warn(
                name,
                format!("it asks to slow down: {words}"),
                "none is needed: parserd waits as it is asked to; lower workers.max_requests if it goes on",
            ),
        }
    }

    /// The service's clock against this machine's.
    fn clock(&mut self, client: &Client) -> anyhow::Result<()> {
        const NAME: &str = "clock";
        match client.clock_ahead_ms() {
            None => Ok(()),
            Some(ahead_ms) if ahead_ms.abs() <= MAX_CLOCK_OFF_MS => {
                self.ok(NAME, "it agrees with the service's")
            }
            Some(ahead_ms) => {
                let way = if ahead_ms > 0 { "behind" } else { "ahead of" };
                let apart = span(ahead_ms.saturating_abs());
                self.warn(
                    NAME,
                    format!("this machine's is {apart} {way} the service's"),
                    "have the clock set by the network (`timedatectl set-ntp true`)",
                )
            }
        }
    }
}

/// Why a service cannot be reached, by the words of the error: its cause, and the cure.
fn unreachable(words: &str) -> (&'static str, &'static str) {
    let has = |texts: &[&str]| texts.iter().any(|text| words.contains(text));
    if has(&["dns error", "lookup address"]) {
        (
            "its name is not found (DNS)",
            "check the name server (`resolvectl query HOST`), or correct api.base_url",
        )
    } else if has(&["certificate"]) {
        (
            "its certificate is not accepted (TLS)",
            "check the clock, the system's CA certificates (ca-certificates), and any proxy that \
             decrypts connections: its certificate must be among them",
        )
    } else if has(&[
        "corrupt message",
        "HandshakeFailure",
        "ProtocolVersion",
        "handshake",
    ]) {
        (
            "what answers there does not speak TLS as it should",
            "correct the port in api.base_url, or check for a proxy in between",
        )
    } else if has(&["Connection refused"]) {
        (
            "nothing listens there",
            "correct host and port in api.base_url, or check for a firewall that refuses \
             connections",
        )
    } else if has(&["unreachable"]) {
        (
            "there is no route to it",
            "check the network: `ip route`, cable, VPN",
        )
    } else if has(&["timed out", "timeout"]) {
        (
            "it does not answer in time",
            "check network and firewall; behind a proxy, give parserd a direct route",
        )
    } else {
        (
            "the connection fails or breaks",
            "check network, proxy and firewall, or correct api.base_url",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_on_the_way_is_named_by_its_kind() {
        for (words, expected) in [
            (
                "error sending request: dns error: failed to lookup address information",
                "DNS",
            ),
            (
                "client error (Connect): invalid peer certificate: UnknownIssuer",
                "certificate",
            ),
            (
                "received corrupt message of type InvalidContentType",
                "speak TLS",
            ),
            (
                "tcp connect error: Connection refused (os error 111)",
                "nothing listens",
            ),
            (
                "tcp connect error: Network is unreachable (os error 101)",
                "no route",
            ),
            ("operation timed out", "in time"),
            ("connection closed before message completed", "breaks"),
        ] {
            let (cause, cure) = unreachable(words);
            assert!(cause.contains(expected), "{words}: {cause}");
            assert!(!cure.is_empty());
        }
    }
}
