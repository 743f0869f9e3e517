//! What the operator decides.

use shopwright_sdk::prelude::*;

settings! {
    /// How carts that were left are brought back.
    pub struct Settings {
        /// How long to wait with customers who usually buy within a day.
        #[schemars(title = "Wait: quick buyers")]
        pub quick_wait: Duration = hours(2),
        /// How long to wait with customers of whose pace nothing is known.
        #[schemars(title = "Wait: unknown pace")]
        pub usual_wait: Duration = hours(4),
        /// The longest wait before the first message, however long the customer usually takes.
        #[schemars(title = "Wait: at most")]
        pub longest_wait: Duration = days(3),
        /// How long to wait before a text message with an offer to a newcomer who looks at the price.
        /// Every change of the cart begins it anew.
        #[schemars(title = "Wait: text message")]
        pub sms_wait: Duration = minutes(10),
        /// How long to wait between one message and the next.
        #[schemars(title = "Wait: between messages")]
        pub next_wait: Duration = days(1),

        /// Carts below this amount get one message and no offer.
        #[schemars(title = "Small cart: below")]
        pub small_cart: Amount = Amount(30.0),
        /// Carts from this amount on get a third message, and then your staff is told.
        #[schemars(title = "Large cart: from")]
        pub large_cart: Amount = Amount(200.0),
        /// The staff channel that is told of large carts which no message brought back. Empty: nobody.
        #[schemars(title = "Staff channel")]
        pub staff_channel: String = "sales".into(),

        /// The highest discount, in per cent. 0: never a discount.
        #[schemars(title = "Discount: at most (%)", range(min = 0.0, max = 90.0))]
        pub most_discount: f64 = 15.0,
        /// How much of a cart's margin an offer may give away, in per cent. Carts whose costs are not
        /// known get no offer.
        #[schemars(title = "Discount: share of the margin (%)", range(min = 0.0, max = 100.0))]
        pub margin_share: f64 = 25.0,
        /// How long an offer holds.
        #[schemars(title = "Discount: valid for")]
        pub offer_valid: Duration = hours(24),

        /// From how few units on a product counts as nearly sold out.
        #[schemars(title = "Low stock: from (units)", range(min = 0))]
        pub low_stock: i64 = 5,
        /// The average from which reviews are shown, in stars.
        #[schemars(title = "Reviews: from (stars)", range(min = 1.0, max = 5.0))]
        pub good_rating: f64 = 4.0,

        /// How long messages are held while the customer has an open support ticket; then the cart is
        /// given up.
        #[schemars(title = "Open ticket: hold for")]
        pub hold: Duration = days(14),
        /// How long after the ticket was resolved the customer is written to.
        #[schemars(title = "Open ticket: follow up after")]
        pub after_ticket: Duration = hours(4),

        /// The text message. Filled in: {name}, {percent}, {code}, {valid}, {link}.
        #[schemars(title = "Text of the text message", length(min = 1, max = 1000))]
        pub sms_text: String =
            "Hi {name}, {percent}% off what is in your cart with the code {code}, for {valid}: {link}".into(),
    }
}
