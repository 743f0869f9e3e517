//! How often something was asked for, as guardrails count it.

use std::collections::HashMap;

use shopwright_model::Millis;

/// Effects by what limits look at. Added in the order of time.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// Action → subject → (when, tag).
    by_subject: HashMap<String, HashMap<String, Vec<(Millis, String)>>>,
    /// Action → installation → when.
    by_installation: HashMap<String, HashMap<String, Vec<Millis>>>,
}

/// The part of a list in the order of time that lies from `since` up to now.
fn within<T>(rows: &[T], since: Millis, now: Millis, at: impl Fn(&T) -> Millis) -> &[T] {
    let (begin, end) = (rows.partition_point(|row| at(row) < since), rows.partition_point(|row| at(row) <= now));
    rows.get(begin..end).unwrap_or_default()
}

impl Counts {
    pub fn add(&mut self, action: &str, subject: &str, tag: &str, installation: &str, at: Millis) {
        let subjects = self.by_subject.entry(action.to_owned()).or_default();
        subjects.entry(subject.to_owned()).or_default().push((at, tag.to_owned()));
        let installations = self.by_installation.entry(action.to_owned()).or_default();
        installations.entry(installation.to_owned()).or_default().push(at);
    }

    /// On a subject, with a tag (none: any), from `since` up to now.
    pub fn on(&self, action: &str, subject: &str, tag: Option<&str>, since: Millis, now: Millis) -> u64 {
        let Some(rows) = self.by_subject.get(action).and_then(|subjects| subjects.get(subject)) else { return 0 };
        let rows = within(rows, since, now, |(at, _)| *at);
        rows.iter().filter(|(_, known)| tag.is_none_or(|tag| known == tag)).count() as u64
    }

    /// Of an installation (none: of all), from `since` up to now.
    pub fn of(&self, action: &str, installation: Option<&str>, since: Millis, now: Millis) -> u64 {
        let Some(all) = self.by_installation.get(action) else { return 0 };
        let chosen = all.iter().filter(|(id, _)| installation.is_none_or(|one| one == id.as_str()));
        chosen.map(|(_, rows)| within(rows, since, now, |at| *at).len() as u64).sum()
    }
}
