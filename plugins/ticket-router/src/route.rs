//! Where a ticket goes and how urgent it is: pure decisions.

use shopwright_sdk::{customers::Standing, prelude::*, support::Priority};

use crate::{
    Settings,
    classify::{Assessment, Kind},
};

/// What a customer is worth to the shop, from 0.1 (unknown) to 1 (the operator's high value and more).
pub fn value(standing: Option<&Standing>, settings: &Settings) -> Result<f64> {
    const UNKNOWN: f64 = 0.1;
    let Some(standing) = standing else { return Ok(UNKNOWN) };
    let high = settings.high_value.in_currency(standing.spent.currency());
    let mut worth = standing.spent.clone();
    if let Some(predicted) = &standing.predicted_value
        && predicted.at_least(&worth)?
    {
        worth = predicted.clone();
    }
    Ok(worth.ratio(&high)?.unwrap_or(1.0).clamp(UNKNOWN, 1.0))
}

/// Priority = value x urgency, and what it makes of a ticket.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(crate = "shopwright_sdk::serde")]
pub struct Weight {
    /// 0.1 to 1.
    pub value: f64,
    /// 0.1 to 1: how urgent the text is, at least as urgent as its type.
    pub urgency: f64,
    /// Their product.
    pub product: f64,
    /// The product in four words.
    pub priority: Priority,
}

/// Weighs a ticket.
pub fn weigh(value: f64, assessment: &Assessment, settings: &Settings) -> Weight {
    let of_kind = match assessment.kind {
        Some(Kind::Billing | Kind::Technical) => 0.4,
        Some(Kind::Shipping) => 0.5,
        Some(Kind::OrderStatus | Kind::Return) => 0.3,
        Some(Kind::ProductInformation | Kind::ProductAdvice) => 0.2,
        None => 0.3,
    };
    let urgency = assessment.urgency.max(of_kind);
    let product = value * urgency;
    let by_product = match product {
        product if product >= 0.6 => Priority::Urgent,
        product if product >= 0.25 => Priority::High,
        product if product >= 0.025 => Priority::Normal,
        _ => Priority::Low,
    };
    // Nobody who is upset or in danger waits at the end of the line for having spent little.
    let floor = if assessment.frustration >= settings.frustrated_from || assessment.urgency >= 0.9 {
        Priority::High
    } else {
        Priority::Low
    };
    let priority = if rank(by_product) >= rank(floor) { by_product } else { floor };
    Weight { value, urgency, product, priority }
}

fn rank(priority: Priority) -> u8 {
    match priority {
        Priority::Low => 0,
        Priority::Normal => 1,
        Priority::High => 2,
        Priority::Urgent => 3,
    }
}

/// Where a ticket goes.
#[derive(Debug, Clone, PartialEq)]
pub enum Route {
    /// The router answers with the order's tracking.
    Tracking,
    /// The router answers from the articles.
    Articles,
    /// A team takes it.
    Team {
        /// Which.
        team: String,
        /// Why, for the operator.
        why: String,
        /// Staff is told at once.
        at_once: bool,
    },
}

/// Routes a ticket. First match: people who matter most or have had enough get a person.
pub fn route(assessment: &Assessment, weight: &Weight, settings: &Settings) -> Route {
    let team = |team: &str, why: String| Route::Team { team: team.into(), why, at_once: false };
    let senior = |why: String| Route::Team { team: settings.senior_team.clone(), why, at_once: true };
    if assessment.frustration >= settings.frustrated_from {
        let words: Vec<&str> = assessment.frustrated_by.iter().map(|found| found.words.as_str()).collect();
        return senior(format!("the customer is frustrated ({})", words.join(", ")));
    }
    let Some(kind) = assessment.kind else {
        let why = format!("unsure what it is about ({:.0}% sure), so a person decides", assessment.confidence * 100.0);
        return team(&settings.general_team, why);
    };
    let high_value = weight.value >= 1.0;
    match kind {
        Kind::OrderStatus | Kind::Shipping if high_value => {
            senior(format!("a high-value customer asks about {}", kind.words()))
        }
        Kind::OrderStatus if settings.answer_order_status => Route::Tracking,
        Kind::ProductInformation if settings.answer_from_articles => Route::Articles,
        Kind::OrderStatus | Kind::Shipping | Kind::Return => {
            team(&settings.shipping_team, format!("it is about {}", kind.words()))
        }
        Kind::ProductInformation | Kind::ProductAdvice => {
            team(&settings.sales_team, format!("it is about {}", kind.words()))
        }
        Kind::Technical => team(&settings.senior_team, format!("it is about {}, which needs experience", kind.words())),
        Kind::Billing => team(&settings.billing_team, format!("it is about {}", kind.words())),
    }
}

#[cfg(test)]
mod tests {
    use shopwright_sdk::testing::record;

    use super::*;
    use crate::classify::{ExtraWords, assess};

    fn routed(text: &str, value: f64) -> (Route, Weight) {
        let settings = Settings::default();
        let assessment = assess(text, 0, &ExtraWords::new(), settings.sure_from);
        let weight = weigh(value, &assessment, &settings);
        (route(&assessment, &weight, &settings), weight)
    }

    fn team(text: &str, value: f64) -> (String, bool) {
        match routed(text, value).0 {
            Route::Team { team, at_once, .. } => (team, at_once),
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn each_type_finds_its_people() {
        for (text, wanted) in [
            ("The delivery address is wrong, can you change the address?", "shipping"),
            ("The shoes are too small, I want to send them back", "shipping"),
            ("Can you recommend a gift?", "sales"),
            ("The mixer stopped working", "senior"),
            ("I was charged twice", "billing"),
            ("Hello, please call me", "support"),
        ] {
            assert_eq!(team(text, 0.1), (wanted.into(), false), "{text}");
        }
        assert_eq!(routed("Where is my order?", 0.1).0, Route::Tracking);
        assert_eq!(routed("Is it waterproof?", 1.0).0, Route::Articles);
    }

    #[test]
    fn high_value_with_a_shipping_question_goes_to_senior_staff_at_once() {
        for text in ["Where is my order?", "The courier lost the delivery"] {
            assert_eq!(team(text, 1.0), ("senior".into(), true), "{text}");
            assert_ne!(routed(text, 0.9).0, routed(text, 1.0).0, "{text}");
        }
    }

    #[test]
    fn the_frustrated_get_a_person_whatever_they_ask() {
        let (route, weight) = routed("Where is my order? This is ridiculous, worst shop ever", 0.1);
        assert!(matches!(route, Route::Team { at_once: true, .. }), "{route:?}");
        assert_eq!(weight.priority, Priority::High);
    }

    #[test]
    fn priority_is_value_times_urgency() {
        for (text, value, priority) in [
            ("Is it waterproof?", 0.1, Priority::Low),
            ("The mixer stopped working", 0.1, Priority::Normal),
            ("The mixer stopped working, it is urgent, I need it today", 0.5, Priority::High),
            ("The mixer stopped working, it is urgent, I need it today", 1.0, Priority::Urgent),
            ("It caught fire, this is dangerous, an emergency", 0.1, Priority::High),
        ] {
            let weight = routed(text, value).1;
            assert_eq!(weight.priority, priority, "{text} {weight:?}");
            assert!((weight.product - weight.value * weight.urgency).abs() < 1e-9);
        }
    }

    #[test]
    fn value_is_what_was_or_will_be_spent() {
        let standing = |spent: i64, predicted: Option<i64>| -> Standing {
            record(json!({
                "orders": 1, "spent": Money::new(spent, "EUR"),
                "predicted_value": predicted.map(|amount| Money::new(amount, "EUR")),
            }))
        };
        let value = |standing: &Standing| value(Some(standing), &Settings::default()).unwrap();
        assert_eq!(value(&standing(0, None)), 0.1);
        assert_eq!(value(&standing(50_000, None)), 0.5);
        assert_eq!(value(&standing(50_000, Some(100_000))), 1.0);
        assert_eq!(value(&standing(500_000, Some(0))), 1.0);
        assert_eq!(super::value(None, &Settings::default()), Ok(0.1));
    }
}
