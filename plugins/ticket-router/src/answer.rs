//! What customers are told.

use shopwright_sdk::{
    orders::{Fulfilment, Order},
    prelude::*,
    support::Article,
};

use crate::Settings;

/// What can be said of an order's whereabouts.
#[derive(Debug, Clone, PartialEq)]
pub enum Whereabouts {
    /// All is well: this is the answer.
    Answer(String),
    /// A person has to look at it: why.
    Person(String),
}

/// Says where an order is, from its tracking.
pub fn whereabouts(order: &Order, now: Timestamp, settings: &Settings) -> Whereabouts {
    let number = &order.number;
    match order.fulfilment {
        Fulfilment::Cancelled | Fulfilment::Returned | Fulfilment::Held => {
            return Whereabouts::Person(format!("order {number} is {}", order.fulfilment));
        }
        _ => {}
    }
    if order.cancelled_at.is_some() {
        return Whereabouts::Person(format!("order {number} was cancelled"));
    }
    let arrived = order.shipments.iter().filter_map(|shipment| shipment.delivered_at()).max();
    if let Some(at) = arrived
        && order.shipments.iter().all(|shipment| shipment.delivered_at.is_some())
    {
        // "Delivered" and still asking: it may be at a neighbour's, or gone.
        return Whereabouts::Person(format!("order {number} was delivered on {}, yet the customer asks", at.date()));
    }
    if let Some(expected) = order.expected_delivery()
        && expected < now
    {
        return Whereabouts::Person(format!("order {number} was expected on {} and is late", expected.date()));
    }
    let mut text = if order.shipments.is_empty() {
        if order.fulfilment == Fulfilment::Fulfilled {
            return Whereabouts::Person(format!("order {number} is fulfilled but has no tracking"));
        }
        format!("Your order {number} is being prepared and has not been handed to the carrier yet.")
    } else {
        let mut text = format!("Your order {number} is on its way.");
        for shipment in order.shipments.iter().filter(|shipment| shipment.delivered_at.is_none()) {
            let status = shipment.status.replace('_', " ");
            text.push_str(&format!(
                "\n\n{} {}: {status}, sent on {}",
                shipment.carrier,
                shipment.tracking_number,
                shipment.shipped_at().date(),
            ));
            if let Some(url) = &shipment.tracking_url {
                text.push_str(&format!("\nFollow it here: {url}"));
            }
        }
        text
    };
    if let Some(expected) = order.expected_delivery() {
        text.push_str(&format!("\n\nIt is expected to arrive by {}.", expected.date()));
    }
    Whereabouts::Answer(signed(text, settings))
}

/// The answer from the best article that fits well enough, with the others that fit as further reading.
pub fn from_articles(articles: &[Article], settings: &Settings) -> Option<String> {
    let mut fitting = articles.iter().filter(|article| article.score >= settings.article_fits);
    let best = fitting.next()?;
    let mut text = format!("{}\n\n{}\n\nRead more: {}", best.title, excerpt(&best.text), best.url);
    for article in fitting {
        text.push_str(&format!("\nSee also: {} ({})", article.title, article.url));
    }
    Some(signed(text, settings))
}

/// At most about 600 characters, cut after a sentence.
fn excerpt(text: &str) -> &str {
    let Some((end, _)) = text.char_indices().nth(600) else { return text.trim() };
    let cut = text[..end].rfind(['.', '!', '?']).map_or(end, |stop| stop + 1);
    text[..cut].trim()
}

/// With the shop's signature, and the way to a person.
fn signed(text: String, settings: &Settings) -> String {
    format!(
        "{text}\n\nIf this does not answer your question, just reply and a colleague takes over.\n\n{}",
        settings.signature
    )
}

#[cfg(test)]
mod tests {
    use shopwright_sdk::{
        orders::Shipment,
        testing::{BEGIN, record, sample},
    };

    use super::*;

    fn shipment(delivered: bool) -> Shipment {
        record(json!({
            "id": "s", "carrier": "DHL", "tracking_number": "JD014", "tracking_url": "https://dhl.example/JD014",
            "status": "in_transit", "shipped_at": BEGIN, "delivered_at": delivered.then_some(BEGIN),
        }))
    }

    #[test]
    fn tracking_is_told_and_trouble_goes_to_a_person() {
        let settings = Settings::default();
        let now = BEGIN + days(1);
        let say = |change: fn(&mut Order)| {
            let mut order = Order { shipments: vec![shipment(false)], ..sample::order("1001", "1") };
            order.expected_delivery = Some((BEGIN + days(3)).as_millis());
            change(&mut order);
            whereabouts(&order, now, &settings)
        };
        let Whereabouts::Answer(text) = say(|_| {}) else { panic!() };
        for part in ["#1001", "DHL JD014", "in transit", "https://dhl.example/JD014", "2026-01-04", "just reply"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        let Whereabouts::Answer(text) = say(|order| order.shipments.clear()) else { panic!() };
        assert!(text.contains("being prepared"), "{text}");

        type Change = fn(&mut Order);
        let trouble: [(Change, &str); 6] = [
            (|order| order.expected_delivery = Some(BEGIN.as_millis()), "late"),
            (|order| order.shipments = vec![shipment(true)], "delivered"),
            (|order| order.fulfilment = Fulfilment::Cancelled, "cancelled"),
            (|order| order.fulfilment = Fulfilment::Held, "held"),
            (|order| order.cancelled_at = Some(1), "cancelled"),
            (
                |order| {
                    order.shipments.clear();
                    order.fulfilment = Fulfilment::Fulfilled;
                },
                "no tracking",
            ),
        ];
        for (change, why) in trouble {
            let Whereabouts::Person(reason) = say(change) else { panic!("{why}") };
            assert!(reason.contains(why), "{reason}");
        }
    }

    #[test]
    fn only_articles_that_fit_are_sent() {
        let article = |title: &str, score: f64| -> Article {
            record(json!({
                "id": title, "title": title, "text": "Yes. It is.", "url": format!("https://h.example/{title}"),
                "score": score,
            }))
        };
        let settings = Settings::default();
        assert_eq!(from_articles(&[article("a", 0.4)], &settings), None);
        let text = from_articles(&[article("a", 0.9), article("b", 0.6), article("c", 0.1)], &settings).unwrap();
        assert!(text.starts_with("a\n\nYes. It is.") && text.contains("See also: b") && !text.contains("/c"), "{text}");
    }

    #[test]
    fn excerpts_end_with_a_sentence() {
        let text = "Zwei Wörter. ".repeat(60);
        let cut = excerpt(&text);
        assert!(cut.len() < text.len() && cut.ends_with('.'), "{cut}");
    }
}
