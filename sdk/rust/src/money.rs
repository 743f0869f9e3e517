//! Money that cannot be mixed up: one type, exact, and no arithmetic across currencies.

use std::{cmp::Ordering, fmt};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An exact amount of money in its currency's minor unit: 1999 `"USD"` is 19.99 US dollars, 500
/// `"JPY"` is 500 yen.
///
/// There are no operators: every computation says what it does and refuses to mix currencies.
///
/// ```
/// use shopwright_sdk::Money;
///
/// let price = Money::new(1999, "EUR");
/// assert_eq!(price.plus(&Money::new(1, "EUR"))?, Money::new(2000, "EUR"));
/// assert_eq!(price.percent(10.0), Money::new(200, "EUR"));
/// assert!(price.plus(&Money::new(1, "USD")).is_err());
/// assert_eq!(price.to_string(), "19.99 EUR");
/// # Ok::<(), shopwright_sdk::MoneyError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Money {
    pub(crate) amount: i64,
    pub(crate) currency: String,
}

/// Why amounts could not be computed with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MoneyError {
    /// The two amounts have different currencies.
    CurrencyMismatch(String, String),
    /// The result does not fit 64 bits.
    Overflow,
}

impl fmt::Display for MoneyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MoneyError::CurrencyMismatch(one, other) => {
                write!(f, "{one} and {other} cannot be computed with one another; convert one of them first")
            }
            MoneyError::Overflow => f.write_str("the amount does not fit 64 bits"),
        }
    }
}

impl std::error::Error for MoneyError {}

impl Money {
    /// `amount` minor units of `currency` (ISO 4217, upper case).
    pub fn new(amount: i64, currency: impl Into<String>) -> Money {
        Money { amount, currency: currency.into() }
    }

    /// Nothing, in `currency`.
    pub fn zero(currency: impl Into<String>) -> Money {
        Money::new(0, currency)
    }

    /// `amount` major units (19.99), rounded to the minor unit.
    pub fn from_major(amount: f64, currency: impl Into<String>) -> Money {
        let currency = currency.into();
        let amount = (amount * 10f64.powi(minor_digits(&currency) as i32)).round() as i64;
        Money { amount, currency }
    }

    /// The amount in minor units.
    pub fn minor(&self) -> i64 {
        self.amount
    }

    /// The amount in major units, for ratios and texts; not exact.
    pub fn major(&self) -> f64 {
        self.amount as f64 / 10f64.powi(minor_digits(&self.currency) as i32)
    }

    /// ISO 4217, upper case.
    pub fn currency(&self) -> &str {
        &self.currency
    }

    /// More than nothing.
    pub fn is_positive(&self) -> bool {
        self.amount > 0
    }

    /// The sum.
    ///
    /// # Errors
    /// Different currencies, or an overflow.
    pub fn plus(&self, other: &Money) -> Result<Money, MoneyError> {
        self.same_currency(other)?;
        let amount = self.amount.checked_add(other.amount).ok_or(MoneyError::Overflow)?;
        Ok(Money { amount, currency: self.currency.clone() })
    }

    /// The difference; it may be negative.
    ///
    /// # Errors
    /// Different currencies, or an overflow.
    pub fn minus(&self, other: &Money) -> Result<Money, MoneyError> {
        self.same_currency(other)?;
        let amount = self.amount.checked_sub(other.amount).ok_or(MoneyError::Overflow)?;
        Ok(Money { amount, currency: self.currency.clone() })
    }

    /// `count` times the amount.
    ///
    /// # Errors
    /// An overflow.
    pub fn times(&self, count: i64) -> Result<Money, MoneyError> {
        let amount = self.amount.checked_mul(count).ok_or(MoneyError::Overflow)?;
        Ok(Money { amount, currency: self.currency.clone() })
    }

    /// One of `count` equal parts, rounded half away from zero; all of it for 0.
    pub fn part_of(&self, count: u32) -> Money {
        Money { amount: (self.amount as f64 / f64::from(count.max(1))).round() as i64, currency: self.currency.clone() }
    }

    /// `percent` per cent of the amount, rounded half away from zero.
    pub fn percent(&self, percent: f64) -> Money {
        Money { amount: (self.amount as f64 * percent / 100.0).round() as i64, currency: self.currency.clone() }
    }

    /// The sum of all, nothing in `currency` for none.
    ///
    /// # Errors
    /// Different currencies, or an overflow.
    pub fn sum<'a>(amounts: impl IntoIterator<Item = &'a Money>, currency: &str) -> Result<Money, MoneyError> {
        amounts.into_iter().try_fold(Money::zero(currency), |sum, amount| sum.plus(amount))
    }

    /// How this amount compares.
    ///
    /// # Errors
    /// Different currencies.
    pub fn compare(&self, other: &Money) -> Result<Ordering, MoneyError> {
        self.same_currency(other)?;
        Ok(self.amount.cmp(&other.amount))
    }

    /// True for as much as `other`, or more.
    ///
    /// # Errors
    /// Different currencies.
    pub fn at_least(&self, other: &Money) -> Result<bool, MoneyError> {
        Ok(self.compare(other)? != Ordering::Less)
    }

    /// This amount divided by `other`; none where `other` is nothing.
    ///
    /// # Errors
    /// Different currencies.
    pub fn ratio(&self, other: &Money) -> Result<Option<f64>, MoneyError> {
        self.same_currency(other)?;
        Ok((other.amount != 0).then(|| self.amount as f64 / other.amount as f64))
    }

    fn same_currency(&self, other: &Money) -> Result<(), MoneyError> {
        if self.currency == other.currency {
            Ok(())
        } else {
            Err(MoneyError::CurrencyMismatch(self.currency.clone(), other.currency.clone()))
        }
    }
}

/// As in `19.99 EUR`, `500 JPY`.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = minor_digits(&self.currency);
        let sign = if self.amount < 0 { "-" } else { "" };
        let unit = 10u64.pow(digits);
        let whole = self.amount.unsigned_abs() / unit;
        let rest = self.amount.unsigned_abs() % unit;
        if digits == 0 {
            write!(f, "{sign}{whole} {}", self.currency)
        } else {
            write!(f, "{sign}{whole}.{rest:0width$} {}", self.currency, width = digits as usize)
        }
    }
}

/// Digits of the minor unit, from ISO 4217.
fn minor_digits(currency: &str) -> u32 {
    match currency {
        "BIF" | "CLP" | "DJF" | "GNF" | "ISK" | "JPY" | "KMF" | "KRW" | "PYG" | "RWF" | "UGX" | "UYI" | "VND"
        | "VUV" | "XAF" | "XOF" | "XPF" => 0,
        "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => 3,
        "CLF" | "UYW" => 4,
        _ => 2,
    }
}

/// An amount in an operator's settings: a number of major units in the shop's own currency
/// (`49.9` is 49.90 €), which becomes [`Money`] with [`Amount::in_currency`].
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Default, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct Amount(#[schemars(range(min = 0.0))] pub f64);

impl Amount {
    /// The amount as money.
    pub fn in_currency(self, currency: &str) -> Money {
        Money::from_major(self.0, currency)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minor_units_follow_iso_4217() {
        for (major, currency, minor, text) in [
            (19.99, "EUR", 1999, "19.99 EUR"),
            (500.0, "JPY", 500, "500 JPY"),
            (1.2345, "KWD", 1235, "1.235 KWD"),
            (-0.05, "USD", -5, "-0.05 USD"),
        ] {
            let money = Money::from_major(major, currency);
            assert_eq!((money.minor(), money.to_string().as_str()), (minor, text));
        }
    }

    #[test]
    fn currencies_do_not_mix_and_nothing_overflows() {
        let (euro, dollar) = (Money::new(100, "EUR"), Money::new(100, "USD"));
        let mismatch = Err(MoneyError::CurrencyMismatch("EUR".into(), "USD".into()));
        assert_eq!(euro.plus(&dollar), mismatch);
        assert_eq!(euro.minus(&dollar), mismatch);
        assert!(euro.at_least(&dollar).is_err() && euro.ratio(&dollar).is_err());
        assert_eq!(Money::new(i64::MAX, "EUR").plus(&euro), Err(MoneyError::Overflow));
        assert_eq!(Money::new(i64::MAX, "EUR").times(2), Err(MoneyError::Overflow));
        assert_eq!(euro.ratio(&Money::zero("EUR")), Ok(None));
    }
}
