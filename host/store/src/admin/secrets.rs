//! Secrets of shops, sealed by whoever puts them here.

use crate::{
    error::Result,
    rows::SecretRow,
    sql::{Row, Statement, args},
    store::Store,
};

const SECRET: &str = "shop, name, value, hosts, installations, created_at, updated_at";

fn secret_row(row: &Row) -> Result<SecretRow> {
    Ok(SecretRow {
        shop: row.text(0)?,
        name: row.text(1)?,
        value: row.text(2)?,
        hosts: row.text(3)?,
        installations: row.text(4)?,
        created_at: row.int(5)?,
        updated_at: row.int(6)?,
    })
}

impl Store {
    /// Makes or replaces a secret; when it was first set stays.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn secret_put(&self, row: SecretRow) -> Result<()> {
        self.write_one(Statement::new(
            "INSERT INTO secrets (shop, name, value, hosts, installations, created_at, updated_at) \
             VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (shop, name) DO UPDATE SET value = excluded.value, \
             hosts = excluded.hosts, installations = excluded.installations, updated_at = excluded.updated_at",
            args![row.shop, row.name, row.value, row.hosts, row.installations, row.created_at, row.updated_at],
        ))
        .await
        .map(drop)
    }

    /// A secret.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn secret(&self, shop: &str, name: &str) -> Result<Option<SecretRow>> {
        let statement =
            Statement::new(format!("SELECT {SECRET} FROM secrets WHERE shop = ? AND name = ?"), args![shop, name]);
        self.fetch_one(statement).await?.as_ref().map(secret_row).transpose()
    }

    /// A shop's secrets, by name.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn secrets_list(&self, shop: &str) -> Result<Vec<SecretRow>> {
        let statement =
            Statement::new(format!("SELECT {SECRET} FROM secrets WHERE shop = ? ORDER BY name"), args![shop]);
        self.fetch(statement).await?.iter().map(secret_row).collect()
    }

    /// Removes a secret; whether it was there.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn secret_delete(&self, shop: &str, name: &str) -> Result<bool> {
        let statement =
            Statement::new("DELETE FROM secrets WHERE shop = ? AND name = ? RETURNING name", args![shop, name]);
        Ok(!self.write_one(statement).await?.is_empty())
    }
}
