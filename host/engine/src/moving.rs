//! Runs that are to go on although they failed, wait or are stuck: with another version, from the last good point, or
//! from the start as a new run. One or many.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use shopwright_model::RunId;
use shopwright_policy::ActionKind;
use shopwright_store::{
    RunFilter, VersionRow,
    ops::{NewRun, Reopen, Rule, RunRow, RunState, Started, TriggerKind},
};

use crate::{
    Engine, EngineError,
    core::Core,
    execute::Beginning as _,
    install::{Installed, Program, is_free},
    intake,
    journal::{self, Entry, Journal},
    notice::Notice,
    plugins::check_settings,
    rehearsal::{Rehearsed, rehearse},
};

/// Which settings a moved run goes on with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SettingsOf {
    /// Those that it began with; what the version knows beyond takes its default.
    #[default]
    Run,
    /// Those that the installation has now.
    Installation,
}

/// How a run is moved.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Move {
    /// To which version of the plugin; the installation's where absent.
    pub version: Option<String>,
    /// With which settings.
    pub settings: SettingsOf,
    /// Only see whether it would be.
    pub dry_run: bool,
}

/// What moving a run came to.
#[derive(Debug, Clone, Serialize)]
pub struct Moved {
    /// The run.
    pub run: RunId,
    /// Its component before.
    pub from: String,
    /// The component it was to be moved to.
    pub to: String,
    /// The same as a version.
    pub version: String,
    /// What the rehearsal showed.
    pub rehearsal: Rehearsed,
    /// It was moved.
    pub moved: bool,
}

/// Where a run is tried again from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetryFrom {
    /// A new run for the same trigger, with the installation's version and settings.
    Start,
    /// The run itself: what it did stays done; what it read, and was refused, after its last effect or wait is asked
    /// anew.
    LastGoodPoint,
}

/// What is done to many runs.
#[derive(Debug, Clone)]
pub enum Repair {
    /// Each is moved.
    Move(Move),
    /// Each is tried again; `again`: also where effects would be done a second time.
    Retry {
        /// From where.
        from: RetryFrom,
        /// Also where effects would be done a second time.
        again: bool,
        /// Only see which would be.
        dry_run: bool,
    },
}

/// Which runs are repaired.
#[derive(Debug, Clone, Default)]
pub struct Bulk {
    /// Only in this state; failed ones where absent.
    pub state: Option<RunState>,
    /// Only of this installation.
    pub installation: Option<String>,
    /// Only of this workflow.
    pub workflow: Option<String>,
    /// Only those that failed with this code.
    pub error_code: Option<String>,
    /// Only those of this version (of `installation`'s plugin).
    pub version: Option<String>,
    /// Only older ones than this: the last of the call before.
    pub before: Option<RunId>,
    /// At most so many, the newest first.
    pub limit: u32,
}

/// What came of one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RepairOutcome {
    /// It goes on with the other version.
    Moved,
    /// It goes on from its last good point.
    Reopened,
    /// A new run was started for it (or had been before).
    Restarted,
    /// It would have been, but this was a dry run.
    Would,
    /// It was left as it is.
    Refused,
}

/// What came of one run, with why.
#[derive(Debug, Clone, Serialize)]
pub struct Repaired {
    /// The run.
    pub run: RunId,
    /// What came of it.
    pub outcome: RepairOutcome,
    /// The new run, where one was started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new_run: Option<RunId>,
    /// What the rehearsal showed, where there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rehearsal: Option<Rehearsed>,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What came of many runs.
#[derive(Debug, Clone, Serialize)]
pub struct BulkResult {
    /// Run by run.
    pub runs: Vec<Repaired>,
    /// There may be more: go on before this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<RunId>,
}

async fn found(core: &Core, shop: &str, run: RunId) -> Result<RunRow, EngineError> {
    core.store.run(shop, run).await?.ok_or_else(|| EngineError::not_found("run", run))
}

fn conflict(code: &'static str, reason: impl Into<String>) -> EngineError {
    EngineError::Conflict { code, reason: reason.into() }
}

fn changed(run: RunId) -> EngineError {
    let reason = format!("{run} went on meanwhile, another run of its key lives, or its journal is not kept any more");
    conflict("run-changed", reason)
}

/// A run gets no function that neither its own version nor the installation was granted.
fn check_functions(installed: &Installed, own: &Program, target: &Program, digest: &str) -> Result<(), EngineError> {
    let rollout = &installed.record.rollout;
    let known = installed.record.digest == digest
        || rollout.candidate.as_ref().is_some_and(|candidate| candidate.release.digest == digest)
        || rollout.previous.as_ref().is_some_and(|previous| previous.digest == digest);
    if known {
        return Ok(());
    }
    // Hosts that neither asked for are as much more as functions.
    let hosts = [&own.manifest.http, &installed.program.manifest.http];
    let further = target.manifest.http.iter().filter(|host| !hosts.iter().any(|known| known.contains(host)));
    let mut missing: Vec<String> = target
        .asks_for()
        .filter(|(interface, function)| {
            !is_free(interface)
                && !installed.grants.allows(interface, function)
                && !own.asks_for().any(|asked| asked == (*interface, *function))
        })
        .map(|(interface, function)| format!("{interface}.{function}"))
        .collect();
    missing.extend(further.map(|host| format!("calls to {host}")));
    if missing.is_empty() {
        return Ok(());
    }
    Err(EngineError::Refused {
        code: "not-granted",
        reason: format!(
            "version {} asks for more than is granted: {}. Install it, or roll it out, with these grants first",
            target.manifest.version,
            missing.join(", ")
        ),
    })
}

/// Whether a run may be asked again for this entry: reads, and actions that were refused. What was carried out,
/// remembered, emitted, started or waited for stays.
fn may_be_asked_anew(entry: &Entry) -> bool {
    let call = entry.call.as_ref();
    if ActionKind::NAMES.contains(&call) {
        // A result in the journal is a map of one: `ok` or `err`.
        let answer = journal::decode::<std::collections::HashMap<String, serde::de::IgnoredAny>>(&entry.answer);
        return answer.is_ok_and(|answer| answer.contains_key("err"));
    }
    if call == "memory.get" || call == crate::calls::http::READ {
        return true;
    }
    let (interface, _) = call.split_once('.').unwrap_or((call, ""));
    matches!(interface, "customers" | "catalog" | "inventory" | "orders" | "carts" | "support" | "reviews" | "market")
}

/// Makes a run active again and tells it.
async fn reopen(core: &Arc<Core>, run: &RunRow, reopen: Reopen) -> Result<(), EngineError> {
    let digest = reopen.digest.clone();
    if !core.store.run_reopen(reopen).await? {
        return Err(changed(run.id));
    }
    core.timer.notify_one();
    core.tell([Notice::RunReopened {
        shop: run.shop.clone(),
        run: run.id,
        installation: run.installation.clone(),
        workflow: run.workflow.clone(),
        digest,
        at: core.clock.now(),
    }]);
    Ok(())
}

/// A run of its key may live beside it only where the rule says so.
fn is_exclusive(program: &Program, run: &RunRow) -> bool {
    let failed = run.state == RunState::Failed;
    failed && program.workflow(&run.workflow).is_some_and(|workflow| workflow.rule != Rule::Allow)
}

impl Engine {
    /// Moves a run that failed, waits, is queued or stuck to another version, if that one's calls agree with its
    /// journal. It goes on at once.
    ///
    /// # Errors
    /// No such run, installation or version; a run that ended otherwise than by failing; a version that asks for
    /// more than is granted; settings that do not fit; a run that went on meanwhile.
    pub async fn move_run(&self, shop: &str, run: RunId, how: &Move) -> Result<Moved, EngineError> {
        let core = &self.core;
        let state = core.shop(shop)?;
        let row = found(core, shop, run).await?;
        if matches!(row.state, RunState::Done | RunState::Cancelled) {
            return Err(conflict("run-ended", format!("{run} has ended: only what failed or lives can be moved")));
        }
        let installed = state
            .installed(&row.installation)
            .ok_or_else(|| EngineError::not_found("installation", &row.installation))?;
        let (digest, version) = match &how.version {
            None => (installed.record.digest.clone(), installed.record.version.clone()),
            Some(version) => {
                let VersionRow { digest, version, .. } =
                    self.version(shop, &installed.record.plugin, Some(version)).await?;
                (digest, version)
            }
        };
        let target = core.program(&digest).await?;
        let own = core.program(&row.digest).await.ok();
        check_functions(&installed, own.as_deref().unwrap_or(&installed.program), &target, &digest)?;
        let settings = match how.settings {
            SettingsOf::Installation => installed.settings.clone(),
            SettingsOf::Run => {
                let own: Value = serde_json::from_str(&row.settings).map_err(EngineError::internal)?;
                check_settings(&target, &own)?.to_string().into()
            }
        };
        let mut moved = row.clone();
        moved.digest.clone_from(&digest);
        moved.settings = settings.clone();
        // As it will go on.
        moved.attempt = 1;
        let rehearsal = rehearse(core, moved).await?;
        let moves = rehearsal.agrees() && !how.dry_run;
        if moves {
            // The version is not removed meanwhile.
            let _changing = core.changing.lock().await;
            let to = Reopen {
                run,
                shop: shop.into(),
                fence: row.fence,
                chunks: row.chunks,
                digest: digest.clone(),
                settings,
                journal: None,
                exclusive: is_exclusive(&target, &row),
                now: core.clock.now(),
            };
            reopen(core, &row, to).await?;
        }
        Ok(Moved { run, from: row.digest, to: digest, version, rehearsal, moved: moves })
    }

    /// Has a failed run go on from its last good point, with its attempts counted anew. What it did stays done; what
    /// it read, and was refused, since its last effect or wait is asked anew.
    ///
    /// # Errors
    /// No such run; one that has not failed; one whose journal is not kept any more, or whose key is taken.
    pub async fn reopen_run(&self, shop: &str, run: RunId) -> Result<(), EngineError> {
        self.try_reopen(shop, run, false).await
    }

    async fn try_reopen(&self, shop: &str, run: RunId, dry_run: bool) -> Result<(), EngineError> {
        let core = &self.core;
        let row = found(core, shop, run).await?;
        if row.state != RunState::Failed {
            return Err(conflict("run-not-failed", format!("{run} has not failed: there is nothing to try again")));
        }
        let chunks = core.store.journal(run).await?;
        if chunks.len() < row.chunks as usize {
            return Err(changed(run));
        }
        let journal = Journal::read(&chunks).map_err(EngineError::internal)?;
        let keep = journal.entries().iter().rposition(|entry| !may_be_asked_anew(entry)).map_or(0, |last| last + 1);
        let cut = keep < journal.len();
        let program = core.program(&row.digest).await?;
        if dry_run {
            return Ok(());
        }
        let to = Reopen {
            run,
            shop: shop.into(),
            fence: row.fence,
            chunks: row.chunks,
            digest: row.digest.clone(),
            settings: row.settings.clone(),
            journal: cut.then(|| (journal.head(keep), u32::try_from(keep).unwrap_or(u32::MAX))),
            exclusive: is_exclusive(&program, &row),
            now: core.clock.now(),
        };
        reopen(core, &row, to).await
    }

    /// Starts a new run for the trigger of one that has ended, with the installation's version and settings; a second
    /// call answers the same run. Without `again` it is refused where the old run has carried out effects, which the
    /// new one may do a second time.
    ///
    /// # Errors
    /// No such run; one that lives; effects without `again`; an event that is not kept any more; a workflow that the
    /// installation no longer has.
    pub async fn restart_run(&self, shop: &str, run: RunId, again: bool) -> Result<RunId, EngineError> {
        match self.try_restart(shop, run, again, false).await? {
            Some(new) => Ok(new),
            None => Err(EngineError::internal("the store did not start the run")),
        }
    }

    async fn try_restart(
        &self,
        shop: &str,
        run: RunId,
        again: bool,
        dry_run: bool,
    ) -> Result<Option<RunId>, EngineError> {
        let core = &self.core;
        let state = core.shop(shop)?;
        let row = found(core, shop, run).await?;
        if !matches!(row.state, RunState::Failed | RunState::Cancelled | RunState::Done) {
            return Err(conflict("run-lives", format!("{run} has not ended: cancel it first")));
        }
        if row.trigger == TriggerKind::Event
            && core.store.event(shop, row.event_seq.unwrap_or_default()).await?.is_none()
        {
            return Err(conflict("event-gone", format!("the event that started {run} is not kept any more")));
        }
        let done = core.store.effects_done(run).await?;
        if done > 0 && !again {
            let reason = format!(
                "{run} has carried out {done} effects, which a new run may do a second time: say so with `again`, or \
                 go on from the last good point"
            );
            return Err(conflict("has-effects", reason));
        }
        let installed = state
            .installed(&row.installation)
            .ok_or_else(|| EngineError::not_found("installation", &row.installation))?;
        let own = row.key.clone().unwrap_or_else(|| run.to_string());
        let candidate =
            installed.candidate_for(&own, &[]).filter(|side| side.program.workflow(&row.workflow).is_some());
        let program = candidate.map_or(&installed.program, |side| &side.program);
        let workflow =
            program.workflow(&row.workflow).ok_or_else(|| EngineError::not_found("workflow", &row.workflow))?;
        if dry_run {
            return Ok(None);
        }
        let new = NewRun {
            id: core.ids.run(),
            shop: shop.into(),
            installation: row.installation.clone(),
            workflow: row.workflow.clone(),
            digest: candidate.map_or(&installed.record.digest, |side| &side.digest).clone(),
            settings: candidate.map_or(&installed.settings, |side| &side.settings).clone(),
            mode: row.mode.clone(),
            key: row.key.clone(),
            rule: workflow.rule,
            once: Some(format!("retry:{run}")),
            trigger: row.trigger,
            event_seq: row.event_seq.unwrap_or_default(),
            input: row.input.clone(),
            // It sees the events after its trigger, as the old one did.
            cursor: row.event_seq.unwrap_or_default(),
            root: row.origin(),
            depth: row.depth,
            parent: Some(run),
            created_at: core.clock.now(),
            node: core.place(&state, &installed),
        };
        let started = core.store.start(vec![new.clone()]).await?;
        match started.into_iter().next() {
            Some(outcome @ Started::Active { .. }) => {
                intake::enqueue_started(core, &new, &outcome, None);
                Ok(Some(new.id))
            }
            Some(Started::Blocked(id) | Started::Before(id)) => Ok(Some(id)),
            Some(Started::Skipped) => Err(conflict(
                "key-taken",
                format!("another run of the key `{}` lives, and the workflow's rule is to skip", own),
            )),
            None => Ok(None),
        }
    }

    /// Repairs many runs, one after another; each is as by itself, and one that is refused stops nothing.
    ///
    /// # Errors
    /// No such shop, installation or version; a limit above 1,000; the store's.
    pub async fn repair(&self, shop: &str, which: &Bulk, how: &Repair) -> Result<BulkResult, EngineError> {
        let core = &self.core;
        let state = core.shop(shop)?;
        if !(1..=1_000).contains(&which.limit) {
            return Err(EngineError::invalid("bad-limit", "/limit", "it must be 1 to 1,000"));
        }
        let digest = match (&which.version, &which.installation) {
            (None, _) => None,
            (Some(version), Some(id)) => {
                let installed = state.installed(id).ok_or_else(|| EngineError::not_found("installation", id))?;
                Some(self.version(shop, &installed.record.plugin, Some(version)).await?.digest)
            }
            (Some(_), None) => {
                let reason = "a version is one of an installation's plugin: name the installation too";
                return Err(EngineError::invalid("bad-filter", "/version", reason));
            }
        };
        let filter = RunFilter {
            state: Some(which.state.unwrap_or(RunState::Failed)),
            installation: which.installation.clone(),
            workflow: which.workflow.clone(),
            error_code: which.error_code.clone(),
            digest,
            before: which.before,
            limit: which.limit,
        };
        let rows = core.store.runs_list(shop, &filter).await?;
        let next = rows.last().filter(|_| rows.len() == which.limit as usize).map(|row| row.id);
        let mut runs = Vec::with_capacity(rows.len());
        for row in rows {
            let done = self.repair_one(shop, row.id, how).await;
            runs.push(match done {
                Ok(repaired) => repaired,
                Err(error @ (EngineError::Store(_) | EngineError::Internal { .. })) => return Err(error),
                Err(error) => Repaired {
                    run: row.id,
                    outcome: RepairOutcome::Refused,
                    new_run: None,
                    rehearsal: None,
                    reason: Some(error.to_string()),
                },
            });
        }
        Ok(BulkResult { runs, next })
    }

    async fn repair_one(&self, shop: &str, run: RunId, how: &Repair) -> Result<Repaired, EngineError> {
        let mut repaired =
            Repaired { run, outcome: RepairOutcome::Would, new_run: None, rehearsal: None, reason: None };
        match how {
            Repair::Move(how) => {
                let Moved { rehearsal, moved, .. } = self.move_run(shop, run, how).await?;
                repaired.outcome = match (moved, rehearsal.agrees()) {
                    (true, _) => RepairOutcome::Moved,
                    (false, true) => RepairOutcome::Would,
                    (false, false) => RepairOutcome::Refused,
                };
                if !rehearsal.agrees() {
                    repaired.reason = Some(rehearsal.to_string());
                }
                repaired.rehearsal = Some(rehearsal);
            }
            Repair::Retry { from: RetryFrom::LastGoodPoint, dry_run, .. } => {
                self.try_reopen(shop, run, *dry_run).await?;
                if !dry_run {
                    repaired.outcome = RepairOutcome::Reopened;
                }
            }
            Repair::Retry { from: RetryFrom::Start, again, dry_run } => {
                repaired.new_run = self.try_restart(shop, run, *again, *dry_run).await?;
                if !dry_run {
                    repaired.outcome = RepairOutcome::Restarted;
                }
            }
        }
        Ok(repaired)
    }
}
