//! Plugins in catalogues and registries: finding, looking at, installing.

use axum::{extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use shopwright_engine::Install;
use shopwright_registry::{
    catalogue::{self, Entry, EntryVersion},
    permissions,
};
use utoipa::{IntoParams, ToSchema};

use super::{
    catalogues::CatalogueView,
    installations::{InstallationView, ModeView},
    plugins::{PermissionView, SecretWantedView, VersionView},
};
use crate::{
    auth::{Operator, Viewer},
    extract::{Json, Path, Query},
    market::{
        fetch::{Allow, Candidate, Vouched, fetch, keep, may_be_allowed},
        find::{Wanted, find, runs_here},
        sources::{self, Held},
    },
    paging::Page,
    problem::Result,
    state::{ApiState, recorded},
};

/// A plugin in a catalogue.
#[derive(Debug, Serialize, ToSchema)]
pub struct EntryView {
    /// Plugin's name.
    pub name: String,
    /// Who publishes it.
    pub publisher: String,
    /// What people read.
    pub title: String,
    /// What it does.
    pub summary: String,
    /// What it is for.
    pub categories: Vec<String>,
    /// Where to read more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub homepage: Option<String>,
    /// SPDX expression.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub license: Option<String>,
    /// Picture, as a `data:` address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub icon: Option<String>,
    /// Pictures of it at work: `{"url", "caption"}`.
    #[schema(value_type = Vec<Object>)]
    pub screenshots: Vec<catalogue::Screenshot>,
    /// The catalogue, and how old the copy is that was looked in.
    pub catalogue: CatalogueView,
    /// The newest version that can be installed here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub newest: Option<String>,
    /// The newest first.
    pub versions: Vec<EntryVersionView>,
    /// Installations of it in this shop: `id version`.
    pub installed: Vec<InstalledView>,
}

/// A version of a plugin in a catalogue.
#[derive(Debug, Serialize, ToSchema)]
pub struct EntryVersionView {
    /// Semantic version.
    pub version: String,
    /// Where it is, by digest.
    pub reference: String,
    /// The version of the interface that it needs.
    pub wit: String,
    /// This host offers that.
    pub runs_here: bool,
    /// What it may do, in a sentence.
    pub may: String,
    /// What it may do, function by function.
    pub permissions: Vec<PermissionView>,
    /// Hosts that it wants to call.
    pub http: Vec<String>,
    /// Of its component, in bytes.
    pub size: u64,
    /// What is new in it, in Markdown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changelog: Option<String>,
    /// Why nobody should install it any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub yanked: Option<String>,
}

/// An installation, in short.
#[derive(Debug, Serialize, ToSchema)]
pub struct InstalledView {
    /// Its id.
    pub id: String,
    /// Version that new runs get.
    pub version: String,
}

impl From<&EntryVersion> for EntryVersionView {
    fn from(version: &EntryVersion) -> Self {
        Self {
            version: version.version.to_string(),
            reference: version.reference.to_string(),
            wit: version.wit.clone(),
            runs_here: runs_here(&version.wit),
            may: version.summary(),
            permissions: version.known_permissions().iter().map(Into::into).collect(),
            http: version.http.clone(),
            size: version.size,
            changelog: version.changelog.clone(),
            yanked: version.yanked.clone(),
        }
    }
}

fn entry_view(state: &ApiState, shop: &str, held: &Held, entry: &Entry) -> Result<EntryView> {
    let newest = entry.newest(&runs_here, false).or_else(|| entry.newest(&runs_here, true));
    let installed = state.engine().installations(shop)?.into_iter().filter(|known| known.plugin == entry.name);
    Ok(EntryView {
        name: entry.name.clone(),
        publisher: entry.publisher.clone(),
        title: entry.title.clone(),
        summary: entry.summary.clone(),
        categories: entry.categories.clone(),
        homepage: entry.homepage.clone(),
        license: entry.license.clone(),
        icon: entry.icon.clone(),
        screenshots: entry.screenshots.clone(),
        catalogue: CatalogueView::of(held, state.now()),
        newest: newest.map(|version| version.version.to_string()),
        versions: entry.versions.iter().map(Into::into).collect(),
        installed: installed.map(|known| InstalledView { id: known.id, version: known.version }).collect(),
    })
}

/// What is looked for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Search {
    /// Words that all have to fit; none: everything.
    #[serde(default)]
    q: String,
}

/// Searches the catalogues, the best first
///
/// What the binary carries, the shop's catalogues and the host's. Of a catalogue whose registry is away the
/// copy is used; its age and the reason are in `catalogue`.
#[utoipa::path(
    get, path = "/api/v1/market", tag = "market", params(Search),
    responses((status = 200, body = Page<EntryView>)),
)]
pub async fn search(
    State(state): State<ApiState>,
    Viewer(access): Viewer,
    Query(search): Query<Search>,
) -> Result<axum::Json<Page<EntryView>>> {
    let all = sources::all(&state, &access.shop).await?;
    let hits = catalogue::search(all.iter().map(|held| &held.catalogue), &search.q);
    let mut views = Vec::new();
    for hit in hits {
        // The name is this shop's, and there is one of it.
        let Some(held) = all.iter().find(|held| held.name() == hit.catalogue) else { continue };
        views.push(entry_view(&state, &access.shop, held, hit.entry)?);
    }
    Ok(axum::Json(Page::whole(views)))
}

/// Shows a plugin as the catalogues have it
///
/// `name`, or `publisher/name` with the slash encoded. One item for each catalogue that has it.
#[utoipa::path(
    get, path = "/api/v1/market/{name}", tag = "market",
    params(("name" = String, Path, description = "Its name, or publisher and name")),
    responses((status = 200, body = Page<EntryView>)),
)]
pub async fn show(
    State(state): State<ApiState>,
    Viewer(access): Viewer,
    Path(name): Path<String>,
) -> Result<axum::Json<Page<EntryView>>> {
    let all = sources::all(&state, &access.shop).await?;
    let mut views = Vec::new();
    for held in &all {
        for entry in held.catalogue.entries.iter().filter(|entry| entry.name == name || entry.full_name() == name) {
            views.push(entry_view(&state, &access.shop, held, entry)?);
        }
    }
    if views.is_empty() {
        return Err(sources::nothing_called(&name));
    }
    Ok(axum::Json(Page::whole(views)))
}

/// Which plugin.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Which {
    /// `registry/repository[:tag][@digest]`, `publisher/name` or `name`.
    plugin: String,
    /// Its version; the newest that runs here where absent.
    version: Option<String>,
    /// The digest that it has to have.
    digest: Option<String>,
}

/// A plugin that was pulled to be looked at.
#[derive(Debug, Serialize, ToSchema)]
pub struct Preview {
    /// Plugin's name.
    pub plugin: String,
    /// Semantic version.
    pub version: String,
    /// Who publishes it, as it says itself.
    pub publisher: String,
    /// What people read.
    pub title: String,
    /// What it does.
    pub description: String,
    /// Where it came from, pinned.
    pub reference: String,
    /// Pass it to install exactly this.
    pub digest: String,
    /// The component's.
    pub component: String,
    /// Of the component, in bytes.
    pub size: usize,
    /// Who vouches for it.
    pub signature: SignatureView,
    /// The catalogue it was found in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub catalogue: Option<String>,
    /// Why nobody should install it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub yanked: Option<String>,
    /// What it may do, in a sentence.
    pub summary: String,
    /// What it may do, function by function, and what each grant can be narrowed by.
    pub permissions: Vec<PermissionView>,
    /// Hosts that it wants to call.
    pub http: Vec<String>,
    /// The secrets it wants: what they are, and where they are sent.
    pub secrets: Vec<SecretWantedView>,
    /// README, in Markdown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub readme: Option<String>,
    /// What is new in this version, in Markdown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changelog: Option<String>,
}

/// Who vouches for what was pulled.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum SignatureView {
    /// The binary carries it.
    BuiltIn,
    /// A publisher whom the shop trusts signed it.
    Verified {
        /// The publisher.
        publisher: String,
        /// The name of their key.
        key: String,
        /// The key's fingerprint.
        fingerprint: String,
    },
    /// Nobody whom the shop trusts.
    Refused {
        /// Stable.
        code: &'static str,
        /// Why.
        detail: String,
        /// An operator may take it all the same, by saying so.
        may_be_allowed: bool,
    },
}

impl Preview {
    pub(crate) fn of(candidate: &Candidate) -> Self {
        let Candidate { pulled, vouched, permissions: asked, catalogue, yanked } = candidate;
        let manifest = &pulled.manifest;
        let signature = match vouched {
            Vouched::BuiltIn => SignatureView::BuiltIn,
            Vouched::Publisher(verified) => SignatureView::Verified {
                publisher: verified.publisher.clone(),
                key: verified.key.clone(),
                fingerprint: verified.fingerprint.clone(),
            },
            Vouched::Nobody(error) => SignatureView::Refused {
                code: error.code(),
                detail: crate::faults::sentence(&error.to_string()),
                may_be_allowed: may_be_allowed(error),
            },
        };
        Self {
            plugin: manifest.name.clone(),
            version: manifest.version.to_string(),
            publisher: manifest.publisher.clone(),
            title: manifest.title.clone(),
            description: manifest.summary.clone(),
            reference: pulled.reference.to_string(),
            digest: pulled.digest.clone(),
            component: pulled.component_digest.clone(),
            size: pulled.component.len(),
            signature,
            catalogue: catalogue.clone(),
            yanked: yanked.clone(),
            summary: permissions::summary_with_hosts(asked, &manifest.http),
            permissions: asked.iter().map(Into::into).collect(),
            http: manifest.http.clone(),
            secrets: manifest.secrets.iter().cloned().map(Into::into).collect(),
            readme: pulled.readme.clone(),
            changelog: pulled.changelog.clone(),
        }
    }
}

/// Pulls a plugin and says what it is, who vouches for it, and what it may do
///
/// The host pulls it, compares it with its digest and with what this shop pinned before, and judges its
/// signature. Nothing is kept.
#[utoipa::path(
    get, path = "/api/v1/market-preview", tag = "market", params(Which),
    responses((status = 200, body = Preview)),
)]
pub async fn preview(
    State(state): State<ApiState>,
    Operator(access): Operator,
    Query(which): Query<Which>,
) -> Result<axum::Json<Preview>> {
    let Which { plugin, version, digest } = which;
    let found = find(&state, &access.shop, &Wanted { plugin, version, digest }).await?;
    let candidate = fetch(&state, &access.shop, &found).await?;
    Ok(axum::Json(Preview::of(&candidate)))
}

/// A plugin to be pulled and enabled.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PullAndInstall {
    /// `registry/repository[:tag][@digest]`, `publisher/name` or `name`.
    pub plugin: String,
    /// Its version; the newest that runs here where absent.
    #[serde(default)]
    pub version: Option<String>,
    /// The digest that it has to have: what the preview said.
    #[serde(default)]
    pub digest: Option<String>,
    /// Take it though nobody whom the shop trusts has signed it. Said each time, and written down.
    #[serde(default)]
    pub allow_unsigned: bool,
    /// Take it though it was yanked. Said each time, and written down.
    #[serde(default)]
    pub allow_yanked: bool,
    /// The installation's id; the plugin's name where absent.
    #[serde(default)]
    pub id: Option<String>,
    /// Settings; what is absent takes the schema's default.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub settings: Option<serde_json::Value>,
    /// What it may do; all that it asks for where absent.
    #[serde(default)]
    #[schema(value_type = Option<Vec<Object>>)]
    pub grants: Option<serde_json::Value>,
    /// `live` where absent.
    #[serde(default)]
    pub mode: Option<ModeView>,
    /// For a shadow: the live installation it stands beside; that of the same plugin where absent.
    #[serde(default)]
    pub beside: Option<String>,
}

/// What came of it.
#[derive(Debug, Serialize, ToSchema)]
pub struct PulledAndInstalled {
    /// The version, as this shop has it now.
    pub version: VersionView,
    /// The installation.
    pub installation: InstallationView,
}

/// Pulls a plugin and enables it
///
/// The host pulls, verifies, compiles, pins and installs. Unsigned, unknown and yanked versions are refused
/// unless this very request allows them; a wrong signature is always refused.
#[utoipa::path(
    post, path = "/api/v1/market-install", tag = "market", request_body = PullAndInstall,
    responses((status = 201, body = PulledAndInstalled)),
)]
pub async fn install(
    State(state): State<ApiState>,
    Operator(access): Operator,
    Json(new): Json<PullAndInstall>,
) -> Result<(StatusCode, axum::Json<PulledAndInstalled>)> {
    let wanted = Wanted { plugin: new.plugin, version: new.version, digest: new.digest };
    let found = find(&state, &access.shop, &wanted).await?;
    let candidate = fetch(&state, &access.shop, &found).await?;
    let allow = Allow { unsigned: new.allow_unsigned, yanked: new.allow_yanked };
    let info = keep(&state, &access, candidate, allow).await?;
    let install = Install {
        id: new.id,
        plugin: info.plugin.clone(),
        version: Some(info.version.clone()),
        settings: new.settings.unwrap_or_else(|| serde_json::Value::Object(serde_json::Map::new())),
        grants: new.grants,
        mode: new.mode.map(Into::into),
        beside: new.beside,
    };
    let settings = install.settings.clone();
    let installed = match state.engine().install(&access.shop, install).await {
        Ok(installed) => installed,
        Err(error) => {
            let explained =
                super::installations::explained(&state, &access, &info.plugin, Some(&info.version), &settings, error);
            return Err(explained.await);
        }
    };
    let view = InstallationView::from(installed);
    let subject = format!("installation:{}", view.id);
    state.audit(&access, "installation.created", subject, None, recorded(&view)).await?;
    let answer = PulledAndInstalled { version: info.into(), installation: view };
    Ok((StatusCode::CREATED, axum::Json(answer)))
}

/// Refuses to enable a version (the highest where none is named) that nobody vouched for when it was pulled, unless
/// this request allows it too.
pub(crate) async fn still_allowed(
    state: &ApiState,
    shop: &str,
    plugin: &str,
    version: Option<&str>,
    allow_unsigned: bool,
) -> Result<()> {
    if allow_unsigned {
        return Ok(());
    }
    let mut unsigned = state.store().locks_list(shop).await?;
    unsigned.retain(|lock| lock.plugin == plugin && lock.signed_by.is_none());
    if unsigned.is_empty() {
        return Ok(());
    }
    let highest = match version {
        Some(version) => Some(version.to_owned()),
        None => {
            let versions = state.engine().versions(shop).await?.into_iter().filter(|known| known.plugin == plugin);
            versions.map(|known| known.manifest.version).max().map(|version| version.to_string())
        }
    };
    match unsigned.iter().find(|lock| Some(&lock.version) == highest.as_ref()) {
        Some(lock) => Err(shopwright_registry::RegistryError::Unsigned { reference: lock.reference.clone() }.into()),
        None => Ok(()),
    }
}
