//! Which hosts a plugin may send requests to: what its manifest asks for, and what the operator granted.
//!
//! A pattern is `[http://|https://]host[:port]`:
//!
//! - `api.example.com`: this host, HTTPS, port 443.
//! - `api.example.com:8443`: this host on this port.
//! - `*.example.com`: every name below `example.com`, however deep, and not `example.com` itself. The star stands
//!   alone and in front; what is below a public suffix is refused by asking for at least two labels behind it.
//! - `http://intranet.example`: without TLS, port 80. Only an operator can write this; a manifest names hosts.
//! - `*`: whatever the operator names. Only a manifest can write this, for services that each shop runs itself.

use std::fmt;

/// A pattern of hosts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPattern {
    plain: bool,
    name: Name,
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Name {
    Exact(String),
    /// All below this one.
    Below(String),
    Any,
}

impl HostPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// What is wrong with it and what to write instead.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong =
            |why: &str| Err(format!("`{text}`: {why}; write it as `api.example.com` or `api.example.com:8443`"));
        let (plain, rest) = match text.split_once("://") {
            None => (false, text),
            Some(("https", rest)) => (false, rest),
            Some(("http", rest)) => (true, rest),
            Some(_) => return wrong("only http:// and https:// can stand before a host"),
        };
        if rest == "*" {
            return if text == "*" { Ok(Self { plain: false, name: Name::Any, port: None }) } else { wrong("a star") };
        }
        let (host, port) = match rest.strip_prefix('[').map(|rest| rest.split_once(']')) {
            Some(Some((address, tail))) => match address.parse::<std::net::Ipv6Addr>() {
                Ok(address) if tail.is_empty() || tail.starts_with(':') => {
                    (format!("[{address}]"), tail.strip_prefix(':'))
                }
                _ => return wrong("it is no IPv6 address in brackets"),
            },
            Some(None) => return wrong("it is no IPv6 address in brackets"),
            None => match rest.split_once(':') {
                Some((host, port)) => (host.to_owned(), Some(port)),
                None => (rest.to_owned(), None),
            },
        };
        let port = match port {
            None => None,
            Some(port) => match port.parse::<u16>() {
                Ok(number) if number > 0 && port.bytes().all(|b| b.is_ascii_digit()) => Some(number),
                _ => return wrong("its port is not a number from 1 to 65535"),
            },
        };
        let (below, bare) = match host.strip_prefix("*.") {
            Some(bare) => (true, bare.to_owned()),
            None => (false, host),
        };
        let label = |label: &str| {
            (1..=63).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
        };
        if !bare.starts_with('[') && (bare.len() > 253 || !bare.split('.').all(label)) {
            return wrong("it is no host name in lower case (other scripts in their xn-- form)");
        }
        if below && (bare.starts_with('[') || bare.split('.').count() < 2 || is_numeric(&bare)) {
            return wrong("behind `*.` stands a domain of two labels or more");
        }
        if is_numeric(&bare) && bare.parse::<std::net::Ipv4Addr>().is_err() {
            return wrong("it is neither a host name nor an address");
        }
        Ok(Self { plain, name: if below { Name::Below(bare) } else { Name::Exact(bare) }, port })
    }

    /// Whether it is `*`.
    #[must_use]
    pub fn is_any(&self) -> bool {
        self.name == Name::Any
    }

    /// Whether the name and the port are among those meant; `host` in lower case, IPv6 in brackets.
    fn covers(&self, plain: bool, host: &str, port: u16) -> bool {
        let named = match &self.name {
            Name::Any => return true,
            Name::Exact(name) => host == name,
            Name::Below(name) => {
                host.strip_suffix(name.as_str()).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
            }
        };
        named && self.port.unwrap_or(if plain { 80 } else { 443 }) == port
    }

    /// Whether all that `other` means is meant by this one too, whatever the scheme.
    fn contains(&self, other: &Self) -> bool {
        let named = match (&self.name, &other.name) {
            (Name::Any, _) => return true,
            (_, Name::Any) => false,
            (Name::Exact(one), Name::Exact(other)) => one == other,
            (Name::Exact(_), Name::Below(_)) => false,
            (Name::Below(outer), Name::Exact(inner)) => {
                inner.strip_suffix(outer.as_str()).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
            }
            (Name::Below(outer), Name::Below(inner)) => {
                inner == outer || inner.strip_suffix(outer.as_str()).is_some_and(|rest| rest.ends_with('.'))
            }
        };
        let default = if other.plain { 80 } else { 443 };
        named && self.port.unwrap_or(default) == other.port.unwrap_or(default)
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.plain {
            f.write_str("http://")?;
        }
        match &self.name {
            Name::Exact(name) => f.write_str(name)?,
            Name::Below(name) => write!(f, "*.{name}")?,
            Name::Any => f.write_str("*")?,
        }
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

fn is_numeric(host: &str) -> bool {
    host.rsplit('.').next().is_some_and(|last| !last.is_empty() && last.bytes().all(|b| b.is_ascii_digit()))
}

/// The hosts that an installation reaches: what its version's manifest asks for, as far as it was granted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reach {
    asked: Vec<HostPattern>,
    granted: Vec<HostPattern>,
}

impl Reach {
    /// From the manifest's list and the grant's; without the latter, all that the manifest names. What is no
    /// pattern counts for nothing.
    #[must_use]
    pub fn new(asked: &[String], granted: Option<&[String]>) -> Self {
        let read = |texts: &[String]| texts.iter().filter_map(|text| HostPattern::parse(text).ok()).collect::<Vec<_>>();
        let asked = read(asked);
        let granted = match granted {
            Some(granted) => read(granted),
            None => asked.iter().filter(|pattern| !pattern.is_any()).cloned().collect(),
        };
        Self { asked, granted }
    }

    /// Why a request may not go there; none if it may. `plain`: without TLS. `host` in lower case, without a dot
    /// at its end, IPv6 in brackets.
    #[must_use]
    pub fn objection(&self, plain: bool, host: &str, port: u16) -> Option<String> {
        if !self.asked.iter().any(|pattern| pattern.covers(plain, host, port)) {
            let asked = if self.asked.is_empty() { "none".into() } else { joined(&self.asked) };
            return Some(format!("the plugin's manifest does not ask for {host} on port {port}; it asks for: {asked}"));
        }
        let granted = self.granted.iter().any(|pattern| pattern.plain == plain && pattern.covers(plain, host, port));
        if granted {
            return None;
        }
        let how = if plain { " without TLS" } else { "" };
        let all = if self.granted.is_empty() { "none".into() } else { joined(&self.granted) };
        Some(format!("the operator has not granted {host} on port {port}{how}; granted: {all}"))
    }

    /// The first granted host that the manifest does not ask for.
    #[must_use]
    pub fn too_much(&self) -> Option<&HostPattern> {
        self.granted.iter().find(|granted| !self.asked.iter().any(|asked| asked.contains(granted)))
    }
}

fn joined(patterns: &[HostPattern]) -> String {
    patterns.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// The host of a URL, for people and for counting: what stands between the scheme and the path.
pub(crate) fn host_of(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    let host = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => format!("[{address}]"),
        None => host.split(':').next().unwrap_or_default().to_ascii_lowercase(),
    };
    host.chars().filter(|c| !c.is_control()).take(253).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reach(asked: &[&str], granted: Option<&[&str]>) -> Reach {
        let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        Reach::new(&texts(asked), granted.map(texts).as_deref())
    }

    #[test]
    fn a_request_goes_where_the_manifest_asks_and_the_operator_granted() {
        // Asked for, granted, without TLS, host, port, whether it goes.
        type Row<'a> = (&'a [&'a str], Option<&'a [&'a str]>, bool, &'a str, u16, bool);
        let table: [Row<'_>; 16] = [
            (&["api.example.com"], None, false, "api.example.com", 443, true),
            (&["api.example.com"], None, false, "api.example.com", 8443, false),
            (&["api.example.com"], None, true, "api.example.com", 80, false),
            (&["api.example.com"], Some(&["http://api.example.com"]), true, "api.example.com", 80, true),
            (&["api.example.com"], Some(&["http://api.example.com"]), false, "api.example.com", 443, false),
            (&["api.example.com"], Some(&[]), false, "api.example.com", 443, false),
            (&["api.example.com:8443"], None, false, "api.example.com", 8443, true),
            (&["*.example.com"], None, false, "a.b.example.com", 443, true),
            (&["*.example.com"], None, false, "example.com", 443, false),
            (&["*.example.com"], None, false, "badexample.com", 443, false),
            (&["*.example.com"], None, false, ".example.com", 443, false),
            (&["*.example.com"], Some(&["eu.example.com"]), false, "us.example.com", 443, false),
            (&["*.example.com"], Some(&["eu.example.com"]), false, "eu.example.com", 443, true),
            (&["*"], None, false, "api.example.com", 443, false),
            (&["*"], Some(&["erp.example:8443"]), false, "erp.example", 8443, true),
            (&[], Some(&["api.example.com"]), false, "api.example.com", 443, false),
        ];
        for (asked, granted, plain, host, port, goes) in table {
            let said = reach(asked, granted).objection(plain, host, port);
            assert_eq!(said.is_none(), goes, "{asked:?} {granted:?} {plain} {host}:{port}: {said:?}");
        }
    }

    #[test]
    fn no_more_is_granted_than_was_asked_for() {
        let table: [(&[&str], &[&str], bool); 9] = [
            (&["a.example.com"], &["a.example.com"], true),
            (&["a.example.com"], &["http://a.example.com"], true),
            (&["a.example.com"], &["b.example.com"], false),
            (&["a.example.com"], &["*.example.com"], false),
            (&["*.example.com"], &["a.b.example.com"], true),
            (&["*.example.com"], &["*.eu.example.com"], true),
            (&["*.example.com"], &["example.com"], false),
            (&["a.example.com"], &["a.example.com:8443"], false),
            (&["*"], &["anything.example:99"], true),
        ];
        for (asked, granted, fits) in table {
            assert_eq!(reach(asked, Some(granted)).too_much().is_none(), fits, "{asked:?} {granted:?}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_told() {
        for good in ["a.example", "[::1]:80", "http://10.0.0.1:8080", "localhost:1", "*.example.com:8443", "*"] {
            assert_eq!(HostPattern::parse(good).map(|p| p.to_string()).as_deref(), Ok(good));
        }
        for bad in [
            "",
            "*.com",
            "a.*.com",
            "http://*",
            "ftp://a.b",
            "a.b/c",
            "A.b",
            "a.b:",
            "a.b:0",
            "1.2.3",
            "u@a.b",
            "a..b",
            "*.1.2",
        ] {
            assert!(HostPattern::parse(bad).is_err(), "{bad}");
        }
        for (url, host) in [
            ("https://A.example:1/x", "a.example"),
            ("https://u:p@b.example?x", "b.example"),
            ("https://[::1]:2/", "[::1]"),
        ] {
            assert_eq!(host_of(url), host);
        }
    }
}
