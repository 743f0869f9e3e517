//! What of a cart can still be offered.

use shopwright_sdk::{
    carts::{Cart, Step},
    catalog::{Product, Publication},
    customers::Customer,
    orders::{Line, Order},
    prelude::*,
};

/// What can be offered now.
#[derive(Debug)]
pub struct Offerable {
    /// The cart as it is now, with the lines that can be offered.
    pub cart: Cart,
    /// The products of its lines.
    pub products: Vec<Product>,
    /// Units left of lines whose stock is tracked, by variant.
    pub stock: Vec<(String, i64)>,
}

/// Why a cart is left alone.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "result", rename_all = "snake_case", crate = "shopwright_sdk::serde")]
pub enum Over {
    /// The order came.
    Ordered {
        /// Its id.
        order: String,
    },
    /// Everything in it was bought with other orders.
    BoughtElsewhere,
    /// The cart was emptied or completed.
    CartGone,
    /// Nothing in it can be bought any more.
    OutOfStock,
}

/// What of the cart can be offered now: not what was bought since, not what is sold out or no longer
/// published.
pub fn offerable(ctx: &Ctx, id: &str, customer: &Customer) -> Result<std::result::Result<Offerable, Over>> {
    let Some(mut cart) = ctx.carts().get(id)?.filter(|cart| cart.step != Step::Completed && !cart.lines.is_empty())
    else {
        return Ok(Err(Over::CartGone));
    };
    let mut orders = Vec::new();
    for order in ctx.orders().of_customer(customer).by(20) {
        let order = order?;
        if order.placed_at() < cart.created_at() {
            break; // newest first
        }
        orders.push(order);
    }
    cart.lines = match not_bought(&cart, &orders) {
        Ok(lines) => lines,
        Err(over) => return Ok(Err(over)),
    };

    let (mut lines, mut products, mut stock) = (Vec::new(), Vec::<Product>::new(), Vec::new());
    for line in cart.lines {
        let Some(variant) = ctx.catalog().variant(&line.variant_id)? else { continue };
        if !products.iter().any(|known| known.id == variant.product) {
            let Some(product) = ctx.catalog().product(&variant.product)? else { continue };
            products.push(product);
        }
        let published =
            |product: &Product| product.id == variant.product && product.publication == Publication::Published;
        if !products.iter().any(published) {
            continue;
        }
        if let Some(units) = ctx.inventory().available(&line.variant_id)? {
            if units < i64::from(line.quantity) {
                continue;
            }
            stock.push((line.variant_id.clone(), units));
        }
        lines.push(line);
    }
    cart.lines = lines;
    if cart.lines.is_empty() {
        return Ok(Err(Over::OutOfStock));
    }
    Ok(Ok(Offerable { cart, products, stock }))
}

/// The cart's lines that no order since contains.
fn not_bought(cart: &Cart, orders: &[Order]) -> std::result::Result<Vec<Line>, Over> {
    let counts = |order: &&Order| order.cancelled_at.is_none();
    if let Some(order) = orders.iter().filter(counts).find(|order| order.cart.as_ref() == Some(&cart.id)) {
        return Err(Over::Ordered { order: order.id.clone() });
    }
    let bought: Vec<&str> =
        orders.iter().filter(counts).flat_map(|order| &order.lines).map(|line| line.variant_id.as_str()).collect();
    let left: Vec<Line> =
        cart.lines.iter().filter(|line| !bought.contains(&line.variant_id.as_str())).cloned().collect();
    if left.is_empty() { Err(Over::BoughtElsewhere) } else { Ok(left) }
}

#[cfg(test)]
mod tests {
    use shopwright_sdk::testing::sample;

    use super::*;

    #[test]
    fn orders_take_lines_out_of_the_cart() {
        let cart = sample::cart("c", "1");
        let order = |change: fn(&mut Order)| {
            let mut order = sample::order("o", "1");
            change(&mut order);
            order
        };
        let same = order(|_| {});
        let other = order(|order| order.lines[0].variant_id = "p2-1".into());
        let of_the_cart = order(|order| {
            order.cart = Some("c".into());
            order.lines.clear();
        });
        let cancelled = order(|order| {
            order.cart = Some("c".into());
            order.cancelled_at = Some(1);
        });
        assert_eq!(not_bought(&cart, &[]), Ok(cart.lines.clone()));
        assert_eq!(not_bought(&cart, &[other.clone(), cancelled]), Ok(cart.lines.clone()));
        assert_eq!(not_bought(&cart, &[other, same]), Err(Over::BoughtElsewhere));
        assert_eq!(not_bought(&cart, &[of_the_cart]), Err(Over::Ordered { order: "o".into() }));
    }
}
