//! `inventory`: stock and how fast it sells.

use shopwright_model::{EntityKind, Millis, inventory::Level, types::Duration};

use crate::{
    Reader, Surface,
    paging::{invalid, owned_where},
    surface::ReadFuture,
};

const HOUR: u64 = 3_600_000;
const DAY: u64 = 24 * HOUR;
/// Two years, one of them a leap year.
const LONGEST_WINDOW: u64 = 731 * DAY;

pub(crate) fn register(surface: &mut impl Surface) {
    surface.read("inventory", "levels", levels);
    surface.read("inventory", "velocity", velocity);
}

fn levels<'a>(reader: &'a dyn Reader, (variant,): (String,)) -> ReadFuture<'a, Vec<Level>> {
    Box::pin(async move {
        let mut levels: Vec<Level> = owned_where(reader, EntityKind::Level, &variant, usize::MAX, |_| true).await?;
        levels.sort_by(|a, b| a.location.cmp(&b.location));
        Ok(levels)
    })
}

fn velocity<'a>(reader: &'a dyn Reader, (variant, window): (String, Duration)) -> ReadFuture<'a, f64> {
    Box::pin(async move {
        if !(HOUR..=LONGEST_WINDOW).contains(&window) {
            return Err(invalid(format!(
                "`window` is {window} ms: it must be one hour ({HOUR}) to two years ({LONGEST_WINDOW})"
            )));
        }
        let now = reader.now();
        // What was sold this very millisecond is part of the window. In range by the check above.
        let units = reader.units_sold(&variant, now - window as Millis + 1, now + 1).await?;
        #[allow(clippy::cast_precision_loss)]
        Ok(units as f64 * DAY as f64 / window as f64)
    })
}
