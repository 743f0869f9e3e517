//! Moves prices a little with demand, stock and competitors, and never to and fro.
//!
//! `review` goes through the catalogue on a schedule and starts one run of `reprice` per product;
//! changes of stock and of a competitor's price start `reprice` for the variant they are about. The
//! decision is pure and in [`price`].

pub mod price;
mod settings;

pub use settings::Settings;

use shopwright_sdk::{
    catalog::ProductVariant,
    log,
    prelude::*,
    serde_json::{Map, Value},
};

use price::{Decision, Facts, Memory, cheapest, cover_days, decide, gap_percent, pressure};

shopwright_sdk::plugin! { settings = Settings; workflows = { "review" => review, "reprice" => reprice } }

/// What `review` hands to `reprice`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(crate = "shopwright_sdk::serde")]
struct Input {
    product: String,
}

/// Goes through what is published; each product gets a run of its own, so that one that fails does not
/// hold up the others.
pub fn review(ctx: &Ctx, trigger: Trigger, _: Settings) -> Result<Outcome> {
    let at = match trigger {
        Trigger::Schedule(at) => at,
        Trigger::Event(_) | Trigger::Manual(_) | Trigger::Continued(_) => ctx.now(),
    };
    let mut started = 0;
    for product in ctx.catalog().query("item.publication == 'published'").by(250) {
        let product = product?;
        ctx.start("reprice", &format!("{}/{}", product.id, at.as_millis()), &Input { product: product.id.clone() })?;
        started += 1;
    }
    Outcome::done(json!({ "products": started }))
}

/// Prices the variants that a trigger is about.
pub fn reprice(ctx: &Ctx, trigger: Trigger, settings: Settings) -> Result<Outcome> {
    let variants = match trigger {
        Trigger::Manual(_) => {
            let Input { product } = trigger.input()?;
            ctx.catalog().product(&product)?.map(|product| product.variants).unwrap_or_default()
        }
        Trigger::Event(event) => {
            let variant = match Either::<InventoryUpdated, CompetitorPriceChanged>::from_event(event)? {
                Either::A(stock) => stock.level.variant_id,
                Either::B(rival) => rival.price.variant_id,
            };
            ctx.catalog().variant(&variant)?.into_iter().collect()
        }
        Trigger::Schedule(_) | Trigger::Continued(_) => return Err(Error::fatal("the schedule starts `review`")),
    };
    let mut shown = Map::new();
    for variant in variants {
        let result = price_variant(ctx, &variant, &settings).context(format_args!("variant {}", variant.id))?;
        shown.insert(variant.id, result);
    }
    Outcome::done(shown)
}

/// Prices one variant and gives what to show.
fn price_variant(ctx: &Ctx, variant: &ProductVariant, settings: &Settings) -> Result<Value> {
    let key = format!("variant/{}", variant.id);
    let known: Option<Memory> = ctx.memory().get(&key)?;
    // A price that we did not set: a person did, and that is where we begin.
    let mut memory = known.filter(|known| known.set == variant.price).unwrap_or_else(|| Memory::new(&variant.price));
    let before = memory.clone();

    let levels = ctx.inventory().levels(&variant.id)?;
    let available = levels.iter().map(|level| level.on_hand - level.reserved).sum();
    let competitors = ctx.market().prices(&variant.id)?;
    let facts = Facts {
        price: &variant.price,
        cost: variant.cost.as_ref(),
        available: (!levels.is_empty()).then_some(available),
        incoming: levels.iter().map(|level| level.incoming).sum(),
        velocity: (ctx.inventory().velocity(&variant.id, days(7))?, ctx.inventory().velocity(&variant.id, days(28))?),
        competitors: &competitors,
        now: ctx.now(),
    };
    memory.pressure = pressure(cover_days(&facts), memory.pressure, settings);
    tell_staff(ctx, variant, &facts, &mut memory, settings)?;

    let shown = match decide(&facts, &memory, memory.pressure, settings)? {
        Decision::Keep(why) => json!({ "kept": variant.price.to_string(), "why": why }),
        Decision::Change { price, direction, reason } => {
            match ctx.prices().set(&variant.id, &price, &reason).or_refused()? {
                Attempt::Done(_) => {
                    memory.moved = Some((ctx.now(), direction));
                    memory.set = price.clone();
                    json!({ "price": price.to_string(), "why": reason })
                }
                Attempt::Refused(rule) => {
                    memory.refused = Some(ctx.now());
                    ctx.log(log::Level::Info, &format!("{} stays at {}: {rule}", variant.id, variant.price));
                    json!({ "kept": variant.price.to_string(), "refused": price.to_string(), "why": rule })
                }
            }
        }
    };
    if memory != before {
        ctx.memory().set(&key, &memory)?;
    }
    Ok(shown)
}

/// Tells staff of a competitor who is far below us, with how that came about; once per price.
fn tell_staff(
    ctx: &Ctx,
    variant: &ProductVariant,
    facts: &Facts<'_>,
    memory: &mut Memory,
    settings: &Settings,
) -> Result<()> {
    let Some(other) = cheapest(facts, settings) else { return Ok(()) };
    let before = memory.seen.replace(other.price.clone());
    let gap = gap_percent(facts.price, &other.price)?;
    if settings.staff_channel.is_empty() || gap < settings.alarming_gap || memory.told.as_ref() == Some(&other.price) {
        return Ok(());
    }
    let fell = match &before {
        Some(before) => gap_percent(&other.price, before)?,
        None => 0.0,
    };
    let fell = if fell < 0.0 {
        format!(" dropped {:.0}% to {},", -fell, other.price)
    } else {
        format!(" asks {}:", other.price)
    };
    let text = format!("{}{fell} we are {gap:.0}% above with {} for {}", other.competitor, facts.price, variant.title);
    let data = json!({ "variant": variant.id, "competitor": other, "ours": facts.price });
    // A missing channel is no reason to leave a price as it is.
    match ctx.messages().notify_staff(&settings.staff_channel, &text, &data) {
        Ok(_) => memory.told = Some(other.price.clone()),
        Err(error) => ctx.log(log::Level::Warn, &format!("staff was not told: {}", Error::from(error))),
    }
    Ok(())
}

#[cfg(test)]
mod tests;
