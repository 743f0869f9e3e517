//! `carts/*` and `checkouts/*`: one cart, from the first item to the order.

use serde_json::{Map, Value};
use shopwright_model::carts::{Cart, Step};
use shopwright_model::orders::Line;
use shopwright_model::types::Money;
use shopwright_model::{Entity, EntityKind};

use super::orders::{discount, title};
use super::raw::{self, time};
use super::read::{Node, extra_map, extra_text};
use super::settle::{Applied, Change, Draft, Name, State, Target, Translated, record};
use super::{Setting, customers};
use crate::ConnectorError;

/// A cart as a payload knows it.
#[derive(Debug, Clone)]
pub(super) struct CartState {
    cart: Cart,
    extra: Map<String, Value>,
}

/// `carts/create` and `carts/update`: lines, and nothing of who it is.
pub(super) fn cart(node: &Node<'_>, setting: Setting<'_>) -> Result<Translated, ConnectorError> {
    let id = node.first(&["token", "id"]).ok_or_else(|| node.fault("has no `token`"))?.id()?;
    let mut currency = setting.currency.to_owned();
    let mut lines = Vec::new();
    let mut total = 0i64;
    for line in node.items("line_items")? {
        let money = line.field("price_set").and_then(|set| set.field("shop_money"));
        if let Some(code) = money.and_then(|money| money.field("currency_code")) {
            currency = code.text()?.to_owned();
        }
        let quantity = quantity(&line)?;
        let price =
            line.first(&["original_price", "price"]).ok_or_else(|| line.fault("has no `price`"))?.money(&currency)?;
        let discount = discount(&line, &currency)?;
        let sum = match line.field("line_price") {
            Some(sum) => sum.money(&currency)?.amount,
            None => price.amount.saturating_mul(i64::from(quantity)).saturating_sub(discount.amount),
        };
        total = total.saturating_add(sum);
        lines.push(line_record(&line, quantity, price, discount)?);
    }
    let created_at = node.time_of(&["created_at", "updated_at"], setting.received_at)?;
    let cart = Cart {
        id,
        customer: None,
        email: None,
        phone: None,
        lines,
        total: Money { amount: total, currency },
        step: Step::Cart,
        created_at,
        updated_at: node.time_of(&["updated_at", "created_at"], setting.received_at)?,
        recovery_url: None,
        extra: String::new(),
    };
    let extra = node.extra(&["id", "token", "line_items", "created_at", "updated_at", "email"]);
    Ok(translated(node, CartState { cart, extra }, Vec::new(), setting))
}

/// `checkouts/create` and `checkouts/update`.
pub(super) fn checkout(node: &Node<'_>, setting: Setting<'_>) -> Result<Translated, ConnectorError> {
    let currency = node.currency(setting.currency)?;
    let mut lines = Vec::new();
    for line in node.items("line_items")? {
        let price =
            line.first(&["price", "variant_price"]).ok_or_else(|| line.fault("has no `price`"))?.money(&currency)?;
        lines.push(line_record(&line, quantity(&line)?, price, applied(&line, &currency)?)?);
    }
    let customer = node.field("customer");
    let customer_id = customer.as_ref().map(|customer| customer.opt_id("id")).transpose()?.flatten();
    let known_email = customer.as_ref().map(|customer| customer.opt_text("email")).transpose()?.flatten();
    let shipping = node.field("shipping_address");
    let phone = match (node.phone("phone")?, node.phone("sms_marketing_phone")?) {
        (Some(phone), _) | (None, Some(phone)) => Some(phone),
        (None, None) => shipping.as_ref().map(|address| address.phone("phone")).transpose()?.flatten(),
    };
    let email = node.opt_text("email")?;
    let step = step(node, email.is_some() || phone.is_some())?;
    let cart = Cart {
        id: checkout_id(node)?,
        customer: customer_id,
        email: email.or(known_email),
        phone,
        lines,
        total: node.need("total_price")?.money(&currency)?,
        step,
        created_at: node.time_of(&["created_at", "updated_at"], setting.received_at)?,
        updated_at: node.time_of(&["updated_at", "created_at"], setting.received_at)?,
        recovery_url: node.opt_text("abandoned_checkout_url")?,
        extra: String::new(),
    };
    let taken = [
        "id",
        "cart_token",
        "customer",
        "email",
        "line_items",
        "total_price",
        "created_at",
        "updated_at",
        "abandoned_checkout_url",
        "currency",
        "name",
    ];
    let mut extra = node.extra(&taken);
    extra.extend(node.opt_id("id")?.map(|id| ("checkout_id".to_owned(), id.into())));
    let mut changes = Vec::new();
    if let Some(customer) = customer.filter(|customer| customer.field("id").is_some()) {
        changes.push(customers::embedded(&customer, node, setting)?);
    }
    Ok(translated(node, CartState { cart, extra }, changes, setting))
}

/// `checkouts/delete`.
pub(super) fn delete_checkout(node: &Node<'_>, setting: Setting<'_>) -> Result<Translated, ConnectorError> {
    Ok(raw::removal(node, EntityKind::Cart, checkout_id(node)?, "cart.deleted", setting))
}

fn checkout_id(node: &Node<'_>) -> Result<String, ConnectorError> {
    node.first(&["cart_token", "token", "id"]).ok_or_else(|| node.fault("has no `cart_token`, `token` or `id`"))?.id()
}

fn quantity(line: &Node<'_>) -> Result<u32, ConnectorError> {
    let quantity = line.need("quantity")?;
    u32::try_from(quantity.count()?).map_err(|_| quantity.fault("must not be negative"))
}

fn line_record(line: &Node<'_>, quantity: u32, price: Money, discount: Money) -> Result<Line, ConnectorError> {
    Ok(Line {
        variant_id: line.opt_id("variant_id")?.unwrap_or_default(),
        sku: line.opt_text("sku")?.unwrap_or_default(),
        title: title(line)?,
        quantity,
        price,
        discount,
    })
}

/// A checkout line's discounts: allocations, else `applied_discounts`.
fn applied(line: &Node<'_>, currency: &str) -> Result<Money, ConnectorError> {
    let mut sum = discount(line, currency)?;
    if line.items("discount_allocations")?.is_empty() {
        for discount in line.items("applied_discounts")? {
            sum.amount = sum.amount.saturating_add(discount.need("amount")?.money(currency)?.amount);
        }
    }
    Ok(sum)
}

/// How far the checkout got, by what is filled in.
fn step(node: &Node<'_>, contact: bool) -> Result<Step, ConnectorError> {
    let paid =
        node.field("gateway").is_some() || !node.items("payments")?.is_empty() || node.field("credit_card").is_some();
    let shipping =
        node.first(&["shipping_address", "shipping_line"]).is_some() || !node.items("shipping_lines")?.is_empty();
    Ok(match () {
        () if node.field("completed_at").is_some() => Step::Completed,
        () if paid => Step::Payment,
        () if shipping => Step::Shipping,
        () if contact => Step::Contact,
        () => Step::Cart,
    })
}

fn translated(node: &Node<'_>, state: CartState, others: Vec<Change>, setting: Setting<'_>) -> Translated {
    let draft = Draft {
        name: Name::Cart,
        at: time(node, setting),
        concerns: Vec::new(),
        change: Some(0),
        data: Value::Null,
        otherwise: "cart.updated".into(),
    };
    let target = Target::Entity(EntityKind::Cart, state.cart.id.clone());
    let mut changes = vec![Change { target, state: State::Cart(Box::new(state)) }];
    changes.extend(others);
    Translated { changes, events: vec![draft], ..Translated::default() }
}

impl CartState {
    /// The newer lines and total; a cart's payload does not take away what a checkout knew, and nothing leads
    /// back from a completed cart.
    pub fn apply(&self, stored: Option<&Entity>) -> Result<Applied, ConnectorError> {
        let new = &self.cart;
        let Some(stored) = stored else {
            let cart = Cart { extra: extra_text(&self.extra), ..new.clone() };
            return Ok(Applied::Put(Entity::of_cart(&cart)?));
        };
        let old: Cart = record(stored)?;
        if old.updated_at > new.updated_at {
            return Ok(Applied::Put(stored.clone()));
        }
        let mut extra = extra_map(&old.extra);
        extra.extend(self.extra.clone());
        let step = if rank(old.step) > rank(new.step) && (new.step == Step::Cart || old.step == Step::Completed) {
            old.step
        } else {
            new.step
        };
        // The platform empties a cart when its order is placed.
        let emptied = new.lines.is_empty() && old.step == Step::Completed;
        let cart = Cart {
            customer: new.customer.clone().or(old.customer),
            email: new.email.clone().or(old.email),
            phone: new.phone.clone().or(old.phone),
            recovery_url: new.recovery_url.clone().or(old.recovery_url),
            created_at: old.created_at.min(new.created_at),
            lines: if emptied { old.lines } else { new.lines.clone() },
            total: if emptied { old.total } else { new.total.clone() },
            step,
            extra: extra_text(&extra),
            ..new.clone()
        };
        Ok(Applied::Put(Entity::of_cart(&cart)?))
    }
}

fn rank(step: Step) -> u8 {
    match step {
        Step::Cart => 0,
        Step::Contact => 1,
        Step::Shipping => 2,
        Step::Payment => 3,
        Step::Completed => 4,
    }
}

/// The cart whose order was placed; one that is not stored is left out.
pub(super) fn complete(stored: Option<&Entity>) -> Result<Applied, ConnectorError> {
    let Some(stored) = stored else { return Ok(Applied::Nothing) };
    let cart: Cart = record(stored)?;
    Ok(Applied::Put(Entity::of_cart(&Cart { step: Step::Completed, ..cart })?))
}
