//! What the operator decides.

use shopwright_sdk::prelude::*;

settings! {
    /// How prices move.
    pub struct Settings {
        /// Stock that lasts less than this many days is scarce: the price rises.
        #[schemars(title = "Scarce: below (days of stock)", range(min = 1.0))]
        pub scarce_days: f64 = 14.0,
        /// Stock that lasts longer than this many days is too much: the price falls.
        #[schemars(title = "Too much: above (days of stock)", range(min = 2.0))]
        pub excess_days: f64 = 90.0,
        /// The most a price rises at once, in per cent.
        #[schemars(title = "Rise at most (%)", range(min = 0.0, max = 20.0))]
        pub rise_step: f64 = 3.0,
        /// The most a price falls at once, in per cent.
        #[schemars(title = "Fall at most (%)", range(min = 0.0, max = 30.0))]
        pub fall_step: f64 = 5.0,
        /// How far a price may rise above where it began, in per cent.
        #[schemars(title = "Above the base price: at most (%)", range(min = 0.0, max = 100.0))]
        pub most_above: f64 = 10.0,
        /// How far a price may fall below where it began, in per cent.
        #[schemars(title = "Below the base price: at most (%)", range(min = 0.0, max = 90.0))]
        pub most_below: f64 = 20.0,
        /// The margin that must be left, in per cent of the price. Products whose cost is not known are
        /// never made cheaper.
        #[schemars(title = "Margin: at least (%)", range(min = 0.0, max = 95.0))]
        pub least_margin: f64 = 20.0,

        /// How far above the cheapest competitor who has stock a price may stay, in per cent.
        #[schemars(title = "Competitors: tolerated (%)", range(min = 0.0, max = 100.0))]
        pub tolerated_gap: f64 = 5.0,
        /// How old a competitor's price may be to count.
        #[schemars(title = "Competitors: prices count for")]
        pub competitor_age: Duration = days(7),
        /// From which gap to a competitor on staff is told, in per cent.
        #[schemars(title = "Competitors: tell staff from (%)", range(min = 0.0))]
        pub alarming_gap: f64 = 20.0,
        /// The staff channel that is told. Empty: nobody.
        #[schemars(title = "Staff channel")]
        pub staff_channel: String = "pricing".into(),

        /// How long a price rests after a change.
        #[schemars(title = "Rest: after a change")]
        pub rest: Duration = days(1),
        /// How long before a price moves the other way.
        #[schemars(title = "Rest: before turning round")]
        pub turn_rest: Duration = days(7),
        /// Changes smaller than this are not worth it, in per cent.
        #[schemars(title = "Smallest change (%)", range(min = 0.0, max = 10.0))]
        pub least_change: f64 = 1.0,
        /// How long after a guardrail forbade a price that product is left alone.
        #[schemars(title = "Rest: after a refusal")]
        pub refusal_rest: Duration = days(7),
        /// What prices end with: 99 makes 19.99, 0 leaves them as they come out. For currencies with
        /// two decimals.
        #[schemars(title = "Prices end with", range(min = 0, max = 99))]
        pub ending: i64 = 99,
    }
}
