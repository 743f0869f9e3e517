//! The live feed: what happens in the engine, for the demo, `plugin dev` and the web page. Told only
//! after it is durable; a slow listener misses notices, never holds the engine up.

use serde::Serialize;
use shopwright_model::{Millis, RunId};

/// Something that happened.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "snake_case", tag = "notice")]
#[allow(missing_docs)] // The fields are those of the things they tell of.
pub enum Notice {
    /// An event was accepted.
    Event { shop: String, seq: i64, kind: String, concerns: Vec<String>, at: Millis },
    /// A run began.
    RunStarted { shop: String, run: RunId, installation: String, workflow: String, trigger: String, at: Millis },
    /// A run was replaced by a newer one of its key.
    RunReplaced { shop: String, run: RunId, by: RunId, at: Millis },
    /// A run waits.
    RunWaiting {
        shop: String,
        run: RunId,
        installation: String,
        workflow: String,
        until: Option<Millis>,
        waits_for: crate::waits::WaitFor,
        at: Millis,
    },
    /// A run ended: `done`, `failed`, `cancelled`, `continued`.
    RunEnded {
        shop: String,
        run: RunId,
        installation: String,
        workflow: String,
        state: &'static str,
        outcome: String,
        at: Millis,
    },
    /// A version was taken back; `automatic`: by the host itself.
    RolledBack {
        shop: String,
        installation: String,
        from: String,
        to: String,
        reason: String,
        automatic: bool,
        at: Millis,
    },
    /// A run that failed, waited or was stuck goes on, with another version or from its last good point.
    RunReopened { shop: String, run: RunId, installation: String, workflow: String, digest: String, at: Millis },
    /// An action was carried out, denied, recorded or failed.
    Effect {
        shop: String,
        run: RunId,
        installation: String,
        workflow: String,
        effect: String,
        action: String,
        subject: String,
        state: &'static str,
        reason: String,
        /// The action as it was asked for.
        request: std::sync::Arc<serde_json::Value>,
        error: Option<String>,
        at: Millis,
    },
    /// A line of a run's log.
    Log { shop: String, run: RunId, installation: String, workflow: String, level: String, message: String, at: Millis },
}
