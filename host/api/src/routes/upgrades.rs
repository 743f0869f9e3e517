//! Newer versions of what is installed: told, and taken once what they ask for beyond is granted.

use axum::extract::State;
use semver::Version;
use serde::{Deserialize, Serialize};
use shopwright_engine::{Change, Installation, VersionInfo};
use shopwright_policy::Reach;
use shopwright_registry::{
    Permission,
    catalogue::{self, Installed},
    oci::{self, BUILT_IN, Reference},
    permissions,
};
use utoipa::ToSchema;

use super::{installations::InstallationView, plugins::PermissionView};
use crate::{
    auth::{Operator, Viewer},
    extract::Json,
    market::{
        fetch::{Allow, fetch, keep},
        find::{Found, Said, Wanted, find, runs_here},
        sources::{self, Held},
    },
    paging::Page,
    problem::{Problem, Result, codes},
    state::{ApiState, recorded},
};

/// The function by which plugins call servers outside.
const CALLS: &str = "http.send";

/// An installation that should be looked at.
#[derive(Debug, Serialize, ToSchema)]
pub struct OutdatedView {
    /// The installation's id.
    pub installation: String,
    /// Plugin's name.
    pub plugin: String,
    /// Who publishes it.
    pub publisher: String,
    /// What is installed.
    pub version: String,
    /// Why nobody should run that any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub yanked: Option<String>,
    /// The newest that runs here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub newest: Option<String>,
    /// Where that is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// The catalogue that says so; absent: the tags of the plugin's repository do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub catalogue: Option<String>,
    /// What is new, the newest first.
    pub changelog: Vec<News>,
    /// What the newest asks for beyond what was granted; known of versions in catalogues.
    pub added: Vec<PermissionView>,
    /// What it no longer asks for.
    pub removed: Vec<PermissionView>,
}

/// What is new in a version.
#[derive(Debug, Serialize, ToSchema)]
pub struct News {
    /// Which version.
    pub version: String,
    /// What is new, in Markdown.
    pub text: String,
}

/// What a newer version is, and where.
struct Newer {
    found: Found,
    version: Version,
}

/// An installation with the version it is on.
struct Present {
    installation: Installation,
    publisher: String,
    version: Version,
}

async fn present(state: &ApiState, shop: &str) -> Result<Vec<Present>> {
    let versions = state.engine().versions(shop).await?;
    let of = |installation: Installation| {
        let is = |known: &&VersionInfo| known.plugin == installation.plugin && known.version == installation.version;
        let known = versions.iter().find(is)?;
        let (publisher, version) = (known.manifest.publisher.clone(), known.manifest.version.clone());
        Some(Present { installation, publisher, version })
    };
    Ok(state.engine().installations(shop)?.into_iter().filter_map(of).collect())
}

/// What an installation was granted, as permissions.
fn granted(installation: &Installation) -> Vec<Permission> {
    installation.grants.iter().filter_map(|grant| permissions::named(&grant.function)).collect()
}

/// The newest version by the tags of the repository that the plugin was pulled from. Only for plugins that no
/// catalogue has; a registry that is away offers nothing.
async fn by_tags(state: &ApiState, shop: &str, present: &Present) -> Option<Newer> {
    let locks = state.store().locks_list(shop).await.ok()?;
    let version = present.version.to_string();
    let is = |lock: &&shopwright_store::LockRow| {
        lock.publisher == present.publisher && lock.plugin == present.installation.plugin && lock.version == version
    };
    let reference: Reference = locks.iter().find(is)?.reference.parse().ok()?;
    if reference.registry() == BUILT_IN {
        return None;
    }
    let market = state.market();
    let source = market.source(&state.options().market, state.engine(), &reference).await.ok()?;
    let oci::Source::Registry(client) = source else { return None };
    let tags = match market.patiently(&reference, client.tags(&reference)).await {
        Ok(tags) => tags,
        Err(error) => {
            tracing::warn!(%error, "newer versions could not be looked for");
            return None;
        }
    };
    let versions = tags.iter().filter_map(|tag| Some((tag.replace('_', "+").parse::<Version>().ok()?, tag)));
    let fits = |(version, _): &(Version, &String)| {
        *version > present.version && (version.pre.is_empty() || !present.version.pre.is_empty())
    };
    let (version, tag) = versions.filter(fits).max_by(|a, b| a.0.cmp(&b.0))?;
    Some(Newer { found: Found { reference: reference.with_tag(tag), said: None }, version })
}

async fn look(state: &ApiState, shop: &str, held: &[Held], present: &Present) -> Option<OutdatedView> {
    let installed = Installed {
        publisher: present.publisher.clone(),
        name: present.installation.plugin.clone(),
        version: present.version.clone(),
        permissions: granted(&present.installation),
    };
    let mut view = OutdatedView {
        installation: present.installation.id.clone(),
        plugin: installed.name.clone(),
        publisher: installed.publisher.clone(),
        version: installed.version.to_string(),
        yanked: None,
        newest: None,
        reference: None,
        catalogue: None,
        changelog: Vec::new(),
        added: Vec::new(),
        removed: Vec::new(),
    };
    let listed = |held: &Held| {
        held.catalogue
            .entries
            .iter()
            .any(|entry| entry.publisher == installed.publisher && entry.name == installed.name)
    };
    if !held.iter().any(listed) {
        let newer = by_tags(state, shop, present).await?;
        view.newest = Some(newer.version.to_string());
        view.reference = Some(newer.found.reference.to_string());
        return Some(view);
    }
    let one = std::slice::from_ref(&installed);
    let lines = catalogue::outdated(one, held.iter().map(|held| &held.catalogue), &runs_here);
    let line = lines.into_iter().next()?;
    view.yanked = line.yanked.map(str::to_owned);
    view.newest = line.newest.map(|newest| newest.version.to_string());
    view.reference = line.newest.map(|newest| newest.reference.to_string());
    view.catalogue = Some(line.catalogue.to_owned());
    view.changelog = line
        .changelog
        .iter()
        .map(|(version, text)| News { version: version.to_string(), text: (*text).into() })
        .collect();
    view.added = line.permissions.added.iter().map(Into::into).collect();
    view.removed = line.permissions.removed.iter().map(Into::into).collect();
    Some(view)
}

/// Lists installations with a newer version, and those whose version was yanked
///
/// With what is new and what a newer one asks for beyond. Plugins that no catalogue has are looked for by the
/// tags of the repository that they came from.
#[utoipa::path(
    get, path = "/api/v1/market-outdated", tag = "market",
    responses((status = 200, body = Page<OutdatedView>)),
)]
pub async fn outdated(State(state): State<ApiState>, Viewer(access): Viewer) -> Result<axum::Json<Page<OutdatedView>>> {
    let held = sources::all(&state, &access.shop).await?;
    let mut lines = Vec::new();
    for present in present(&state, &access.shop).await? {
        lines.extend(look(&state, &access.shop, &held, &present).await);
    }
    Ok(axum::Json(Page::whole(lines)))
}

/// Which installation is to be upgraded, and how.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Upgrade {
    /// The installation's id.
    pub installation: String,
    /// To which version; the newest that runs here where absent.
    #[serde(default)]
    pub version: Option<String>,
    /// The digest that it has to have: what an answer before said.
    #[serde(default)]
    pub digest: Option<String>,
    /// Grants of the functions that it asks for beyond. Held without them.
    #[serde(default)]
    #[schema(value_type = Option<Vec<Object>>)]
    pub grants: Option<serde_json::Value>,
    /// Take it though nobody whom the shop trusts has signed it.
    #[serde(default)]
    pub allow_unsigned: bool,
    /// Take it though it was yanked.
    #[serde(default)]
    pub allow_yanked: bool,
}

/// What came of an upgrade.
#[derive(Debug, Serialize, ToSchema)]
pub struct UpgradeView {
    /// `upgraded`; `held`: it asks for more, grant that and ask again; `current`: there is nothing newer.
    pub state: UpgradeState,
    /// The version before.
    pub from: String,
    /// The version after; the one that is held; the present one.
    pub to: String,
    /// Its digest, to be passed with the grants.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// What is new in it, in Markdown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changelog: Option<String>,
    /// What it asks for beyond what was granted.
    pub added: Vec<PermissionView>,
    /// What it no longer asks for.
    pub removed: Vec<PermissionView>,
    /// Hosts that it wants to call and the version before did not.
    pub hosts: Vec<String>,
    /// The installation as it is now.
    pub installation: InstallationView,
}

/// What came of an upgrade.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum UpgradeState {
    /// New runs get the new version.
    Upgraded,
    /// Nothing changed: it asks for more than was granted.
    Held,
    /// Nothing changed: there is nothing newer.
    Current,
}

/// Upgrades an installation
///
/// A version that asks for less, or for the same, is taken at once; one that asks for more is held until
/// `grants` has what it asks for beyond. Runs in flight stay on their version.
#[utoipa::path(
    post, path = "/api/v1/market-upgrade", tag = "market", request_body = Upgrade,
    responses((status = 200, body = UpgradeView)),
)]
pub async fn upgrade(
    State(state): State<ApiState>,
    Operator(access): Operator,
    Json(asked): Json<Upgrade>,
) -> Result<axum::Json<UpgradeView>> {
    let all = present(&state, &access.shop).await?;
    let present = all.into_iter().find(|known| known.installation.id == asked.installation);
    let present = present.ok_or_else(|| Problem::no_such("installation"))?;
    let before = InstallationView::from(present.installation.clone());
    let from = present.installation.version.clone();
    let subject = format!("installation:{}", present.installation.id);
    let Some(newer) = newer(&state, &access.shop, &present, &asked).await? else {
        let empty = UpgradeView {
            state: UpgradeState::Current,
            to: from.clone(),
            from,
            digest: None,
            changelog: None,
            added: Vec::new(),
            removed: Vec::new(),
            hosts: Vec::new(),
            installation: before,
        };
        return Ok(axum::Json(empty));
    };
    let candidate = fetch(&state, &access.shop, &newer.found).await?;
    if candidate.pulled.manifest.publisher != present.publisher || candidate.pulled.manifest.name != before.plugin {
        let detail = format!("`{}` is another plugin.", candidate.pulled.reference);
        return Err(Problem::new(codes::NOT_GENUINE, detail).coded("wrong-artifact"));
    }
    let (digest, changelog) = (candidate.pulled.digest.clone(), candidate.pulled.changelog.clone());
    let difference = permissions::difference(&granted(&present.installation), &candidate.permissions);
    let known = state.engine().versions(&access.shop).await?;
    let now = known.iter().find(|known| known.plugin == before.plugin && known.version == from);
    let hosts: Vec<String> = candidate
        .pulled
        .manifest
        .http
        .iter()
        .filter(|host| now.is_none_or(|now| !now.manifest.http.contains(host)))
        .cloned()
        .collect();
    let allow = Allow { unsigned: asked.allow_unsigned, yanked: asked.allow_yanked };
    let info = keep(&state, &access, candidate, allow).await?;
    let grants = joined(&present.installation, &difference.removed, &info.manifest.http, asked.grants.as_ref())?;
    let given = |function: &str| {
        asked
            .grants
            .as_ref()
            .and_then(serde_json::Value::as_array)
            .is_some_and(|list| list.iter().any(|grant| grant["function"] == *function))
    };
    let covered = |permission: &Permission| grants.iter().any(|grant| grant["function"] == permission.name());
    let calls = present.installation.grants.iter().any(|grant| grant.function == CALLS);
    let more_hosts = calls && !hosts.is_empty() && !given(CALLS);
    let held = more_hosts || !difference.added.iter().all(covered);
    let mut view = UpgradeView {
        state: UpgradeState::Held,
        from,
        to: info.version.clone(),
        digest: Some(digest),
        changelog,
        added: difference.added.iter().map(Into::into).collect(),
        removed: difference.removed.iter().map(Into::into).collect(),
        hosts,
        installation: before,
    };
    if held {
        #[derive(Serialize)]
        struct Waiting<'a> {
            version: &'a str,
            asks_for: Vec<String>,
        }
        let asks_for = difference.added.iter().map(Permission::name).collect();
        let after = recorded(&Waiting { version: &view.to, asks_for });
        state.audit(&access, "upgrade.held", subject, recorded(&view.installation), after).await?;
        return Ok(axum::Json(view));
    }
    let change =
        Change { version: Some(info.version), grants: Some(serde_json::Value::Array(grants)), ..Change::default() };
    let changed = state.engine().change(&access.shop, &view.installation.id, change).await?;
    let after = InstallationView::from(changed);
    state.audit(&access, "installation.upgraded", subject, recorded(&view.installation), recorded(&after)).await?;
    view.state = UpgradeState::Upgraded;
    view.installation = after;
    Ok(axum::Json(view))
}

/// What was granted, less what is no longer asked for, with what is granted now.
fn joined(
    installation: &Installation,
    removed: &[Permission],
    hosts: &[String],
    new: Option<&serde_json::Value>,
) -> Result<Vec<serde_json::Value>> {
    let new = match new {
        None => Vec::new(),
        Some(serde_json::Value::Array(list)) => list.clone(),
        Some(_) => {
            return Err(Problem::new(codes::INVALID, "`grants` is no list.").at("/grants", "write a list of grants"));
        }
    };
    let mut grants = Vec::new();
    for grant in installation.grants.iter() {
        let gone = removed.iter().any(|permission| permission.name() == grant.function);
        let anew = new.iter().any(|other| other["function"] == grant.function);
        if gone || anew {
            continue;
        }
        let mut grant = grant.clone();
        if let Some(granted) = &mut grant.hosts {
            // Hosts that it no longer asks for are taken at once.
            granted.retain(|host| Reach::new(hosts, Some(std::slice::from_ref(host))).too_much().is_none());
        }
        grants.push(serde_json::to_value(grant).map_err(Problem::internal)?);
    }
    grants.extend(new);
    Ok(grants)
}

/// Where the version is that is asked for, or the newest; none: there is nothing newer.
async fn newer(state: &ApiState, shop: &str, present: &Present, asked: &Upgrade) -> Result<Option<Newer>> {
    let held = sources::all(state, shop).await?;
    let name = format!("{}/{}", present.publisher, present.installation.plugin);
    let listed = held.iter().any(|held| held.catalogue.entries.iter().any(|entry| entry.full_name() == name));
    if listed && (asked.version.is_some() || asked.digest.is_some()) {
        // The same catalogue that said what is newest, so that the digest is that one's.
        let wanted = Wanted { plugin: name, version: asked.version.clone(), digest: asked.digest.clone() };
        let found = find(state, shop, &wanted).await?;
        let version = found.said.as_ref().map_or_else(|| present.version.clone(), |said| said.version.clone());
        return Ok(Some(Newer { found, version }));
    }
    if listed {
        let installed = Installed {
            publisher: present.publisher.clone(),
            name: present.installation.plugin.clone(),
            version: present.version.clone(),
            permissions: Vec::new(),
        };
        let lines =
            catalogue::outdated(std::slice::from_ref(&installed), held.iter().map(|h| &h.catalogue), &runs_here);
        let newest =
            lines.into_iter().next().and_then(|line| line.newest.map(|newest| (line.catalogue.to_owned(), newest)));
        return Ok(newest.map(|(catalogue, newest)| Newer {
            version: newest.version.clone(),
            found: Found {
                reference: newest.reference.clone(),
                said: Some(Said {
                    catalogue,
                    publisher: present.publisher.clone(),
                    name: present.installation.plugin.clone(),
                    version: newest.version.clone(),
                }),
            },
        }));
    }
    let Some(version) = &asked.version else { return Ok(by_tags(state, shop, present).await) };
    // Uploaded before, or in the repository that it came from.
    let locks = state.store().locks_list(shop).await?;
    let of_plugin = |lock: &&shopwright_store::LockRow| {
        lock.publisher == present.publisher && lock.plugin == present.installation.plugin
    };
    let reference = locks.iter().find(of_plugin).ok_or_else(|| sources::nothing_called(&name))?;
    let reference: Reference = reference.reference.parse()?;
    let place = reference.with_tag(&version.replace('+', "_"));
    let wanted = Wanted { plugin: place.to_string(), version: None, digest: asked.digest.clone() };
    let found = find(state, shop, &wanted).await?;
    let version = version.parse().map_err(|_| Problem::new(codes::INVALID, format!("`{version}` is no version.")))?;
    Ok(Some(Newer { found, version }))
}
