//! `discount-actions`.

use shopwright_model::discount_actions::{Created, Offer};
use shopwright_policy::ActionKind;

use crate::{Performed, Surface};

pub(crate) fn register(surface: &mut impl Surface) {
    surface.action("discount-actions", "create", |(offer,): (Offer,)| Ok(ActionKind::CreateDiscount(offer)), created);
}

fn created(mut performed: Performed) -> Created {
    Created { code: performed.code.take().unwrap_or_default(), receipt: performed.receipt() }
}
