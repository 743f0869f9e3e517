//! What the operator decides.

use shopwright_sdk::prelude::*;

use crate::classify::ExtraWords;

settings! {
    /// How tickets are sorted and answered.
    pub struct Settings {
        /// Customers predicted to spend this much within twelve months (or who have spent it already)
        /// count as high value.
        #[schemars(title = "High value: from")]
        pub high_value: Amount = Amount(1000.0),
        /// The team for high-value, frustrated and technically difficult customers.
        #[schemars(title = "Team: senior staff")]
        pub senior_team: String = "senior".into(),
        /// The team that knows the products.
        #[schemars(title = "Team: sales")]
        pub sales_team: String = "sales".into(),
        /// The team for deliveries and returns.
        #[schemars(title = "Team: shipping and returns")]
        pub shipping_team: String = "shipping".into(),
        /// The team for payments and invoices.
        #[schemars(title = "Team: billing")]
        pub billing_team: String = "billing".into(),
        /// The team for everything else, and for what the router is not sure about.
        #[schemars(title = "Team: everybody else")]
        pub general_team: String = "support".into(),
        /// The staff channel that hears of escalations at once. Empty: nobody.
        #[schemars(title = "Staff channel")]
        pub staff_channel: String = "support".into(),

        /// Answer questions for an order's status with its tracking.
        #[schemars(title = "Answer: order status")]
        pub answer_order_status: bool = true,
        /// Answer questions about products from the help centre's articles.
        #[schemars(title = "Answer: product information")]
        pub answer_from_articles: bool = true,
        /// How well an article must fit to be sent as the answer, from 0 to 1.
        #[schemars(title = "Answer: article fits from", range(min = 0.0, max = 1.0))]
        pub article_fits: f64 = 0.5,
        /// After how long without a reply a ticket that was answered is resolved. 0s: never.
        #[schemars(title = "Resolve after")]
        pub resolve_after: Duration = days(3),
        /// What customers are told at once when a person takes over. Empty: nothing.
        #[schemars(title = "Text when a person takes over", length(max = 1000))]
        pub acknowledgement: String =
            "Thank you for your message. A colleague is looking into it and will get back to you.".into(),
        /// Signed under answers.
        #[schemars(title = "Signature", length(max = 200))]
        pub signature: String = "Your support team".into(),

        /// How sure the router must be of what a ticket is about, from 0 to 1. Below, a person decides.
        #[schemars(title = "Sure from", range(min = 0.0, max = 1.0))]
        pub sure_from: f64 = 0.5,
        /// From which score on a customer counts as frustrated: one strong word is 3.
        #[schemars(title = "Frustrated from", range(min = 0.5))]
        pub frustrated_from: f64 = 3.0,
        /// Your own words and phrases by type, each with a weight (1 is weak, 4 is strong).
        #[schemars(title = "More words")]
        pub more_words: ExtraWords = ExtraWords::new(),
    }
}
