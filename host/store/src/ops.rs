//! What is written: the operations that the group-commit writer takes, and what it answers.
//!
//! All of it is plain data. The writer turns many operations into a few set-shaped statements of one
//! transaction; none of them can fail for reasons of its own content (conflicts are answers, not
//! errors), so that no operation spoils its neighbours' transaction.

use shopwright_model::{Entity, EntityKind, Millis, RunId};

/// The fence that a new run is stored with; every taking, waking and cancelling adds one.
pub const FIRST_FENCE: i64 = 1;

/// An event to be accepted, with all that is to happen in the same transaction.
#[derive(Debug, Clone, Default)]
pub struct NewEvent {
    /// The shop it happened in.
    pub shop: String,
    /// CloudEvents `source`; (source, id) is accepted once per shop.
    pub source: String,
    /// CloudEvents `id`.
    pub id: String,
    /// Dotted kind.
    pub kind: String,
    /// When it happened.
    pub at: Millis,
    /// When it was received.
    pub received_at: Millis,
    /// `type:id` of every entity it concerns.
    pub concerns: Vec<String>,
    /// JSON text.
    pub data: String,
    /// The run that emitted it.
    pub run: Option<RunId>,
    /// Sequence number of the first event of its ancestry; 0: itself.
    pub root: i64,
    /// How many runs lie between that event and this one.
    pub depth: u32,
    /// Documents that change with it.
    pub puts: Vec<Put>,
    /// Documents that go with it.
    pub removes: Vec<(EntityKind, String)>,
    /// Runs that it triggers. `event_seq`, `cursor`, `root` are filled in by the writer.
    pub runs: Vec<NewRun>,
}

/// A document to be stored.
#[derive(Debug, Clone)]
pub struct Put {
    /// The document with its terms.
    pub entity: Entity,
    /// Only if the stored version is this one (0: absent); none: whatever is stored.
    pub expect: Option<i64>,
    /// Since when it is so: the event's `at` for events, now for actions.
    pub since: Millis,
    /// Do not replace a document whose `sort` is later than this one's (out-of-order delivery).
    pub newer_only: bool,
}

/// What a second run of the same key does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Rule {
    /// Runs too.
    #[default]
    Allow,
    /// Waits until those before it have ended.
    Queue,
    /// Is not started.
    Skip,
    /// Cancels the others.
    Replace,
}

/// A run to be started.
#[derive(Debug, Clone)]
pub struct NewRun {
    /// Its id.
    pub id: RunId,
    /// Its shop.
    pub shop: String,
    /// Its installation.
    pub installation: String,
    /// Workflow of the plugin.
    pub workflow: String,
    /// The component version it is pinned to.
    pub digest: String,
    /// The settings it runs with, JSON text: pinned as well.
    pub settings: std::sync::Arc<str>,
    /// `live`, `shadow` or `backtest`.
    pub mode: String,
    /// Concurrency key.
    pub key: Option<String>,
    /// What happens when the key is taken.
    pub rule: Rule,
    /// Started at most once per (shop, name); a second start answers the first run's id.
    pub once: Option<String>,
    /// `event`, `schedule`, `manual`, `continued`.
    pub trigger: TriggerKind,
    /// The event's number; 0: that of the event it comes with.
    pub event_seq: i64,
    /// For schedule: the time as text. For manual and continued: JSON text.
    pub input: Option<String>,
    /// Waits see events after this number; 0: after the event it comes with, or after the latest.
    pub cursor: i64,
    /// Ancestry, as of [`NewEvent`].
    pub root: i64,
    /// Ancestry depth.
    pub depth: u32,
    /// The run that started or continued into it.
    pub parent: Option<RunId>,
    /// Now.
    pub created_at: Millis,
    /// Take it for this node at once, with fence 1 (none: leave it to [`crate::Store::claim_active`]).
    pub node: Option<i64>,
}

/// How a run began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TriggerKind {
    /// An event.
    Event,
    /// A schedule.
    Schedule,
    /// By hand, API or another run.
    Manual,
    /// `continue-as-new`.
    Continued,
}

/// What became of a [`NewRun`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Started {
    /// It is active. `replaced` were cancelled for it.
    Active {
        /// The run.
        run: RunId,
        /// Those cancelled.
        replaced: Vec<RunId>,
    },
    /// It waits in line.
    Blocked(RunId),
    /// The key was taken and the rule is skip.
    Skipped,
    /// It had been started before (`once`).
    Before(RunId),
}

/// What became of a [`NewEvent`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// Its number.
    pub seq: i64,
    /// It had been accepted before: nothing was done now.
    pub duplicate: bool,
    /// One for each of `runs`, in order (empty for a duplicate).
    pub runs: Vec<Started>,
    /// Waiting runs it may concern, now active and taken for the node that accepted it.
    pub woken: Vec<RunId>,
}

/// What a run leaves behind at a flush point: all or nothing, and only if the run is still ours.
#[derive(Debug, Clone)]
pub struct Flush {
    /// The run.
    pub run: RunId,
    /// Its shop.
    pub shop: String,
    /// Its installation (for memory).
    pub installation: String,
    /// The fence it was taken with.
    pub fence: i64,
    /// The node that holds it.
    pub node: i64,
    /// Now.
    pub now: Millis,
    /// Journal entries since the last flush, encoded; empty: none.
    pub journal: Vec<u8>,
    /// How many entries that is.
    pub entries: u32,
    /// Number that the journal chunk gets (the count of those before).
    pub chunk: u32,
    /// Log lines since the last flush, encoded; empty: none.
    pub log: Vec<u8>,
    /// Ledger rows, new or changed.
    pub effects: Vec<EffectRow>,
    /// What changes in our own store.
    pub own: Vec<Own>,
    /// Versions that must still be the latest: (fact key, version; 0: never set).
    pub expects: Vec<(String, i64)>,
    /// Facts that this flush changes.
    pub bumps: Vec<String>,
    /// Events it emits.
    pub events: Vec<NewEvent>,
    /// Runs it starts.
    pub starts: Vec<NewRun>,
    /// How the run goes on.
    pub next: Next,
}

/// A change in our own store.
#[derive(Debug, Clone)]
pub enum Own {
    /// A document of the model.
    Put(Put),
    /// A memory key (none: removed).
    Memory(String, Option<String>),
    /// A message into the mailbox.
    Message(MessageRow),
    /// A price change for the history.
    PriceChange(PriceChangeRow),
    /// A question to a person.
    Approval(ApprovalRow),
}

/// How a run goes on after a flush.
#[derive(Debug, Clone)]
pub enum Next {
    /// It is still executing.
    Stay,
    /// It waits: until `due_at`, or for an event, or both.
    Wait {
        /// When it is woken at the latest.
        due_at: Option<Millis>,
        /// What it waits for, as JSON text, for people and for the engine.
        wait: String,
        /// Wake it for events: (entity or `*`, kind). Events after the run's `cursor` count.
        events: Vec<(String, String)>,
        /// The run's new cursor (none: unchanged).
        cursor: Option<i64>,
    },
    /// It is tried again later; the attempt count goes up.
    Retry {
        /// When.
        due_at: Millis,
        /// Why, for people.
        wait: String,
        /// Keep only this many journal chunks.
        chunks: u32,
    },
    /// It ended well.
    Done(String),
    /// It ended badly.
    Failed {
        /// Stable code.
        code: String,
        /// For people.
        message: String,
    },
    /// It ended and continues as a new run.
    Continue {
        /// Outcome text of this one.
        handed_on: String,
        /// The next.
        run: Box<NewRun>,
    },
}

/// A run that is to go on although it failed, waits or is stuck: with another component, or from the last good
/// point of its journal.
#[derive(Debug, Clone)]
pub struct Reopen {
    /// The run.
    pub run: RunId,
    /// Its shop.
    pub shop: String,
    /// The fence that its row was read with: nobody has taken it since.
    pub fence: i64,
    /// The count of chunks that its row was read with: it has not gone on since.
    pub chunks: u32,
    /// The component it goes on with.
    pub digest: String,
    /// The settings it goes on with.
    pub settings: std::sync::Arc<str>,
    /// Its journal anew, as one chunk of so many entries; none: it stays as it is.
    pub journal: Option<(Vec<u8>, u32)>,
    /// Only if no other run of its key lives.
    pub exclusive: bool,
    /// Now.
    pub now: Millis,
}

/// What became of a [`Flush`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Flushed {
    /// It is durable.
    Done {
        /// One for each of `events`.
        events: Vec<Accepted>,
        /// One for each of `starts`.
        starts: Vec<Started>,
        /// Runs of the same key that are active now because this one ended, taken for this node.
        unblocked: Vec<RunId>,
        /// For [`Next::Wait`]: something it waits for is there already; the run stays active and ours.
        already: bool,
    },
    /// The run is no longer ours (cancelled, replaced, or taken by another node): nothing was written.
    Fenced,
    /// A fact or a document changed since the run read it: nothing was written.
    Conflict {
        /// Which.
        key: String,
    },
}

/// A row of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EffectRow {
    /// `run_…-position`: also the idempotency key.
    pub id: String,
    /// Shop.
    pub shop: String,
    /// Run.
    pub run: RunId,
    /// Position in the run's journal.
    pub position: u32,
    /// Installation.
    pub installation: String,
    /// `messaging.send-email`.
    pub action: String,
    /// `customer:42`.
    pub subject: String,
    /// The action, JSON text.
    pub request: String,
    /// Where it stands.
    pub state: EffectState,
    /// Who carries it out: `own`, `mailbox`, `smtp`, `callback`.
    pub connector: String,
    /// What came of it, JSON text.
    pub answer: Option<String>,
    /// Tries so far.
    pub attempts: u32,
    /// When it is tried next.
    pub next_at: Option<Millis>,
    /// Why it was denied or failed.
    pub error: Option<String>,
    /// For counting: `marketing`, `transactional`, or empty.
    pub tag: String,
    /// First asked for.
    pub created_at: Millis,
    /// Last changed.
    pub updated_at: Millis,
}

/// Where an effect stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EffectState {
    /// Written ahead, not sent.
    Intended,
    /// Being sent: after a crash, unclear until the receiving side is asked again.
    Sent,
    /// Carried out.
    Done,
    /// Refused by the receiving side, or given up.
    Failed,
    /// Sent, and whether it arrived cannot be known.
    Unknown,
    /// A guardrail said no.
    Denied,
    /// Shadow and backtest: judged, not performed.
    Recorded,
}

/// A message in the mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageRow {
    /// The effect's id.
    pub id: String,
    /// Shop.
    pub shop: String,
    /// `email`, `sms`, `staff`, `ticket`.
    pub channel: String,
    /// Address, number or channel name.
    pub recipient: String,
    /// Customer's id.
    pub customer: Option<String>,
    /// Subject line, may be empty.
    pub subject: String,
    /// Plain text.
    pub text: String,
    /// HTML.
    pub html: Option<String>,
    /// When.
    pub at: Millis,
    /// By which run.
    pub run: Option<RunId>,
    /// For paging: rising.
    pub seq: i64,
}

/// A price change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceChangeRow {
    /// Rising.
    pub id: i64,
    /// Shop.
    pub shop: String,
    /// Variant.
    pub variant: String,
    /// When.
    pub at: Millis,
    /// Minor units.
    pub before: i64,
    /// Minor units.
    pub after: i64,
    /// ISO 4217.
    pub currency: String,
    /// As the plugin gave it.
    pub reason: String,
    /// `run:…`, `token:…` or a platform's name.
    pub by: String,
}

/// A question to a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovalRow {
    /// `run_…-position`.
    pub id: String,
    /// Shop.
    pub shop: String,
    /// Run that waits for it.
    pub run: RunId,
    /// Position in its journal.
    pub position: u32,
    /// One line.
    pub title: String,
    /// JSON object text.
    pub details: String,
    /// JSON array text.
    pub choices: String,
    /// `open`, `escalated`, `answered`, `expired`.
    pub state: String,
    /// Staff channel it stands with.
    pub asked: Option<String>,
    /// Staff channel that is asked after the deadline.
    pub escalate_to: Option<String>,
    /// When it passes on or expires.
    pub deadline_at: Millis,
    /// When it was asked.
    pub created_at: Millis,
    /// What was chosen.
    pub choice: Option<String>,
    /// By whom.
    pub answered_by: Option<String>,
    /// When.
    pub answered_at: Option<Millis>,
}

/// A run as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)] // The fields are those of [`NewRun`] and of the table `runs`.
pub struct RunRow {
    pub id: RunId,
    pub shop: String,
    pub installation: String,
    pub workflow: String,
    pub digest: String,
    pub settings: std::sync::Arc<str>,
    pub mode: String,
    pub state: RunState,
    pub key: Option<String>,
    pub trigger: TriggerKind,
    pub event_seq: Option<i64>,
    pub input: Option<String>,
    pub attempt: u32,
    pub fence: i64,
    pub node: Option<i64>,
    pub due_at: Option<Millis>,
    pub wait: Option<String>,
    pub cursor: i64,
    pub created_at: Millis,
    pub updated_at: Millis,
    pub ended_at: Option<Millis>,
    pub outcome: Option<String>,
    pub error_code: Option<String>,
    pub error: Option<String>,
    pub chunks: u32,
    pub entries: u32,
    pub effects: u32,
    pub root: i64,
    pub depth: u32,
    pub parent: Option<RunId>,
}

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RunState {
    /// Queued or executing.
    Active,
    /// In line behind another of its key.
    Blocked,
    /// Waits for a time, an event, an answer or a retry.
    Waiting,
    /// Ended well.
    Done,
    /// Ended badly.
    Failed,
    /// Ended by a person or by its concurrency rule.
    Cancelled,
}

/// An event as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)] // The fields are those of [`NewEvent`].
pub struct EventRow {
    pub seq: i64,
    pub shop: String,
    pub source: String,
    pub id: String,
    pub kind: String,
    pub at: Millis,
    pub received_at: Millis,
    pub concerns: Vec<String>,
    pub data: String,
    pub run: Option<RunId>,
    pub root: i64,
    pub depth: u32,
}
