//! Where plugins come from: whom shops trust, the catalogues they look in, and what was pulled.

use shopwright_model::Millis;

use crate::{
    error::Result,
    sql::{Row, Statement, args},
    store::Store,
};

/// Somebody whom a shop trusts to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublisherRow {
    /// Shop.
    pub shop: String,
    /// As manifests name them.
    pub name: String,
    /// Their keys, JSON text.
    pub keys: String,
    /// Where they may publish, JSON text.
    pub namespaces: String,
    /// First trusted.
    pub created_at: Millis,
    /// Last changed.
    pub updated_at: Millis,
}

/// A catalogue that a shop looks in, with the newest copy that was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogueRow {
    /// Shop; empty: every shop of the host.
    pub shop: String,
    /// What it is called here.
    pub name: String,
    /// Where it is, by tag.
    pub reference: String,
    /// The key that signs it, PEM; none: one of the trusted publishers'.
    pub key: Option<String>,
    /// Who keeps it.
    pub publisher: String,
    /// Of the copy.
    pub revision: i64,
    /// Of the copy's OCI manifest.
    pub digest: String,
    /// The copy, JSON text.
    pub document: String,
    /// When the copy was made.
    pub fetched_at: Millis,
    /// When a newer one was last looked for.
    pub tried_at: Millis,
    /// Why that failed, if it did.
    pub error: Option<String>,
    /// When it was added.
    pub created_at: Millis,
}

/// A version that was pulled, pinned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockRow {
    /// Shop.
    pub shop: String,
    /// As the manifest names it.
    pub publisher: String,
    /// The plugin's name.
    pub plugin: String,
    /// Its version.
    pub version: String,
    /// Where it came from: tag and digest.
    pub reference: String,
    /// Digest of the component.
    pub component: String,
    /// Who signed it; none where an operator took it unsigned.
    pub signed_by: Option<String>,
    /// Fingerprint of their key.
    pub signed_with: Option<String>,
    /// When it was pulled.
    pub created_at: Millis,
}

const PUBLISHER: &str = "shop, name, keys, namespaces, created_at, updated_at";

fn publisher_row(row: &Row) -> Result<PublisherRow> {
    Ok(PublisherRow {
        shop: row.text(0)?,
        name: row.text(1)?,
        keys: row.text(2)?,
        namespaces: row.text(3)?,
        created_at: row.int(4)?,
        updated_at: row.int(5)?,
    })
}

const CATALOGUE: &str =
    "shop, name, reference, key, publisher, revision, digest, document, fetched_at, tried_at, error, created_at";

fn catalogue_row(row: &Row) -> Result<CatalogueRow> {
    Ok(CatalogueRow {
        shop: row.text(0)?,
        name: row.text(1)?,
        reference: row.text(2)?,
        key: row.opt_text(3)?,
        publisher: row.text(4)?,
        revision: row.int(5)?,
        digest: row.text(6)?,
        document: row.text(7)?,
        fetched_at: row.int(8)?,
        tried_at: row.int(9)?,
        error: row.opt_text(10)?,
        created_at: row.int(11)?,
    })
}

const LOCK: &str = "shop, publisher, plugin, version, reference, component, signed_by, signed_with, created_at";

fn lock_row(row: &Row) -> Result<LockRow> {
    Ok(LockRow {
        shop: row.text(0)?,
        publisher: row.text(1)?,
        plugin: row.text(2)?,
        version: row.text(3)?,
        reference: row.text(4)?,
        component: row.text(5)?,
        signed_by: row.opt_text(6)?,
        signed_with: row.opt_text(7)?,
        created_at: row.int(8)?,
    })
}

impl Store {
    /// Adds a publisher that a shop trusts, or changes keys and namespaces.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn publisher_put(&self, row: PublisherRow) -> Result<()> {
        self.write_one(Statement::new(
            "INSERT INTO publishers (shop, name, keys, namespaces, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?) \
             ON CONFLICT (shop, name) DO UPDATE SET keys = excluded.keys, namespaces = excluded.namespaces, \
             updated_at = excluded.updated_at",
            args![row.shop, row.name, row.keys, row.namespaces, row.created_at, row.updated_at],
        ))
        .await
        .map(drop)
    }

    /// The publishers that a shop trusts, by name.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn publishers_list(&self, shop: &str) -> Result<Vec<PublisherRow>> {
        let sql = format!("SELECT {PUBLISHER} FROM publishers WHERE shop = ? ORDER BY name");
        self.fetch(Statement::new(sql, args![shop])).await?.iter().map(publisher_row).collect()
    }

    /// Trusts a publisher no longer; whether they were trusted.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn publisher_delete(&self, shop: &str, name: &str) -> Result<bool> {
        let sql = "DELETE FROM publishers WHERE shop = ? AND name = ? RETURNING name";
        Ok(!self.write_one(Statement::new(sql, args![shop, name])).await?.is_empty())
    }

    /// Adds a catalogue, or replaces its copy and what is known of it.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn catalogue_put(&self, row: CatalogueRow) -> Result<()> {
        self.write_one(Statement::new(
            "INSERT INTO catalogues (shop, name, reference, key, publisher, revision, digest, document, fetched_at, \
             tried_at, error, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) \
             ON CONFLICT (shop, name) DO UPDATE SET reference = excluded.reference, key = excluded.key, \
             publisher = excluded.publisher, revision = excluded.revision, digest = excluded.digest, \
             document = excluded.document, fetched_at = excluded.fetched_at, tried_at = excluded.tried_at, \
             error = excluded.error",
            args![
                row.shop,
                row.name,
                row.reference,
                row.key,
                row.publisher,
                row.revision,
                row.digest,
                row.document,
                row.fetched_at,
                row.tried_at,
                row.error,
                row.created_at
            ],
        ))
        .await
        .map(drop)
    }

    /// A shop's catalogues (empty: those of every shop), by name.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn catalogues_list(&self, shop: &str) -> Result<Vec<CatalogueRow>> {
        let sql = format!("SELECT {CATALOGUE} FROM catalogues WHERE shop = ? ORDER BY name");
        self.fetch(Statement::new(sql, args![shop])).await?.iter().map(catalogue_row).collect()
    }

    /// Removes a catalogue; whether it was there.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn catalogue_delete(&self, shop: &str, name: &str) -> Result<bool> {
        let sql = "DELETE FROM catalogues WHERE shop = ? AND name = ? RETURNING name";
        Ok(!self.write_one(Statement::new(sql, args![shop, name])).await?.is_empty())
    }

    /// Pins a version that was pulled. Pulled again, only who signed it may differ.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn lock_put(&self, row: LockRow) -> Result<()> {
        self.write_one(Statement::new(
            "INSERT INTO locks (shop, publisher, plugin, version, reference, component, signed_by, signed_with, created_at) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (shop, publisher, plugin, version) DO UPDATE SET \
             reference = excluded.reference, signed_by = excluded.signed_by, signed_with = excluded.signed_with",
            args![
                row.shop,
                row.publisher,
                row.plugin,
                row.version,
                row.reference,
                row.component,
                row.signed_by,
                row.signed_with,
                row.created_at
            ],
        ))
        .await
        .map(drop)
    }

    /// What a shop pulled, by publisher, plugin and version.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn locks_list(&self, shop: &str) -> Result<Vec<LockRow>> {
        let sql = format!("SELECT {LOCK} FROM locks WHERE shop = ? ORDER BY publisher, plugin, version");
        self.fetch(Statement::new(sql, args![shop])).await?.iter().map(lock_row).collect()
    }
}
