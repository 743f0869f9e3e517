//! Shops, tokens, guardrails, deliveries.

use shopwright_model::Millis;

use crate::{
    error::Result,
    rows::{GuardrailRow, Shop, Token},
    sql::{Row, Statement, args},
    store::Store,
};

fn shop_row(row: &Row) -> Result<Shop> {
    Ok(Shop {
        id: row.text(0)?,
        name: row.text(1)?,
        currency: row.text(2)?,
        time_zone: row.text(3)?,
        settings: row.text(4)?,
        created_at: row.int(5)?,
    })
}

const TOKEN: &str = "id, shop, name, role, hash, created_at, last_used_at, expires_at, revoked_at";

fn token_row(row: &Row) -> Result<Token> {
    Ok(Token {
        id: row.text(0)?,
        shop: row.text(1)?,
        name: row.text(2)?,
        role: row.text(3)?,
        hash: row.text(4)?,
        created_at: row.int(5)?,
        last_used_at: row.opt_int(6)?,
        expires_at: row.opt_int(7)?,
        revoked_at: row.opt_int(8)?,
    })
}

impl Store {
    /// Makes or changes a shop; when it was made stays.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn shop_put(&self, shop: Shop) -> Result<()> {
        self.write_one(Statement::new(
            "INSERT INTO shops (id, name, currency, time_zone, settings, created_at) VALUES (?, ?, ?, ?, ?, ?) \
             ON CONFLICT (id) DO UPDATE SET name = excluded.name, currency = excluded.currency, \
             time_zone = excluded.time_zone, settings = excluded.settings",
            args![shop.id, shop.name, shop.currency, shop.time_zone, shop.settings, shop.created_at],
        ))
        .await
        .map(drop)
    }

    /// All shops, by id.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn shops_list(&self) -> Result<Vec<Shop>> {
        let statement = Statement::new(
            "SELECT id, name, currency, time_zone, settings, created_at FROM shops ORDER BY id",
            args![],
        );
        self.fetch(statement).await?.iter().map(shop_row).collect()
    }

    /// A shop.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn shop(&self, id: &str) -> Result<Option<Shop>> {
        let statement = Statement::new(
            "SELECT id, name, currency, time_zone, settings, created_at FROM shops WHERE id = ?",
            args![id],
        );
        self.fetch_one(statement).await?.as_ref().map(shop_row).transpose()
    }

    /// Makes a token, or changes its name, role and end.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`]; [`crate::StoreError::Invalid`] for a hash that another token has.
    pub async fn token_put(&self, token: Token) -> Result<()> {
        self.write_one(Statement::new(
            "INSERT INTO tokens (id, shop, name, role, hash, created_at, last_used_at, expires_at, revoked_at) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) \
             ON CONFLICT (id) DO UPDATE SET name = excluded.name, role = excluded.role, expires_at = excluded.expires_at",
            args![
                token.id,
                token.shop,
                token.name,
                token.role,
                token.hash,
                token.created_at,
                token.last_used_at,
                token.expires_at,
                token.revoked_at
            ],
        ))
        .await
        .map(drop)
    }

    /// The token with this hash, also when it was revoked or has ended.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn token_by_hash(&self, hash: &str) -> Result<Option<Token>> {
        let statement = Statement::new(format!("SELECT {TOKEN} FROM tokens WHERE hash = ?"), args![hash]);
        self.fetch_one(statement).await?.as_ref().map(token_row).transpose()
    }

    /// A shop's tokens (empty: those for every shop), by id.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn tokens_list(&self, shop: &str) -> Result<Vec<Token>> {
        let statement = Statement::new(format!("SELECT {TOKEN} FROM tokens WHERE shop = ? ORDER BY id"), args![shop]);
        self.fetch(statement).await?.iter().map(token_row).collect()
    }

    /// Revokes a token; whether it was there and not revoked yet.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn token_revoke(&self, shop: &str, id: &str, now: Millis) -> Result<bool> {
        let statement = Statement::new(
            "UPDATE tokens SET revoked_at = ? WHERE id = ? AND shop = ? AND revoked_at IS NULL RETURNING id",
            args![now, id, shop],
        );
        Ok(!self.write_one(statement).await?.is_empty())
    }

    /// Notes that a token was used. Cheap enough for once a minute, not for every request.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn token_used(&self, id: &str, now: Millis) -> Result<()> {
        let statement = Statement::new("UPDATE tokens SET last_used_at = ? WHERE id = ?", args![now, id]);
        self.write_one(statement).await.map(drop)
    }

    /// A shop's guardrails, by id.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn guardrails_list(&self, shop: &str) -> Result<Vec<GuardrailRow>> {
        let statement =
            Statement::new("SELECT shop, id, rule, updated_at FROM guardrails WHERE shop = ? ORDER BY id", args![shop]);
        let rows = self.fetch(statement).await?;
        rows.iter()
            .map(|row| {
                Ok(GuardrailRow { shop: row.text(0)?, id: row.text(1)?, rule: row.text(2)?, updated_at: row.int(3)? })
            })
            .collect()
    }

    /// Makes or changes a guardrail.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn guardrail_put(&self, row: GuardrailRow) -> Result<()> {
        self.write_one(Statement::new(
            "INSERT INTO guardrails (shop, id, rule, updated_at) VALUES (?, ?, ?, ?) \
             ON CONFLICT (shop, id) DO UPDATE SET rule = excluded.rule, updated_at = excluded.updated_at",
            args![row.shop, row.id, row.rule, row.updated_at],
        ))
        .await
        .map(drop)
    }

    /// Removes a guardrail; whether it was there.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn guardrail_delete(&self, shop: &str, id: &str) -> Result<bool> {
        let statement =
            Statement::new("DELETE FROM guardrails WHERE shop = ? AND id = ? RETURNING id", args![shop, id]);
        Ok(!self.write_one(statement).await?.is_empty())
    }

    /// Notes a platform's delivery by its key; whether it was noted before. Events need no such note:
    /// their source and id are accepted once anyway.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn delivery_seen(&self, shop: &str, key: &str, now: Millis) -> Result<bool> {
        let statement = Statement::new(
            "INSERT INTO deliveries (shop, key, at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING RETURNING key",
            args![shop, key, now],
        );
        Ok(self.write_one(statement).await?.is_empty())
    }
}
