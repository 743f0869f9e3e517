//! From events to lines. Pure.

use shopwright_model::{Millis, customers::Channel};

use super::{
    event::{Action, Deed, ShowEvent, Verdict, Wait, What},
    style::{Line, Style, Weight},
    words::{clock, euros, short, span},
};
use crate::traffic::{Story, Why};

/// The lines that tell of an event; none for what only counts.
#[must_use]
pub fn lines(event: &ShowEvent) -> Vec<Line> {
    let at = event.at;
    match &event.what {
        What::Story(story) => tell(at, story),
        What::Accepted | What::RunReplaced { .. } => Vec::new(),
        What::RunStarted { workflow, trigger, about, .. } => vec![
            head(Weight::Detail, at, "run", Style::Magenta)
                .with(Style::Magenta, workflow.clone())
                .with(Style::Dim, format!(" begins: {trigger}{}", about_words(about))),
        ],
        What::RunWaiting { workflow, about, wait, .. } => {
            let words = match wait {
                Wait::Until(until) => format!("waits {} (until {})", span(until - at), clock(*until)),
                Wait::Event { kinds, until } => {
                    format!("waits for {}, at most {} (until {})", kinds.join(" or "), span(until - at), clock(*until))
                }
                Wait::Allowed { rule, until } => format!("holds back until {}: {}", clock(*until), short(rule, 70)),
                Wait::Person(question) => format!("waits for a person: {}", short(question, 60)),
                Wait::Retry(reason) => format!("tries again later: {}", short(reason, 60)),
            };
            let weight = if matches!(wait, Wait::Person(_) | Wait::Retry(_)) { Weight::Main } else { Weight::Normal };
            vec![
                head(weight, at, "waits", Style::Magenta)
                    .with(Style::Magenta, workflow.clone())
                    .with(Style::Dim, format!("{} {words}", about_words(about))),
            ]
        }
        What::RunEnded { workflow, about, state, outcome, .. } => {
            let (weight, style) =
                if state == "failed" { (Weight::Star, Style::Red) } else { (Weight::Detail, Style::Dim) };
            let outcome = if outcome.is_empty() || outcome == "null" {
                String::new()
            } else {
                format!(": {}", short(outcome, 90))
            };
            vec![
                head(weight, at, if state == "failed" { "FAILED" } else { "ends" }, Style::Magenta)
                    .with(Style::Magenta, workflow.clone())
                    .with(style, format!("{} {state}{outcome}", about_words(about))),
            ]
        }
        What::Action(action) => act(at, action),
    }
}

/// Time and what it is about.
fn head(weight: Weight, at: Millis, tag: &str, style: Style) -> Line {
    Line::new(weight).with(Style::Dim, format!("{}  ", clock(at))).with(style, format!("{tag:<10}"))
}

fn about_words(about: &Option<String>) -> String {
    about.as_ref().map_or_else(String::new, |about| format!(" ({about})"))
}

fn tell(at: Millis, story: &Story) -> Vec<Line> {
    let line = match story {
        Story::CartBegun { who, what, cents, .. } => head(Weight::Detail, at, "cart", Style::Cyan)
            .with(Style::Plain, format!("{who} begins a checkout: {what}, "))
            .with(Style::Blue, euros(*cents)),
        Story::CartStep { .. } | Story::Shipped { .. } | Story::Delivered { .. } | Story::Edited { .. } => {
            return Vec::new();
        }
        Story::CartLeft { who, step, cents, .. } => head(Weight::Normal, at, "cart", Style::Cyan)
            .with(Style::Plain, format!("{who} leaves a cart of "))
            .with(Style::Blue, euros(*cents))
            .with(Style::Plain, format!(" at {step}")),
        Story::Order { number, who, cents, why, messages, code, off, .. } => {
            let recovered = *messages > 0;
            let (weight, tag, style) = if recovered {
                (Weight::Star, "RECOVERED", Style::Green)
            } else {
                (Weight::Detail, "order", Style::Cyan)
            };
            let because = match why {
                Why::AtOnce | Why::Thought | Why::CameBack if recovered => ", who would have come back anyway".into(),
                Why::AtOnce | Why::Thought => String::new(),
                Why::CameBack => ", came back without a message".into(),
                Why::Reminded { sms: false } => " after our e-mail".into(),
                Why::Reminded { sms: true } => " after our text message".into(),
            };
            let code = code.as_ref().map_or_else(String::new, |code| format!(", {} off with {code}", euros(*off)));
            head(weight, at, tag, style)
                .with(Style::Plain, format!("{who} orders {number} for "))
                .with(if recovered { Style::Green } else { Style::Blue }, euros(*cents))
                .with(Style::Plain, format!("{because}{code}"))
        }
        Story::Read { who, channel, clicked, .. } => {
            let what = if *channel == Channel::Sms { "the text message" } else { "the e-mail" };
            let then = if *clicked { " and follows the link" } else { "" };
            head(Weight::Detail, at, "reads", Style::Cyan).with(Style::Plain, format!("{who} reads {what}{then}"))
        }
        Story::Letter { ticket, who, subject, text } => {
            return vec![
                head(Weight::Main, at, "ticket", Style::Cyan)
                    .with(Style::Plain, format!("#{ticket} from {who}: "))
                    .with(Style::Bold, short(subject, 50)),
                continuation(Weight::Main).with(Style::Dim, format!("\"{}\"", short(text, 110))),
            ];
        }
        Story::Settled { ticket, subject, after, by_person } => {
            let how = if *by_person { "settled by a colleague" } else { "the customer is content" };
            head(Weight::Detail, at, "ticket", Style::Cyan)
                .with(Style::Plain, format!("#{ticket} {}: {how} after {}", short(subject, 40), span(*after)))
        }
        Story::NotContent { ticket, who } => head(Weight::Normal, at, "ticket", Style::Cyan)
            .with(Style::Yellow, format!("#{ticket}: the answer did not help {who}")),
        Story::Rival { rival, product, before, after, in_stock } => {
            let line = head(Weight::Normal, at, "market", Style::Yellow);
            if before == after {
                let stock = if *in_stock { "has it in stock again" } else { "is sold out" };
                line.with(Style::Plain, format!("{rival} {stock}: {product}"))
            } else {
                line.with(
                    Style::Plain,
                    format!(
                        "{rival} {} {product} {} → {}",
                        if after < before { "lowers" } else { "raises" },
                        euros(*before),
                        euros(*after)
                    ),
                )
            }
        }
        Story::Restocked { product, units } => head(Weight::Detail, at, "stock", Style::Yellow)
            .with(Style::Plain, format!("{units} units of {product} arrive")),
        Story::Review { product, rating, text } => head(Weight::Detail, at, "review", Style::Cyan)
            .with(Style::Plain, format!("{} for {product}: ", "★".repeat(*rating as usize)))
            .with(Style::Dim, format!("\"{}\"", short(text, 70))),
    };
    vec![line]
}

/// A line that belongs to the one before.
fn continuation(weight: Weight) -> Line {
    Line::new(weight).with(Style::Plain, " ".repeat(21))
}

fn act(at: Millis, action: &Action) -> Vec<Line> {
    let mut weight = Weight::Main;
    let (tag, style, words) = match &action.deed {
        Deed::Message { channel: Channel::Email, to, text } => {
            ("e-mail", Style::Green, format!("to {to}: {}", short(text, 60)))
        }
        Deed::Message { channel: Channel::Sms, to, text } => {
            ("text msg", Style::Green, format!("to {to}: \"{}\"", short(text, 70)))
        }
        Deed::Offer { to, worth } => ("discount", Style::Green, format!("{worth} for {to}")),
        Deed::Price { product, before, after, .. } => {
            let before = before.map_or_else(String::new, |before| format!("{} → ", euros(before)));
            weight = Weight::Normal;
            ("price", Style::Green, format!("{product}: {before}{}", euros(*after)))
        }
        Deed::Assigned { ticket, team, assignee } => {
            let who = assignee.as_ref().map_or_else(String::new, |who| format!(" ({who})"));
            ("routed", Style::Green, format!("#{ticket} to {team}{who}"))
        }
        Deed::Priority { ticket, priority } => {
            weight = Weight::Normal;
            ("priority", Style::Green, format!("#{ticket} is {priority}"))
        }
        Deed::Status { ticket, status } => {
            weight = Weight::Detail;
            ("status", Style::Green, format!("#{ticket} is {status}"))
        }
        Deed::Reply { ticket, text } => ("answered", Style::Green, format!("#{ticket}: \"{}\"", short(text, 100))),
        Deed::Note { ticket, text } => {
            weight = Weight::Detail;
            ("note", Style::Green, format!("on #{ticket}: {}", short(text, 80)))
        }
        Deed::Tags { ticket, tags } => {
            weight = Weight::Detail;
            ("tags", Style::Green, format!("#{ticket}: {}", tags.join(", ")))
        }
        Deed::Staff { channel, text } => {
            weight = Weight::Normal;
            ("staff", Style::Green, format!("to {channel}: {}", short(text, 80)))
        }
        Deed::Other { action, subject } => ("action", Style::Green, format!("{action} on {subject}")),
    };
    let (tag, style, words) = match &action.verdict {
        Verdict::Done => (tag, style, words),
        Verdict::Denied(_) => ("denied", Style::Red, format!("{tag} {words}")),
        Verdict::Asked => ("asks", Style::Yellow, format!("{tag} {words}")),
        Verdict::Recorded => ("would", Style::Dim, format!("{tag} {words}")),
        Verdict::Failed(_) => ("FAILED", Style::Red, format!("{tag} {words}")),
    };
    match action.verdict {
        Verdict::Done | Verdict::Recorded => {}
        Verdict::Denied(_) => weight = Weight::Normal,
        Verdict::Asked | Verdict::Failed(_) => weight = Weight::Main,
    }
    let mut lines = vec![head(weight, at, tag, style).with(Style::Plain, words)];
    let why = match &action.verdict {
        Verdict::Denied(rule) => format!("guardrail: {rule}"),
        Verdict::Failed(error) => error.clone(),
        _ if action.reason.is_empty() => return lines,
        _ => format!("because {}", action.reason),
    };
    lines.push(
        continuation(weight)
            .with(Style::Magenta, action.workflow.clone())
            .with(Style::Dim, format!(": {}", short(&why, 160))),
    );
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Millis = 1_772_770_800_000;

    fn told(what: What) -> Vec<String> {
        lines(&ShowEvent { at: AT, what }).iter().map(Line::plain).collect()
    }

    fn action(deed: Deed, verdict: Verdict) -> What {
        let (run, workflow, reason) = ("run_1".into(), "dynamic-pricing/reprice".into(), "stock lasts 6 days".into());
        What::Action(Action { run, workflow, verdict, deed, reason })
    }

    #[test]
    fn actions_are_told_with_their_reason() {
        let price = || Deed::Price {
            product: "Tarnfell Parka - M".into(),
            before: Some(11_900),
            after: 12_490,
            units_per_day: 0.4,
        };
        assert_eq!(
            told(action(price(), Verdict::Done)),
            [
                "Fri 05:20  price     Tarnfell Parka - M: 119.00 € → 124.90 €",
                "                     dynamic-pricing/reprice: because stock lasts 6 days",
            ]
        );
        assert_eq!(
            told(action(price(), Verdict::Denied("Prices move by at most 10 % a day.".into()))),
            [
                "Fri 05:20  denied    price Tarnfell Parka - M: 119.00 € → 124.90 €",
                "                     dynamic-pricing/reprice: guardrail: Prices move by at most 10 % a day.",
            ]
        );
    }

    #[test]
    fn carts_that_come_back_stand_out() {
        let order = |messages, why| {
            let story = Story::Order {
                number: "#41023".into(),
                cart: "c".into(),
                who: "Anna B.".into(),
                cents: 9_900,
                why,
                messages,
                code: Some("K7".into()),
                off: 1_100,
            };
            lines(&ShowEvent { at: AT, what: What::Story(story) }).remove(0)
        };
        let back = order(1, Why::Reminded { sms: false });
        assert_eq!(
            back.plain(),
            "Fri 05:20  RECOVERED Anna B. orders #41023 for 99.00 € after our e-mail, 11.00 € off with K7"
        );
        assert_eq!(back.weight, Weight::Star);
        assert_eq!(order(0, Why::AtOnce).weight, Weight::Detail);
    }

    #[test]
    fn waits_say_for_what_and_how_long() {
        let wait = Wait::Event { kinds: vec!["order.placed".into()], until: AT + 2 * 3_600_000 };
        let what = What::RunWaiting {
            run: "run_1".into(),
            workflow: "cart-recovery/recover".into(),
            about: Some("Anna B.".into()),
            wait,
        };
        assert_eq!(
            told(what),
            [
                "Fri 05:20  waits     cart-recovery/recover (Anna B.) waits for order.placed, at most 2 h (until Fri 07:20)"
            ]
        );
    }
}
