//! A run while it executes: what its host calls work on.

use std::{collections::HashMap, sync::Arc};

use serde::{Serialize, de::DeserializeOwned};
use shopwright_model::{EntityKind, Millis, RunId};
use shopwright_policy::Grants;
use shopwright_sandbox::{Guest, GuestState, Suspend};
use shopwright_store::{
    EffectRow, StoreError,
    ops::{Flush, Flushed, NewEvent, NewRun, Next, Own, RunRow, Started},
};

use crate::{
    core::Core,
    install::{Installed, Program},
    intake,
    journal::{self, Entry, Journal},
    limits::Reserved,
    notice::Notice,
    shop::ShopState,
};

/// Why a run left the guest before its end. The guest sees none of it: the instance is dropped.
#[derive(Debug)]
pub(crate) enum Stop {
    /// It waits; the call that waits is made again when it is woken.
    Wait(Wait),
    /// It is no longer ours.
    Fenced,
    /// What it decided on has changed: decide anew.
    Conflict(String),
    /// It asks for something else than its journal says.
    Nondeterminism {
        /// What the journal says.
        recorded: String,
        /// What it asked for.
        asked: String,
    },
    /// It went over a limit, or asked for something that ends it.
    Fail {
        /// Stable code.
        code: &'static str,
        /// For people.
        message: String,
    },
    /// A rehearsal came to a call that is not in the journal.
    Live,
    /// The store does not answer.
    Store(StoreError),
}

/// What a run waits for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wait {
    /// When it is woken at the latest.
    pub due_at: Option<Millis>,
    /// For people and for the check before a replay; see [`crate::waits`].
    pub description: crate::waits::WaitFor,
    /// (entity or `*`, kind).
    pub events: Vec<(String, String)>,
    /// Number of the last event that was looked at in vain.
    pub seen: i64,
}

/// What has happened in the run since the last flush.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    pub effects: Vec<EffectRow>,
    pub own: Vec<Own>,
    pub expects: Vec<(String, i64)>,
    pub bumps: Vec<String>,
    pub events: Vec<NewEvent>,
    pub starts: Vec<NewRun>,
    pub notices: Vec<Notice>,
}

impl Pending {
    fn is_empty(&self) -> bool {
        self.effects.is_empty() && self.own.is_empty() && self.events.is_empty() && self.starts.is_empty()
    }
}

/// Documents and memory that this run has changed and not yet flushed, for its own reads.
#[derive(Debug, Default)]
pub(crate) struct Overlay {
    pub documents: HashMap<(EntityKind, String), Arc<str>>,
    pub memory: HashMap<String, Option<String>>,
}

/// One line of a run's log.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct LogEntry {
    /// The run's logical clock.
    pub at: Millis,
    /// `debug`, `info`, `warn`, `error`, `stdout`, `stderr`.
    pub level: String,
    /// What it says.
    pub message: String,
    /// JSON object, or empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub fields: String,
}

/// The state behind a guest's host calls.
pub(crate) struct RunCx {
    pub guest: Guest,
    pub core: Arc<Core>,
    pub shop: Arc<ShopState>,
    pub installed: Arc<Installed>,
    pub program: Arc<Program>,
    /// What the run may do.
    pub grants: Arc<Grants>,
    pub run: RunRow,
    pub journal: Journal,
    pub pending: Pending,
    pub overlay: Overlay,
    pub log: Vec<LogEntry>,
    /// Log lines so far, replayed ones included.
    pub log_lines: u32,
    /// The run's logical clock.
    pub now: Millis,
    /// Number of the last event it received.
    pub cursor: i64,
    /// Whether something of an earlier segment may lie in the ledger for the first live call.
    pub resumed: bool,
    /// Effects of the whole run.
    pub effects: u32,
    /// Whether the call being made has an answer from outside that is not in the store yet.
    pub settled: bool,
    /// The whole answer of the effect being settled, by its id: the ledger keeps it only where the journal
    /// cannot.
    pub whole_answer: Option<(String, String)>,
    /// What the entry of the call being made is marked with.
    pub mark: i64,
    /// Set when a host call unwinds the guest.
    pub stop: Option<Stop>,
    /// It is only to be seen whether the run agrees with its journal: nothing new is done.
    pub rehearsal: bool,
    /// What it has taken of limits and not yet made durable.
    pub reserved: Reserved,
}

/// What the journal has for a call.
pub(crate) enum Replay<R> {
    /// Its answer.
    Answered(R),
    /// Nothing: it is to be made now. The arguments, encoded, for [`RunCx::record`].
    Live(Vec<u8>),
}

impl GuestState for RunCx {
    fn guest(&mut self) -> &mut Guest {
        &mut self.guest
    }
}

impl RunCx {
    /// Notes why and gives the error that unwinds the guest.
    pub fn stop(&mut self, stop: Stop) -> wasmtime::Error {
        self.stop.get_or_insert(stop);
        Suspend.into()
    }

    /// `live`, `shadow`, `backtest`.
    pub fn is_live(&self) -> bool {
        self.run.mode == "live"
    }

    /// The next position, as effects and approvals are named by it.
    pub fn effect_id(&self) -> String {
        format!("{}-{}", self.run.id, self.journal.position())
    }

    /// Moves the logical clock, for the guest too.
    pub fn set_now(&mut self, now: Millis) {
        self.now = self.now.max(now);
        self.guest.set_now_ms(self.now);
    }

    /// Adds a line to the log unless it was written before a replay.
    pub fn write_log(&mut self, level: &str, message: String, fields: String) {
        self.log_lines += 1;
        if self.log_lines > self.journal.logged() {
            self.log.push(LogEntry { at: self.now, level: level.into(), message, fields });
        }
    }

    /// Moves what the guest printed into the log.
    pub fn drain_guest_log(&mut self) {
        for line in self.guest.take_log() {
            let level = match line.stream {
                shopwright_sandbox::LogStream::Stdout => "stdout",
                shopwright_sandbox::LogStream::Stderr => "stderr",
            };
            self.write_log(level, line.text, String::new());
        }
    }

    /// All that is not in the store yet, as one flush.
    pub fn take_flush(&mut self, next: Next) -> Flush {
        self.drain_guest_log();
        let pending = std::mem::take(&mut self.pending);
        // Also of a run that ends without a call: a replay begins with its clock.
        let goes_on = !matches!(next, Next::Retry { .. });
        let log = if self.log.is_empty() {
            Vec::new()
        } else {
            // Plain strings and numbers: cannot fail.
            rmp_serde::to_vec_named(&std::mem::take(&mut self.log)).unwrap_or_default()
        };
        Flush {
            run: self.run.id,
            shop: self.run.shop.clone(),
            installation: self.memory_space(),
            fence: self.run.fence,
            node: self.core.store.node(),
            now: self.core.clock.now(),
            journal: self.core.metrics.journal_busy.time(|| self.journal.chunk(self.log_lines, goes_on)),
            entries: self.journal.unflushed(),
            chunk: self.journal.chunks(),
            log,
            effects: pending.effects,
            own: pending.own,
            expects: pending.expects,
            bumps: pending.bumps,
            events: pending.events,
            starts: pending.starts,
            next,
        }
    }

    /// Where this run's memory lies: a trial never touches what the live installation remembers.
    pub fn memory_space(&self) -> String {
        if self.is_live() {
            self.run.installation.clone()
        } else {
            format!("{}#{}", self.run.installation, self.run.mode)
        }
    }

    /// Makes durable what happened so far; the run goes on. Called before something is sent.
    ///
    /// # Errors
    /// Unwinds when the run is no longer ours, when what it decided on has changed, or when the store
    /// is gone.
    pub async fn flush_and_stay(&mut self) -> wasmtime::Result<()> {
        if self.pending.is_empty() && self.journal.unflushed() == 0 {
            return Ok(());
        }
        let notices = std::mem::take(&mut self.pending.notices);
        let flush = self.take_flush(Next::Stay);
        let wrote = !flush.journal.is_empty();
        match commit(&self.core, flush).await {
            Ok(Flushed::Done { .. }) => {
                if wrote {
                    self.journal.flushed(self.log_lines);
                }
                self.run.chunks = self.journal.chunks();
                self.reserved.keep();
                self.overlay = Overlay::default();
                self.core.tell(notices);
                Ok(())
            }
            Ok(Flushed::Fenced) => Err(self.stop(Stop::Fenced)),
            Ok(Flushed::Conflict { key }) => Err(self.stop(Stop::Conflict(key))),
            Err(error) => Err(self.stop(Stop::Store(error))),
        }
    }

    /// Makes durable what the other side answered, before anything else can go wrong: what is known to have
    /// happened is never asked for again. The ledger learns it even of a run that is no longer ours.
    ///
    /// # Errors
    /// As [`RunCx::flush_and_stay`].
    pub async fn settle(&mut self) -> wasmtime::Result<()> {
        self.settled = false;
        let mut rows = self.pending.effects.clone();
        let whole = self.whole_answer.take();
        let flushed = self.flush_and_stay().await;
        if matches!(self.stop, Some(Stop::Fenced)) {
            for row in &mut rows {
                if let Some((_, answer)) = whole.as_ref().filter(|(id, _)| *id == row.id) {
                    row.answer = Some(answer.clone());
                }
            }
            self.note(rows).await;
        }
        flushed
    }

    /// Writes rows of the ledger beside the run's flushes.
    pub async fn note(&self, rows: Vec<EffectRow>) {
        if let Err(error) = self.core.store.update_effects(rows).await {
            tracing::warn!(%error, "what became of an effect could not be noted");
        }
    }

    /// Notes that the flush depends on `key` being what it is now, and that it changes it.
    pub async fn depend_on(&mut self, key: &str) -> wasmtime::Result<()> {
        if self.pending.bumps.iter().any(|known| known == key) {
            return Ok(());
        }
        let keys = [key.to_owned()];
        let versions = match self.core.store.facts(&self.run.shop, &keys).await {
            Ok(versions) => versions,
            Err(error) => return Err(self.stop(Stop::Store(error))),
        };
        self.pending.expects.push((key.to_owned(), versions.first().copied().unwrap_or(0)));
        self.pending.bumps.push(key.to_owned());
        Ok(())
    }

    /// Begins a host call: answered from the journal, or to be made.
    ///
    /// # Errors
    /// Unwinds when the journal has another call here, or when there were too many.
    pub fn replay<P: Serialize, R: DeserializeOwned>(
        &mut self,
        call: &'static str,
        params: &P,
    ) -> wasmtime::Result<Replay<R>> {
        let args = self.core.metrics.journal_busy.time(|| journal::encode(params)).map_err(wasmtime::Error::new)?;
        if self.core.store.world().is_some() {
            // A replay of the whole run sorts what was printed between its calls, as the run did.
            self.drain_guest_log();
        }
        let Some(entry) = self.journal.next() else {
            // What the guest printed so far was printed live or before the replay's end: sort it now. What a
            // replay prints is dropped uncounted, but up to here every line is in the store.
            self.drain_guest_log();
            self.guest.keep_log(true);
            self.log_lines = self.log_lines.max(self.journal.logged());
            let limit = self.program.workflow(&self.run.workflow).map_or(u32::MAX, |w| w.journal_entries);
            if self.journal.position() >= limit {
                let message = format!("the run made more than {limit} host calls; let it end, or continue as new");
                return Err(self.stop(Stop::Fail { code: "too-many-calls", message }));
            }
            if self.rehearsal {
                let most = self.program.workflow(&self.run.workflow).map_or(u32::MAX, |w| w.effects);
                if self.effects >= most && shopwright_policy::ActionKind::NAMES.contains(&call) {
                    let message = format!("the run asked for more than {most} actions");
                    return Err(self.stop(Stop::Fail { code: "too-many-effects", message }));
                }
                return Err(self.stop(Stop::Live));
            }
            self.mark = 0;
            if let Some(world) = self.core.store.world()
                && !world.may_call(self.run.id, self.journal.position(), call, &args)
            {
                let message = format!("the journal ends before {}", show(call, &args));
                return Err(self.stop(Stop::Fail { code: "journal-end", message }));
            }
            return Ok(Replay::Live(args));
        };
        if entry.call != call || entry.args != args {
            let (recorded, asked) = (show(&entry.call, &entry.args), show(call, &args));
            if let Some(world) = self.core.store.world() {
                world.diverged(self.run.id, self.journal.position(), call, &args);
            }
            return Err(self.stop(Stop::Nondeterminism { recorded, asked }));
        }
        let (at, mark) = (entry.at, entry.mark);
        if let Some(world) = self.core.store.world() {
            world.answered(self.run.id, self.journal.position());
        }
        let answer = self.core.metrics.journal_busy.time(|| journal::decode(&entry.answer));
        self.journal.step();
        self.set_now(at);
        if mark != 0 {
            self.cursor = mark;
        }
        if shopwright_policy::ActionKind::NAMES.contains(&call) {
            self.effects += 1;
        }
        match answer {
            Ok(answer) => Ok(Replay::Answered(answer)),
            Err(error) => {
                let message = format!("the journal's answer to {call} cannot be read: {error}");
                Err(self.stop(Stop::Fail { code: "journal-unreadable", message }))
            }
        }
    }

    /// Ends a live host call: its answer goes into the journal.
    ///
    /// # Errors
    /// Only for answers that MessagePack cannot hold; none is.
    pub fn record<R: Serialize>(&mut self, call: &'static str, args: Vec<u8>, answer: &R) -> wasmtime::Result<()> {
        let answer = self.core.metrics.journal_busy.time(|| journal::encode(answer)).map_err(wasmtime::Error::new)?;
        let entry = Entry { call: call.into(), args, answer, at: self.now, mark: self.mark };
        self.journal.push(entry);
        self.resumed = false;
        Ok(())
    }

    /// This run's id.
    #[allow(dead_code)]
    pub fn id(&self) -> RunId {
        self.run.id
    }
}

/// A call with its arguments, for people: cut where it gets long.
pub(crate) fn show(call: &str, args: &[u8]) -> String {
    let args = journal::decode::<serde_json::Value>(args).map_or_else(|_| "?".into(), |v| v.to_string());
    let mut text = format!("{call}{args}");
    if text.len() > 400 {
        let end = (0..=400).rev().find(|&i| text.is_char_boundary(i)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}

/// Hands a flush to the store and, when it is durable, its new runs to the queue.
///
/// # Errors
/// When the store does not answer: whether the flush is durable is then unknown.
pub(crate) async fn commit(core: &Arc<Core>, flush: Flush) -> Result<Flushed, StoreError> {
    let events: Vec<NewEvent> = flush.events.clone();
    let starts: Vec<NewRun> = flush.starts.clone();
    let continued: Vec<NewRun> = match &flush.next {
        Next::Continue { run, .. } => vec![(**run).clone()],
        _ => Vec::new(),
    };
    let due = match &flush.next {
        Next::Wait { due_at, .. } => *due_at,
        Next::Retry { due_at, .. } => Some(*due_at),
        _ => None,
    };
    let outbox = flush.effects.iter().any(|row| row.connector == crate::outbox::CONNECTOR);
    let flushed = core.store.flush(flush).await?;
    if let Flushed::Done { events: accepted, starts: started, unblocked, .. } = &flushed {
        if let Some(due) = due {
            core.due_by(due);
        }
        if outbox {
            core.outbox.notify_one();
        }
        intake::enqueue_accepted(core, events, accepted).await;
        // The next run of a chain was started with the end of this one: the store names it nowhere else.
        let next = continued.iter().map(|run| Started::Active { run: run.id, replaced: Vec::new() });
        for (new, outcome) in starts.iter().chain(&continued).zip(started.iter().cloned().chain(next)) {
            intake::enqueue_started(core, new, &outcome, None);
        }
        intake::enqueue_ids(core, unblocked).await;
    }
    Ok(flushed)
}
