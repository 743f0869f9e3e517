//! `pricing-actions`.

use shopwright_model::types::Money;
use shopwright_policy::ActionKind;

use crate::{Performed, Surface};

pub(crate) fn register(surface: &mut impl Surface) {
    surface.action("pricing-actions", "set-price", set_price, Performed::receipt);
}

fn set_price((variant_id, price, reason): (String, Money, String)) -> Result<ActionKind, String> {
    Ok(ActionKind::SetPrice { variant_id, price, reason })
}
