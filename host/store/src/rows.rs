//! What is read: rows and filters. Plain data; what is written is in [`crate::ops`].

use std::sync::Arc;

use shopwright_model::{Millis, RunId};

use crate::ops::{EffectState, RunState};

/// A document as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// JSON text.
    pub doc: Arc<str>,
    /// 1 when it was first stored, then rising by one with every change.
    pub version: i64,
    /// Since when it is so.
    pub since: Millis,
}

/// A document in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doc {
    /// Its id.
    pub id: String,
    /// What the list is sorted by.
    pub sort: i64,
    /// JSON text.
    pub doc: Arc<str>,
    /// As of [`Stored::version`].
    pub version: i64,
}

/// Which runs to list, newest first.
#[derive(Debug, Clone, Default)]
pub struct RunFilter {
    /// Only in this state.
    pub state: Option<RunState>,
    /// Only of this installation.
    pub installation: Option<String>,
    /// Only of this workflow.
    pub workflow: Option<String>,
    /// Only those that failed with this code.
    pub error_code: Option<String>,
    /// Only those of this component.
    pub digest: Option<String>,
    /// Only older ones: the last of the page before.
    pub before: Option<RunId>,
    /// At most this many.
    pub limit: u32,
}

/// How many runs are in which state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(missing_docs)] // One count for each of `RunState`.
pub struct RunCounts {
    pub active: u64,
    pub blocked: u64,
    pub waiting: u64,
    pub done: u64,
    pub failed: u64,
    pub cancelled: u64,
}

/// Which events to list, newest first.
#[derive(Debug, Clone, Default)]
pub struct EventFilter {
    /// Only of this kind.
    pub kind: Option<String>,
    /// Only those that concern this entity (`customer:42`).
    pub entity: Option<String>,
    /// Only older ones: the `seq` of the last of the page before.
    pub before: Option<i64>,
    /// At most this many.
    pub limit: u32,
}

/// Which effects to list, newest runs first.
#[derive(Debug, Clone, Default)]
pub struct EffectFilter {
    /// Only in this state.
    pub state: Option<EffectState>,
    /// Only of this installation.
    pub installation: Option<String>,
    /// Only on this subject (`customer:42`).
    pub subject: Option<String>,
    /// Only this action.
    pub action: Option<String>,
    /// Only before this one: (run, position) of the last of the page before.
    pub before: Option<(RunId, u32)>,
    /// At most this many.
    pub limit: u32,
}

/// Which messages to list.
#[derive(Debug, Clone, Default)]
pub struct MessageFilter {
    /// `email`, `sms`, `staff`, `ticket`.
    pub channel: Option<String>,
    /// Address, number or channel name.
    pub recipient: Option<String>,
    /// Customer's id.
    pub customer: Option<String>,
    /// Of this run.
    pub run: Option<RunId>,
}

/// Which approvals to list, newest first.
#[derive(Debug, Clone, Default)]
pub struct ApprovalFilter {
    /// `open`, `escalated`, `answered`, `expired`.
    pub state: Option<String>,
    /// Of this run.
    pub run: Option<RunId>,
    /// Only older ones: (`created_at`, id) of the last of the page before.
    pub before: Option<(Millis, String)>,
    /// At most this many.
    pub limit: u32,
}

/// A tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shop {
    /// Its id, in every row.
    pub id: String,
    /// For people.
    pub name: String,
    /// ISO 4217.
    pub currency: String,
    /// IANA name.
    pub time_zone: String,
    /// JSON object text.
    pub settings: String,
    /// When it was made.
    pub created_at: Millis,
}

/// A bearer token. Only its hash is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Its id, public.
    pub id: String,
    /// Its shop; empty: every shop.
    pub shop: String,
    /// For people.
    pub name: String,
    /// `owner`, `operator`, `developer`, `viewer`.
    pub role: String,
    /// Hash of the secret.
    pub hash: String,
    /// When it was made.
    pub created_at: Millis,
    /// When it was last used.
    pub last_used_at: Option<Millis>,
    /// When it ends.
    pub expires_at: Option<Millis>,
    /// When it was revoked.
    pub revoked_at: Option<Millis>,
}

/// A secret of a shop, sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretRow {
    /// Shop.
    pub shop: String,
    /// What plugins call it by.
    pub name: String,
    /// The sealed value, as text.
    pub value: String,
    /// Hosts that it may be sent to: JSON list.
    pub hosts: String,
    /// Installations that may use it: JSON list, `null` for every one.
    pub installations: String,
    /// When it was first set.
    pub created_at: Millis,
    /// When it was last set.
    pub updated_at: Millis,
}

/// A guardrail of a shop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuardrailRow {
    /// Shop.
    pub shop: String,
    /// Unique in the shop.
    pub id: String,
    /// JSON text.
    pub rule: String,
    /// Last changed.
    pub updated_at: Millis,
}

/// A plugin's version that a shop has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionRow {
    /// Shop.
    pub shop: String,
    /// Plugin's name.
    pub plugin: String,
    /// Semantic version.
    pub version: String,
    /// Of the component.
    pub digest: String,
    /// JSON text.
    pub manifest: String,
    /// What it imports, JSON text.
    pub imports: String,
    /// Where it came from.
    pub source: String,
    /// When it was added.
    pub created_at: Millis,
}

/// A plugin enabled in a shop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstallationRow {
    /// Shop.
    pub shop: String,
    /// Unique in the shop.
    pub id: String,
    /// Plugin's name.
    pub plugin: String,
    /// Version that new runs get.
    pub version: String,
    /// Its digest.
    pub digest: String,
    /// JSON text.
    pub settings: String,
    /// What it may do, JSON text.
    pub grants: String,
    /// `live`, `shadow`, `paused`.
    pub mode: String,
    /// The installation that a shadow stands beside.
    pub beside: Option<String>,
    /// How a new version is rolled out, JSON text.
    pub rollout: String,
    /// JSON text.
    pub limits: String,
    /// When it was made.
    pub created_at: Millis,
    /// Last changed.
    pub updated_at: Millis,
    /// When it was removed; its runs may go on.
    pub removed_at: Option<Millis>,
}

/// A backtest as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BacktestRow {
    /// Its id; later ones sort behind earlier ones.
    pub id: String,
    /// Shop.
    pub shop: String,
    /// The installation it is compared with.
    pub installation: Option<String>,
    /// What was asked for, JSON text.
    pub request: String,
    /// `queued`, `running`, `done`, `failed`, `cancelled`.
    pub state: String,
    /// How far it is, JSON text.
    pub progress: String,
    /// What came of it, JSON text.
    pub report: Option<String>,
    /// Why it failed.
    pub error: Option<String>,
    /// Who asked for it.
    pub by: String,
    /// When.
    pub created_at: Millis,
    /// When it last moved.
    pub updated_at: Millis,
    /// When it ended.
    pub ended_at: Option<Millis>,
}

/// A schedule of an installation's workflow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduleRow {
    /// Shop.
    pub shop: String,
    /// Installation.
    pub installation: String,
    /// Workflow.
    pub workflow: String,
    /// Which of the workflow's schedules.
    pub n: i64,
    /// Its text.
    pub cron: String,
    /// When it fires next.
    pub next_at: Option<Millis>,
    /// Which time it fired for last.
    pub last_at: Option<Millis>,
}

/// A step of a bulk import: documents and the import's progress, in one transaction.
#[derive(Debug, Clone, Default)]
pub struct ImportBatch {
    /// Shop.
    pub shop: String,
    /// The import's id, chosen by the caller.
    pub import: String,
    /// Line of the file that this step begins with (the first is 1).
    pub from_line: i64,
    /// How many lines it covers.
    pub lines: i64,
    /// Documents of the good lines.
    pub puts: Vec<crate::ops::Put>,
    /// The bad lines: (number, why).
    pub errors: Vec<(i64, String)>,
    /// This is the last step.
    pub done: bool,
    /// Now.
    pub now: Millis,
}

/// How far an import is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ImportRow {
    /// Shop.
    pub shop: String,
    /// Id.
    pub id: String,
    /// Lines read so far: the next step begins behind them.
    pub lines: i64,
    /// Documents stored.
    pub ok: i64,
    /// Lines refused.
    pub failed: i64,
    /// The first 100 refused: (number, why).
    pub errors: Vec<(i64, String)>,
    /// It has ended.
    pub done: bool,
    /// Last changed.
    pub updated_at: Millis,
}

/// Something that was done by a person, a token or an upgrade.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AuditEntry {
    /// Shop; empty: the whole installation.
    pub shop: String,
    /// When.
    pub at: Millis,
    /// Who: `token:…`, `cli`, `upgrade`.
    pub who: String,
    /// What: `installation.updated`.
    pub what: String,
    /// On what: `installation:cart-recovery`.
    pub subject: String,
    /// JSON text of it before.
    pub before: Option<String>,
    /// JSON text of it after.
    pub after: Option<String>,
    /// Address or program it came from.
    pub origin: String,
}

/// An [`AuditEntry`] in its chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRow {
    /// Rising by one.
    pub n: i64,
    /// What was done.
    pub entry: AuditEntry,
    /// Hash of the row before; empty for the first.
    pub previous: String,
    /// SHA-256, hex, over `previous` and every field.
    pub hash: String,
}

/// What checking the audit's chain gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditCheck {
    /// Rows checked.
    pub rows: u64,
    /// The first row that does not fit its hash, its predecessor or its number, or that is missing at the end.
    pub broken_at: Option<i64>,
    /// What is wrong with it.
    pub fault: Option<AuditFault>,
}

/// What is wrong with the audit's chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuditFault {
    /// A row says something else than what was written.
    Edited,
    /// Rows before this one are missing.
    Removed,
    /// The rows from this one on are missing.
    Truncated,
}

impl AuditFault {
    /// In a word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Edited => "edited",
            Self::Removed => "removed",
            Self::Truncated => "truncated",
        }
    }
}

/// What is old enough to be removed; none: kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Retention {
    /// Events received before.
    pub events_before: Option<Millis>,
    /// Runs that ended before: their journals and logs (the run and its ledger stay).
    pub journals_before: Option<Millis>,
    /// Versions of documents that were replaced before.
    pub past_before: Option<Millis>,
    /// Messages of the mailbox before.
    pub messages_before: Option<Millis>,
}
