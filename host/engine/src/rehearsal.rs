//! Rehearsals: whether a run would go the same way with another version, up to where its journal ends. Every call is
//! answered from the journal; the first that is not in it ends the rehearsal. Nothing is done, nothing is written.

use std::sync::Arc;

use serde::Serialize;
use shopwright_model::handler::{Failure, Outcome};
use shopwright_store::ops::RunRow;

use crate::{
    EngineError,
    core::Core,
    cx::{RunCx, Stop, show},
    execute::{granted, trap_code, trigger},
    journal::Journal,
};

/// What a rehearsal showed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "verdict")]
pub enum Rehearsed {
    /// It asks for the same, up to the journal's end, and goes on from there (or ends well).
    Agrees {
        /// How many entries the journal has.
        steps: u32,
    },
    /// It asks for something else.
    Differs {
        /// The first place in the journal, from 0.
        step: u32,
        /// What the journal says.
        recorded: String,
        /// What it asks for.
        asked: String,
    },
    /// It fails before it asks for anything new.
    Fails {
        /// After so many entries of the journal.
        step: u32,
        /// Stable code.
        code: String,
        /// For people.
        message: String,
        /// As the run failed before.
        same: bool,
    },
}

impl Rehearsed {
    /// Whether the run may go on with this version.
    #[must_use]
    pub const fn agrees(&self) -> bool {
        matches!(self, Self::Agrees { .. })
    }
}

impl std::fmt::Display for Rehearsed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Agrees { steps } => write!(f, "it agrees with all {steps} steps of the journal"),
            Self::Differs { step, recorded, asked } => {
                write!(f, "at step {step} the journal says {recorded}, but it asks for {asked}")
            }
            Self::Fails { step, code, message, same } => {
                let how = if *same { "it fails as before" } else { "it fails" };
                write!(f, "{how} at step {step}, before it does anything new: {code}: {message}")
            }
        }
    }
}

/// Replays a run with the component and the settings that `run` names, which need not be those it has.
///
/// # Errors
/// What it needs is gone (journal, event, component), or it may not be run with this component.
pub(crate) async fn rehearse(core: &Arc<Core>, run: RunRow) -> Result<Rehearsed, EngineError> {
    let shop = core.shop(&run.shop)?;
    let installed =
        shop.installed(&run.installation).ok_or_else(|| EngineError::not_found("installation", &run.installation))?;
    let program = core.program(&run.digest).await?;
    let Some(workflow) = program.workflow(&run.workflow) else {
        return Ok(Rehearsed::Differs {
            step: 0,
            recorded: format!("workflow `{}`", run.workflow),
            asked: format!("nothing: version {} has no such workflow", program.manifest.version),
        });
    };
    let grants = granted(&installed, &program, &run.digest);
    let prepared = core.prepared(&run.digest, &grants).await?;
    let gone = |what: &str| EngineError::Conflict {
        code: "journal-gone",
        reason: format!("{what} of {} is not kept any more: start a new run instead", run.id),
    };
    let chunks = core.store.journal(run.id).await?;
    if chunks.len() < run.chunks as usize {
        return Err(gone("the journal"));
    }
    let journal = Journal::read(&chunks).map_err(EngineError::internal)?;
    let steps = u32::try_from(journal.len()).unwrap_or(u32::MAX);
    let mut event = None;
    let trigger = match trigger(core, &run, &mut event).await {
        Err(EngineError::NotFound { .. }) => return Err(gone("the event")),
        other => other?,
    };
    let settings = run.settings.to_string();
    let name = run.workflow.clone();
    let code_before = run.error_code.clone();
    let guest = workflow.guest;
    let mut cx = RunCx::new(core, shop, installed, program.clone(), grants, run, journal, guest, true);
    cx.rehearsal = true;
    cx.guest.keep_log(false);
    let (mut cx, result) = prepared.run::<_, Result<Outcome, Failure>>(cx, (name, trigger, settings)).await;
    let step = cx.journal.position();
    let fails = |code: &str, message: String| Rehearsed::Fails {
        step,
        same: code_before.as_deref() == Some(code),
        code: code.into(),
        message,
    };
    // Where it ends by itself, the journal must end too.
    let left = cx.journal.next().map(|entry| show(&entry.call, &entry.args));
    Ok(match (cx.stop.take(), result) {
        (Some(Stop::Live), _) => Rehearsed::Agrees { steps },
        (Some(Stop::Nondeterminism { recorded, asked }), _) => Rehearsed::Differs { step, recorded, asked },
        (Some(Stop::Fail { code, message }), _) => fails(code, message),
        (Some(Stop::Store(error)), _) => return Err(error.into()),
        (Some(stop), _) => return Err(EngineError::internal(format!("a rehearsal stopped with {stop:?}"))),
        (None, Ok(Ok(_))) => match left {
            None => Rehearsed::Agrees { steps },
            Some(recorded) => Rehearsed::Differs { step, recorded, asked: "nothing: it ends".into() },
        },
        (None, Ok(Err(Failure::Fatal(message)))) => fails("fatal", message),
        (None, Ok(Err(Failure::Retry(message)))) => fails("retries-exhausted", message),
        (None, Err(trap)) => fails(trap_code(&trap), trap.to_string()),
    })
}
