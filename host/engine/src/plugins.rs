//! Versions and installations: from an uploaded component to one that takes events.

use std::sync::Arc;

use serde_json::Value;
use shopwright_model::handler::{Failure, Outcome, Trigger};
use shopwright_policy::Grants;
use shopwright_registry::{Settings, permissions};
use shopwright_store::{InstallationRow, ScheduleRow, VersionRow, ops::RunState};

use crate::{
    Change, Engine, EngineError, Install, Installation, Mode, VersionInfo,
    core::Core,
    install::{Installed, Program, Side, is_free},
    limits::{Limits, Meter},
    rollout::{Release, Rollout, Watch},
    shop::ShopState,
};

/// Makes an installation's row ready for use.
pub(crate) async fn installed(core: &Arc<Core>, row: InstallationRow) -> Result<Installed, EngineError> {
    let program = core.program(&row.digest).await?;
    let grants = parse_json(&row.grants)?;
    let grants = Grants::parse(&grants).map_err(EngineError::internal)?;
    let mut rollout: Rollout = serde_json::from_str(&row.rollout).map_err(EngineError::internal)?;
    if let Some(candidate) = &rollout.candidate
        && let Err(error) = core.prepared(&candidate.release.digest, &candidate.release.grants).await
    {
        tracing::error!(shop = row.shop, installation = row.id, %error, "the candidate takes no runs: it cannot be used");
        rollout.candidate = None;
    }
    let record = Installation {
        id: row.id,
        shop: row.shop,
        plugin: row.plugin,
        version: row.version,
        digest: row.digest,
        settings: parse_json(&row.settings)?,
        grants: grants.clone(),
        mode: Mode::parse(&row.mode),
        beside: row.beside,
        rollout,
        limits: serde_json::from_str(&row.limits).map_err(EngineError::internal)?,
        created_at: row.created_at,
        updated_at: row.updated_at,
    };
    let meter = Meter::of(core, &record.shop, Some(&record.id), record.limits).await?;
    ready(core, record, program, meter).await
}

/// Makes an installation ready for use.
async fn ready(
    core: &Core,
    record: Installation,
    program: Arc<Program>,
    meter: Option<Arc<Meter>>,
) -> Result<Installed, EngineError> {
    let candidate = match &record.rollout.candidate {
        None => None,
        Some(candidate) => {
            let release = &candidate.release;
            let side = Side {
                digest: release.digest.clone(),
                program: core.program(&release.digest).await?,
                settings: release.settings.to_string().into(),
                grants: Arc::new(release.grants.clone()),
            };
            Some((candidate.share.clone(), side))
        }
    };
    let watch = Watch::of(core, &record).await?;
    Ok(Installed { candidate, watch, meter, ..Installed::of(record, program) })
}

fn parse_json(text: &str) -> Result<Value, EngineError> {
    serde_json::from_str(text).map_err(EngineError::internal)
}

fn row_of(record: &Installation) -> Result<InstallationRow, EngineError> {
    Ok(InstallationRow {
        shop: record.shop.clone(),
        id: record.id.clone(),
        plugin: record.plugin.clone(),
        version: record.version.clone(),
        digest: record.digest.clone(),
        settings: record.settings.to_string(),
        grants: serde_json::to_string(&record.grants).map_err(EngineError::internal)?,
        mode: record.mode.as_str().into(),
        beside: record.beside.clone(),
        rollout: serde_json::to_string(&record.rollout).map_err(EngineError::internal)?,
        limits: serde_json::to_string(&record.limits).map_err(EngineError::internal)?,
        created_at: record.created_at,
        updated_at: record.updated_at,
        removed_at: None,
    })
}

/// The functions a program asks for that need a grant.
fn asked(program: &Program) -> Vec<(String, String)> {
    program
        .asks_for()
        .filter(|(interface, _)| !is_free(interface))
        .map(|(interface, function)| (interface.to_owned(), function.to_owned()))
        .collect()
}

pub(crate) fn check_settings(program: &Program, settings: &Value) -> Result<Value, EngineError> {
    let settings = if settings.is_null() { Value::Object(serde_json::Map::new()) } else { settings.clone() };
    let Some(schema) = &program.manifest.settings else {
        return match settings.as_object() {
            Some(object) if object.is_empty() => Ok(settings),
            _ => Err(EngineError::invalid("bad-settings", "/settings", "this plugin has no settings")),
        };
    };
    Settings::validate(schema, &settings).map_err(|errors| {
        let field = errors.first().map_or_else(String::new, |e| e.path.clone());
        let reasons: Vec<String> = errors.iter().map(|e| format!("{}: {}", e.path, e.message)).collect();
        EngineError::invalid("bad-settings", format!("/settings{field}"), reasons.join("; "))
    })
}

/// The installation that a shadow is to stand beside; an empty name is none.
fn check_beside(state: &ShopState, own: &str, beside: Option<String>) -> Result<Option<String>, EngineError> {
    let Some(beside) = beside.filter(|beside| !beside.is_empty()) else { return Ok(None) };
    if beside == own || state.installed(&beside).is_none() {
        let reason = format!("`{beside}` is no other installation of this shop");
        return Err(EngineError::invalid("bad-beside", "/beside", reason));
    }
    Ok(Some(beside))
}

/// What a version gets: what was asked for, else what the version before was granted, less what this one does not
/// import. A version that imports more is held until the difference is granted.
pub(crate) fn grants_for(
    program: &Program,
    given: Option<Value>,
    before: &Grants,
    before_of: &Program,
) -> Result<Grants, EngineError> {
    let grants = match given {
        Some(grants) => grants,
        None => {
            let asked = asked(program);
            let kept: Vec<_> = before
                .iter()
                .filter(|grant| asked.iter().any(|(i, f)| grant.function == format!("{i}.{f}")))
                .map(|grant| crate::hosts::kept(grant, before_of, program))
                .collect::<Result<_, _>>()?;
            serde_json::to_value(kept).map_err(EngineError::internal)?
        }
    };
    check_grants(program, Some(&grants))
}

pub(crate) fn check_grants(program: &Program, grants: Option<&Value>) -> Result<Grants, EngineError> {
    let asked = asked(program);
    let pairs = || asked.iter().map(|(i, f)| (i.as_str(), f.as_str()));
    let Some(json) = grants else { return crate::hosts::settled(program, Grants::everything(pairs())) };
    let grants = Grants::parse(json).map_err(|e| EngineError::invalid("bad-grants", "/grants", e))?;
    let difference = grants.difference(pairs());
    if !difference.missing.is_empty() {
        return Err(EngineError::Refused {
            code: "not-granted",
            reason: format!(
                "the plugin imports functions that are not granted, so it cannot start: {}. Grant them, or leave the plugin out",
                difference.missing.join(", ")
            ),
        });
    }
    if !difference.unused.is_empty() {
        let reason = format!("never more than asked: the plugin does not import {}", difference.unused.join(", "));
        return Err(EngineError::invalid("bad-grants", "/grants", reason));
    }
    crate::hosts::settled(program, grants)
}

impl Engine {
    /// Takes a component: inspects it, checks its manifest down to every CEL and cron text, compiles it,
    /// and keeps it as a version of its plugin.
    ///
    /// # Errors
    /// [`EngineError::Refused`] or [`EngineError::Invalid`] with what is wrong and where; a version that
    /// exists with other bytes is a conflict.
    pub async fn add_component(&self, shop: &str, bytes: Vec<u8>, source: &str) -> Result<VersionInfo, EngineError> {
        let core = &self.core;
        core.shop(shop)?;
        let refused = |code: &'static str| move |reason: String| EngineError::Refused { code, reason };
        let imports = core.sandbox.inspect(&bytes).map_err(|e| refused("bad-component")(e.to_string()))?;
        let manifest = shopwright_registry::extract(&bytes)
            .map_err(|e| refused("bad-manifest")(e.to_string()))?
            .ok_or_else(|| {
                refused("no-manifest")(
                    "the component carries no manifest: build it with `shopwright plugin build`".into(),
                )
            })?;
        // Its imports were found to be this version's: a manifest that says another lies about one of them.
        let offered = shopwright_sandbox::WIT_VERSION;
        if manifest.wit != offered {
            let reason = format!(
                "the manifest says `wit = \"{}\"`, but the component was built against {offered}",
                manifest.wit
            );
            return Err(refused("bad-manifest")(reason));
        }
        let digest = shopwright_registry::digest(&bytes);
        let program = Arc::new(Program::new(core, manifest, imports)?);
        let _changing = core.changing.lock().await;
        let version = program.manifest.version.to_string();
        let name = program.manifest.name.clone();
        let now = core.clock.now();
        let info = |source: &str, created_at| -> Result<VersionInfo, EngineError> {
            let asked = asked(&program);
            let permissions = permissions::permissions(&asked).map_err(|e| refused("bad-component")(e.to_string()))?;
            Ok(VersionInfo {
                plugin: name.clone(),
                version: version.clone(),
                digest: digest.clone(),
                manifest: program.manifest.clone(),
                summary: permissions::summary_with_hosts(&permissions, &program.manifest.http),
                permissions,
                source: source.into(),
                created_at,
            })
        };
        if let Some(known) = core.store.version(shop, &name, &version).await? {
            if known.digest == digest {
                return info(&known.source, known.created_at);
            }
            return Err(EngineError::Conflict {
                code: "version-exists",
                reason: format!(
                    "{name} {version} is there already with other bytes ({}): versions never change; raise the version in plugin.toml",
                    known.digest
                ),
            });
        }
        let (sandbox, compiled_digest, compiled_bytes) = (core.sandbox.clone(), digest.clone(), bytes.clone());
        let compiled = tokio::task::spawn_blocking(move || sandbox.compile(&compiled_bytes, &compiled_digest))
            .await
            .map_err(EngineError::internal)?
            .map_err(|e| refused("bad-component")(e.to_string()))?;
        // Linking shows whether its types are those of wit/: a component that calls a function by
        // another type is refused now, not at its first event.
        let prepared = core
            .sandbox
            .prepare(&compiled, &core.functions, &|_, _| true)
            .map_err(|e| refused("bad-component")(e.to_string()))?;
        prepared
            .check::<(String, Trigger, String), Result<Outcome, Failure>>()
            .map_err(|e| refused("bad-component")(e.to_string()))?;
        let info = info(source, now)?;
        core.store.component_put(&digest, bytes, now).await?;
        core.store
            .version_put(VersionRow {
                shop: shop.into(),
                plugin: name.clone(),
                version: version.clone(),
                digest: digest.clone(),
                manifest: serde_json::to_string(&program.manifest).map_err(EngineError::internal)?,
                imports: serde_json::to_string(&asked(&program)).map_err(EngineError::internal)?,
                source: source.into(),
                created_at: now,
            })
            .await?;
        core.programs.write().insert(digest, program);
        Ok(info)
    }

    /// The versions of plugins that a shop has, by name and version.
    ///
    /// # Errors
    /// The store's.
    pub async fn versions(&self, shop: &str) -> Result<Vec<VersionInfo>, EngineError> {
        let mut all = Vec::new();
        for row in self.core.store.versions_list(shop).await? {
            let manifest: shopwright_registry::Manifest =
                serde_json::from_str(&row.manifest).map_err(EngineError::internal)?;
            let asked: Vec<(String, String)> = serde_json::from_str(&row.imports).map_err(EngineError::internal)?;
            let permissions = permissions::permissions(&asked).map_err(EngineError::internal)?;
            all.push(VersionInfo {
                plugin: row.plugin,
                version: row.version,
                digest: row.digest,
                summary: permissions::summary_with_hosts(&permissions, &manifest.http),
                manifest,
                permissions,
                source: row.source,
                created_at: row.created_at,
            });
        }
        Ok(all)
    }

    /// A version of a plugin (none: the highest) with its component.
    ///
    /// # Errors
    /// No such plugin or version, or the store's.
    pub async fn version_component(
        &self,
        shop: &str,
        plugin: &str,
        version: Option<&str>,
    ) -> Result<(VersionRow, Vec<u8>), EngineError> {
        let row = self.version(shop, plugin, version).await?;
        let bytes = self.core.store.component(&row.digest).await?;
        Ok((row.clone(), bytes.ok_or_else(|| EngineError::not_found("component", &row.digest))?))
    }

    pub(crate) async fn version(
        &self,
        shop: &str,
        plugin: &str,
        version: Option<&str>,
    ) -> Result<VersionRow, EngineError> {
        let store = &self.core.store;
        if let Some(version) = version {
            let row = store.version(shop, plugin, version).await?;
            return row.ok_or_else(|| EngineError::not_found("version", format!("{plugin} {version}")));
        }
        let rows = store.versions_list(shop).await?.into_iter().filter(|row| row.plugin == plugin);
        let newest = rows.max_by_key(|row| row.version.parse::<semver::Version>().ok());
        newest.ok_or_else(|| EngineError::not_found("plugin", plugin))
    }

    /// Enables a plugin in a shop.
    ///
    /// # Errors
    /// No such version, settings against the schema (with the place), grants that do not fit, an id that
    /// is taken, or the store's. Nothing is half-applied.
    pub async fn install(&self, shop: &str, request: Install) -> Result<Installation, EngineError> {
        let core = &self.core;
        let state = core.shop(shop)?;
        let version = self.version(shop, &request.plugin, request.version.as_deref()).await?;
        let program = core.program(&version.digest).await?;
        let id = request.id.unwrap_or_else(|| request.plugin.clone());
        let slug = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if id.is_empty() || id.len() > 63 || !id.chars().all(slug) {
            return Err(EngineError::invalid(
                "bad-id",
                "/id",
                "it must be 1 to 63 lower-case letters, digits and hyphens",
            ));
        }
        let settings = check_settings(&program, &request.settings)?;
        let grants = check_grants(&program, request.grants.as_ref())?;
        core.prepared(&version.digest, &grants).await?;
        let _changing = core.changing.lock().await;
        if state.installed(&id).is_some() {
            return Err(EngineError::Conflict {
                code: "installation-exists",
                reason: format!("there is an installation `{id}` already: change it, or give this one another id"),
            });
        }
        let beside = check_beside(&state, &id, request.beside)?;
        let now = core.clock.now();
        let record = Installation {
            id,
            shop: shop.into(),
            plugin: version.plugin,
            version: version.version,
            digest: version.digest,
            settings,
            grants,
            mode: request.mode.unwrap_or(Mode::Live),
            beside,
            rollout: Rollout::default(),
            limits: Limits::default(),
            created_at: now,
            updated_at: now,
        };
        keep(core, &state, record.clone(), program).await?;
        Ok(record)
    }

    /// Changes an installation. Effective for the next event; runs in flight keep version and settings.
    ///
    /// # Errors
    /// As [`Engine::install`]. Nothing is half-applied.
    pub async fn change(&self, shop: &str, id: &str, change: Change) -> Result<Installation, EngineError> {
        let core = &self.core;
        let state = core.shop(shop)?;
        let _changing = core.changing.lock().await;
        let before = state.installed(id).ok_or_else(|| EngineError::not_found("installation", id))?;
        let mut record = before.record.clone();
        let mut program = before.program.clone();
        let mut replaced = None;
        if let Some(version) = &change.version {
            let row = self.version(shop, &record.plugin, Some(version)).await?;
            program = core.program(&row.digest).await?;
            if row.digest != record.digest {
                if let Some(candidate) = &record.rollout.candidate {
                    return Err(EngineError::Conflict {
                        code: "rollout-under-way",
                        reason: format!(
                            "version {} is being rolled out: promote it or roll it back first",
                            candidate.release.version
                        ),
                    });
                }
                replaced = Some(Release {
                    version: record.version.clone(),
                    digest: record.digest.clone(),
                    settings: record.settings.clone(),
                    grants: record.grants.clone(),
                    since: core.clock.now(),
                });
            }
            record.version = row.version;
            record.digest = row.digest;
        }
        record.settings = check_settings(&program, change.settings.as_ref().unwrap_or(&record.settings))?;
        record.grants = grants_for(&program, change.grants, &record.grants, &before.program)?;
        if replaced.is_some() {
            // A rollback goes there.
            record.rollout = Rollout { previous: replaced, ..Rollout::default() };
        }
        if let Some(mode) = change.mode {
            record.mode = mode;
        }
        if let Some(beside) = change.beside {
            record.beside = check_beside(&state, id, Some(beside))?;
        }
        core.prepared(&record.digest, &record.grants).await?;
        record.updated_at = core.clock.now();
        keep(core, &state, record.clone(), program).await?;
        Ok(record)
    }

    /// Removes an installation: its live runs are cancelled, its history stays.
    ///
    /// # Errors
    /// No such installation, or the store's.
    pub async fn remove(&self, shop: &str, id: &str) -> Result<(), EngineError> {
        let core = &self.core;
        let state = core.shop(shop)?;
        let _changing = core.changing.lock().await;
        let installed = state.installed(id).ok_or_else(|| EngineError::not_found("installation", id))?;
        let mut row = row_of(&installed.record)?;
        row.removed_at = Some(core.clock.now());
        row.updated_at = core.clock.now();
        core.store.installation_put(row).await?;
        core.store.schedules_put(shop, id, Vec::new()).await?;
        state.set_installed(id, None);
        core.queue.set_limits(shop, Some(id), None);
        for live in [RunState::Blocked, RunState::Waiting, RunState::Active] {
            loop {
                let filter = shopwright_store::RunFilter {
                    state: Some(live),
                    installation: Some(id.into()),
                    limit: 200,
                    ..shopwright_store::RunFilter::default()
                };
                let runs = core.store.runs_list(shop, &filter).await?;
                if runs.is_empty() {
                    break;
                }
                for run in runs {
                    core.store.cancel(shop, run.id, core.clock.now(), "the installation was removed").await?;
                }
            }
        }
        Ok(())
    }

    /// A shop's installations, by id.
    ///
    /// # Errors
    /// No such shop.
    pub fn installations(&self, shop: &str) -> Result<Vec<Installation>, EngineError> {
        Ok(self.core.shop(shop)?.installations().by_id.values().map(|i| i.record.clone()).collect())
    }
}

/// Writes an installation with its schedules and puts it to use.
pub(crate) async fn keep(
    core: &Arc<Core>,
    state: &Arc<ShopState>,
    record: Installation,
    program: Arc<Program>,
) -> Result<(), EngineError> {
    let now = core.clock.now();
    let mut schedules = Vec::new();
    if record.mode != Mode::Paused {
        let known = core.store.schedules_list(&record.shop).await?;
        for workflow in &program.workflows {
            for (n, (schedule, _)) in workflow.schedules.iter().enumerate() {
                let n = i64::try_from(n).unwrap_or(i64::MAX);
                let cron = schedule.to_string();
                // A schedule that stays keeps its place in time.
                let same = known.iter().find(|row| {
                    row.installation == record.id && row.workflow == workflow.name && row.n == n && row.cron == cron
                });
                schedules.push(ScheduleRow {
                    shop: record.shop.clone(),
                    installation: record.id.clone(),
                    workflow: workflow.name.clone(),
                    n,
                    cron,
                    next_at: same.and_then(|row| row.next_at).or_else(|| schedule.next_after(now, state.zone)),
                    last_at: same.and_then(|row| row.last_at),
                });
            }
        }
    }
    core.store.installation_put(row_of(&record)?).await?;
    for row in &schedules {
        if let Some(at) = row.next_at {
            core.due_by(at);
        }
    }
    core.store.schedules_put(&record.shop, &record.id, schedules).await?;
    let id = record.id.clone();
    // What counts the use goes on counting unless the limits are others.
    let meter = match state.installed(&id) {
        Some(before) if before.record.limits == record.limits => before.meter.clone(),
        _ => Meter::of(core, &record.shop, Some(&id), record.limits).await?,
    };
    let installed = ready(core, record, program, meter).await?;
    state.set_installed(&id, Some(Arc::new(installed)));
    core.timer.notify_one();
    Ok(())
}
