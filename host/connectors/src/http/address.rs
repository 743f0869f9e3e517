//! Which addresses plugins may not reach.
//!
//! What is reachable is named, not what is dangerous: of IPv6 only global unicast (2000::/3), of IPv4 all that the
//! IANA special-purpose registries (RFC 6890 and later entries) do not set apart. An IPv6 address that carries an IPv4
//! address (mapped, NAT64, 6to4) is judged by what it carries.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

/// Addresses with the same beginning: `10.0.0.0/8`, `::1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressRange {
    base: IpAddr,
    bits: u8,
}

impl AddressRange {
    /// Whether the address is one of them.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.base, address) {
            (IpAddr::V4(base), IpAddr::V4(address)) => {
                same(base.to_bits().into(), address.to_bits().into(), 32, self.bits)
            }
            (IpAddr::V6(base), IpAddr::V6(address)) => same(base.to_bits(), address.to_bits(), 128, self.bits),
            _ => false,
        }
    }
}

/// Whether the first `bits` of two numbers of `width` bits are the same.
fn same(one: u128, other: u128, width: u32, bits: u8) -> bool {
    (one ^ other).checked_shr(width - u32::from(bits)).unwrap_or(0) == 0
}

impl FromStr for AddressRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("`{text}` is no range of addresses: write it as `10.1.0.0/16`, `10.1.2.3` or `fd00::/8`");
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let base: IpAddr = address.parse().map_err(|_| wrong())?;
        let width = if base.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(width), |bits| bits.parse().map_err(|_| wrong()))?;
        if bits > width { Err(wrong()) } else { Ok(Self { base, bits }) }
    }
}

impl<'de> serde::Deserialize<'de> for AddressRange {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

/// IPv4 ranges that are no place for a plugin, with what they are.
const BLOCKED_V4: [([u8; 4], u8, &str); 17] = [
    ([0, 0, 0, 0], 8, "an unspecified address"),
    ([10, 0, 0, 0], 8, "a private address"),
    ([100, 64, 0, 0], 10, "an address inside a provider's network"),
    ([127, 0, 0, 0], 8, "a loopback address"),
    ([169, 254, 0, 0], 16, "a link-local address"),
    ([172, 16, 0, 0], 12, "a private address"),
    ([192, 0, 0, 0], 24, "an address of protocols"),
    ([192, 0, 2, 0], 24, "an address for documentation"),
    ([192, 88, 99, 0], 24, "an address of relays"),
    ([192, 168, 0, 0], 16, "a private address"),
    ([198, 18, 0, 0], 15, "an address for measurements"),
    ([198, 51, 100, 0], 24, "an address for documentation"),
    ([203, 0, 113, 0], 24, "an address for documentation"),
    // Public by its number, and only there for virtual machines of one provider.
    ([168, 63, 129, 16], 32, "a metadata address"),
    ([224, 0, 0, 0], 4, "a multicast address"),
    ([255, 255, 255, 255], 32, "the broadcast address"),
    ([240, 0, 0, 0], 4, "a reserved address"),
];

/// Which addresses are reached.
#[derive(Debug, Clone, Default)]
pub struct Addresses {
    allow: Vec<AddressRange>,
}

impl Addresses {
    /// All public ones, and these.
    #[must_use]
    pub fn new(allow: Vec<AddressRange>) -> Self {
        Self { allow }
    }

    /// What an address is that may not be reached; none if it may.
    #[must_use]
    pub fn blocked(&self, address: IpAddr) -> Option<&'static str> {
        let plain = address.to_canonical();
        if self.allow.iter().any(|range| range.contains(plain)) {
            return None;
        }
        match plain {
            IpAddr::V4(address) => blocked_v4(address),
            IpAddr::V6(address) => blocked_v6(address),
        }
    }
}

fn blocked_v4(address: Ipv4Addr) -> Option<&'static str> {
    let inside = |base: [u8; 4], bits| same(u32::from_be_bytes(base).into(), address.to_bits().into(), 32, bits);
    BLOCKED_V4.iter().find(|(base, bits, _)| inside(*base, *bits)).map(|(.., what)| *what)
}

fn blocked_v6(address: Ipv6Addr) -> Option<&'static str> {
    let part = address.segments();
    let carried = |high: u16, low: u16| Ipv4Addr::from_bits((u32::from(high) << 16) | u32::from(low));
    match part {
        [0, 0, 0, 0, 0, 0, 0, 0] => Some("an unspecified address"),
        [0, 0, 0, 0, 0, 0, 0, 1] => Some("a loopback address"),
        // NAT64 (RFC 6052), and 6to4 (RFC 3056).
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => blocked_v4(carried(high, low)),
        [0x2002, high, low, ..] => blocked_v4(carried(high, low)),
        [0xfe80..=0xfebf, ..] => Some("a link-local address"),
        [0xfc00..=0xfdff, ..] => Some("a private address"),
        [0xff00..=0xffff, ..] => Some("a multicast address"),
        // Teredo, ORCHID and what else is set apart below 2001::/23.
        [0x2001, 0..=0x1ff, ..] => Some("an address of protocols"),
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => Some("an address for documentation"),
        [0x2000..=0x3fff, ..] => None,
        // Site-local, IPv4-compatible, local NAT64, and what nobody has yet.
        _ => Some("a reserved address"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_public_is_blocked_in_every_form() {
        let none = Addresses::default();
        let v4 = [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.100.100.200",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "168.63.129.16",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
        ];
        for text in v4 {
            let address: Ipv4Addr = text.parse().expect("an address");
            let [a, b, c, d] = address.octets();
            let hex = format!("{a:02x}{b:02x}:{c:02x}{d:02x}");
            for form in
                [text.to_owned(), format!("::ffff:{text}"), format!("64:ff9b::{text}"), format!("2002:{hex}::1")]
            {
                assert!(none.blocked(form.parse().expect(&form)).is_some(), "{form}");
            }
        }
        for text in [
            "::",
            "::1",
            "::7f00:1",
            "::10.0.0.1",
            "fe80::1",
            "febf::1",
            "fc00::1",
            "fd00:ec2::254",
            "fec0::1",
            "ff02::1",
            "2001::1",
            "2001:db8::1",
            "3fff::1",
            "64:ff9b:1::1",
            "100::1",
            "5f00::1",
            "4000::1",
        ] {
            assert!(none.blocked(text.parse().expect(text)).is_some(), "{text}");
        }
        for text in [
            "1.1.1.1",
            "100.63.255.255",
            "100.128.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "198.17.0.1",
            "198.20.0.1",
            "223.255.255.255",
            "::ffff:1.1.1.1",
            "64:ff9b::1.1.1.1",
            "2002:101:101::1",
            "2606:4700::1111",
            "2a00::1",
        ] {
            assert_eq!(none.blocked(text.parse().expect(text)), None, "{text}");
        }
    }

    #[test]
    fn a_range_lets_through_what_is_in_it_and_nothing_else() {
        let some = Addresses::new(vec!["10.1.0.0/16".parse().expect("a range"), "::1".parse().expect("a range")]);
        for (text, goes) in [
            ("10.1.255.1", true),
            ("::ffff:10.1.0.1", true),
            ("10.2.0.1", false),
            ("::1", true),
            ("::2", false),
            ("127.0.0.1", false),
        ] {
            assert_eq!(some.blocked(text.parse().expect(text)).is_none(), goes, "{text}");
        }
        let all = Addresses::new(vec!["0.0.0.0/0".parse().expect("a range")]);
        assert_eq!(all.blocked("127.0.0.1".parse().expect("an address")), None);
        for bad in ["", "10.0.0.0/33", "10.0.0.0/x", "::/129", "localhost", "10.0.0/8"] {
            assert!(bad.parse::<AddressRange>().is_err(), "{bad}");
        }
    }
}
