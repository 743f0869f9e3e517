//! The packet: everything a colleague needs to take over, as an internal note.

use shopwright_sdk::{
    customers::{Customer, Standing},
    orders::Order,
    support::{Article, Ticket},
};

use crate::{classify::Assessment, route::Weight};

/// What goes into it.
pub struct Packet<'a> {
    /// The ticket.
    pub ticket: &'a Ticket,
    /// Whose it is, if known.
    pub customer: Option<&'a Customer>,
    /// What is known of them.
    pub standing: Option<&'a Standing>,
    /// Their latest orders, newest first.
    pub orders: &'a [Order],
    /// Their earlier tickets, newest first.
    pub earlier: &'a [Ticket],
    /// What was read out of the ticket.
    pub assessment: &'a Assessment,
    /// How much it weighs.
    pub weight: &'a Weight,
    /// Articles on it.
    pub articles: &'a [Article],
    /// What was decided, and why.
    pub decision: &'a str,
}

impl Packet<'_> {
    /// The note.
    pub fn note(&self) -> String {
        let Packet { ticket, assessment, weight, .. } = self;
        let mut note = format!("{}\n", self.decision);
        let mut line = |text: String| {
            note.push_str(&text);
            note.push('\n');
        };
        line(format!(
            "\nPriority {} = value {:.2} x urgency {:.2} = {:.2}",
            weight.priority, weight.value, weight.urgency, weight.product
        ));
        let words = |found: &[crate::classify::Found]| {
            found.iter().map(|one| format!("{} ({})", one.words, one.weight)).collect::<Vec<_>>().join(", ")
        };
        line(match assessment.kind {
            Some(kind) => format!(
                "Assessment: {}, {:.0}% sure, because of {}",
                kind.words(),
                assessment.confidence * 100.0,
                words(&assessment.because)
            ),
            None if assessment.scores.is_empty() => "Assessment: unsure, no known word was found".into(),
            None => {
                let scores = assessment.scores.iter().map(|(kind, score)| format!("{} {score}", kind.words()));
                format!("Assessment: unsure between {}", scores.collect::<Vec<_>>().join(", "))
            }
        });
        if !assessment.frustrated_by.is_empty() {
            line(format!("Frustration {:.1}: {}", assessment.frustration, words(&assessment.frustrated_by)));
        }
        if !assessment.urgent_by.is_empty() {
            line(format!("Urgency: {}", words(&assessment.urgent_by)));
        }

        line("\nCustomer".into());
        line(match self.customer {
            Some(customer) => {
                let email = customer.email.as_deref().unwrap_or("no email");
                let tags =
                    if customer.tags.is_empty() { String::new() } else { format!("; {}", customer.tags.join(", ")) };
                format!("- {} ({email}), since {}{tags}", customer.name, customer.created_at().date())
            }
            None => "- not known".into(),
        });
        if let Some(standing) = self.standing {
            let unknown = || String::from("unknown");
            line(format!(
                "- {} orders, {} spent, predicted {}, risk of losing them {}",
                standing.orders,
                standing.spent,
                standing.predicted_value.as_ref().map_or_else(unknown, ToString::to_string),
                standing.churn_risk.map_or_else(unknown, |risk| format!("{:.0}%", risk * 100.0)),
            ));
        }
        for order in self.orders {
            line(format!(
                "- order {} of {}: {}, {}",
                order.number,
                order.placed_at().date(),
                order.total,
                order.fulfilment
            ));
        }
        for earlier in self.earlier {
            line(format!(
                "- earlier ticket {} of {}: {} ({})",
                earlier.id,
                earlier.created_at().date(),
                if earlier.subject.is_empty() { "no subject" } else { &earlier.subject },
                earlier.status
            ));
        }

        line("\nConversation".into());
        for message in ticket.messages.iter().filter(|message| !message.internal) {
            line(format!("- {} ({}): {}", message.author, message.at(), message.text));
        }
        if !self.articles.is_empty() {
            line("\nArticles".into());
            for article in self.articles {
                line(format!("- {} ({:.0}% fit): {}", article.title, article.score * 100.0, article.url));
            }
        }
        note.trim_end().to_owned()
    }
}
