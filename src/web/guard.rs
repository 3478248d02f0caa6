//! PURE: which requests the page takes.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Whether a `Host` names this machine to itself. A page of another host, whose name was
/// made to lead here (DNS rebinding), comes with that name.
pub(super) fn is_own_host(host: Option<&str>) -> bool {
    let Some(host) = host else { return false };
    let name = match host.strip_prefix('[') {
        Some(rest) => {
            let inner = rest
                .split_once(']')
                .filter(|(_, end)| is_port_or_nothing(end));
            return inner
                .and_then(|(inner, _)| inner.parse::<Ipv6Addr>().ok())
                .is_some_and(|address| address.is_loopback());
        }
        None => host.split_once(':').map_or(host, |(name, _)| name),
    };
    is_port_or_nothing(&host[name.len()..])
        && (name.eq_ignore_ascii_case("localhost")
            || name.parse::<Ipv4Addr>().is_ok_and(|ip| ip.is_loopback()))
}

fn is_port_or_nothing(end: &str) -> bool {
    let port = end.strip_prefix(':');
    end.is_empty() || port.is_some_and(|port| port.parse::<u16>().is_ok())
}

/// Whether a post comes from the page itself, as far as the browser says. One that says
/// nothing is none that is known to keep sites apart: it is refused.
pub(super) fn is_from_own_page(
    fetch_site: Option<&str>,
    origin: Option<&str>,
    host: Option<&str>,
) -> bool {
    let is_own = |origin: &str| {
        let named = origin
            .strip_prefix("http://")
            .or_else(|| origin.strip_prefix("https://"));
        named.is_some() && named == host
    };
    match (fetch_site, origin) {
        (Some(site), None) => site == "same-origin",
        (Some(site), Some(origin)) => site == "same-origin" && is_own(origin),
        (None, Some(origin)) => is_own(origin),
        (None, None) => false,
    }
}

/// The value of a cookie.
pub(super) fn cookie<'a>(header: &'a str, name: &str) -> Option<&'a str> {
    header.split(';').find_map(|pair| {
        let (found, value) = pair.trim().split_once('=')?;
        (found == name).then_some(value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_names_are_this_host() {
        for (host, own) in [
            ("127.0.0.1:9464", true),
            ("127.0.0.1", true),
            ("127.8.9.1:1", true),
            ("localhost:9464", true),
            ("LocalHost", true),
            ("[::1]:9464", true),
            ("[::1]", true),
            ("", false),
            ("evil.example:9464", false),
            ("localhost.evil.example", false),
            ("127.0.0.1.evil.example", false),
            ("127.0.0.1:9464:1", false),
            ("127.0.0.1:x", false),
            ("10.0.0.1:9464", false),
            ("[::1]evil", false),
            ("[2001:db8::1]:9464", false),
            ("localhost@evil.example", false),
        ] {
            assert_eq!(is_own_host(Some(host)), own, "{host}");
        }
        assert!(!is_own_host(None));
    }

    #[test]
    fn only_a_post_of_the_page_itself_is_taken() {
        let own = "http://127.0.0.1:9464";
        for (site, origin, taken) in [
            (Some("same-origin"), Some(own), true),
            (Some("same-origin"), None, true),
            (None, Some(own), true),
            (Some("cross-site"), Some("https://evil.example"), false),
            // Another program's page on this machine: the same site to a browser.
            (Some("same-site"), Some("http://127.0.0.1:8080"), false),
            (Some("same-site"), Some(own), false),
            (Some("none"), None, false),
            (Some("same-origin"), Some("null"), false),
            (None, Some("null"), false),
            (None, Some("http://127.0.0.1:8080"), false),
            (None, None, false),
        ] {
            let found = is_from_own_page(site, origin, Some("127.0.0.1:9464"));
            assert_eq!(found, taken, "{site:?} {origin:?}");
        }
        assert!(!is_from_own_page(None, Some("http://"), None));
    }

    #[test]
    fn a_cookie_is_found_by_its_whole_name() {
        let header = "a=1; parserd_session=xyz; b=2";
        assert_eq!(cookie(header, "parserd_session"), Some("xyz"));
        assert_eq!(cookie(header, "session"), None);
        assert_eq!(cookie("", "a"), None);
    }
}
