//! Components, the versions that shops have of them, and what is installed.

use shopwright_model::Millis;

use crate::{
    error::Result,
    rows::{InstallationRow, VersionRow},
    sql::{Row, Statement, args},
    store::Store,
};

const VERSION: &str = "shop, plugin, version, digest, manifest, imports, source, created_at";

fn version_row(row: &Row) -> Result<VersionRow> {
    Ok(VersionRow {
        shop: row.text(0)?,
        plugin: row.text(1)?,
        version: row.text(2)?,
        digest: row.text(3)?,
        manifest: row.text(4)?,
        imports: row.text(5)?,
        source: row.text(6)?,
        created_at: row.int(7)?,
    })
}

const INSTALLATION: &str = "shop, id, plugin, version, digest, settings, grants, mode, rollout, limits, created_at, updated_at, removed_at, beside";

fn installation_row(row: &Row) -> Result<InstallationRow> {
    Ok(InstallationRow {
        shop: row.text(0)?,
        id: row.text(1)?,
        plugin: row.text(2)?,
        version: row.text(3)?,
        digest: row.text(4)?,
        settings: row.text(5)?,
        grants: row.text(6)?,
        mode: row.text(7)?,
        rollout: row.text(8)?,
        limits: row.text(9)?,
        created_at: row.int(10)?,
        updated_at: row.int(11)?,
        removed_at: row.opt_int(12)?,
        beside: row.opt_text(13)?,
    })
}

impl Store {
    /// Stores a component under its digest; the same bytes again change nothing.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn component_put(&self, digest: &str, bytes: Vec<u8>, now: Millis) -> Result<()> {
        self.write_one(Statement::new(
            "INSERT INTO components (digest, bytes, created_at) VALUES (?, ?, ?) ON CONFLICT (digest) DO NOTHING",
            args![digest, bytes, now],
        ))
        .await
        .map(drop)
    }

    /// A component's bytes.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn component(&self, digest: &str) -> Result<Option<Vec<u8>>> {
        let statement = Statement::new("SELECT bytes FROM components WHERE digest = ?", args![digest]);
        self.fetch_one(statement).await?.map(|row| row.bytes(0)).transpose()
    }

    /// Every component: (digest, when it was stored).
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn components_list(&self) -> Result<Vec<(String, Millis)>> {
        let statement = Statement::new("SELECT digest, created_at FROM components ORDER BY digest", args![]);
        self.fetch(statement).await?.iter().map(|row| Ok((row.text(0)?, row.int(1)?))).collect()
    }

    /// Adds a version to a shop, or replaces what is known of it.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn version_put(&self, row: VersionRow) -> Result<()> {
        self.write_one(Statement::new(
            "INSERT INTO versions (shop, plugin, version, digest, manifest, imports, source, created_at) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?) \
             ON CONFLICT (shop, plugin, version) DO UPDATE SET digest = excluded.digest, manifest = excluded.manifest, \
             imports = excluded.imports, source = excluded.source",
            args![row.shop, row.plugin, row.version, row.digest, row.manifest, row.imports, row.source, row.created_at],
        ))
        .await
        .map(drop)
    }

    /// A shop's versions, by plugin and when they were added.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn versions_list(&self, shop: &str) -> Result<Vec<VersionRow>> {
        let sql = format!("SELECT {VERSION} FROM versions WHERE shop = ? ORDER BY plugin, created_at, version");
        self.fetch(Statement::new(sql, args![shop])).await?.iter().map(version_row).collect()
    }

    /// A version.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn version(&self, shop: &str, plugin: &str, version: &str) -> Result<Option<VersionRow>> {
        let sql = format!("SELECT {VERSION} FROM versions WHERE shop = ? AND plugin = ? AND version = ?");
        self.fetch_one(Statement::new(sql, args![shop, plugin, version])).await?.as_ref().map(version_row).transpose()
    }

    /// Makes or changes an installation; when it was made stays.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn installation_put(&self, row: InstallationRow) -> Result<()> {
        self.write_one(Statement::new(
            "INSERT INTO installations (shop, id, plugin, version, digest, settings, grants, mode, rollout, limits, \
             created_at, updated_at, removed_at, beside) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) \
             ON CONFLICT (shop, id) DO UPDATE SET plugin = excluded.plugin, version = excluded.version, \
             digest = excluded.digest, settings = excluded.settings, grants = excluded.grants, mode = excluded.mode, \
             rollout = excluded.rollout, limits = excluded.limits, updated_at = excluded.updated_at, \
             removed_at = excluded.removed_at, beside = excluded.beside",
            args![
                row.shop,
                row.id,
                row.plugin,
                row.version,
                row.digest,
                row.settings,
                row.grants,
                row.mode,
                row.rollout,
                row.limits,
                row.created_at,
                row.updated_at,
                row.removed_at,
                row.beside
            ],
        ))
        .await
        .map(drop)
    }

    /// An installation, also a removed one.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn installation(&self, shop: &str, id: &str) -> Result<Option<InstallationRow>> {
        let sql = format!("SELECT {INSTALLATION} FROM installations WHERE shop = ? AND id = ?");
        self.fetch_one(Statement::new(sql, args![shop, id])).await?.as_ref().map(installation_row).transpose()
    }

    /// A shop's installations, without those removed, by id.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn installations_list(&self, shop: &str) -> Result<Vec<InstallationRow>> {
        let sql = format!("SELECT {INSTALLATION} FROM installations WHERE shop = ? AND removed_at IS NULL ORDER BY id");
        self.fetch(Statement::new(sql, args![shop])).await?.iter().map(installation_row).collect()
    }

    /// Every shop's installations, with those removed: their runs may go on.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn installations_all(&self) -> Result<Vec<InstallationRow>> {
        let sql = format!("SELECT {INSTALLATION} FROM installations ORDER BY shop, id");
        self.fetch(Statement::new(sql, args![])).await?.iter().map(installation_row).collect()
    }
}
