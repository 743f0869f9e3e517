//! A run in a file: all that is needed to run it again on another machine, without a server.
//!
//! # Format
//!
//! ```text
//! "shopwright-run\n" | u32 version | lz4 block, with its size before it, of MessagePack with named fields
//! ```
//!
//! The version is little-endian and rises when a reader of the one before would misread the rest; later
//! fields that may be absent need none. What is inside tells its own names ([`Bundle`]): any MessagePack
//! reader can show it. A version that is not known is refused.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use shopwright_engine::{Engine, LogEntry};
use shopwright_model::{Millis, RunId};
use shopwright_store::ops::{EffectRow, EventRow, RunRow, RunState, TriggerKind};

use crate::{TrialError, compare::Act};

/// How a file begins.
const MAGIC: &[u8] = b"shopwright-run\n";
/// The version that is written.
pub const VERSION: u32 = 1;
/// The largest bundle that is read, unpacked.
const LARGEST: usize = 256 << 20;

/// Bytes that MessagePack keeps as such.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Bytes(pub Vec<u8>);

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Bytes;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("bytes")
            }
            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Bytes, E> {
                Ok(Bytes(bytes.to_vec()))
            }
            fn visit_byte_buf<E: de::Error>(self, bytes: Vec<u8>) -> Result<Bytes, E> {
                Ok(Bytes(bytes))
            }
        }
        from.deserialize_byte_buf(Visitor)
    }
}

/// The shop, as far as a run sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ShopPart {
    /// Id.
    pub id: String,
    /// For people.
    pub name: String,
    /// ISO 4217.
    pub currency: String,
    /// IANA name.
    pub time_zone: String,
}

/// The run's row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunPart {
    /// Id.
    pub id: RunId,
    /// Installation.
    pub installation: String,
    /// Workflow.
    pub workflow: String,
    /// Component's digest.
    pub digest: String,
    /// JSON text.
    pub settings: String,
    /// `live`, `shadow`.
    pub mode: String,
    /// `active`, `blocked`, `waiting`, `done`, `failed`, `cancelled`.
    pub state: String,
    /// `event`, `schedule`, `manual`, `continued`.
    pub trigger: String,
    /// Number of the event that started it.
    pub event_seq: Option<i64>,
    /// What it was started with.
    pub input: Option<String>,
    /// Which try the journal is of.
    pub attempt: u32,
    /// Until when it waits at the latest.
    pub due_at: Option<Millis>,
    /// What it waits for, JSON text.
    pub wait: Option<String>,
    /// Number of the last event it has seen.
    pub cursor: i64,
    /// When it was created.
    pub created_at: Millis,
    /// When it ended.
    pub ended_at: Option<Millis>,
    /// What came of it.
    pub outcome: Option<String>,
    /// Stable code of its failure.
    pub error_code: Option<String>,
    /// Why it failed.
    pub error: Option<String>,
    /// Ancestry.
    pub root: i64,
    /// Ancestry.
    pub depth: u32,
    /// The run that started it or continued into it.
    pub parent: Option<RunId>,
}

/// The event that started the run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)] // The fields are those of an event.
pub struct EventPart {
    pub seq: i64,
    pub source: String,
    pub id: String,
    pub kind: String,
    pub at: Millis,
    pub received_at: Millis,
    pub concerns: Vec<String>,
    pub data: String,
}

/// A row of the ledger.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EffectPart {
    /// Position in the journal.
    pub position: u32,
    /// `messaging.send-email`.
    pub action: String,
    /// `customer:42`.
    pub subject: String,
    /// Its arguments, JSON text.
    pub request: String,
    /// Where it stands.
    pub state: String,
    /// What came of it, JSON text.
    pub answer: Option<String>,
    /// Why it was denied or failed.
    pub error: Option<String>,
}

/// Limits that a run was held to.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LimitsPart {
    /// Of the guest.
    pub fuel: u64,
    /// Of the guest.
    pub memory_bytes: u64,
    /// Of the guest.
    pub log_bytes: u64,
    /// Of the guest.
    pub output_bytes: u64,
    /// Host calls.
    pub journal_entries: u32,
    /// Actions.
    pub effects: u32,
}

/// A run with all that it takes to run it again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bundle {
    /// The program that wrote it.
    pub made_by: String,
    /// When.
    pub made_at: Millis,
    /// Personal data was replaced.
    pub masked: bool,
    /// The shop.
    pub shop: ShopPart,
    /// The plugin's manifest, JSON text (the component carries it too).
    pub manifest: String,
    /// The component.
    pub component: Bytes,
    /// The run.
    pub run: RunPart,
    /// What started it; none: no event.
    pub event: Option<EventPart>,
    /// The seed of its randomness.
    pub seed: u64,
    /// What it was held to.
    pub limits: LimitsPart,
    /// Its journal, chunk by chunk as the engine writes it.
    pub journal: Vec<Bytes>,
    /// Its log.
    pub log: Vec<LogEntry>,
    /// Its rows of the ledger.
    pub effects: Vec<EffectPart>,
}

fn state_name(state: RunState) -> &'static str {
    match state {
        RunState::Active => "active",
        RunState::Blocked => "blocked",
        RunState::Waiting => "waiting",
        RunState::Done => "done",
        RunState::Failed => "failed",
        RunState::Cancelled => "cancelled",
    }
}

fn trigger_name(trigger: TriggerKind) -> &'static str {
    match trigger {
        TriggerKind::Event => "event",
        TriggerKind::Schedule => "schedule",
        TriggerKind::Manual => "manual",
        TriggerKind::Continued => "continued",
    }
}

impl From<RunRow> for RunPart {
    fn from(row: RunRow) -> Self {
        Self {
            id: row.id,
            installation: row.installation,
            workflow: row.workflow,
            digest: row.digest,
            settings: row.settings.to_string(),
            mode: row.mode,
            state: state_name(row.state).into(),
            trigger: trigger_name(row.trigger).into(),
            event_seq: row.event_seq,
            input: row.input,
            attempt: row.attempt,
            due_at: row.due_at,
            wait: row.wait,
            cursor: row.cursor,
            created_at: row.created_at,
            ended_at: row.ended_at,
            outcome: row.outcome,
            error_code: row.error_code,
            error: row.error,
            root: row.root,
            depth: row.depth,
            parent: row.parent,
        }
    }
}

impl RunPart {
    /// The row as it was when the run was taken first, with its journal before it.
    pub(crate) fn row(&self, shop: &str, chunks: u32) -> RunRow {
        let trigger = match self.trigger.as_str() {
            "schedule" => TriggerKind::Schedule,
            "manual" => TriggerKind::Manual,
            "continued" => TriggerKind::Continued,
            _ => TriggerKind::Event,
        };
        RunRow {
            id: self.id,
            shop: shop.into(),
            installation: self.installation.clone(),
            workflow: self.workflow.clone(),
            digest: self.digest.clone(),
            settings: self.settings.as_str().into(),
            mode: self.mode.clone(),
            state: RunState::Active,
            key: None,
            trigger,
            event_seq: self.event_seq,
            input: self.input.clone(),
            attempt: self.attempt,
            fence: shopwright_store::ops::FIRST_FENCE,
            node: None,
            due_at: None,
            wait: None,
            cursor: self.cursor,
            created_at: self.created_at,
            updated_at: self.created_at,
            ended_at: None,
            outcome: None,
            error_code: None,
            error: None,
            chunks,
            entries: 0,
            effects: 0,
            root: self.root,
            depth: self.depth,
            parent: self.parent,
        }
    }
}

impl From<EventRow> for EventPart {
    fn from(row: EventRow) -> Self {
        let EventRow { seq, source, id, kind, at, received_at, concerns, data, .. } = row;
        Self { seq, source, id, kind, at, received_at, concerns, data }
    }
}

impl From<&EffectRow> for EffectPart {
    fn from(row: &EffectRow) -> Self {
        Self {
            position: row.position,
            action: row.action.clone(),
            subject: row.subject.clone(),
            request: row.request.clone(),
            state: Act::of(row).state.into(),
            answer: row.answer.clone(),
            error: row.error.clone(),
        }
    }
}

impl Bundle {
    /// Collects a run.
    ///
    /// # Errors
    /// No such run, one whose journal retention has removed, or the store's.
    pub async fn collect(engine: &Engine, shop: &str, run: RunId) -> Result<Self, TrialError> {
        let store = engine.store();
        let row = store.run(shop, run).await?.ok_or_else(|| TrialError::NotFound(format!("run `{run}`")))?;
        let journal = store.journal(run).await?;
        if row.chunks > 0 && journal.len() < row.chunks as usize {
            let days = engine.retention().runs;
            return Err(TrialError::NotFound(format!(
                "journal of `{run}` any more: journals are kept for {days} days"
            )));
        }
        let timeline = engine.timeline(shop, run).await?.ok_or_else(|| TrialError::NotFound(format!("run `{run}`")))?;
        let component = store.component(&row.digest).await?;
        let component = component.ok_or_else(|| TrialError::NotFound(format!("component {} any more", row.digest)))?;
        let manifest = shopwright_registry::extract(&component)
            .map_err(TrialError::internal)?
            .ok_or_else(|| TrialError::internal("the component has no manifest"))?;
        let event = match row.event_seq {
            Some(seq) if row.trigger == TriggerKind::Event => {
                let event = store.event(shop, seq).await?;
                Some(
                    event
                        .ok_or_else(|| TrialError::NotFound(format!("event {seq} any more, which started `{run}`")))?,
                )
            }
            _ => None,
        };
        let found = engine.shops().into_iter().find(|known| known.id == shop);
        let found = found.ok_or_else(|| TrialError::NotFound(format!("shop `{shop}`")))?;
        let limits = engine.limits();
        let guest = &limits.guest;
        Ok(Self {
            made_by: concat!("shopwright ", env!("CARGO_PKG_VERSION")).into(),
            made_at: engine.clock().now(),
            masked: false,
            shop: ShopPart { id: found.id, name: found.name, currency: found.currency, time_zone: found.time_zone },
            manifest: serde_json::to_string(&manifest).map_err(TrialError::internal)?,
            component: Bytes(component),
            seed: engine.run_seed(run),
            limits: LimitsPart {
                fuel: guest.fuel,
                memory_bytes: guest.memory_bytes as u64,
                log_bytes: guest.log_bytes as u64,
                output_bytes: guest.output_bytes as u64,
                journal_entries: limits.journal_entries,
                effects: limits.effects,
            },
            event: event.map(Into::into),
            journal: journal.into_iter().map(Bytes).collect(),
            log: timeline.log,
            effects: timeline.effects.iter().map(Into::into).collect(),
            run: row.into(),
        })
    }

    /// As a file's bytes.
    ///
    /// # Errors
    /// None but faults of ours.
    pub fn to_bytes(&self) -> Result<Vec<u8>, TrialError> {
        let packed = rmp_serde::to_vec_named(self).map_err(TrialError::internal)?;
        let mut out = MAGIC.to_vec();
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&lz4_flex::compress_prepend_size(&packed));
        Ok(out)
    }

    /// Reads a file's bytes.
    ///
    /// # Errors
    /// [`TrialError::BundleVersion`] for a later format, [`TrialError::Bundle`] for what is none or is damaged.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, TrialError> {
        let broken = |reason: &str| TrialError::Bundle(reason.to_owned());
        let rest = bytes
            .strip_prefix(MAGIC)
            .ok_or_else(|| broken("it does not begin as one does: it is no file of `shopwright run export`"))?;
        let (version, rest) = rest.split_first_chunk::<4>().ok_or_else(|| broken("it ends too early"))?;
        let version = u32::from_le_bytes(*version);
        if version != VERSION {
            return Err(TrialError::BundleVersion { found: version, known: VERSION });
        }
        let size = rest.first_chunk::<4>().map(|size| u32::from_le_bytes(*size) as usize);
        if size.is_none_or(|size| size > LARGEST) {
            return Err(broken("its size is not believable"));
        }
        let packed = lz4_flex::decompress_size_prepended(rest).map_err(|error| broken(&error.to_string()))?;
        rmp_serde::from_slice(&packed).map_err(|error| broken(&error.to_string()))
    }
}
