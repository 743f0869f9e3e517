//! Rollouts: an installation has its version and may have a candidate, which takes a part of the runs.
//!
//! # Which runs
//!
//! Every run of a workflow has a rollout key: its concurrency key (as the installed version's manifest computes
//! it), else the first entity that its event concerns, else the event's id; a schedule's is its name and time, that
//! of a run by hand the key it was started under, else its id. The key falls into one of 10,000 buckets:
//!
//! ```text
//! bucket = first 8 bytes of SHA-256("rollout:1:" installation ":" key), big-endian, × 10,000 / 2^64
//! ```
//!
//! and the candidate takes it when the bucket is below the share (1 % is 100 buckets). This stays so for ever: a key
//! that the candidate has at 10 % it has at 25 % as well, on every node and after every restart. With a list, it
//! takes the runs whose key or one of whose event's entities is on the list.
//!
//! # Taking it back
//!
//! A guard compares the failed with all ended runs of the candidate (or, for one window after the promotion, of the
//! promoted version) over a sliding window. The count is made in memory as runs end, by spans of a sixtieth of the
//! window, and from the store whenever the host starts; an installation without a guard pays one look at a `None`.

use std::{collections::VecDeque, sync::Arc};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shopwright_model::Millis;
use shopwright_policy::Grants;
use shopwright_store::{AuditEntry, ops::RunRow};

use crate::{
    Engine, EngineError, Installation,
    core::Core,
    install::{Installed, Side},
    notice::Notice,
    plugins,
};

const BUCKETS: u128 = 10_000;
const MINUTE: Millis = 60_000;
/// Spans that a window is counted in.
const SPANS: Millis = 60;

/// A version of an installation's plugin with what it runs with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Release {
    /// Version.
    pub version: String,
    /// Its component's digest.
    pub digest: String,
    /// Settings, defaults filled in.
    pub settings: Value,
    /// What it may do.
    pub grants: Grants,
    /// Since when it is candidate; for the previous one: when it was replaced.
    pub since: Millis,
}

/// Which runs a candidate takes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Share {
    /// All new ones.
    All,
    /// So many in a hundred keys, 0 to 100, in steps of 0.01.
    Percent(f64),
    /// Those of these concurrency keys or entities (`customer:42`).
    Keys(Vec<String>),
}

/// A version that is being tried on a part of the runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// Version, settings, grants.
    #[serde(flatten)]
    pub release: Release,
    /// Which runs it takes.
    pub share: Share,
}

/// When the host takes a version back by itself.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Guard {
    /// When more than so many in a hundred ended runs failed.
    pub failure_percent: f64,
    /// Not before so many runs have ended within the window.
    #[serde(default = "ten")]
    pub min_runs: u32,
    /// Over the last so many minutes. A promoted version is watched for as long.
    #[serde(default = "sixty")]
    pub window_minutes: u32,
}

const fn ten() -> u32 {
    10
}

const fn sixty() -> u32 {
    60
}

impl Guard {
    fn window(&self) -> Millis {
        Millis::from(self.window_minutes) * MINUTE
    }

    fn width(&self) -> Millis {
        (self.window() / SPANS).max(1)
    }
}

/// A version that was taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolledBack {
    /// Which.
    pub version: String,
    /// Its component's digest.
    pub digest: String,
    /// Why.
    pub reason: String,
    /// By the host itself.
    pub automatic: bool,
    /// When.
    pub at: Millis,
}

/// How an installation's versions follow one another.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rollout {
    /// What is being tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub candidate: Option<Candidate>,
    /// What was there before: where a rollback goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous: Option<Release>,
    /// When the host takes the new version back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guard: Option<Guard>,
    /// Until when a promoted version is watched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub watched_until: Option<Millis>,
    /// The last version that was taken back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rolled_back: Option<RolledBack>,
}

/// A rollout to be begun or changed.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RollOut {
    /// The candidate's version.
    pub version: String,
    /// Its settings; those of the candidate that is there if it is the same version, else the installation's.
    #[serde(default)]
    pub settings: Option<Value>,
    /// Its grants; where absent, those of the installation that it needs: it is refused if it needs more.
    #[serde(default)]
    pub grants: Option<Value>,
    /// Which runs it takes.
    pub share: Share,
    /// When it is taken back; where absent it stays as it is, and there is none at first.
    #[serde(default)]
    pub guard: Option<Guard>,
}

/// How the watched version does, within its window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct RolloutFigures {
    /// Live runs of it that ended.
    pub ended: u64,
    /// Of these failed.
    pub failed: u64,
}

/// The bucket, 0 to 9,999, that a key of an installation falls into. It never changes: a rollout that grows keeps
/// whom it had.
#[must_use]
pub fn bucket(installation: &str, key: &str) -> u32 {
    let hash = shopwright_registry::digest(format!("rollout:1:{installation}:{key}").as_bytes());
    let hex = hash.strip_prefix("sha256:").unwrap_or(&hash);
    // Sixteen hex digits of a SHA-256: always a number.
    let first = u64::from_str_radix(hex.get(..16).unwrap_or("0"), 16).unwrap_or(0);
    u32::try_from((u128::from(first) * BUCKETS) >> 64).unwrap_or(0)
}

impl Share {
    /// Whether the candidate takes a run of this key, whose event concerns these entities.
    #[must_use]
    pub fn takes(&self, installation: &str, key: &str, entities: &[String]) -> bool {
        match self {
            Self::All => true,
            Self::Percent(percent) => f64::from(bucket(installation, key)) < percent * 100.0,
            Self::Keys(keys) => keys.iter().any(|known| known == key || entities.contains(known)),
        }
    }

    fn check(&self) -> Result<(), EngineError> {
        let problem = match self {
            Self::All => None,
            Self::Percent(percent) if (0.0..=100.0).contains(percent) => None,
            Self::Percent(_) => Some("a percentage is a number from 0 to 100"),
            Self::Keys(keys) if !keys.is_empty() && keys.len() <= 10_000 => None,
            Self::Keys(_) => Some("a list has 1 to 10,000 keys"),
        };
        problem.map_or(Ok(()), |problem| Err(EngineError::invalid("bad-share", "/share", problem)))
    }
}

/// The runs of a watched version that ended.
pub(crate) struct Watch {
    digest: String,
    guard: Guard,
    /// Not before: the version may have been used for something else.
    since: Millis,
    until: Option<Millis>,
    /// (number of the span, ended, failed), the latest last.
    spans: Mutex<VecDeque<(i64, u64, u64)>>,
}

impl Watch {
    /// What is to be watched of an installation; none: nothing.
    pub async fn of(core: &Core, record: &Installation) -> Result<Option<Arc<Self>>, EngineError> {
        let Some(guard) = record.rollout.guard else { return Ok(None) };
        let (digest, since, until) = match (&record.rollout.candidate, record.rollout.watched_until) {
            (Some(candidate), _) => (candidate.release.digest.clone(), candidate.release.since, None),
            (None, Some(until)) if until > core.clock.now() => {
                (record.digest.clone(), until - guard.window(), Some(until))
            }
            _ => return Ok(None),
        };
        let since = since.max(core.clock.now() - guard.window());
        let spans = core.store.runs_ended(&record.shop, &record.id, &digest, since, guard.width()).await?;
        Ok(Some(Arc::new(Self { digest, guard, since, until, spans: Mutex::new(spans.into()) })))
    }

    fn figures(&self, now: Millis) -> RolloutFigures {
        let first = (now - self.guard.window()).max(self.since) / self.guard.width();
        let mut spans = self.spans.lock();
        while spans.front().is_some_and(|span| span.0 < first) {
            spans.pop_front();
        }
        let mut figures = RolloutFigures { ended: 0, failed: 0 };
        for (_, ended, failed) in spans.iter() {
            figures.ended += ended;
            figures.failed += failed;
        }
        figures
    }

    fn count(&self, now: Millis, failed: bool) {
        let span = now / self.guard.width();
        let mut spans = self.spans.lock();
        match spans.back_mut() {
            Some(last) if last.0 >= span => {
                last.1 += 1;
                last.2 += u64::from(failed);
            }
            _ => spans.push_back((span, 1, u64::from(failed))),
        }
    }

    /// Why the version is to be taken back; none: it is not.
    fn verdict(&self, now: Millis) -> Option<String> {
        if self.until.is_some_and(|until| until <= now) {
            return None;
        }
        let RolloutFigures { ended, failed } = self.figures(now);
        if ended < u64::from(self.guard.min_runs.max(1)) {
            return None;
        }
        // Counts of runs are far below 2^53.
        #[allow(clippy::cast_precision_loss)]
        let percent = failed as f64 * 100.0 / ended as f64;
        (percent > self.guard.failure_percent).then(|| {
            format!(
                "{failed} of {ended} runs failed in {} minutes ({percent:.1} %); {} % are allowed",
                self.guard.window_minutes, self.guard.failure_percent
            )
        })
    }
}

/// A live run has ended: counts it if its version is watched, and takes the version back if that was one too many.
pub(crate) async fn ended(core: &Arc<Core>, run: &RunRow, failed: bool) {
    let Ok(shop) = core.shop(&run.shop) else { return };
    let Some(watch) = shop.installed(&run.installation).and_then(|installed| installed.watch.clone()) else { return };
    if watch.digest != run.digest || run.mode != "live" {
        return;
    }
    watch.count(core.clock.now(), failed);
    // A run that ended well can be the one that makes the least number full.
    judge(core, &run.shop, &run.installation, &watch).await;
}

/// Takes a watched version back if it is to be.
pub(crate) async fn judge(core: &Arc<Core>, shop: &str, installation: &str, watch: &Watch) {
    let Some(reason) = watch.verdict(core.clock.now()) else { return };
    let back = Box::pin(back(core, shop, installation, &reason, Some(&watch.digest))).await;
    match back {
        Ok((before, after)) => {
            tracing::warn!(shop, installation, reason, "a version is taken back");
            core.metrics.rollbacks.inc();
            let entry = AuditEntry {
                shop: shop.into(),
                at: core.clock.now(),
                who: "host".into(),
                what: "installation.rolled-back".into(),
                subject: format!("installation:{installation}"),
                before: serde_json::to_string(&before).ok(),
                after: serde_json::to_string(&after).ok(),
                origin: "guard".into(),
            };
            if let Err(error) = core.store.audit_append(entry).await {
                tracing::error!(shop, installation, %error, "the rollback is not in the audit log");
            }
        }
        // Somebody else was faster.
        Err(EngineError::Conflict { .. } | EngineError::NotFound { .. }) => {}
        Err(error) => tracing::error!(shop, installation, %error, "a version that fails could not be taken back"),
    }
}

/// Drops the candidate; without one, goes back to the version before. `watched`: only if that is the version to be
/// taken back, as the host does it by itself.
async fn back(
    core: &Arc<Core>,
    shop: &str,
    id: &str,
    reason: &str,
    watched: Option<&str>,
) -> Result<(Installation, Installation), EngineError> {
    let state = core.shop(shop)?;
    let _changing = core.changing.lock().await;
    let before = state.installed(id).ok_or_else(|| EngineError::not_found("installation", id))?;
    let now = core.clock.now();
    let mut record = before.record.clone();
    let nothing = || EngineError::Conflict {
        code: "nothing-to-roll-back",
        reason: format!("`{id}` has no candidate, and no version before this one is known"),
    };
    let mut program = before.program.clone();
    let (version, digest) = if let Some(candidate) = record.rollout.candidate.take() {
        (candidate.release.version, candidate.release.digest)
    } else {
        let previous = record.rollout.previous.take().ok_or_else(nothing)?;
        program = core.program(&previous.digest).await?;
        core.prepared(&previous.digest, &previous.grants).await?;
        record.settings = previous.settings;
        record.grants = previous.grants;
        (
            std::mem::replace(&mut record.version, previous.version),
            std::mem::replace(&mut record.digest, previous.digest),
        )
    };
    if watched.is_some_and(|watched| watched != digest) {
        return Err(nothing());
    }
    record.rollout.watched_until = None;
    record.rollout.guard = None;
    record.rollout.rolled_back = Some(RolledBack {
        version: version.clone(),
        digest,
        reason: reason.into(),
        automatic: watched.is_some(),
        at: now,
    });
    record.updated_at = now;
    plugins::keep(core, &state, record.clone(), program).await?;
    core.tell([Notice::RolledBack {
        shop: shop.into(),
        installation: id.into(),
        from: version,
        to: record.version.clone(),
        reason: reason.into(),
        automatic: watched.is_some(),
        at: now,
    }]);
    Ok((before.record.clone(), record))
}

impl Installed {
    /// The candidate, where it takes runs of this key.
    pub fn candidate_for(&self, key: &str, entities: &[String]) -> Option<&Side> {
        let (share, side) = self.candidate.as_ref()?;
        share.takes(&self.record.id, key, entities).then_some(side)
    }
}

impl Engine {
    /// Begins or changes a rollout. Effective for the next event.
    ///
    /// # Errors
    /// As [`Engine::change`], for the candidate; a share that is none. Nothing is half-applied.
    pub async fn roll_out(&self, shop: &str, id: &str, request: RollOut) -> Result<Installation, EngineError> {
        let core = &self.core;
        let state = core.shop(shop)?;
        request.share.check()?;
        if let Some(guard) = &request.guard {
            let sane = (0.0..100.0).contains(&guard.failure_percent) && (1..=10_080).contains(&guard.window_minutes);
            if !sane || guard.min_runs == 0 {
                let reason = "failure_percent is a number from 0 to below 100, min_runs at least 1, window_minutes 1 to 10,080 (a week)";
                return Err(EngineError::invalid("bad-guard", "/guard", reason));
            }
        }
        let _changing = core.changing.lock().await;
        let before = state.installed(id).ok_or_else(|| EngineError::not_found("installation", id))?;
        let mut record = before.record.clone();
        let row = self.version(shop, &record.plugin, Some(&request.version)).await?;
        if row.digest == record.digest {
            return Err(EngineError::Conflict {
                code: "same-version",
                reason: format!("`{id}` runs {} already: a candidate is another version", row.version),
            });
        }
        let program = core.program(&row.digest).await?;
        let same = record.rollout.candidate.take().filter(|known| known.release.digest == row.digest);
        let (settings, grants) = match &same {
            Some(known) => (&known.release.settings, &known.release.grants),
            None => (&record.settings, &record.grants),
        };
        let settings = plugins::check_settings(&program, request.settings.as_ref().unwrap_or(settings))?;
        let grants = plugins::grants_for(
            &program,
            request.grants,
            grants,
            if same.is_some() { &program } else { &before.program },
        )?;
        core.prepared(&row.digest, &grants).await?;
        let now = core.clock.now();
        let since = same.as_ref().map_or(now, |known| known.release.since);
        let release = Release { version: row.version, digest: row.digest, settings, grants, since };
        record.rollout.candidate = Some(Candidate { release, share: request.share });
        record.rollout.guard = match (request.guard, same) {
            (Some(guard), _) => Some(guard),
            (None, Some(_)) => record.rollout.guard,
            (None, None) => None,
        };
        record.rollout.watched_until = None;
        record.updated_at = now;
        plugins::keep(core, &state, record.clone(), before.program.clone()).await?;
        Ok(record)
    }

    /// Makes the candidate the version; the one before is kept for a rollback. Effective for the next event.
    ///
    /// # Errors
    /// No candidate, or the store's.
    pub async fn promote(&self, shop: &str, id: &str) -> Result<Installation, EngineError> {
        let core = &self.core;
        let state = core.shop(shop)?;
        let _changing = core.changing.lock().await;
        let before = state.installed(id).ok_or_else(|| EngineError::not_found("installation", id))?;
        let mut record = before.record.clone();
        let Some(candidate) = record.rollout.candidate.take() else {
            return Err(EngineError::Conflict {
                code: "no-candidate",
                reason: format!("`{id}` has no candidate: begin a rollout first"),
            });
        };
        let now = core.clock.now();
        let Release { version, digest, settings, grants, .. } = candidate.release;
        let program = core.program(&digest).await?;
        core.prepared(&digest, &grants).await?;
        record.rollout.previous = Some(Release {
            version: std::mem::replace(&mut record.version, version),
            digest: std::mem::replace(&mut record.digest, digest),
            settings: std::mem::replace(&mut record.settings, settings),
            grants: std::mem::replace(&mut record.grants, grants),
            since: now,
        });
        record.rollout.watched_until = record.rollout.guard.map(|guard| now + guard.window());
        record.rollout.rolled_back = None;
        record.updated_at = now;
        plugins::keep(core, &state, record.clone(), program).await?;
        Ok(record)
    }

    /// Drops the candidate; without one, goes back to the version before, with its settings and grants. Effective for
    /// the next event; runs in flight stay on their version.
    ///
    /// # Errors
    /// Nothing to go back to, or the store's.
    pub async fn roll_back(&self, shop: &str, id: &str, reason: &str) -> Result<Installation, EngineError> {
        back(&self.core, shop, id, reason, None).await.map(|(_, after)| after)
    }

    /// How the version does that is being tried or was just promoted; none: nothing is watched.
    ///
    /// # Errors
    /// No such installation.
    pub fn rollout_figures(&self, shop: &str, id: &str) -> Result<Option<RolloutFigures>, EngineError> {
        let installed =
            self.core.shop(shop)?.installed(id).ok_or_else(|| EngineError::not_found("installation", id))?;
        Ok(installed.watch.as_ref().map(|watch| watch.figures(self.core.clock.now())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_stay_what_they_were() {
        // Written down once: whoever changes the formula moves customers between versions.
        assert_eq!(
            [bucket("probe", "cart:1"), bucket("probe", "cart:2"), bucket("other", "cart:1")],
            [5454, 8142, 461]
        );
    }

    #[test]
    fn a_share_that_grows_keeps_whom_it_had_and_comes_near_its_size() {
        let keys: Vec<String> = (0..10_000).map(|n| format!("customer:{n}")).collect();
        let taken = |percent: f64| -> Vec<&String> {
            keys.iter().filter(|key| Share::Percent(percent).takes("probe", key, &[])).collect()
        };
        let mut before = Vec::new();
        for percent in [0.0, 1.0, 10.0, 25.0, 50.0, 100.0] {
            let now = taken(percent);
            assert!(before.iter().all(|key| now.contains(key)), "{percent} % lost somebody");
            let expected = percent * 100.0;
            // Four standard deviations of a fair draw.
            let spread = 4.0 * (10_000.0 * percent / 100.0 * (1.0 - percent / 100.0)).sqrt();
            #[allow(clippy::cast_precision_loss)]
            let off = (now.len() as f64 - expected).abs();
            assert!(off <= spread, "{percent} % took {} of 10,000", now.len());
            before = now;
        }
        let list = Share::Keys(vec!["vip".into(), "customer:7".into()]);
        assert!(list.takes("probe", "vip", &[]) && list.takes("probe", "cart:1", &["customer:7".into()]));
        assert!(!list.takes("probe", "cart:1", &["customer:8".into()]));
    }
}
