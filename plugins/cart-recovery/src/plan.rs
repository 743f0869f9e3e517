//! How a customer is approached: pure decisions on what is known of them and of their cart.

use shopwright_sdk::{
    carts::{Cart, Step},
    customers::{Channel, Customer, Engagement, Standing},
    prelude::*,
};

use crate::{Settings, discount::Worth};

/// Everything the plan depends on.
pub struct Facts<'a> {
    /// The cart that was left.
    pub cart: &'a Cart,
    /// What it is worth to the shop.
    pub worth: &'a Worth,
    /// Whose cart it is.
    pub customer: &'a Customer,
    /// What is known of them.
    pub standing: &'a Standing,
    /// How they answered to earlier messages.
    pub engagement: &'a [Engagement],
}

/// What fits this customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", crate = "shopwright_sdk::serde")]
pub enum Approach {
    /// Buys within a day: a gentle reminder soon, no offer needed.
    QuickBuyer,
    /// New and looking at the price: a text message with an offer that ends soon.
    PriceSensitiveNewcomer,
    /// Has answered to what others say before: reviews and what is nearly sold out.
    SocialProof,
    /// Takes time: the reminder waits as long as they usually take.
    OwnPace,
    /// Nothing speaks for another approach.
    Usual,
}

/// One message, and how long to wait before it.
#[derive(Debug, Clone, PartialEq)]
pub struct Touch {
    /// After the cart's last change, or after the message before.
    pub wait: Duration,
    /// What is sent.
    pub message: Message,
}

/// What is sent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Message {
    /// The cart is still there.
    Reminder,
    /// The cart with reviews and low stock.
    SocialProof,
    /// The cart with a discount of so many per cent.
    Offer(f64),
    /// The same as a text message.
    OfferSms(f64),
}

/// How a cart is brought back.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// What fits the customer.
    pub approach: Approach,
    /// Why, for the operator.
    pub why: String,
    /// The messages, in order. The first is always sent (if nothing comes between), the others belong
    /// to the effort that the cart is worth.
    pub touches: Vec<Touch>,
    /// Staff is told when nothing helped.
    pub tell_staff: bool,
}

/// Makes the plan.
pub fn plan(facts: &Facts<'_>, settings: &Settings) -> Result<Plan> {
    let total = &facts.cart.total;
    let small = !total.at_least(&settings.small_cart.in_currency(total.currency()))?;
    let large = total.at_least(&settings.large_cart.in_currency(total.currency()))?;
    let discount = if small { None } else { facts.worth.discount(facts.standing, settings)? };
    let (approach, why) = approach(facts, discount, settings);

    let first = match approach {
        Approach::QuickBuyer => Touch { wait: settings.quick_wait, message: Message::Reminder },
        Approach::PriceSensitiveNewcomer => {
            let percent = discount.ok_or_else(|| Error::fatal("an approach with an offer needs one"))?;
            Touch { wait: settings.sms_wait, message: Message::OfferSms(percent) }
        }
        Approach::SocialProof => Touch { wait: own_pace(facts.standing, settings), message: Message::SocialProof },
        Approach::OwnPace | Approach::Usual => {
            Touch { wait: own_pace(facts.standing, settings), message: Message::Reminder }
        }
    };
    let mut touches = vec![first];
    // Effort by value: a second message unless the cart is small, a third for a large one. An offer
    // comes last, and never twice.
    let offered = matches!(touches[0].message, Message::OfferSms(_));
    let offer = discount.filter(|_| !offered).map(Message::Offer);
    let proof = Some(Message::SocialProof).filter(|_| approach != Approach::SocialProof);
    let more: &[Option<Message>] = match (small, large) {
        (true, _) => &[],
        (_, true) => &[proof, offer],
        _ => &[offer.or(proof)],
    };
    touches.extend(more.iter().flatten().map(|&message| Touch { wait: settings.next_wait, message }));
    Ok(Plan { approach, why, touches, tell_staff: large && !settings.staff_channel.is_empty() })
}

fn approach(facts: &Facts<'_>, discount: Option<f64>, settings: &Settings) -> (Approach, String) {
    let Facts { cart, worth, customer, standing, .. } = facts;
    if standing.orders > 0
        && let Some(time) = standing.decision_time()
        && time <= days(1)
    {
        return (Approach::QuickBuyer, format!("usually buys within a day (after {time})"));
    }
    if standing.orders == 0
        && discount.is_some()
        && may_write(customer, Channel::Sms)
        && let Some(sign) = looks_at_the_price(cart, worth, customer, standing)
    {
        return (Approach::PriceSensitiveNewcomer, format!("a newcomer who looks at the price: {sign}"));
    }
    if let Some(template) = answers_to_social_proof(facts.engagement) {
        return (Approach::SocialProof, format!("answered to \"{template}\" before"));
    }
    match standing.decision_time() {
        Some(time) => {
            let wait = own_pace(standing, settings);
            (Approach::OwnPace, format!("usually takes {time} to decide, so the reminder waits {wait}"))
        }
        None => (Approach::Usual, "nothing is known of the customer's pace".into()),
    }
}

/// As long as the customer usually takes, not less than quick buyers get and not more than the longest.
fn own_pace(standing: &Standing, settings: &Settings) -> Duration {
    let usual = standing.decision_time().unwrap_or(settings.usual_wait);
    usual.max(settings.quick_wait).min(settings.longest_wait)
}

/// The sign that the customer looks at the price, if there is one.
fn looks_at_the_price(cart: &Cart, worth: &Worth, customer: &Customer, standing: &Standing) -> Option<&'static str> {
    let says_so = |name: &String| matches!(name.as_str(), "price-sensitive" | "price_sensitive" | "bargain-hunter");
    if standing.segments.iter().chain(&customer.tags).any(says_so) {
        Some("is known for it")
    } else if worth.on_sale_share >= 0.5 {
        Some("most of the cart is on sale")
    } else if cart.step == Step::Shipping {
        Some("left when shipping was added")
    } else {
        None
    }
}

/// The template with reviews or stock that the customer has clicked at least every fifth time.
fn answers_to_social_proof(engagement: &[Engagement]) -> Option<&str> {
    engagement
        .iter()
        .filter(|seen| ["social-proof", "review", "low-stock"].iter().any(|part| seen.template.contains(part)))
        .find(|seen| seen.clicked > 0 && seen.clicked * 5 >= seen.sent)
        .map(|seen| seen.template.as_str())
}

/// True if the customer agreed to marketing over the channel and can be reached there.
pub fn may_write(customer: &Customer, channel: Channel) -> bool {
    let reachable = match channel {
        Channel::Email => customer.email.is_some(),
        Channel::Sms => customer.phone.is_some(),
    };
    // The newest word counts.
    let consents = customer.consents.iter().filter(|consent| consent.channel == channel);
    reachable && consents.max_by_key(|consent| consent.at).is_some_and(|consent| consent.granted)
}

#[cfg(test)]
mod tests {
    use shopwright_sdk::testing::{record, sample};

    use super::*;

    struct Case {
        cart: Cart,
        worth: Worth,
        customer: Customer,
        standing: Standing,
        engagement: Vec<Engagement>,
    }

    /// A cart of 40 EUR with a margin of 60 %, of a customer of whom nothing is known.
    fn case() -> Case {
        let worth = Worth { margin: Some(0.6), on_sale_share: 0.0 };
        let (cart, customer) = (sample::cart("c", "1"), sample::customer("1"));
        Case { cart, worth, customer, standing: sample::standing(), engagement: Vec::new() }
    }

    impl Case {
        fn plan(&self) -> Plan {
            let Case { cart, worth, customer, standing, engagement } = self;
            plan(&Facts { cart, worth, customer, standing, engagement }, &Settings::default()).unwrap()
        }

        fn with_sms(mut self) -> Case {
            self.customer.consents.push(record(json!({ "channel": "sms", "granted": true, "at": 1 })));
            self
        }
    }

    #[test]
    fn quick_buyers_are_reminded_after_two_hours() {
        let mut case = case();
        case.standing.orders = 4;
        case.standing.decision_time = Some(hours(20).as_millis());
        let plan = case.plan();
        assert_eq!(plan.approach, Approach::QuickBuyer);
        assert_eq!(plan.touches[0], Touch { wait: hours(2), message: Message::Reminder });
    }

    #[test]
    fn others_are_reminded_at_their_own_pace_within_bounds() {
        for (takes, waits) in [(hours(25), hours(25)), (days(2), days(2)), (days(30), days(3))] {
            let mut case = case();
            case.standing.orders = 2;
            case.standing.decision_time = Some(takes.as_millis());
            let plan = case.plan();
            assert_eq!((plan.approach, plan.touches[0].wait), (Approach::OwnPace, waits), "{takes}");
        }
        assert_eq!(case().plan().touches[0], Touch { wait: hours(4), message: Message::Reminder });
    }

    #[test]
    fn a_newcomer_who_looks_at_the_price_gets_a_text_message_with_consent() {
        let signs: [fn(&mut Case); 3] = [
            |case| case.cart.step = Step::Shipping,
            |case| case.worth.on_sale_share = 0.5,
            |case| case.standing.segments.push("price-sensitive".into()),
        ];
        for sign in signs {
            let mut consenting = case().with_sms();
            sign(&mut consenting);
            let plan = consenting.plan();
            assert_eq!(plan.approach, Approach::PriceSensitiveNewcomer);
            assert_eq!(plan.touches[0], Touch { wait: minutes(10), message: Message::OfferSms(15.0) });
            assert!(!plan.touches[1..].iter().any(|touch| matches!(touch.message, Message::Offer(_))), "one offer");

            let mut silent = case();
            sign(&mut silent);
            assert_eq!(silent.plan().approach, Approach::Usual, "no consent, no text message");

            consenting.standing.orders = 1;
            assert_ne!(consenting.plan().approach, Approach::PriceSensitiveNewcomer, "no newcomer");
        }
        assert_eq!(case().with_sms().plan().approach, Approach::Usual, "no sign");
    }

    #[test]
    fn consent_is_the_newest_word() {
        let mut customer = case().with_sms().customer;
        assert!(may_write(&customer, Channel::Sms));
        customer.consents.insert(0, record(json!({ "channel": "sms", "granted": false, "at": 2 })));
        assert!(!may_write(&customer, Channel::Sms));
        customer.email = None;
        assert!(!may_write(&customer, Channel::Email));
    }

    #[test]
    fn who_answers_to_social_proof_gets_it() {
        let seen = |template: &str, clicked: u32| {
            record(json!({ "channel": "email", "template": template, "sent": 10, "opened": 9, "clicked": clicked }))
        };
        for (engagement, approach) in [
            (vec![seen("newsletter", 9), seen("cart-social-proof", 2)], Approach::SocialProof),
            (vec![seen("cart-social-proof", 1)], Approach::Usual),
            (vec![seen("newsletter", 10)], Approach::Usual),
        ] {
            let plan = Case { engagement, ..case() }.plan();
            assert_eq!(plan.approach, approach);
            assert_eq!(plan.touches[0].message == Message::SocialProof, approach == Approach::SocialProof);
        }
    }

    #[test]
    fn effort_follows_the_value() {
        for (total, messages, tell_staff) in [
            (2999, vec![Message::Reminder], false),
            (3000, vec![Message::Reminder, Message::Offer(15.0)], false),
            (19_999, vec![Message::Reminder, Message::Offer(15.0)], false),
            (20_000, vec![Message::Reminder, Message::SocialProof, Message::Offer(15.0)], true),
        ] {
            let mut case = case();
            case.cart.total = Money::new(total, "EUR");
            let plan = case.plan();
            assert_eq!(plan.touches.iter().map(|touch| touch.message).collect::<Vec<_>>(), messages, "{total}");
            assert_eq!(plan.tell_staff, tell_staff, "{total}");
        }
        let unknown_cost = Case { worth: Worth { margin: None, on_sale_share: 0.0 }, ..case() };
        assert_eq!(unknown_cost.plan().touches[1].message, Message::SocialProof);
    }
}
