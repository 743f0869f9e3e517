//! How much an offer may give away.

use shopwright_sdk::{carts::Cart, catalog::Product, customers::Standing, prelude::*};

use crate::Settings;

/// Offers are made in these steps, in per cent.
const STEP: f64 = 5.0;

/// What a cart is worth to the shop.
#[derive(Debug, Clone, PartialEq)]
pub struct Worth {
    /// Share of the cart's total that is left after the cost of goods; none where a cost is not known.
    pub margin: Option<f64>,
    /// Share of the cart's lines, by value, that are on sale already.
    pub on_sale_share: f64,
}

impl Worth {
    /// Of a cart of these products.
    pub fn of(cart: &Cart, products: &[Product]) -> Result<Worth> {
        let nothing = Money::zero(cart.total.currency());
        let (mut revenue, mut cost, mut on_sale) = (nothing.clone(), Some(nothing.clone()), nothing);
        for line in &cart.lines {
            let quantity = i64::from(line.quantity);
            let pays = line.price.times(quantity)?.minus(&line.discount)?;
            let variant = products.iter().flat_map(|product| &product.variants).find(|one| one.id == line.variant_id);
            let struck = variant.and_then(|variant| variant.compare_at.as_ref());
            if line.discount.is_positive() || struck.is_some_and(|before| before.minor() > line.price.minor()) {
                on_sale = on_sale.plus(&pays)?;
            }
            revenue = revenue.plus(&pays)?;
            cost = match (cost, variant.and_then(|variant| variant.cost.as_ref())) {
                (Some(sum), Some(unit)) => Some(sum.plus(&unit.times(quantity)?)?),
                _ => None,
            };
        }
        let margin = match cost {
            Some(cost) => revenue.minus(&cost)?.ratio(&revenue)?,
            None => None,
        };
        Ok(Worth { margin, on_sale_share: on_sale.ratio(&revenue)?.unwrap_or(0.0) })
    }

    /// The discount for this customer in per cent, if one makes sense.
    ///
    /// The share of the margin that the operator gives away, more of it for customers worth more than
    /// this cart and for those who are about to be lost, less for those who come back anyway; rounded
    /// down to five, never above the operator's most.
    pub fn discount(&self, standing: &Standing, settings: &Settings) -> Result<Option<f64>> {
        let Some(margin) = self.margin.filter(|margin| *margin > 0.0) else { return Ok(None) };
        // How many orders like those so far are still to come.
        let to_come = match &standing.predicted_value {
            Some(predicted) => predicted.ratio(&standing.spent.part_of(standing.orders))?,
            None => None,
        };
        let value = to_come.map_or(1.0, |orders| (0.75 + orders / 8.0).min(1.5));
        // Little risk of losing somebody is little need of an offer.
        let need = standing.churn_risk.map_or(1.0, |risk| 0.5 + risk);
        let percent = (margin * settings.margin_share * value * need).min(settings.most_discount);
        let percent = (percent / STEP).floor() * STEP;
        Ok((percent > 0.0).then_some(percent))
    }
}

#[cfg(test)]
mod tests {
    use shopwright_sdk::testing::{record, sample};

    use super::*;

    fn discount(margin: Option<f64>, standing: Standing) -> Option<f64> {
        Worth { margin, on_sale_share: 0.0 }.discount(&standing, &Settings::default()).unwrap()
    }

    #[test]
    fn worth_counts_costs_and_sales() {
        let cart = sample::cart("c", "1"); // 2 x 20.00, cost 8.00
        let mut product = sample::product("p1");
        let worth = |product: &Product| Worth::of(&cart, std::slice::from_ref(product)).unwrap();
        assert_eq!(worth(&product), Worth { margin: Some(0.6), on_sale_share: 0.0 });
        product.variants[0].compare_at = Some(Money::new(2500, "EUR"));
        assert_eq!(worth(&product).on_sale_share, 1.0);
        product.variants[0].cost = None;
        assert_eq!(worth(&product).margin, None, "an unknown cost is no cost of 0");
        product.variants[0].cost = Some(Money::new(800, "USD"));
        assert!(Worth::of(&cart, &[product]).is_err(), "currencies are not mixed");
    }

    #[test]
    fn a_low_margin_gives_a_small_discount_or_none() {
        let nobody = sample::standing;
        assert_eq!(discount(Some(0.6), nobody()), Some(15.0));
        assert_eq!(discount(Some(0.4), nobody()), Some(10.0));
        assert_eq!(discount(Some(0.25), nobody()), Some(5.0));
        assert_eq!(discount(Some(0.1), nobody()), None);
        assert_eq!(discount(Some(-0.1), nobody()), None);
        assert_eq!(discount(None, nobody()), None);
    }

    #[test]
    fn valued_customers_at_risk_get_more_and_safe_ones_less() {
        let standing = |predicted: i64, risk: f64| -> Standing {
            record(json!({
                "orders": 2, "spent": Money::new(8000, "EUR"), "predicted_value": Money::new(predicted, "EUR"),
                "churn_risk": risk,
            }))
        };
        assert_eq!(discount(Some(0.3), standing(8000, 0.5)), Some(5.0));
        assert_eq!(discount(Some(0.3), standing(24_000, 0.5)), Some(10.0));
        assert_eq!(discount(Some(0.3), standing(24_000, 0.9)), Some(15.0));
        assert_eq!(discount(Some(0.3), standing(8000, 0.0)), None);
        assert_eq!(discount(Some(0.9), standing(80_000, 1.0)), Some(15.0), "never above the most");
    }
}
