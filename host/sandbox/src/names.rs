//! Names of interfaces as components spell them: `shopwright:plugin/orders@0.1.0`.

/// The WIT package whose interfaces are offered to plugins.
pub const PACKAGE: &str = "shopwright:plugin";

/// The version of [`PACKAGE`] that this host offers; every `0.1.x` is compatible with every other.
pub const WIT_VERSION: &str = "0.1";

/// The WASI release whose interfaces are stubbed; every `0.2.x` is compatible with every other.
pub(crate) const WASI_VERSION: &str = "0.2";

/// An import's or export's name, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct InterfaceName<'a> {
    /// `shopwright:plugin`, `wasi:io`.
    pub package: &'a str,
    /// `orders`, `streams`.
    pub interface: &'a str,
    /// `0.1.0`; none where the name has no version.
    pub version: Option<&'a str>,
}

impl<'a> InterfaceName<'a> {
    /// None for a name that is not of the form `namespace:package/interface[@version]`.
    pub fn parse(name: &'a str) -> Option<Self> {
        let (path, version) = match name.split_once('@') {
            Some((path, version)) => (path, Some(version)),
            None => (name, None),
        };
        let (package, interface) = path.split_once('/')?;
        let plain = |part: &str| !part.is_empty() && !part.contains(['=', '<', '>', '/']);
        let (namespace, bare_package) = package.split_once(':')?;
        (plain(namespace) && plain(bare_package) && plain(interface)).then_some(Self { package, interface, version })
    }

    /// Whether the version is `series` followed by a patch number: `0.1` takes `0.1.0` and `0.1.27`,
    /// and neither `0.10.0` nor the pre-release `0.1.0-rc1`.
    pub fn is_of(&self, series: &str) -> bool {
        self.version
            .and_then(|version| version.strip_prefix(series))
            .and_then(|rest| rest.strip_prefix('.'))
            .is_some_and(|patch| !patch.is_empty() && patch.bytes().all(|b| b.is_ascii_digit()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_apart() {
        let name = InterfaceName::parse("shopwright:plugin/orders@0.1.0").unwrap();
        assert_eq!((name.package, name.interface, name.version), (PACKAGE, "orders", Some("0.1.0")));
        assert_eq!(InterfaceName::parse("a:b/c").unwrap().version, None);
        for odd in ["f", "a/b", "a:b", "url=<a:b/c>", "a:/c", ":b/c", "a:b/c/d", ""] {
            assert_eq!(InterfaceName::parse(odd), None, "{odd}");
        }
    }

    #[test]
    fn a_series_takes_every_patch_and_nothing_else() {
        for (version, fits) in [
            ("0.1.0", true),
            ("0.1.12", true),
            ("0.10.0", false),
            ("0.1", false),
            ("0.1.", false),
            ("0.2.0", false),
            ("0.1.0-rc1", false),
            ("1.0.1", false),
        ] {
            let name = format!("a:b/c@{version}");
            assert_eq!(InterfaceName::parse(&name).unwrap().is_of("0.1"), fits, "{version}");
        }
        assert!(!InterfaceName::parse("a:b/c").unwrap().is_of("0.1"));
    }
}
