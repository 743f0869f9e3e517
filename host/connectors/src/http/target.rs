//! Where a URL leads.

use std::net::Ipv6Addr;

use reqwest::Url;

/// A URL taken apart. The host is as the connection and the grants see it: lower case, ASCII, addresses in
/// their one form, no dot at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    url: Url,
    /// Without TLS.
    pub plain: bool,
    /// IPv6 addresses are in brackets.
    pub host: String,
    /// Port.
    pub port: u16,
}

impl Target {
    /// Reads a URL.
    ///
    /// # Errors
    /// What is wrong with it, without repeating it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let url = Url::parse(text).map_err(|error| format!("the URL cannot be read ({error})"))?;
        Self::of(url)
    }

    /// Where a redirect leads to from here.
    pub(crate) fn join(&self, location: &str) -> Result<Self, String> {
        Self::of(self.url.join(location).map_err(|error| format!("the new address cannot be read ({error})"))?)
    }

    fn of(mut url: Url) -> Result<Self, String> {
        let plain = match url.scheme() {
            "https" => false,
            "http" => true,
            other => return Err(format!("the URL begins with `{other}:`, and must with `https:`")),
        };
        // `https://api.example.com@evil.example/` reads like another host than it is.
        if !url.username().is_empty() || url.password().is_some() {
            return Err(
                "the URL has a user name or password: put them into a header, as `{{basic:USER:PASSWORD}}`".into()
            );
        }
        url.set_fragment(None);
        let host = url.host_str().unwrap_or_default();
        if let Some(shorter) = host.strip_suffix('.') {
            let shorter = shorter.to_owned();
            url.set_host(Some(&shorter)).map_err(|error| format!("the host cannot be read ({error})"))?;
        }
        let host = url.host_str().unwrap_or_default();
        // As Rust writes addresses, since that is how patterns of hosts have them.
        let host = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).map(str::parse::<Ipv6Addr>) {
            Some(Ok(address)) => format!("[{address}]"),
            _ => host.to_owned(),
        };
        if host.is_empty() || host.ends_with('.') {
            return Err("the URL names no host".into());
        }
        let port = url.port_or_known_default().ok_or("the URL has no port")?;
        Ok(Self { url, plain, host, port })
    }

    /// The same place with another query.
    pub(crate) fn with_query(&self, query: &str) -> Self {
        let mut url = self.url.clone();
        url.set_query(Some(query));
        Self { url, ..self.clone() }
    }

    /// Without the question mark.
    pub(crate) fn query(&self) -> Option<&str> {
        self.url.query()
    }

    /// Path and query, as in a request's first line.
    pub(crate) fn path(&self) -> String {
        match self.url.query() {
            Some(query) => format!("{}?{query}", self.url.path()),
            None => self.url.path().to_owned(),
        }
    }

    /// The `Host` header.
    pub(crate) fn authority(&self) -> String {
        match self.url.port() {
            Some(port) => format!("{}:{port}", self.host),
            None => self.host.clone(),
        }
    }

    /// The address, where the host is one.
    pub(crate) fn address(&self) -> Option<std::net::IpAddr> {
        self.host.trim_start_matches('[').trim_end_matches(']').parse().ok()
    }

    /// Whether both lead to the same scheme, host and port.
    pub(crate) fn same_origin(&self, other: &Self) -> bool {
        self.plain == other.plain && self.host == other.host && self.port == other.port
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_notation_of_a_host_has_one_form() {
        for (url, host) in [
            ("https://API.Example.com/x", "api.example.com"),
            ("https://api.example.com./x", "api.example.com"),
            ("https://2130706433/", "127.0.0.1"),
            ("https://0x7f000001/", "127.0.0.1"),
            ("https://0177.0.0.1/", "127.0.0.1"),
            ("https://127.1/", "127.0.0.1"),
            ("https://0x7f.0.0.1./", "127.0.0.1"),
            ("https://①②⑦.0.0.1/", "127.0.0.1"),
            ("https://127。0。0。1/", "127.0.0.1"),
            ("https://[::ffff:127.0.0.1]/", "[::ffff:127.0.0.1]"),
            ("https://[0:0:0:0:0:0:0:1]/", "[::1]"),
            ("https://bücher.example/", "xn--bcher-kva.example"),
            ("https://ｌｏｃａｌｈｏｓｔ/", "localhost"),
            ("https:\\\\api.example.com\\@evil.example/", "api.example.com"),
            ("https:///api.example.com/", "api.example.com"),
            ("https://api.example.com%2eevil.example/", "api.example.com.evil.example"),
        ] {
            assert_eq!(Target::parse(url).map(|target| target.host).as_deref(), Ok(host), "{url}");
        }
        assert_eq!(
            Target::parse("https://[::ffff:127.0.0.1]/").expect("a target").address(),
            "::ffff:127.0.0.1".parse().ok()
        );
    }

    #[test]
    fn what_leads_nowhere_is_refused() {
        for bad in [
            "",
            "/x",
            "file:///etc/passwd",
            "ftp://a.example/",
            "https://",
            "https://user@api.example.com/",
            "https://api.example.com:443@evil.example/",
            "https://:x@evil.example/",
            "https://a.example:99999/",
            "https://256.0.0.1/",
            "https://1.2.3.4.5/",
            "https://a b/",
            "https://[::1/",
            "https://a..../",
            "javascript:1",
        ] {
            assert!(Target::parse(bad).is_err(), "{bad}: {:?}", Target::parse(bad));
        }
    }
}
