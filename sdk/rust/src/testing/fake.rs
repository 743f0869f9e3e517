//! Every function of the host, with the signatures of the bindings, on the pretended shop.

use super::{Action, State, with};
use crate::{
    ActionError, ReadError,
    bindings::shopwright::plugin::types::{Page, Receipt},
};

type Read<T> = Result<T, ReadError>;
type Act<T = Receipt> = Result<T, ActionError>;

fn act(action: Action) -> Act {
    let judge = with(|state| state.judge.clone());
    judge(&action)?;
    Ok(with(|state| {
        state.actions.push(action);
        Receipt { effect: format!("effect_{}", state.actions.len()), reference: None }
    }))
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("the host expects JSON, got {text:?}: {error}"))
}

/// One page of the items that satisfy `condition`.
fn page<T: Clone + serde::Serialize>(
    state: &State,
    condition: &str,
    page: &Page,
    items: impl Iterator<Item = T>,
) -> Read<(Vec<T>, Option<String>)> {
    if !(1..=250).contains(&page.limit) {
        return Err(ReadError::Invalid(format!("limit is {}, not between 1 and 250", page.limit)));
    }
    let begin: usize = page.after.as_deref().map_or(0, |after| after.parse().expect("the fake's own cursor"));
    let all: Vec<T> = items
        .filter(|item| {
            condition.is_empty() || state.holds(condition, &serde_json::to_value(item).expect("records serialise"))
        })
        .collect();
    let end = all.len().min(begin + page.limit as usize);
    let next = (end < all.len()).then(|| end.to_string());
    Ok((all[begin..end].to_vec(), next))
}

pub mod workflow {
    use super::*;
    use crate::{
        Approval, Decision, Event, RunInfo,
        bindings::shopwright::plugin::workflow::Level,
        event::EventFilter,
        testing::{Emitted, Started},
    };

    pub fn info() -> RunInfo {
        with(|state| state.info.clone())
    }

    pub fn now() -> u64 {
        with(|state| state.now)
    }

    /// SplitMix64.
    pub fn random() -> u64 {
        with(|state| {
            state.random = state.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = state.random;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        })
    }

    pub fn sleep(time: u64) {
        with(|state| state.pass(state.now.saturating_add(time), |_| None::<()>));
    }

    pub fn sleep_until(at: u64) {
        with(|state| state.pass(at, |_| None::<()>));
    }

    pub fn wait_for(filter: &EventFilter, timeout: u64) -> Option<Event> {
        with(|state| {
            let until = state.now.saturating_add(timeout);
            let mut seen = state.received;
            state.pass(until, |state| {
                while seen < state.events.len() {
                    let event = state.events[seen].clone();
                    seen += 1;
                    let concerned = filter.entity.as_ref().is_none_or(|entity| event.concerns.contains(entity));
                    if filter.kinds.contains(&event.kind) && concerned && condition_holds(state, filter, &event) {
                        state.received = seen;
                        return Some(event);
                    }
                }
                None
            })
        })
    }

    fn condition_holds(state: &State, filter: &EventFilter, event: &Event) -> bool {
        filter
            .condition
            .as_ref()
            .is_none_or(|condition| state.holds(condition, &serde_json::to_value(event).expect("events serialise")))
    }

    pub fn emit(kind: &str, concerns: &[String], data: &str) {
        let emitted = Emitted { kind: kind.into(), concerns: concerns.to_vec(), data: json(data) };
        with(|state| state.emitted.push(emitted));
    }

    pub fn start(workflow: &str, key: &str, input: &str) -> String {
        let new = Started { workflow: workflow.into(), key: key.into(), input: json(input) };
        with(|state| {
            let known = state.started.iter().position(|other| other.workflow == workflow && other.key == key);
            let index = known.unwrap_or_else(|| {
                state.started.push(new);
                state.started.len() - 1
            });
            format!("run_started_{index}")
        })
    }

    pub fn ask(approval: &Approval) -> Decision {
        with(|state| {
            let decision = state.decisions.pop_front().unwrap_or(Decision::Expired);
            match &decision {
                Decision::Chosen(choice) => assert!(approval.choices.contains(choice), "{choice} is not offered"),
                Decision::Expired => {
                    let until = state.now.saturating_add(approval.deadline);
                    state.pass(until, |_| None::<()>);
                }
            }
            decision
        })
    }

    pub fn log(level: Level, message: &str, fields: &str) {
        json(fields);
        with(|state| state.log.push(format!("{level}: {message}")));
    }
}

pub mod memory {
    use super::{json, with};

    pub fn get(key: &str) -> Option<String> {
        with(|state| state.memory.get(key).cloned())
    }

    pub fn set(key: &str, value: &str) {
        json(value);
        with(|state| state.memory.insert(key.into(), value.into()));
    }

    pub fn remove(key: &str) {
        with(|state| state.memory.remove(key));
    }

    pub fn increment(key: &str, by: i64) -> i64 {
        with(|state| {
            let sum = state.memory.get(key).map_or(0, |text| text.parse().expect("a number is counted up")) + by;
            state.memory.insert(key.into(), sum.to_string());
            sum
        })
    }

    pub fn compare_and_set(key: &str, expected: Option<&str>, value: &str) -> bool {
        with(|state| {
            let same = state.memory.get(key).map(|text| json(text)) == expected.map(json);
            if same {
                state.memory.insert(key.into(), value.into());
            }
            same
        })
    }
}

pub mod customers {
    use super::*;
    use crate::{
        bindings::shopwright::plugin::customers::CustomersPage,
        customers::{Customer, Engagement, Standing},
    };

    pub fn get(id: &str) -> Read<Option<Customer>> {
        Ok(with(|state| state.shop.customers.get(id).cloned()))
    }

    pub fn find_by_email(email: &str) -> Read<Option<Customer>> {
        let matches = |customer: &&Customer| {
            customer.email.as_ref().is_some_and(|address| address.to_lowercase() == email.to_lowercase())
        };
        Ok(with(|state| state.shop.customers.values().find(matches).cloned()))
    }

    pub fn get_standing(id: &str) -> Read<Standing> {
        with(|state| {
            if let Some(standing) = state.shop.standings.get(id) {
                return Ok(standing.clone());
            }
            if !state.shop.customers.contains_key(id) {
                return Err(ReadError::Invalid(format!("there is no customer {id}")));
            }
            let spent = crate::Money::zero(state.info.currency.clone());
            Ok(Standing { spent, ..crate::testing::sample::standing() })
        })
    }

    pub fn engagement_of(id: &str) -> Read<Vec<Engagement>> {
        Ok(with(|state| state.shop.engagements.get(id).cloned().unwrap_or_default()))
    }

    pub fn query(condition: &str, at: &Page) -> Read<CustomersPage> {
        let (items, next) = with(|state| page(state, condition, at, state.shop.customers.values().cloned()))?;
        Ok(CustomersPage { items, next })
    }
}

pub mod catalog {
    use super::*;
    use crate::{
        bindings::shopwright::plugin::catalog::ProductsPage,
        catalog::{Product, ProductVariant},
    };

    pub fn get_product(id: &str) -> Read<Option<Product>> {
        Ok(with(|state| state.shop.products.get(id).cloned()))
    }

    pub fn get_variant(id: &str) -> Read<Option<ProductVariant>> {
        Ok(with(|state| {
            state.shop.products.values().flat_map(|product| &product.variants).find(|variant| variant.id == id).cloned()
        }))
    }

    pub fn query(condition: &str, at: &Page) -> Read<ProductsPage> {
        let (items, next) = with(|state| page(state, condition, at, state.shop.products.values().cloned()))?;
        Ok(ProductsPage { items, next })
    }
}

pub mod inventory {
    use super::*;
    use crate::inventory::Level;

    pub fn levels(variant_id: &str) -> Read<Vec<Level>> {
        Ok(with(|state| state.shop.levels.values().filter(|level| level.variant_id == variant_id).cloned().collect()))
    }

    pub fn velocity(variant_id: &str, window: u64) -> Read<f64> {
        if !(3_600_000..=2 * 366 * 86_400_000).contains(&window) {
            return Err(ReadError::Invalid("the window is not between one hour and two years".into()));
        }
        Ok(with(|state| state.shop.velocities.get(variant_id).copied().unwrap_or(0.0)))
    }
}

pub mod orders {
    use super::*;
    use crate::{bindings::shopwright::plugin::orders::OrdersPage, orders::Order};

    pub fn get(id: &str) -> Read<Option<Order>> {
        Ok(with(|state| state.shop.orders.get(id).cloned()))
    }

    pub fn find_by_number(number: &str) -> Read<Option<Order>> {
        let number = number.trim_start_matches('#');
        Ok(with(|state| {
            state.shop.orders.values().find(|order| order.number.trim_start_matches('#') == number).cloned()
        }))
    }

    pub fn of_customer(customer: &str, at: &Page) -> Read<OrdersPage> {
        let (items, next) = with(|state| {
            let mut theirs: Vec<Order> = state
                .shop
                .orders
                .values()
                .filter(|order| order.customer.as_deref() == Some(customer))
                .cloned()
                .collect();
            theirs.sort_by_key(|order| std::cmp::Reverse(order.placed_at));
            page(state, "", at, theirs.into_iter())
        })?;
        Ok(OrdersPage { items, next })
    }

    pub fn query(condition: &str, at: &Page) -> Read<OrdersPage> {
        let (items, next) = with(|state| page(state, condition, at, state.shop.orders.values().cloned()))?;
        Ok(OrdersPage { items, next })
    }
}

pub mod carts {
    use super::*;
    use crate::carts::{Cart, Step};

    pub fn get(id: &str) -> Read<Option<Cart>> {
        Ok(with(|state| state.shop.carts.get(id).cloned()))
    }

    pub fn open_of_customer(customer: &str) -> Read<Vec<Cart>> {
        let mut open: Vec<Cart> = with(|state| {
            let theirs = |cart: &&Cart| cart.customer.as_deref() == Some(customer) && cart.step != Step::Completed;
            state.shop.carts.values().filter(theirs).cloned().collect()
        });
        open.sort_by_key(|cart| std::cmp::Reverse(cart.updated_at));
        open.truncate(50);
        Ok(open)
    }
}

pub mod support {
    use super::*;
    use crate::{
        bindings::shopwright::plugin::support::TicketsPage,
        support::{Article, Status, Ticket},
    };

    fn of(state: &State, customer: &str) -> Vec<Ticket> {
        let theirs = |ticket: &&Ticket| ticket.customer.as_deref() == Some(customer);
        let mut tickets: Vec<Ticket> = state.shop.tickets.values().filter(theirs).cloned().collect();
        tickets.sort_by_key(|ticket| std::cmp::Reverse(ticket.created_at));
        tickets
    }

    pub fn get(id: &str) -> Read<Option<Ticket>> {
        Ok(with(|state| state.shop.tickets.get(id).cloned()))
    }

    pub fn open_of_customer(customer: &str) -> Read<Vec<Ticket>> {
        let mut open = with(|state| of(state, customer));
        open.retain(|ticket| matches!(ticket.status, Status::Open | Status::Pending));
        open.truncate(50);
        Ok(open)
    }

    pub fn of_customer(customer: &str, at: &Page) -> Read<TicketsPage> {
        let (items, next) = with(|state| page(state, "", at, of(state, customer).into_iter()))?;
        Ok(TicketsPage { items, next })
    }

    /// Articles that share a word with the text; the score is the one they were put with.
    pub fn search_articles(text: &str, limit: u32) -> Read<Vec<Article>> {
        let words = |text: &str| -> Vec<String> {
            text.to_lowercase()
                .split(|c: char| !c.is_alphanumeric())
                .filter(|word| word.len() > 2)
                .map(Into::into)
                .collect()
        };
        let asked = words(text);
        let mut found: Vec<Article> = with(|state| {
            let shares = |article: &&Article| {
                let has = words(&format!("{} {}", article.title, article.text));
                has.iter().any(|word| asked.contains(word))
            };
            state.shop.articles.iter().filter(shares).cloned().collect()
        });
        found.sort_by(|one, other| other.score.total_cmp(&one.score));
        found.truncate(limit as usize);
        Ok(found)
    }
}

pub mod reviews {
    use super::*;
    use crate::reviews::{Review, Summary};

    pub fn summary_of(product: &str) -> Read<Option<Summary>> {
        let all: Vec<Review> =
            with(|state| state.shop.reviews.values().filter(|review| review.product == product).cloned().collect());
        if all.is_empty() {
            return Ok(None);
        }
        let average = all.iter().map(|review| f64::from(review.rating)).sum::<f64>() / all.len() as f64;
        let with_text = all.iter().filter(|review| !review.text.is_empty());
        let best = with_text.max_by_key(|review| (review.rating, review.at)).cloned();
        Ok(Some(Summary { count: all.len() as u32, average, best }))
    }
}

pub mod market {
    use super::*;
    use crate::{
        bindings::shopwright::plugin::market::ChangesPage,
        market::{CompetitorPrice, PriceChange},
    };

    pub fn prices_of(variant_id: &str) -> Read<Vec<CompetitorPrice>> {
        Ok(with(|state| state.shop.prices.values().filter(|price| price.variant_id == variant_id).cloned().collect()))
    }

    pub fn changes_of(variant_id: &str, at: &Page) -> Read<ChangesPage> {
        let (items, next) = with(|state| {
            let mut changes: Vec<PriceChange> =
                state.shop.changes.iter().filter(|change| change.variant_id == variant_id).cloned().collect();
            changes.sort_by_key(|change| std::cmp::Reverse(change.at));
            page(state, "", at, changes.into_iter())
        })?;
        Ok(ChangesPage { items, next })
    }
}

pub mod messaging {
    use super::*;
    use crate::messaging::{Email, Sms};

    pub fn send_email(email: &Email) -> Act {
        json(&email.data);
        act(Action::Email(email.clone()))
    }

    pub fn send_sms(sms: &Sms) -> Act {
        if sms.text.chars().count() > 1_600 {
            return Err(ActionError::Invalid("the text is longer than 1,600 characters".into()));
        }
        act(Action::Sms(sms.clone()))
    }

    pub fn notify_staff(channel: &str, text: &str, data: &str) -> Act {
        act(Action::NotifyStaff { channel: channel.into(), text: text.into(), data: json(data) })
    }
}

pub mod http {
    use super::*;
    use crate::http::{HttpError, Method, Request, Response};

    pub fn send(request: &Request) -> Result<Response, HttpError> {
        if !matches!(request.method, Method::Get | Method::Head) {
            act(Action::Http(request.clone())).map_err(|error| match error {
                ActionError::Denied(words) => HttpError::Denied(words),
                ActionError::NotApproved(words) => HttpError::NotApproved(words),
                ActionError::Invalid(reason) => HttpError::BadRequest(reason),
                ActionError::Unavailable(reason) => HttpError::Connect(reason),
                ActionError::Unknown(reason) => HttpError::Unknown(reason),
            })?;
        }
        let remote = with(|state| {
            state.requests.push(request.clone());
            state.remote.clone()
        });
        match remote {
            Some(remote) => remote(request),
            None => Err(HttpError::Connect("nothing answers in this test: say what with Host::remote".into())),
        }
    }
}

pub mod pricing_actions {
    use super::*;
    use crate::{Money, market::PriceChange};

    pub fn set_price(variant_id: &str, price: &Money, reason: &str) -> Act {
        let Some(before) = super::catalog::get_variant(variant_id).ok().flatten() else {
            return Err(ActionError::Invalid(format!("there is no variant {variant_id}")));
        };
        let receipt =
            act(Action::SetPrice { variant: variant_id.into(), price: price.clone(), reason: reason.into() })?;
        with(|state| {
            let variants = state.shop.products.values_mut().flat_map(|product| &mut product.variants);
            for variant in variants.filter(|variant| variant.id == variant_id) {
                variant.price = price.clone();
            }
            state.shop.changes.push(PriceChange {
                variant_id: variant_id.into(),
                before: before.price,
                after: price.clone(),
                at: state.now,
                reason: reason.into(),
                by: "run:run_test".into(),
            });
        });
        Ok(receipt)
    }
}

pub mod discount_actions {
    use super::*;
    use crate::discounts::{Created, Offer};

    pub fn create(offer: &Offer) -> Act<Created> {
        if offer.expires_at <= super::workflow::now() {
            return Err(ActionError::Invalid("the offer has expired already".into()));
        }
        let receipt = act(Action::Discount(offer.clone()))?;
        Ok(Created { code: format!("CODE{}", receipt.effect.trim_start_matches("effect_")), receipt })
    }
}

pub mod support_actions {
    use super::*;
    use crate::support::{Message, Priority, Status, Ticket};

    fn change(ticket: &str, action: Action, change: impl FnOnce(&mut Ticket)) -> Act {
        if !with(|state| state.shop.tickets.contains_key(ticket)) {
            return Err(ActionError::Invalid(format!("there is no ticket {ticket}")));
        }
        let receipt = act(action)?;
        with(|state| state.shop.tickets.get_mut(ticket).map(change));
        Ok(receipt)
    }

    pub fn assign(ticket: &str, team: &str, assignee: Option<&str>, reason: &str) -> Act {
        let action = Action::Assign {
            ticket: ticket.into(),
            team: team.into(),
            assignee: assignee.map(Into::into),
            reason: reason.into(),
        };
        change(ticket, action, |it| {
            it.team = Some(team.into());
            it.assignee = assignee.map(Into::into);
        })
    }

    pub fn set_priority(ticket: &str, priority: Priority, reason: &str) -> Act {
        let action = Action::SetPriority { ticket: ticket.into(), priority, reason: reason.into() };
        change(ticket, action, |it| it.priority = priority)
    }

    pub fn set_status(ticket: &str, status: Status, reason: &str) -> Act {
        let action = Action::SetStatus { ticket: ticket.into(), status, reason: reason.into() };
        change(ticket, action, |it| it.status = status)
    }

    fn message(text: &str, internal: bool) -> Message {
        Message { author: "shop".into(), from_customer: false, text: text.into(), at: super::workflow::now(), internal }
    }

    pub fn reply(ticket: &str, text: &str) -> Act {
        let action = Action::Reply { ticket: ticket.into(), text: text.into() };
        let message = message(text, false);
        change(ticket, action, |it| it.messages.push(message))
    }

    pub fn note(ticket: &str, text: &str) -> Act {
        let action = Action::Note { ticket: ticket.into(), text: text.into() };
        let message = message(text, true);
        change(ticket, action, |it| it.messages.push(message))
    }

    pub fn tag(ticket: &str, tags: &[String]) -> Act {
        let action = Action::Tag { ticket: ticket.into(), tags: tags.to_vec() };
        change(ticket, action, |it| it.tags.extend_from_slice(tags))
    }
}
