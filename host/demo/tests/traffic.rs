//! The traffic: equal for equal seeds, in order, and reacting to what workflows do.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use shopwright_connectors::shopify;
use shopwright_demo::{
    Shop, Size,
    calendar::{DAY, HOUR},
    shop::Record,
    traffic::{Happening, Liveliness, Post, Reaction, Story, TicketChange, Traffic, Why, Worth},
};
use shopwright_model::{Entity, EntityKind, Millis, customers::Channel, kinds};

const START: Millis = 1_772_770_800_000;
const SIZE: Size = Size { products: 80, customers: 800, orders: 9_000 };

fn traffic(seed: u64) -> Traffic {
    Traffic::new(Shop::generate(seed, SIZE, START), 0, START, Liveliness::default())
}

fn until(traffic: &mut Traffic, end: Millis) -> Vec<Happening> {
    let mut all = Vec::new();
    while traffic.peek().is_some_and(|at| at < end) {
        all.extend(traffic.advance());
    }
    all
}

#[test]
fn equal_seeds_play_equal_days_in_order() {
    let days = until(&mut traffic(5), START + 3 * DAY);
    assert_eq!(days, until(&mut traffic(5), START + 3 * DAY));
    assert!(days.is_sorted_by_key(|happening| happening.at));
    let count = |wanted: fn(&Story) -> bool| days.iter().filter(|happening| wanted(&happening.story)).count();
    assert!(count(|story| matches!(story, Story::CartLeft { .. })) > 15);
    assert!(count(|story| matches!(story, Story::Order { .. })) > 15);
    assert!(count(|story| matches!(story, Story::Letter { .. })) > 3);
    assert!(count(|story| matches!(story, Story::Rival { .. })) > 3);
    assert!(count(|story| matches!(story, Story::Shipped { .. })) > 3);
}

#[test]
fn posts_have_ids_of_their_own_and_events_fit_the_model() {
    let mut ids = BTreeSet::new();
    let mut topics: BTreeMap<&str, Value> = BTreeMap::new();
    for happening in until(&mut traffic(6), START + 4 * DAY) {
        for post in happening.posts {
            match post {
                Post::Webhook { topic, webhook_id, body, .. } => {
                    assert!(ids.insert(webhook_id));
                    topics.entry(topic).or_insert(body);
                }
                Post::Events(events) => {
                    for event in events {
                        let kind = event["type"].as_str().expect("a type");
                        assert!(ids.insert(event["id"].to_string()));
                        let (entity, _) = kinds::carries(kind).unwrap_or_else(|| panic!("{kind} carries nothing"));
                        Entity::parse(entity, &event["data"]).expect("fits the model");
                    }
                }
            }
        }
    }
    for topic in [
        "checkouts/create",
        "checkouts/update",
        "orders/create",
        "orders/fulfilled",
        "orders/updated",
        "customers/create",
        "inventory_levels/update",
        "products/update",
    ] {
        assert!(topics.contains_key(topic), "no {topic}");
    }
    // The full shape, not a reduced one.
    let fields = |topic: &str| topics[topic].as_object().expect("an object").len();
    assert!(fields("orders/create") >= 85, "{}", fields("orders/create"));
    assert!(fields("checkouts/create") >= 40, "{}", fields("checkouts/create"));
    assert!(topics["orders/create"]["line_items"][0].as_object().expect("a line").len() >= 28);
    let order = &topics["orders/create"];
    let cents =
        |field: &str| (order[field].as_str().expect("money").parse::<f64>().expect("a number") * 100.0).round() as i64;
    assert_eq!(cents("total_line_items_price") - cents("total_discounts"), cents("subtotal_price"));
}

/// The platform's connector, the host's own, understands every payload; and the model it builds agrees
/// with what the generator believes.
#[test]
fn the_connector_understands_every_payload() {
    let shop = Shop::generate(6, SIZE, START);
    let mut stored: BTreeMap<(EntityKind, String), Entity> = BTreeMap::new();
    let mut items: BTreeMap<String, String> = BTreeMap::new();
    for record in shop.records() {
        let entity = record.entity().expect("a valid record");
        if let Record::Product(product) = &record {
            for variant in &product.variants {
                let extra: Value = serde_json::from_str(&variant.extra).expect("JSON");
                items.insert(extra["inventory_item_id"].as_str().expect("an item").into(), product.id.clone());
            }
        }
        stored.insert((entity.kind, entity.id.clone()), entity);
    }
    let mut traffic = Traffic::new(shop, 0, START, Liveliness::default());
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    for happening in until(&mut traffic, START + 3 * DAY) {
        for post in happening.posts {
            let Post::Webhook { topic, body, triggered_at, .. } = post else { continue };
            let setting = shopify::Setting { currency: "EUR", received_at: triggered_at };
            let translated =
                shopify::translate(topic, &body, setting).unwrap_or_else(|error| panic!("{error}: {body}"));
            let mut known = shopify::Known::default();
            while let Some(lookup) = translated.missing(&known) {
                let found = match &lookup {
                    shopify::Lookup::Entity(kind, id) => stored.get(&(*kind, id.clone())),
                    shopify::Lookup::ProductOfItem(item) => {
                        items.get(item).and_then(|product| stored.get(&(EntityKind::Product, product.clone())))
                    }
                };
                known.insert(lookup, found.cloned());
            }
            let settled = translated.settle(&known).unwrap_or_else(|error| panic!("{error}: {body}"));
            for event in settled.events {
                *kinds.entry(event.kind).or_default() += 1;
            }
            for put in settled.puts {
                stored.insert((put.kind, put.id.clone()), put);
            }
        }
    }
    for kind in [
        "cart.created",
        "cart.updated",
        "cart.completed",
        "customer.created",
        "inventory.updated",
        "order.placed",
        "order.fulfilled",
        "order.updated",
        "product.updated",
    ] {
        assert!(kinds.contains_key(kind), "no {kind} in {kinds:?}");
    }
    assert!(kinds.keys().all(|kind| !kind.starts_with("shopify.")), "something was not understood: {kinds:?}");
    let steps: BTreeSet<String> = stored
        .values()
        .filter(|entity| entity.kind == EntityKind::Cart)
        .map(|entity| serde_json::from_str::<Value>(&entity.doc).expect("JSON")["step"].to_string())
        .collect();
    assert_eq!(steps.len(), 4, "contact, shipping, payment, completed: {steps:?}");
    let costs = stored.values().filter(|entity| entity.kind == EntityKind::Product).all(|entity| {
        let product: Value = serde_json::from_str(&entity.doc).expect("JSON");
        product["variants"].as_array().expect("variants").iter().all(|variant| variant["cost"]["amount"].is_i64())
    });
    assert!(costs, "edits of a product's page keep the costs");
}

/// Plays five days in which every cart that was left gets a message after three hours.
fn recovered(text: &str, offer: Option<Worth>) -> (usize, usize, i64) {
    let mut traffic = traffic(9);
    let ids: BTreeMap<String, String> =
        traffic.shop().people.iter().map(|person| (person.email.clone(), person.id.to_string())).collect();
    let mut carts: BTreeMap<String, String> = BTreeMap::new();
    let mut due: Vec<(Millis, String)> = Vec::new();
    let (mut left, mut back, mut off) = (0, 0, 0);
    while let Some(happening) = traffic.advance() {
        if happening.at > START + 5 * DAY {
            break;
        }
        for post in &happening.posts {
            if let Post::Webhook { topic: "checkouts/create", body, .. } = post {
                let email = body["email"].as_str().expect("an address");
                if let Some(id) = ids.get(email) {
                    carts.insert(body["cart_token"].as_str().expect("a token").into(), id.clone());
                }
            }
        }
        match happening.story {
            Story::CartLeft { cart, .. } => {
                left += 1;
                due.extend(carts.get(&cart).map(|customer| (happening.at + 3 * HOUR, customer.clone())));
            }
            Story::Order { why: Why::Reminded { .. }, off: saved, .. } => {
                back += 1;
                off += saved;
            }
            _ => {}
        }
        while let Some(at) = due.iter().position(|(at, _)| *at <= traffic.peek().unwrap_or(Millis::MAX)) {
            let (at, customer) = due.remove(at);
            if let Some(worth) = offer {
                traffic.react(at, &Reaction::Offer { customer: customer.clone(), worth });
            }
            let message =
                Reaction::Message { channel: Channel::Email, customer, template: "reminder".into(), text: text.into() };
            traffic.react(at, &message);
        }
    }
    (left, back, off)
}

#[test]
fn what_fits_brings_more_carts_back() {
    let (left, plain, off) = recovered("{}", None);
    assert_eq!(off, 0);
    let (_, better, off) = recovered(r#"{"code":"SPRING-7","reviews":["five stars"]}"#, Some(Worth::Percent(10.0)));
    assert!(off > 0);
    assert!(left > 60, "{left}");
    assert!(plain * 100 > left * 2 && plain * 100 < left * 16, "{plain} of {left}");
    assert!(better * 10 > plain * 14, "{better} against {plain}");
}

#[test]
fn an_answered_ticket_is_settled_sooner() {
    let after = |answer: bool| {
        let mut traffic = traffic(4);
        let mut opened = BTreeSet::new();
        let mut times = Vec::new();
        while let Some(happening) = traffic.advance() {
            if happening.at > START + 6 * DAY {
                break;
            }
            match happening.story {
                Story::Letter { ticket, .. } => {
                    if answer {
                        let change = TicketChange::Reply("It is on its way.".into());
                        traffic.react(happening.at + 1_000, &Reaction::Ticket { ticket: ticket.clone(), change });
                    }
                    opened.insert(ticket);
                }
                Story::Settled { ticket, after, .. } if opened.contains(&ticket) => times.push(after),
                _ => {}
            }
        }
        times.sort_unstable();
        (times.len(), times[times.len() / 2])
    };
    let ((_, slow), (settled, quick)) = (after(false), after(true));
    assert!(settled > 10);
    assert!(quick * 3 < slow, "{quick} against {slow}");
}
