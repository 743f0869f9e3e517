//! The generated shop: equal for equal seeds, valid by the model, and like a shop.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};
use shopwright_demo::{
    Shop, Size,
    calendar::{self, DAY},
    shop::{self, history::Fate, people::Persona},
};
use shopwright_model::{Entity, EntityKind, Millis};

/// A Friday morning in March 2026, 05:20 in Berlin.
const START: Millis = 1_772_770_800_000;

fn print(shop: &Shop) -> String {
    let mut hash = Sha256::new();
    for record in shop.records() {
        hash.update(record.kind().as_str());
        hash.update(record.value().to_string());
    }
    format!("{:x?}", hash.finalize())
}

#[test]
fn equal_seeds_make_equal_shops_and_others_do_not() {
    let first = Shop::generate(7, Size::SMALL, START);
    assert_eq!(print(&first), print(&Shop::generate(7, Size::SMALL, START)));
    assert_ne!(print(&first), print(&Shop::generate(8, Size::SMALL, START)));
}

#[test]
fn every_record_fits_the_model_and_refers_to_what_is_there() {
    let shop = Shop::generate(3, Size::SMALL, START);
    let mut ids: BTreeMap<EntityKind, std::collections::BTreeSet<String>> = BTreeMap::new();
    for record in shop.records() {
        let value = record.value();
        let entity = Entity::parse(record.kind(), &value).unwrap_or_else(|error| panic!("{error}: {value}"));
        assert_eq!(entity, record.entity().expect("the typed way"), "both ways give the same");
        if let (Some(owner), EntityKind::Order | EntityKind::Cart | EntityKind::Ticket | EntityKind::Engagement) =
            (&entity.owner, entity.kind)
        {
            assert!(ids[&EntityKind::Customer].contains(owner), "{} of nobody", entity.reference());
        }
        if let (EntityKind::Review, Some(product)) = (entity.kind, &entity.owner) {
            assert!(ids[&EntityKind::Product].contains(product));
        }
        assert!(
            entity.kind == EntityKind::Discount || entity.sort < START,
            "{} lies in the future",
            entity.reference()
        );
        assert!(ids.entry(entity.kind).or_default().insert(entity.id.clone()), "{} twice", entity.reference());
    }
    for (kind, count) in shop.counts() {
        assert_eq!(ids[&kind].len(), count, "{kind}");
    }
    assert_eq!(shop.sales.len(), Size::SMALL.orders);
    for order in shop.sales.iter().enumerate().filter(|(at, _)| at % 7 == 0).map(|(at, _)| shop.order_record(at)) {
        let lines: i64 =
            order.lines.iter().map(|line| line.price.amount * i64::from(line.quantity) - line.discount.amount).sum();
        assert_eq!(order.total.amount, lines + shop::shipping(lines));
        assert!(
            order
                .lines
                .iter()
                .all(|line| shop.variants.iter().any(|variant| variant.id.to_string() == line.variant_id))
        );
    }
}

#[test]
fn it_is_like_a_shop() {
    let shop = Shop::generate(11, Size::FULL, START);
    // Prices cover costs, and margins are those of retail.
    for variant in &shop.variants {
        let net = variant.price as f64 / 1.19;
        let margin = 1.0 - variant.cost as f64 / net;
        assert!((0.2..0.8).contains(&margin), "{} {margin}", variant.sku);
        assert!(variant.compare_at.is_none_or(|before| before > variant.price), "{}", variant.sku);
    }
    // The second year is better than the first, and late November better than late August.
    let between = |from: i64, to: i64| {
        shop.sales
            .iter()
            .filter(|sale| sale.placed_at >= START - from * DAY && sale.placed_at < START - to * DAY)
            .count()
    };
    let growth = between(365, 0) as f64 / between(730, 365) as f64;
    assert!((1.1..1.9).contains(&growth), "{growth}");
    let by_month =
        |wanted: usize| shop.sales.iter().filter(|sale| calendar::month(sale.placed_at, shop::ZONE) == wanted).count();
    assert!(by_month(10) as f64 > 1.25 * by_month(7) as f64, "{} {}", by_month(10), by_month(7));
    // Evenings are busier than nights.
    let by_hour = |hours: std::ops::Range<usize>| {
        shop.sales
            .iter()
            .filter(|sale| hours.contains(&calendar::hour(sale.placed_at, shop.people[sale.person as usize].zone())))
            .count()
    };
    assert!(by_hour(18..23) > 8 * by_hour(1..6));
    // Customers have rhythms of their own.
    let median = |persona: Persona| {
        let mut all: Vec<_> = shop
            .people
            .iter()
            .filter(|person| person.persona == persona)
            .map(|person| person.rhythm.decision)
            .collect();
        all.sort_unstable();
        all[all.len() / 2] / calendar::HOUR
    };
    assert!(median(Persona::Regular) < 10 && median(Persona::Deliberate) > 40);
    let discounted = |persona: Persona| {
        let of: Vec<_> =
            shop.sales.iter().filter(|sale| shop.people[sale.person as usize].persona == persona).collect();
        of.iter().filter(|sale| sale.percent > 0).count() as f64 / of.len() as f64
    };
    assert!(discounted(Persona::Bargain) > 3.0 * discounted(Persona::Premium));
    // Parcels are on their way, tickets are open, reviews are mostly good.
    assert!(shop.sales.iter().any(|sale| matches!(sale.fate, Fate::Shipped(_))));
    let open = shop.tickets.iter().filter(|ticket| ticket.status == shopwright_model::support::Status::Open).count();
    assert!(open > 0 && shop.tickets.len() > 20 * open, "{open} of {}", shop.tickets.len());
    let stars = shop.reviews.iter().map(|review| f64::from(review.rating)).sum::<f64>() / shop.reviews.len() as f64;
    assert!((3.6..4.6).contains(&stars), "{stars}");
    // Stock is short for some, plenty for others, and right for most.
    let velocity = shop.velocity();
    let cover = |variant: usize| {
        shop.levels[variant].iter().map(|stock| stock.on_hand - stock.reserved).sum::<i64>() as f64 / velocity[variant]
    };
    let selling: Vec<usize> = (0..shop.variants.len()).filter(|&variant| velocity[variant] > 0.0).collect();
    let short = selling.iter().filter(|&&variant| cover(variant) < 10.0).count();
    let plenty = selling.iter().filter(|&&variant| cover(variant) > 120.0).count();
    assert!(short * 25 > selling.len() && plenty * 25 > selling.len(), "{short} {plenty} of {}", selling.len());
    assert!((short + plenty) * 3 < selling.len(), "{short} {plenty} of {}", selling.len());
}
