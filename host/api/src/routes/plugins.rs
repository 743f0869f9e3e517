//! Plugins: uploading versions, and what they are and may do.

use axum::{
    extract::{Request, State},
    http::StatusCode,
};
use serde::{Deserialize, Serialize};
use shopwright_engine::VersionInfo;
use shopwright_model::Millis;
use shopwright_registry::{Permission, SecretWanted};
use utoipa::{IntoParams, ToSchema};

use crate::{
    auth::{Developer, Viewer},
    extract::{self, Path, Query},
    paging::Page,
    problem::{Problem, Result, codes},
    state::{ApiState, recorded},
};

/// The largest component that is taken.
pub const COMPONENT_LIMIT: usize = 32 << 20;

/// A version of a plugin.
#[derive(Debug, Serialize, ToSchema)]
pub struct VersionView {
    /// Plugin's name.
    pub plugin: String,
    /// Semantic version.
    pub version: String,
    /// Component's digest.
    pub digest: String,
    /// What it is called.
    pub title: String,
    /// What it does.
    pub description: String,
    /// Who publishes it.
    pub publisher: String,
    /// What it may do, in a sentence.
    pub summary: String,
    /// What it may do, function by function.
    pub permissions: Vec<PermissionView>,
    /// The hosts it asks to call.
    pub http: Vec<String>,
    /// The secrets it wants: what they are, and where they are sent.
    pub secrets: Vec<SecretWantedView>,
    /// Its workflows.
    pub workflows: Vec<WorkflowView>,
    /// JSON Schema of its settings.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub settings_schema: Option<serde_json::Value>,
    /// Where it came from.
    pub source: String,
    /// When it was added, in milliseconds since 1970.
    pub created_at: Millis,
}

/// Something that a plugin may do.
#[derive(Debug, Serialize, ToSchema)]
pub struct PermissionView {
    /// `interface.function`, as grants name it.
    pub function: String,
    /// What it does.
    pub words: &'static str,
    /// `low`, `medium`, `high`.
    #[schema(value_type = String)]
    pub risk: shopwright_registry::Risk,
    /// `read`, `act`, `own`.
    #[schema(value_type = String)]
    pub kind: shopwright_registry::permissions::Kind,
    /// What a grant of it can be narrowed by.
    #[schema(value_type = Vec<String>)]
    pub narrowings: &'static [&'static str],
}

impl From<&Permission> for PermissionView {
    fn from(permission: &Permission) -> Self {
        let function = permission.name();
        let narrowings = shopwright_policy::narrowings(&function);
        Self { function, words: permission.words, risk: permission.risk, kind: permission.kind, narrowings }
    }
}

/// A workflow of a plugin.
#[derive(Debug, Serialize, ToSchema)]
pub struct WorkflowView {
    /// Its name.
    pub name: String,
    /// What it is called.
    pub title: String,
    /// What it does.
    pub summary: String,
    /// What starts it, as in the manifest.
    #[schema(value_type = Vec<Object>)]
    pub triggers: Vec<shopwright_registry::Trigger>,
}

impl From<VersionInfo> for VersionView {
    fn from(info: VersionInfo) -> Self {
        let VersionInfo { plugin, version, digest, manifest, permissions, summary, source, created_at } = info;
        let workflows = manifest.workflows.into_iter().map(|workflow| WorkflowView {
            name: workflow.name,
            title: workflow.title,
            summary: workflow.summary,
            triggers: workflow.triggers,
        });
        Self {
            plugin,
            version,
            digest,
            title: manifest.title,
            description: manifest.summary,
            publisher: manifest.publisher,
            summary,
            permissions: permissions.iter().map(Into::into).collect(),
            http: manifest.http,
            secrets: manifest.secrets.into_iter().map(Into::into).collect(),
            workflows: workflows.collect(),
            settings_schema: manifest.settings,
            source,
            created_at,
        }
    }
}

/// A secret that a plugin wants to be set. It never sees the value.
#[derive(Debug, Serialize, ToSchema)]
pub struct SecretWantedView {
    /// The name it is set under.
    pub name: String,
    /// What it is and where to get it.
    pub title: String,
    /// Where it is sent.
    pub hosts: Vec<String>,
}

impl From<SecretWanted> for SecretWantedView {
    fn from(SecretWanted { name, title, hosts }: SecretWanted) -> Self {
        Self { name, title, hosts }
    }
}

/// How to upload.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Upload {
    /// Where the component came from, for the record; `upload` where absent.
    source: Option<String>,
}

/// Uploads a version of a plugin
///
/// The body is the component with its manifest embedded (`shopwright plugin build` makes one), at most
/// 32 MiB. It is checked, compiled and kept; nothing runs until it is installed. The same bytes again
/// change nothing; other bytes for a version that is there are a conflict.
#[utoipa::path(
    post, path = "/api/v1/plugins", tag = "plugins", params(Upload),
    request_body(content = Vec<u8>, content_type = "application/wasm"),
    responses(
        (status = 201, body = VersionView),
    ),
)]
pub async fn upload(
    State(state): State<ApiState>,
    Developer(access): Developer,
    Query(query): Query<Upload>,
    request: Request,
) -> Result<(StatusCode, axum::Json<VersionView>)> {
    let (parts, body) = request.into_parts();
    let kind = extract::media_type(&parts.headers);
    if !matches!(&*kind, "application/wasm" | "application/octet-stream") {
        return Err(Problem::new(codes::MEDIA_TYPE, "This route takes `application/wasm`."));
    }
    let bytes = extract::read_body(&parts.headers, body, COMPONENT_LIMIT).await?;
    let source = query.source.as_deref().unwrap_or("upload");
    let info = state.engine().add_component(&access.shop, bytes.into(), source).await?;
    let view = VersionView::from(info);
    #[derive(Serialize)]
    struct Added<'a> {
        digest: &'a str,
        source: &'a str,
        permissions: &'a str,
    }
    let after = recorded(&Added { digest: &view.digest, source, permissions: &view.summary });
    let subject = format!("plugin:{}@{}", view.plugin, view.version);
    state.audit(&access, "plugin.uploaded", subject, None, after).await?;
    Ok((StatusCode::CREATED, axum::Json(view)))
}

/// Lists plugins with all their versions
#[utoipa::path(
    get, path = "/api/v1/plugins", tag = "plugins",
    responses((status = 200, body = Page<VersionView>)),
)]
pub async fn list(State(state): State<ApiState>, Viewer(access): Viewer) -> Result<axum::Json<Page<VersionView>>> {
    let versions = state.engine().versions(&access.shop).await?;
    Ok(axum::Json(Page::whole(versions.into_iter().map(Into::into).collect())))
}

/// Lists the versions of a plugin
#[utoipa::path(
    get, path = "/api/v1/plugins/{plugin}", tag = "plugins", params(("plugin" = String, Path, description = "Its name")),
    responses((status = 200, body = Page<VersionView>)),
)]
pub async fn versions(
    State(state): State<ApiState>,
    Viewer(access): Viewer,
    Path(plugin): Path<String>,
) -> Result<axum::Json<Page<VersionView>>> {
    let versions = state.engine().versions(&access.shop).await?;
    let own: Vec<VersionView> = versions.into_iter().filter(|info| info.plugin == plugin).map(Into::into).collect();
    if own.is_empty() {
        return Err(Problem::no_such("plugin"));
    }
    Ok(axum::Json(Page::whole(own)))
}

/// Shows a version of a plugin
#[utoipa::path(
    get, path = "/api/v1/plugins/{plugin}/versions/{version}", tag = "plugins",
    params(("plugin" = String, Path, description = "Its name"), ("version" = String, Path, description = "Semantic version")),
    responses((status = 200, body = VersionView)),
)]
pub async fn show(
    State(state): State<ApiState>,
    Viewer(access): Viewer,
    Path((plugin, version)): Path<(String, String)>,
) -> Result<axum::Json<VersionView>> {
    let versions = state.engine().versions(&access.shop).await?;
    let found = versions.into_iter().find(|info| info.plugin == plugin && info.version == version);
    Ok(axum::Json(found.ok_or_else(|| Problem::no_such("version of this plugin"))?.into()))
}

/// Which version.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct WhichVersion {
    /// Its version; the highest where absent.
    version: Option<String>,
}

/// What a plugin may do, in words.
#[derive(Debug, Serialize, ToSchema)]
pub struct PermissionsView {
    /// Plugin's name.
    pub plugin: String,
    /// Version.
    pub version: String,
    /// In a sentence.
    pub summary: String,
    /// Function by function.
    pub permissions: Vec<PermissionView>,
    /// The hosts it asks to call.
    pub http: Vec<String>,
    /// The secrets it wants: what they are, and where they are sent.
    pub secrets: Vec<SecretWantedView>,
}

/// Says what a plugin may do, in words
#[utoipa::path(
    get, path = "/api/v1/plugins/{plugin}/permissions", tag = "plugins",
    params(("plugin" = String, Path, description = "Its name"), WhichVersion),
    responses((status = 200, body = PermissionsView)),
)]
pub async fn permissions(
    State(state): State<ApiState>,
    Viewer(access): Viewer,
    Path(plugin): Path<String>,
    Query(which): Query<WhichVersion>,
) -> Result<axum::Json<PermissionsView>> {
    let versions = state.engine().versions(&access.shop).await?;
    let mut own = versions.into_iter().filter(|info| info.plugin == plugin);
    let found = match which.version {
        Some(version) => own.find(|info| info.version == version),
        None => own.max_by(|a, b| a.manifest.version.cmp(&b.manifest.version)),
    };
    let view: VersionView = found.ok_or_else(|| Problem::no_such("plugin"))?.into();
    let VersionView { plugin, version, summary, permissions, http, secrets, .. } = view;
    Ok(axum::Json(PermissionsView { plugin, version, summary, permissions, http, secrets }))
}
