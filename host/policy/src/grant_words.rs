//! Grants in words, and what each can be narrowed by: what operators read before they say yes.

use crate::{action::ActionKind, grant::Grant};

/// How a grant of `function` (`interface.function`) can be narrowed: names of [`Grant`]'s fields.
#[must_use]
pub fn narrowings(function: &str) -> &'static [&'static str] {
    match function {
        "messaging.notify-staff" => &["channels", "per_day"],
        "messaging.send-email" => &["templates", "per_day"],
        "pricing-actions.set-price" => &["categories", "per_day"],
        "http.send" => &["hosts", "per_day"],
        action if ActionKind::NAMES.contains(&action) => &["per_day"],
        _ => &[],
    }
}

impl Grant {
    /// How it is narrowed, in words: "only in shoes and hats; at most 100 times a day". None where it is not.
    #[must_use]
    pub fn words(&self) -> Option<String> {
        let only = |what: &str, list: &Option<Vec<String>>| {
            list.as_ref().map(|list| match list.as_slice() {
                [] => format!("never: no {what} is allowed"),
                [first @ .., last] if !first.is_empty() => format!("only {what} {} and {last}", first.join(", ")),
                [one, ..] => format!("only {what} {one}"),
            })
        };
        let clauses = [
            only("channel", &self.channels),
            only("category", &self.categories),
            only("template", &self.templates),
            only("host", &self.hosts),
            self.per_day.map(|most| format!("at most {most} times a day")),
        ];
        let clauses: Vec<String> = clauses.into_iter().flatten().collect();
        (!clauses.is_empty()).then(|| clauses.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn narrowings_are_told_and_are_the_ones_that_a_grant_takes() {
        let json =
            serde_json::json!({"function": "pricing-actions.set-price", "categories": ["hats", "shoes"], "per_day": 7});
        let grant: Grant = serde_json::from_value(json).expect("a grant");
        assert_eq!(grant.words().as_deref(), Some("only category hats and shoes; at most 7 times a day"));
        assert_eq!(Grant::of("orders", "get").words(), None);
        for function in ActionKind::NAMES.into_iter().chain(["orders.get"]) {
            for field in ["channels", "categories", "templates", "hosts", "per_day"] {
                let value = if field == "per_day" { serde_json::json!(1) } else { serde_json::json!(["x.example"]) };
                let json = serde_json::json!([{"function": function, field: value}]);
                let taken = crate::Grants::parse(&json).is_ok();
                assert_eq!(taken, narrowings(function).contains(&field), "{function} by {field}");
            }
        }
    }
}
