//! Two sides of a trial, set beside each other: what each did for the same event.
//!
//! A pair is an event (or a scheduled time) and a workflow; what descends from a run (continued runs,
//! runs that it started) belongs to its pair. Runs that a person started have no counterpart and are
//! left out. Actions compare by function, subject and arguments. What can never be equal is no
//! difference: ids of runs and effects and codes made from them count as the same name on both sides,
//! and times (milliseconds since 1970) that are less than a minute apart, or as far from the moment of
//! the action, are equal.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use shopwright_model::{Millis, RunId, types::Money};
use shopwright_policy::ActionKind;
use shopwright_store::ops::{EffectRow, EffectState};
use utoipa::ToSchema;

/// Times closer than this are equal.
const SAME_TIME: i64 = 60_000;

/// What two runs have in common.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PairKey {
    /// An event.
    Event {
        /// Its number.
        seq: i64,
        /// The workflow it triggered.
        workflow: String,
    },
    /// A time of a schedule.
    Schedule {
        /// When.
        at: Millis,
        /// The workflow that was due.
        workflow: String,
    },
}

/// How a run ended, or stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunEnd {
    /// Well.
    Done,
    /// It went on as another.
    Continued,
    /// Badly.
    Failed {
        /// Stable code.
        code: String,
        /// For people.
        message: String,
    },
    /// By a person.
    Cancelled,
    /// By a newer one of its key.
    Replaced,
    /// It waits.
    Waiting,
    /// It stands in line.
    Blocked,
    /// It executes.
    Active,
}

impl RunEnd {
    fn as_str(&self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Continued => "continued",
            Self::Failed { .. } => "failed",
            Self::Cancelled => "cancelled",
            Self::Replaced => "replaced",
            Self::Waiting => "waiting",
            Self::Blocked => "blocked",
            Self::Active => "active",
        }
    }

    /// It has not ended.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self, Self::Waiting | Self::Blocked | Self::Active)
    }
}

/// Something that was asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Act {
    /// `messaging.send-email`.
    pub action: String,
    /// `customer:42`.
    pub subject: String,
    /// The arguments, JSON text.
    pub request: String,
    /// A guardrail said no.
    pub denied: bool,
    /// What a guardrail said: its id, `deny`, `ask` or `later`, and the words.
    pub said: Option<(String, String, String)>,
    /// Where it stands, as the ledger has it.
    pub state: &'static str,
    /// Why it was denied or failed.
    pub error: Option<String>,
    /// A discount's code.
    pub code: Option<String>,
    /// The price before, in minor units.
    pub before: Option<i64>,
    /// Its id.
    pub effect: String,
    /// Its run.
    pub run: RunId,
    /// When.
    pub at: Millis,
}

impl Act {
    /// Of a row of the ledger.
    #[must_use]
    pub fn of(row: &EffectRow) -> Self {
        let answer: Value = row.answer.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        let text = |field: &str| answer.get(field).and_then(Value::as_str).map(str::to_owned);
        let denied = row.state == EffectState::Denied;
        let words = row.error.clone().unwrap_or_default();
        let said = match (text("rule"), text("said")) {
            (Some(rule), Some(said)) => Some((rule, said, words)),
            _ if denied => Some((String::new(), "deny".into(), words)),
            _ => None,
        };
        Self {
            action: row.action.clone(),
            subject: row.subject.clone(),
            request: row.request.clone(),
            denied,
            said,
            state: match row.state {
                EffectState::Intended => "intended",
                EffectState::Sent => "sent",
                EffectState::Done => "done",
                EffectState::Failed => "failed",
                EffectState::Unknown => "unknown",
                EffectState::Denied => "denied",
                EffectState::Recorded => "recorded",
            },
            error: row.error.clone(),
            code: text("code"),
            before: answer.get("before").and_then(Value::as_i64),
            effect: row.id.clone(),
            run: row.run,
            at: row.created_at,
        }
    }

    /// The money that it moves: what, currency, minor units.
    pub(crate) fn money(&self) -> Option<(&'static str, String, i64)> {
        if self.denied {
            return None;
        }
        let kind: ActionKind = serde_json::from_str(&self.request).ok()?;
        let Money { amount, currency } = kind.money()?;
        match kind {
            ActionKind::SetPrice { .. } => Some(("price change", currency, amount - self.before?)),
            _ => Some(("discount", currency, amount)),
        }
    }

    fn view(&self) -> ActView {
        ActView {
            action: self.action.clone(),
            subject: self.subject.clone(),
            request: serde_json::from_str(&self.request).unwrap_or_default(),
            state: self.state.into(),
            error: self.error.clone(),
            at: self.at,
        }
    }
}

/// What one side did for a pair.
#[derive(Debug, Clone, Default)]
pub struct Done {
    /// Its runs, the first one first, and how each ended.
    pub runs: Vec<(RunId, RunEnd)>,
    /// What they asked for, in order.
    pub acts: Vec<Act>,
}

/// What one side did for all pairs.
#[derive(Debug, Clone, Default)]
pub struct Side {
    /// By pair.
    pub pairs: BTreeMap<PairKey, Done>,
    /// Events that started nothing, since a run of their key was there.
    pub skipped: u64,
}

impl Side {
    /// A run began.
    pub fn begin(&mut self, pair: &PairKey, run: RunId) {
        self.pairs.entry(pair.clone()).or_default().runs.push((run, RunEnd::Active));
    }

    /// A run asked for something.
    pub fn act(&mut self, pair: &PairKey, act: Act) {
        self.pairs.entry(pair.clone()).or_default().acts.push(act);
    }

    /// A run ended, or stands so.
    pub fn end(&mut self, pair: &PairKey, run: RunId, end: RunEnd) {
        if let Some(found) =
            self.pairs.get_mut(pair).and_then(|done| done.runs.iter_mut().find(|(known, _)| *known == run))
        {
            found.1 = end;
        }
    }
}

/// What became of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Both did the same.
    Same,
    /// Neither asked for anything.
    Neither,
    /// Both acted, not the same.
    Different,
    /// Only what is tried acted.
    OnlyTested,
    /// Only what is live acted.
    OnlyLive,
    /// One of the two has not ended yet, and so far they differ.
    Open,
}

/// An action in a report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ActView {
    /// `messaging.send-email`.
    pub action: String,
    /// `customer:42`.
    pub subject: String,
    /// Its arguments.
    #[schema(value_type = Object)]
    pub request: Value,
    /// As in the ledger; `recorded`: it would have happened.
    pub state: String,
    /// What a guardrail said, or why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// When, in milliseconds since 1970.
    pub at: Millis,
}

/// One side of a pair.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SideView {
    /// Its run; none: it started none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// How its last run ended, or stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// What it asked for.
    pub acts: Vec<ActView>,
}

/// A field in which two actions differ.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Difference {
    /// Which action, from 0, in the order of the tested side; absent where the whole action is on one side only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub act: Option<usize>,
    /// `messaging.send-email` and the field as a JSON pointer, such as `/data/discount`.
    pub field: String,
    /// What the tested side has.
    #[schema(value_type = Object)]
    pub tested: Value,
    /// What the live side has.
    #[schema(value_type = Object)]
    pub live: Value,
}

/// Two sides of one event, beside each other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Pair {
    /// The event's number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<i64>,
    /// The scheduled time, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduled_at: Option<Millis>,
    /// Workflow.
    pub workflow: String,
    /// What became of it.
    pub verdict: Verdict,
    /// What is tried.
    pub tested: SideView,
    /// What is live.
    pub live: SideView,
    /// In what they differ.
    pub differences: Vec<Difference>,
}

fn side(done: Option<&Done>) -> SideView {
    let Some(done) = done else { return SideView { run: None, state: None, failure: None, acts: Vec::new() } };
    let failure = done.runs.iter().find_map(|(_, end)| match end {
        RunEnd::Failed { code, message } => Some(format!("{code}: {message}")),
        _ => None,
    });
    SideView {
        run: done.runs.first().map(|(run, _)| run.to_string()),
        state: done.runs.last().map(|(_, end)| end.as_str().to_owned()),
        failure,
        acts: done.acts.iter().map(Act::view).collect(),
    }
}

/// Sets the two sides of a pair beside each other. With `open`, runs that have not ended may still do what
/// the other side did.
#[must_use]
pub fn pair(key: &PairKey, tested: Option<&Done>, live: Option<&Done>, open: bool) -> Pair {
    let none = Vec::new();
    let (ours, theirs) = (tested.map_or(&none, |done| &done.acts), live.map_or(&none, |done| &done.acts));
    let differences = differences(ours, theirs);
    let unfinished =
        open && [tested, live].into_iter().flatten().flat_map(|done| &done.runs).any(|(_, end)| end.is_open());
    let verdict = match (ours.is_empty(), theirs.is_empty()) {
        (true, true) => Verdict::Neither,
        _ if differences.is_empty() => Verdict::Same,
        _ if unfinished => Verdict::Open,
        (false, true) => Verdict::OnlyTested,
        (true, false) => Verdict::OnlyLive,
        (false, false) => Verdict::Different,
    };
    let (event, scheduled_at, workflow) = match key {
        PairKey::Event { seq, workflow } => (Some(*seq), None, workflow.clone()),
        PairKey::Schedule { at, workflow } => (None, Some(*at), workflow.clone()),
    };
    Pair { event, scheduled_at, workflow, verdict, tested: side(tested), live: side(live), differences }
}

/// What is made from the ids of a side's runs, under names that both sides share.
struct Names(Vec<(String, String)>);

impl Names {
    fn of(acts: &[Act]) -> Self {
        let mut names = Vec::new();
        for (n, act) in acts.iter().enumerate() {
            names.push((act.effect.clone(), format!("{{effect {n}}}")));
            if let Some(code) = act.code.as_ref().filter(|code| !code.is_empty()) {
                names.push((code.clone(), format!("{{code {n}}}")));
            }
        }
        if let Some(act) = acts.first() {
            names.push((act.run.to_string(), "{run}".into()));
        }
        Self(names)
    }

    fn shared(&self, value: Value) -> Value {
        match value {
            Value::String(mut text) => {
                for (own, shared) in &self.0 {
                    if text.contains(own.as_str()) {
                        text = text.replace(own.as_str(), shared);
                    }
                }
                Value::String(text)
            }
            Value::Array(items) => Value::Array(items.into_iter().map(|item| self.shared(item)).collect()),
            Value::Object(fields) => {
                Value::Object(fields.into_iter().map(|(name, value)| (name, self.shared(value))).collect())
            }
            other => other,
        }
    }
}

fn request(act: &Act, names: &Names) -> Value {
    let value: Value = serde_json::from_str(&act.request).unwrap_or_default();
    // `{"send_email": {…}}`: the arguments alone.
    let inner = match value {
        Value::Object(fields) if fields.len() == 1 => fields.into_iter().next().map_or(Value::Null, |(_, v)| v),
        other => other,
    };
    names.shared(inner)
}

fn differences(ours: &[Act], theirs: &[Act]) -> Vec<Difference> {
    let quick = |(a, b): (&Act, &Act)| {
        a.denied == b.denied && a.action == b.action && a.subject == b.subject && a.request == b.request
    };
    if ours.len() == theirs.len() && ours.iter().zip(theirs).all(quick) {
        return Vec::new();
    }
    let (our_names, their_names) = (Names::of(ours), Names::of(theirs));
    let ours: Vec<(usize, &Act, Value)> =
        ours.iter().enumerate().map(|(n, act)| (n, act, request(act, &our_names))).collect();
    let mut theirs: Vec<(&Act, Value)> = theirs.iter().map(|act| (act, request(act, &their_names))).collect();
    let mut left = Vec::new();
    let mut found = Vec::new();
    // First those that are equal, wherever they stand: the order alone is no difference.
    for (n, act, value) in ours {
        let equal = theirs.iter().position(|(other, theirs)| {
            act.action == other.action
                && act.subject == other.subject
                && act.denied == other.denied
                && fields(&value, theirs, act.at, other.at).is_empty()
        });
        match equal {
            Some(place) => drop(theirs.remove(place)),
            None => left.push((n, act, value)),
        }
    }
    for (n, act, value) in left {
        let same_thing = |with_subject: bool| {
            theirs
                .iter()
                .position(|(other, _)| act.action == other.action && (!with_subject || act.subject == other.subject))
        };
        let Some(place) = same_thing(true).or_else(|| same_thing(false)) else {
            found.push(Difference { act: Some(n), field: act.action.clone(), tested: value, live: Value::Null });
            continue;
        };
        let (other, theirs) = theirs.remove(place);
        let named = |field: &str| format!("{} {field}", act.action);
        if act.denied != other.denied {
            let standing = |act: &Act| {
                Value::String(if act.denied {
                    format!("denied: {}", act.error.as_deref().unwrap_or_default())
                } else {
                    "allowed".into()
                })
            };
            let (tested, live) = (standing(act), standing(other));
            found.push(Difference { act: Some(n), field: named("guardrails"), tested, live });
        }
        for (field, tested, live) in fields(&value, &theirs, act.at, other.at) {
            found.push(Difference { act: Some(n), field: named(&field), tested, live });
        }
    }
    for (act, value) in theirs {
        found.push(Difference { act: None, field: act.action.clone(), tested: Value::Null, live: value });
    }
    found
}

/// The fields in which two values differ: (JSON pointer, tested, live).
fn fields(tested: &Value, live: &Value, tested_at: Millis, live_at: Millis) -> Vec<(String, Value, Value)> {
    let mut found = Vec::new();
    let mut todo = vec![(String::new(), tested, live)];
    let null = Value::Null;
    while let Some((place, a, b)) = todo.pop() {
        match (a, b) {
            (Value::Object(a), Value::Object(b)) => {
                let field = |fields: &Map<String, Value>, name: &str| fields.get(name).is_none();
                for (name, value) in a {
                    todo.push((format!("{place}/{name}"), value, b.get(name).unwrap_or(&null)));
                }
                for (name, value) in b.iter().filter(|(name, _)| field(a, name)) {
                    todo.push((format!("{place}/{name}"), &null, value));
                }
            }
            (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
                for (n, (a, b)) in a.iter().zip(b).enumerate() {
                    todo.push((format!("{place}/{n}"), a, b));
                }
            }
            _ if a == b || same_time(a, b, tested_at, live_at) => {}
            _ => found.push((place, a.clone(), b.clone())),
        }
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

fn same_time(a: &Value, b: &Value, a_at: Millis, b_at: Millis) -> bool {
    // 2001 to 2100, in milliseconds.
    let time = |value: &Value| value.as_i64().filter(|n| (1_000_000_000_000..4_102_444_800_000).contains(n));
    let (Some(a), Some(b)) = (time(a), time(b)) else { return false };
    (a - b).abs() < SAME_TIME || ((a - a_at) - (b - b_at)).abs() < SAME_TIME
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn act(run: i64, position: u32, action: &str, subject: &str, request: Value) -> Act {
        let run = RunId(run);
        Act {
            action: action.into(),
            subject: subject.into(),
            request: json!({ "x": request }).to_string(),
            denied: false,
            said: None,
            state: "done",
            error: None,
            code: None,
            before: None,
            effect: format!("{run}-{position}"),
            run,
            at: 1_772_442_000_000,
        }
    }

    fn verdict(tested: Vec<Act>, live: Vec<Act>) -> (Verdict, Vec<String>) {
        let done = |acts| Done { runs: vec![(RunId(1), RunEnd::Done)], acts };
        let key = PairKey::Event { seq: 1, workflow: "w".into() };
        let pair = pair(&key, Some(&done(tested)), Some(&done(live)), true);
        (pair.verdict, pair.differences.into_iter().map(|d| d.field).collect())
    }

    #[test]
    fn what_is_made_from_ids_and_moments_is_no_difference() {
        let with_code = |run: i64, code: &str, ends: i64| {
            let mut offer = act(run, 1, "discount-actions.create", "customer:1", json!({"expires_at": ends}));
            offer.code = Some(code.into());
            let text = json!({"data": {"code": code, "ref": format!("{}-1", RunId(run))}});
            vec![offer, act(run, 2, "messaging.send-email", "customer:1", text)]
        };
        let (one, two) = (with_code(7, "AAA111", 1_772_528_400_000), with_code(9, "BBB222", 1_772_528_400_900));
        assert_eq!(verdict(one.clone(), two), (Verdict::Same, vec![]));
        let later = with_code(9, "BBB222", 1_772_528_400_000 + 3_600_000);
        assert_eq!(verdict(one, later).1, ["discount-actions.create /expires_at"]);
    }

    #[test]
    fn order_is_no_difference_and_differing_fields_are_named() {
        let mail = |to: &str, text: &str| act(1, 0, "messaging.send-email", to, json!({"template": text, "n": 1}));
        let swapped = (vec![mail("a", "x"), mail("b", "y")], vec![mail("b", "y"), mail("a", "x")]);
        assert_eq!(verdict(swapped.0, swapped.1).0, Verdict::Same);
        let (what, fields) = verdict(vec![mail("a", "x")], vec![mail("a", "z")]);
        assert_eq!((what, fields), (Verdict::Different, vec!["messaging.send-email /template".into()]));
        assert_eq!(verdict(vec![mail("a", "x")], vec![]).0, Verdict::OnlyTested);
        assert_eq!(verdict(vec![], vec![mail("a", "x")]).0, Verdict::OnlyLive);
        assert_eq!(verdict(vec![], vec![]).0, Verdict::Neither);
        let mut denied = mail("a", "x");
        denied.denied = true;
        assert_eq!(verdict(vec![denied], vec![mail("a", "x")]).1, ["messaging.send-email guardrails"]);
    }
}
