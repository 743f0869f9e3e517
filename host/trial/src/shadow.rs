//! The report of a shadow: what it would have done, beside what the live installation did, event by event.

use shopwright_engine::{Engine, Installation};
use shopwright_model::Millis;

use crate::{
    TrialError,
    compare::Pair,
    record,
    report::{Report, Subject, compare},
};

/// The longest span of a report, in milliseconds: 31 days.
const LONGEST: Millis = 31 * 86_400_000;
/// The span where none is asked for, in milliseconds: a week, or since the shadow was enabled.
const USUAL: Millis = 7 * 86_400_000;

fn subject(one: &Installation) -> Subject {
    Subject {
        installation: Some(one.id.clone()),
        plugin: one.plugin.clone(),
        version: one.version.clone(),
        digest: one.digest.clone(),
    }
}

/// Compares a shadow's runs that were begun from `from` up to before `to` with those of the live
/// installation beside it (`beside`; else the one it names, else one of the same plugin). Gives the
/// report and the pairs that are not the same, in the order of events.
///
/// # Errors
/// No such installation, nothing to compare with, a span that makes no sense, or the store's.
pub async fn report(
    engine: &Engine,
    shop: &str,
    installation: &str,
    beside: Option<&str>,
    (from, to): (Option<Millis>, Option<Millis>),
) -> Result<(Report, Vec<Pair>), TrialError> {
    let all = engine.installations(shop)?;
    let find = |id: &str| {
        all.iter().find(|one| one.id == id).ok_or_else(|| TrialError::NotFound(format!("installation `{id}`")))
    };
    let tested = find(installation)?;
    let live = match beside {
        Some(id) => Some(find(id)?.clone()),
        None => engine.beside(shop, installation)?,
    };
    let live = live.ok_or_else(|| {
        let reason = format!(
            "no other installation of `{}` is live: say with which one `{installation}` is to be compared",
            tested.plugin
        );
        TrialError::invalid("nothing-beside", "/beside", reason)
    })?;
    let now = engine.clock().now();
    let to = to.unwrap_or(now + 1);
    // Before it was enabled it saw no event.
    let from = from.unwrap_or(to - USUAL).max(tested.created_at);
    if from >= to || to - from > LONGEST {
        let reason = "the span must be more than nothing, at most 31 days, and end after the shadow was enabled";
        return Err(TrialError::invalid("bad-span", "/from", reason));
    }
    let store = engine.store();
    let ours = record::read(store, shop, installation, "shadow", (from, to)).await?;
    let theirs = record::read(store, shop, &live.id, "live", (from, to)).await?;
    let mut head = Report::head("shadow", subject(tested), Some(subject(&live)), from, to);
    if tested.mode != shopwright_engine::Mode::Shadow {
        head.notes
            .push(format!("`{installation}` is not a shadow now: its runs of the time when it was one are shown"));
    }
    Ok(compare(head, &ours.side, &theirs.side, true))
}
