//! Installations: plugins enabled in a shop.

use axum::{extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use shopwright_engine::{Change, EngineError, Install, Installation, Mode};
use shopwright_model::Millis;
use shopwright_registry::Settings;
use utoipa::ToSchema;

use crate::{
    auth::{Access, Operator, Viewer},
    extract::{Json, Path},
    paging::Page,
    problem::{Fault, Problem, Result, codes},
    state::{ApiState, recorded},
};

/// How an installation treats events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ModeView {
    /// Its runs act.
    Live,
    /// Its runs' actions are judged and recorded, not carried out.
    Shadow,
    /// It starts no runs; those that wait go on.
    Paused,
}

impl From<Mode> for ModeView {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Live => Self::Live,
            Mode::Shadow => Self::Shadow,
            Mode::Paused => Self::Paused,
        }
    }
}

impl From<ModeView> for Mode {
    fn from(mode: ModeView) -> Self {
        match mode {
            ModeView::Live => Self::Live,
            ModeView::Shadow => Self::Shadow,
            ModeView::Paused => Self::Paused,
        }
    }
}

/// A plugin enabled in a shop.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct InstallationView {
    /// Unique in the shop.
    pub id: String,
    /// Plugin's name.
    pub plugin: String,
    /// Version that new runs get.
    pub version: String,
    /// Its component's digest.
    pub digest: String,
    /// How it treats events.
    pub mode: ModeView,
    /// The live installation that a shadow stands beside; absent: the one of the same plugin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub beside: Option<String>,
    /// Settings, defaults filled in.
    #[schema(value_type = Object)]
    pub settings: serde_json::Value,
    /// What it may do: `[{"function": "orders.get"}, …]`.
    #[schema(value_type = Vec<Object>)]
    pub grants: shopwright_policy::Grants,
    /// How its versions follow one another: `candidate`, `previous`, `guard`, `watched_until`, `rolled_back`, each where
    /// there is one.
    #[schema(value_type = Object)]
    pub rollout: shopwright_engine::Rollout,
    /// When it was made, in milliseconds since 1970.
    pub created_at: Millis,
    /// When it was last changed, in milliseconds since 1970.
    pub updated_at: Millis,
}

impl From<Installation> for InstallationView {
    fn from(installation: Installation) -> Self {
        let Installation {
            id,
            plugin,
            version,
            digest,
            settings,
            grants,
            mode,
            beside,
            rollout,
            created_at,
            updated_at,
            ..
        } = installation;
        Self {
            id,
            plugin,
            version,
            digest,
            mode: mode.into(),
            beside,
            settings,
            grants,
            rollout,
            created_at,
            updated_at,
        }
    }
}

/// A plugin to be enabled.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewInstallation {
    /// Unique in the shop; the plugin's name where absent.
    #[serde(default)]
    pub id: Option<String>,
    /// Plugin's name.
    pub plugin: String,
    /// Version; the highest where absent.
    #[serde(default)]
    pub version: Option<String>,
    /// Settings; what is absent takes the schema's default.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub settings: Option<serde_json::Value>,
    /// What it may do; all that it asks for where absent. `{"function", "channels", "categories", "templates", "hosts",
    /// "per_day"}`; `hosts` of `http.send` as `api.example.com`, `api.example.com:8443`, `*.example.com` or `http://…`
    #[serde(default)]
    #[schema(value_type = Option<Vec<Object>>)]
    pub grants: Option<serde_json::Value>,
    /// `live` where absent.
    #[serde(default)]
    pub mode: Option<ModeView>,
    /// For a shadow: the live installation it stands beside; that of the same plugin where absent.
    #[serde(default)]
    pub beside: Option<String>,
    /// The version was pulled though nobody whom the shop trusts had signed it: allow that this time too.
    #[serde(default)]
    pub allow_unsigned: bool,
}

/// What is to change of an installation; what is absent stays.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InstallationChange {
    /// All settings anew.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub settings: Option<serde_json::Value>,
    /// All grants anew.
    #[serde(default)]
    #[schema(value_type = Option<Vec<Object>>)]
    pub grants: Option<serde_json::Value>,
    /// How it treats events.
    #[serde(default)]
    pub mode: Option<ModeView>,
    /// The live installation that a shadow stands beside; empty: that of the same plugin.
    #[serde(default)]
    pub beside: Option<String>,
    /// Another version for new runs; those in flight stay on theirs.
    #[serde(default)]
    pub version: Option<String>,
    /// That version was pulled though nobody whom the shop trusts had signed it: allow that this time too.
    #[serde(default)]
    pub allow_unsigned: bool,
}

/// Enables a plugin
#[utoipa::path(
    post, path = "/api/v1/installations", tag = "installations", request_body = NewInstallation,
    responses(
        (status = 201, body = InstallationView),
    ),
)]
pub async fn create(
    State(state): State<ApiState>,
    Operator(access): Operator,
    Json(new): Json<NewInstallation>,
) -> Result<(StatusCode, axum::Json<InstallationView>)> {
    super::market::still_allowed(&state, &access.shop, &new.plugin, new.version.as_deref(), new.allow_unsigned).await?;
    let install = Install {
        id: new.id,
        plugin: new.plugin,
        version: new.version,
        settings: new.settings.unwrap_or_else(|| serde_json::Value::Object(serde_json::Map::new())),
        grants: new.grants,
        mode: new.mode.map(Into::into),
        beside: new.beside,
    };
    let (plugin, version, settings) = (install.plugin.clone(), install.version.clone(), install.settings.clone());
    let installed = match state.engine().install(&access.shop, install).await {
        Ok(installed) => installed,
        Err(error) => return Err(explained(&state, &access, &plugin, version.as_deref(), &settings, error).await),
    };
    let view = InstallationView::from(installed);
    state.audit(&access, "installation.created", subject(&view.id), None, recorded(&view)).await?;
    Ok((StatusCode::CREATED, axum::Json(view)))
}

/// Lists installations
#[utoipa::path(
    get, path = "/api/v1/installations", tag = "installations",
    responses((status = 200, body = Page<InstallationView>)),
)]
pub async fn list(State(state): State<ApiState>, Viewer(access): Viewer) -> Result<axum::Json<Page<InstallationView>>> {
    let all = state.engine().installations(&access.shop)?;
    Ok(axum::Json(Page::whole(all.into_iter().map(Into::into).collect())))
}

/// Shows an installation
#[utoipa::path(
    get, path = "/api/v1/installations/{id}", tag = "installations", params(("id" = String, Path, description = "Its id")),
    responses((status = 200, body = InstallationView)),
)]
pub async fn show(
    State(state): State<ApiState>,
    Viewer(access): Viewer,
    Path(id): Path<String>,
) -> Result<axum::Json<InstallationView>> {
    find(&state, &access, &id).map(axum::Json)
}

/// Changes an installation: settings, grants, mode, version
#[utoipa::path(
    patch, path = "/api/v1/installations/{id}", tag = "installations", params(("id" = String, Path, description = "Its id")),
    request_body = InstallationChange,
    responses(
        (status = 200, body = InstallationView),
    ),
)]
pub async fn change(
    State(state): State<ApiState>,
    Operator(access): Operator,
    Path(id): Path<String>,
    Json(change): Json<InstallationChange>,
) -> Result<axum::Json<InstallationView>> {
    apply(&state, &access, &id, change, "installation.changed").await
}

/// Pauses an installation: it starts no runs, those that wait go on
#[utoipa::path(
    post, path = "/api/v1/installations/{id}/pause", tag = "installations",
    params(("id" = String, Path, description = "Its id")),
    responses((status = 200, body = InstallationView)),
)]
pub async fn pause(
    State(state): State<ApiState>,
    Operator(access): Operator,
    Path(id): Path<String>,
) -> Result<axum::Json<InstallationView>> {
    let change = InstallationChange { mode: Some(ModeView::Paused), ..InstallationChange::default() };
    apply(&state, &access, &id, change, "installation.paused").await
}

/// Resumes a paused installation
#[utoipa::path(
    post, path = "/api/v1/installations/{id}/resume", tag = "installations",
    params(("id" = String, Path, description = "Its id")),
    responses((status = 200, body = InstallationView)),
)]
pub async fn resume(
    State(state): State<ApiState>,
    Operator(access): Operator,
    Path(id): Path<String>,
) -> Result<axum::Json<InstallationView>> {
    let change = InstallationChange { mode: Some(ModeView::Live), ..InstallationChange::default() };
    apply(&state, &access, &id, change, "installation.resumed").await
}

/// Removes an installation: its waiting runs are cancelled, its history stays
#[utoipa::path(
    delete, path = "/api/v1/installations/{id}", tag = "installations", params(("id" = String, Path, description = "Its id")),
    responses((status = 204)),
)]
pub async fn remove(
    State(state): State<ApiState>,
    Operator(access): Operator,
    Path(id): Path<String>,
) -> Result<StatusCode> {
    let before = find(&state, &access, &id)?;
    state.engine().remove(&access.shop, &id).await?;
    state.audit(&access, "installation.removed", subject(&id), recorded(&before), None).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) fn subject(id: &str) -> String {
    format!("installation:{id}")
}

pub(super) fn find(state: &ApiState, access: &Access, id: &str) -> Result<InstallationView> {
    let all = state.engine().installations(&access.shop)?;
    all.into_iter().find(|one| one.id == id).map(Into::into).ok_or_else(|| Problem::no_such("installation"))
}

/// The engine names the first fault of settings; an operator who fills in a form wants all of them.
pub(crate) async fn explained(
    state: &ApiState,
    access: &Access,
    plugin: &str,
    version: Option<&str>,
    settings: &serde_json::Value,
    error: EngineError,
) -> Problem {
    if error.code() != "bad-settings" {
        return error.into();
    }
    let Ok(versions) = state.engine().versions(&access.shop).await else { return error.into() };
    let of_plugin = versions.into_iter().filter(|known| known.plugin == plugin);
    let meant = match version {
        Some(version) => of_plugin.into_iter().find(|known| known.version == version),
        None => of_plugin.max_by(|a, b| a.manifest.version.cmp(&b.manifest.version)),
    };
    let Some(schema) = meant.and_then(|known| known.manifest.settings) else { return error.into() };
    let Err(faults) = Settings::validate(&schema, settings) else { return error.into() };
    let faults: Vec<Fault> =
        faults.into_iter().map(|fault| Fault::at(format!("/settings{}", fault.path), fault.message)).collect();
    let first = faults.first().map_or_else(String::new, |fault| format!("At {}: {}.", fault.pointer, fault.detail));
    let detail = match faults.len() {
        0 | 1 => first,
        n => format!("{first} There are {} more faults.", n - 1),
    };
    Problem::new(codes::INVALID_SETTINGS, detail).coded("bad-settings").with(faults)
}

async fn apply(
    state: &ApiState,
    access: &Access,
    id: &str,
    change: InstallationChange,
    what: &str,
) -> Result<axum::Json<InstallationView>> {
    let before = find(state, access, id)?;
    let InstallationChange { settings, grants, mode, beside, version, allow_unsigned } = change;
    if version.is_some() {
        super::market::still_allowed(state, &access.shop, &before.plugin, version.as_deref(), allow_unsigned).await?;
    }
    let change = Change { settings, grants, mode: mode.map(Into::into), beside, version };
    let settings = change.settings.clone().unwrap_or_else(|| before.settings.clone());
    let version = change.version.clone().unwrap_or_else(|| before.version.clone());
    let changed = match state.engine().change(&access.shop, id, change).await {
        Ok(changed) => changed,
        Err(error) => return Err(explained(state, access, &before.plugin, Some(&version), &settings, error).await),
    };
    let after = InstallationView::from(changed);
    state.audit(access, what, subject(id), recorded(&before), recorded(&after)).await?;
    Ok(axum::Json(after))
}
