//! What a trial found: totals over all pairs, what guardrails said, money, and what is missing.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use shopwright_model::Millis;
use utoipa::ToSchema;

use crate::compare::{Done, Pair, PairKey, RunEnd, Side, Verdict, pair};

/// What is compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Subject {
    /// Its installation; none: it is installed nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub installation: Option<String>,
    /// Plugin.
    pub plugin: String,
    /// Version.
    pub version: String,
    /// Its component's digest.
    pub digest: String,
}

/// How many pairs there are of each kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct Totals {
    /// Pairs: an event or a scheduled time, and a workflow that ran for it on either side.
    pub pairs: u64,
    /// Both did the same.
    pub same: u64,
    /// Neither asked for anything.
    pub neither: u64,
    /// Both acted, not the same.
    pub different: u64,
    /// Only what is tried acted.
    pub only_tested: u64,
    /// Only what is live acted.
    pub only_live: u64,
    /// One of the two has not ended yet, and so far they differ.
    pub open: u64,
}

/// What became of one side's runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct RunTotals {
    /// Begun.
    pub started: u64,
    /// Ended well, or went on as another.
    pub done: u64,
    /// Ended badly.
    pub failed: u64,
    /// Ended by a person, or by a newer one of its key.
    pub cancelled: u64,
    /// Not ended: they wait, or stand in line. In a backtest at the end of the span.
    pub waiting: u64,
}

/// What one side asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct Asked {
    /// How often, denials included.
    pub asked: u64,
    /// How often a guardrail said no.
    pub denied: u64,
}

/// An action on both sides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ActionTotals {
    /// `messaging.send-email`.
    pub action: String,
    /// What is tried.
    pub tested: Asked,
    /// What is live.
    pub live: Asked,
}

/// What a guardrail said to either side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GuardrailTotals {
    /// Its id; `grant`: the installation's own grants; empty where it is not known any more.
    pub rule: String,
    /// `deny`, `ask` (a person), `later` (quiet hours).
    pub said: String,
    /// In words, as it said them last.
    pub words: String,
    /// How often to what is tried.
    pub tested: u64,
    /// How often to what is live (denials; questions and waits are not in its ledger).
    pub live: u64,
}

/// Money that actions move.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MoneyTotals {
    /// `price change`: the sum of new minus old prices. `discount`: the sum of amounts (percentages have none).
    pub what: String,
    /// ISO 4217.
    pub currency: String,
    /// Of what is tried, in minor units.
    pub tested: i64,
    /// How many actions that is.
    pub tested_count: u64,
    /// Of what is live, in minor units.
    pub live: i64,
    /// How many actions that is.
    pub live_count: u64,
}

/// Runs that failed for the same reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FailureTotals {
    /// Stable code.
    pub code: String,
    /// The first one's message.
    pub message: String,
    /// How many of what is tried.
    pub tested: u64,
    /// How many of what is live.
    pub live: u64,
}

/// A report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Report {
    /// `shadow` or `backtest`.
    pub kind: String,
    /// What is tried.
    pub tested: Subject,
    /// What it is compared with; none: with nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live: Option<Subject>,
    /// From when, in milliseconds since 1970.
    pub from: Millis,
    /// Until before when, in milliseconds since 1970.
    pub to: Millis,
    /// Recorded events of the span (backtests).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<u64>,
    /// How many pairs there are of each kind.
    pub totals: Totals,
    /// The tested side's runs.
    pub tested_runs: RunTotals,
    /// The live side's runs.
    pub live_runs: RunTotals,
    /// By action.
    pub actions: Vec<ActionTotals>,
    /// What guardrails said.
    pub guardrails: Vec<GuardrailTotals>,
    /// Money that actions move.
    pub money: Vec<MoneyTotals>,
    /// Why runs failed.
    pub failures: Vec<FailureTotals>,
    /// What is missing in the record, or to be known when reading this.
    pub notes: Vec<String>,
}

/// Compares two sides. Gives the totals (in a report whose head `head` made) and the pairs that are not the
/// same, in the order of events.
#[must_use]
pub fn compare(mut report: Report, tested: &Side, live: &Side, open: bool) -> (Report, Vec<Pair>) {
    let mut differing = Vec::new();
    let mut sums = Sums::default();
    let mut keys: Vec<&PairKey> = tested.pairs.keys().chain(live.pairs.keys()).collect();
    keys.sort_unstable();
    keys.dedup();
    for key in keys {
        let (ours, theirs) = (tested.pairs.get(key), live.pairs.get(key));
        let pair = pair(key, ours, theirs, open);
        let totals = &mut report.totals;
        totals.pairs += 1;
        *match pair.verdict {
            Verdict::Same => &mut totals.same,
            Verdict::Neither => &mut totals.neither,
            Verdict::Different => &mut totals.different,
            Verdict::OnlyTested => &mut totals.only_tested,
            Verdict::OnlyLive => &mut totals.only_live,
            Verdict::Open => &mut totals.open,
        } += 1;
        sums.add(ours, true, &mut report.tested_runs);
        sums.add(theirs, false, &mut report.live_runs);
        if !matches!(pair.verdict, Verdict::Same | Verdict::Neither) {
            differing.push(pair);
        }
    }
    sums.finish(&mut report);
    (report, differing)
}

/// (tested, live).
type Both<T> = (T, T);

fn of<T>(both: &mut Both<T>, tested: bool) -> &mut T {
    if tested { &mut both.0 } else { &mut both.1 }
}

#[derive(Default)]
struct Sums {
    actions: BTreeMap<String, Both<Asked>>,
    guardrails: BTreeMap<(String, String), (String, Both<u64>)>,
    money: BTreeMap<(&'static str, String), Both<(i64, u64)>>,
    failures: BTreeMap<String, (String, Both<u64>)>,
}

impl Sums {
    fn add(&mut self, done: Option<&Done>, tested: bool, runs: &mut RunTotals) {
        let Some(done) = done else { return };
        for (_, end) in &done.runs {
            runs.started += 1;
            match end {
                RunEnd::Done | RunEnd::Continued => runs.done += 1,
                RunEnd::Failed { code, message } => {
                    runs.failed += 1;
                    let failure = self.failures.entry(code.clone()).or_insert_with(|| (message.clone(), (0, 0)));
                    *of(&mut failure.1, tested) += 1;
                }
                RunEnd::Cancelled | RunEnd::Replaced => runs.cancelled += 1,
                RunEnd::Waiting | RunEnd::Blocked | RunEnd::Active => runs.waiting += 1,
            }
        }
        for act in &done.acts {
            let asked = of(self.actions.entry(act.action.clone()).or_default(), tested);
            asked.asked += 1;
            asked.denied += u64::from(act.denied);
            if let Some((rule, said, words)) = &act.said {
                let found = self.guardrails.entry((rule.clone(), said.clone())).or_default();
                found.0.clone_from(words);
                *of(&mut found.1, tested) += 1;
            }
            if let Some((what, currency, amount)) = act.money() {
                let sum = of(self.money.entry((what, currency)).or_default(), tested);
                sum.0 += amount;
                sum.1 += 1;
            }
        }
    }

    fn finish(self, report: &mut Report) {
        report.actions =
            self.actions.into_iter().map(|(action, (tested, live))| ActionTotals { action, tested, live }).collect();
        report.guardrails = self
            .guardrails
            .into_iter()
            .map(|((rule, said), (words, (tested, live)))| GuardrailTotals { rule, said, words, tested, live })
            .collect();
        report.money = self
            .money
            .into_iter()
            .map(|((what, currency), (tested, live))| MoneyTotals {
                what: what.into(),
                currency,
                tested: tested.0,
                tested_count: tested.1,
                live: live.0,
                live_count: live.1,
            })
            .collect();
        report.failures = self
            .failures
            .into_iter()
            .map(|(code, (message, (tested, live)))| FailureTotals { code, message, tested, live })
            .collect();
    }
}

impl Report {
    /// A report of nothing yet.
    #[must_use]
    pub fn head(kind: &str, tested: Subject, live: Option<Subject>, from: Millis, to: Millis) -> Self {
        Self {
            kind: kind.into(),
            tested,
            live,
            from,
            to,
            events: None,
            totals: Totals::default(),
            tested_runs: RunTotals::default(),
            live_runs: RunTotals::default(),
            actions: Vec::new(),
            guardrails: Vec::new(),
            money: Vec::new(),
            failures: Vec::new(),
            notes: Vec::new(),
        }
    }
}
