//! What a ticket is about, how urgent it is, and how sure that is. Pure.

use std::collections::BTreeMap;

use shopwright_sdk::{prelude::*, support::Ticket};

use crate::words::{FEATURES, FRUSTRATION, URGENCY};

/// What a ticket is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", crate = "shopwright_sdk::serde")]
#[schemars(crate = "shopwright_sdk::schemars")]
pub enum Kind {
    /// Where an order is.
    OrderStatus,
    /// A delivery that went wrong or is to be changed.
    Shipping,
    /// A fact about a product or the shop.
    ProductInformation,
    /// What to buy.
    ProductAdvice,
    /// Something does not work.
    Technical,
    /// Sending something back.
    Return,
    /// Payment, invoice, codes.
    Billing,
}

impl Kind {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Kind::OrderStatus => "order status",
            Kind::Shipping => "shipping",
            Kind::ProductInformation => "product information",
            Kind::ProductAdvice => "product advice",
            Kind::Technical => "a technical problem",
            Kind::Return => "a return",
            Kind::Billing => "billing",
        }
    }
}

/// A feature that was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(crate = "shopwright_sdk::serde")]
pub struct Found {
    /// The word or phrase of the table.
    pub words: String,
    /// Its weight.
    pub weight: f64,
}

/// What was read out of a ticket.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(crate = "shopwright_sdk::serde")]
pub struct Assessment {
    /// What it is about; none: not sure enough to say.
    pub kind: Option<Kind>,
    /// The score of each type that has one, best first.
    pub scores: Vec<(Kind, f64)>,
    /// 0 to 1: how far the best type is ahead, and how much there was to go by.
    pub confidence: f64,
    /// What spoke for the best type.
    pub because: Vec<Found>,
    /// 0 is calm. From the setting's threshold on a person takes over.
    pub frustration: f64,
    /// What spoke for frustration.
    pub frustrated_by: Vec<Found>,
    /// 0 to 1.
    pub urgency: f64,
    /// What spoke for urgency.
    pub urgent_by: Vec<Found>,
}

/// Extra features of the operator, by type: word or phrase and weight.
pub type ExtraWords = BTreeMap<Kind, BTreeMap<String, f64>>;

/// What the customer wrote that nobody has answered yet: all their messages since the shop's last one,
/// and the subject.
pub fn question(ticket: &Ticket) -> String {
    let public: Vec<_> = ticket.messages.iter().filter(|message| !message.internal).collect();
    let answered = public.iter().rposition(|message| !message.from_customer).map_or(0, |index| index + 1);
    let open = public[answered..].iter().map(|message| message.text.as_str());
    std::iter::once(ticket.subject.as_str()).chain(open).collect::<Vec<_>>().join("\n")
}

/// Reads a ticket.
///
/// `earlier` is how many tickets the customer had in the last 30 days: who has to write again and again
/// is not calm. `sure_from` is the confidence from which the type counts as known.
pub fn assess(text: &str, earlier: usize, extra: &ExtraWords, sure_from: f64) -> Assessment {
    let words = Words::of(text);
    let mut all: Vec<(Kind, f64, Vec<Found>)> = FEATURES
        .iter()
        .map(|(kind, features)| {
            let mut found = words.find(features.iter().copied());
            if let Some(extra) = extra.get(kind) {
                found.extend(words.find(extra.iter().map(|(words, weight)| (words.as_str(), *weight))));
            }
            (*kind, sum(&found), found)
        })
        .filter(|(_, score, _)| *score > 0.0)
        .collect();
    all.sort_by(|(_, one, _), (_, other, _)| other.total_cmp(one));

    let best = all.first().map_or(0.0, |(_, score, _)| *score);
    let second = all.get(1).map_or(0.0, |(_, score, _)| *score);
    // A lead of half the score is all one can ask for, and so is a score of three.
    let confidence = if best > 0.0 { ((best - second) / best * 2.0).min(1.0) * (best / 3.0).min(1.0) } else { 0.0 };

    let mut frustrated_by = words.find(FRUSTRATION.iter().copied());
    if words.shouted {
        frustrated_by.push(Found { words: "written in capitals".into(), weight: 1.5 });
    }
    if words.exclamations >= 3 {
        frustrated_by.push(Found { words: "exclamation marks".into(), weight: 1.0 });
    }
    if earlier >= 2 {
        frustrated_by.push(Found { words: format!("{earlier} tickets within 30 days"), weight: 1.5 });
    }
    let frustration = sum(&frustrated_by);
    let urgent_by = words.find(URGENCY.iter().copied());
    let urgency = ((sum(&urgent_by) + frustration / 2.0) / 6.0).min(1.0);

    let kind = all.first().map(|(kind, ..)| *kind).filter(|_| confidence >= sure_from);
    let because = all.first().map(|(.., found)| found.clone()).unwrap_or_default();
    let scores = all.into_iter().map(|(kind, score, _)| (kind, score)).collect();
    Assessment { kind, scores, confidence, because, frustration, frustrated_by, urgency, urgent_by }
}

/// The number of an order in a text: `#1001`, `order 1001`, `Bestellung 1001`.
pub fn order_number(text: &str) -> Option<String> {
    let words: Vec<&str> = text.split(|c: char| !(c.is_alphanumeric() || c == '#' || c == '-')).collect();
    let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
    let digits = |word: &str| word.len() >= 3 && word.chars().all(|c| c.is_ascii_digit());
    for (index, word) in words.iter().enumerate() {
        if let Some(number) = word.strip_prefix('#')
            && digits(number)
        {
            return Some(number.into());
        }
        let before = words[index.saturating_sub(2)..index].iter().map(|word| word.to_lowercase());
        if digits(word) && before.into_iter().any(|word| word == "order" || word.starts_with("bestell")) {
            return Some((*word).into());
        }
    }
    None
}

fn sum(found: &[Found]) -> f64 {
    found.iter().map(|found| found.weight).sum()
}

/// A text as words.
struct Words {
    words: Vec<String>,
    shouted: bool,
    exclamations: usize,
}

impl Words {
    fn of(text: &str) -> Words {
        let text = text.replace('\u{2019}', "'");
        let words = split(&text.to_lowercase());
        let letters = text.chars().filter(|c| c.is_alphabetic()).count();
        let capitals = text.chars().filter(|c| c.is_uppercase()).count();
        let shouted = letters >= 20 && capitals * 10 >= letters * 6;
        Words { words, shouted, exclamations: text.matches('!').count() }
    }

    fn find<'a>(&self, features: impl Iterator<Item = (&'a str, f64)>) -> Vec<Found> {
        let has = |phrase: &str| {
            let phrase: Vec<String> = phrase.to_lowercase().split_whitespace().map(Into::into).collect();
            !phrase.is_empty()
                && self.words.windows(phrase.len()).any(|words| {
                    words.iter().zip(&phrase).all(|(word, wanted)| match wanted.strip_suffix('*') {
                        Some(stem) => word.starts_with(stem),
                        None => word == wanted,
                    })
                })
        };
        features
            .filter(|(phrase, _)| has(phrase))
            .map(|(phrase, weight)| Found { words: phrase.into(), weight })
            .collect()
    }
}

fn split(text: &str) -> Vec<String> {
    text.split(|c: char| !(c.is_alphanumeric() || c == '\''))
        .map(|word| word.trim_matches('\'').to_owned())
        .filter(|word| !word.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(text: &str) -> Option<Kind> {
        assess(text, 0, &ExtraWords::new(), 0.5).kind
    }

    #[test]
    fn people_say_the_same_in_many_ways() {
        for (text, wanted) in [
            ("Hi, where is my order #1001? It was supposed to come on Monday.", Kind::OrderStatus),
            ("Could you send me the tracking number please", Kind::OrderStatus),
            ("Wo ist mein Paket? Wann kommt es an?", Kind::OrderStatus),
            ("The tracking says delivered but the courier left it at a wrong address", Kind::Shipping),
            ("I entered the wrong address, can you change the delivery address?", Kind::Shipping),
            ("Is the jacket waterproof, and what is it made of?", Kind::ProductInformation),
            ("How do I wash the wool blanket?", Kind::ProductInformation),
            ("Can you recommend a gift for my father? Which one is better?", Kind::ProductAdvice),
            ("The headphones stopped working, bluetooth shows an error", Kind::Technical),
            ("Der Mixer ist kaputt, er funktioniert nicht mehr", Kind::Technical),
            ("The shoes are too small, I want to send them back", Kind::Return),
            ("I was charged twice for one order, please check my credit card", Kind::Billing),
        ] {
            assert_eq!(kind(text), Some(wanted), "{text}");
        }
    }

    #[test]
    fn unsure_is_an_answer() {
        for text in ["", "Hello", "Please call me back.", "It is about the thing we spoke of", "shipping refund error"]
        {
            assert_eq!(kind(text), None, "{text}");
        }
    }

    #[test]
    fn the_operators_words_count() {
        let text = "My gizmo plays up";
        assert_eq!(kind(text), None);
        let extra = ExtraWords::from([(Kind::Technical, [("plays up".to_owned(), 4.0)].into())]);
        assert_eq!(assess(text, 0, &extra, 0.5).kind, Some(Kind::Technical));
    }

    #[test]
    fn frustration_shows_in_words_capitals_and_repetition() {
        let frustration = |text: &str, earlier| assess(text, earlier, &ExtraWords::new(), 0.5).frustration;
        assert_eq!(frustration("Where is my order?", 0), 0.0);
        assert!(frustration("This is unacceptable, nobody answers", 0) >= 4.0);
        assert!(frustration("WHERE IS MY ORDER THIS IS THE THIRD TIME I ASK!!!", 0) >= 4.0);
        assert!(frustration("Where is my order?", 3) > 0.0);
        assert!(frustration("I’m fed up", 0) >= 3.0, "typographic apostrophes");
    }

    #[test]
    fn urgency_is_bounded() {
        let urgency = |text: &str| assess(text, 0, &ExtraWords::new(), 0.5).urgency;
        assert_eq!(urgency("no hurry"), 0.0);
        assert!((0.4..0.7).contains(&urgency("I need it urgently")), "{}", urgency("I need it urgently"));
        assert_eq!(urgency("URGENT!!! emergency, it caught fire, dangerous, asap"), 1.0);
    }

    #[test]
    fn order_numbers_are_found_and_other_numbers_are_not() {
        for (text, number) in [
            ("Where is #1001?", Some("1001")),
            ("my order 20417 is late", Some("20417")),
            ("order number 20417", Some("20417")),
            ("Meine Bestellung 5512 fehlt", Some("5512")),
            ("call me: 030 123456", None),
            ("#12", None),
            ("I ordered 2 of them", None),
        ] {
            assert_eq!(order_number(text).as_deref(), number, "{text}");
        }
    }

    #[test]
    fn only_what_is_unanswered_counts() {
        use shopwright_sdk::testing::{record, sample};
        let mut ticket = sample::ticket("t", "1", "first");
        for (text, from_customer, internal) in
            [("answer", false, false), ("second", true, false), ("note", false, true), ("third", true, false)]
        {
            ticket.messages.push(record(json!({
                "author": "x", "from_customer": from_customer, "text": text, "at": 0, "internal": internal,
            })));
        }
        assert_eq!(question(&ticket), "\nsecond\nthird");
    }
}
