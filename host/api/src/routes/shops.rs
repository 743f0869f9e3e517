//! Shops: the tenants of a host.

use axum::{extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use shopwright_engine::{NewShop, Shop};
use shopwright_model::Millis;
use utoipa::ToSchema;

use crate::{
    auth::{Anyone, HostOwner},
    extract::Json,
    paging::Page,
    problem::Result,
    state::{ApiState, recorded},
};

/// A shop.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ShopView {
    /// Its id.
    pub id: String,
    /// For people.
    pub name: String,
    /// ISO 4217.
    pub currency: String,
    /// IANA name.
    pub time_zone: String,
    /// When it was created, in milliseconds since 1970.
    pub created_at: Millis,
}

impl From<Shop> for ShopView {
    fn from(shop: Shop) -> Self {
        let Shop { id, name, currency, time_zone, created_at } = shop;
        Self { id, name, currency, time_zone, created_at }
    }
}

/// A shop to be created.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewShopBody {
    /// Lower-case letters, digits and hyphens, at most 63.
    pub id: String,
    /// For people; the id where absent.
    #[serde(default)]
    pub name: String,
    /// ISO 4217.
    #[schema(example = "EUR")]
    pub currency: String,
    /// IANA name.
    #[schema(example = "Europe/Berlin")]
    pub time_zone: String,
}

/// Creates a shop; needs an owner's token that is good for every shop
#[utoipa::path(
    post, path = "/api/v1/shops", tag = "shops", request_body = NewShopBody,
    responses((status = 201, body = ShopView)),
)]
pub async fn create(
    State(state): State<ApiState>,
    HostOwner(mut access): HostOwner,
    Json(new): Json<NewShopBody>,
) -> Result<(StatusCode, axum::Json<ShopView>)> {
    let NewShopBody { id, name, currency, time_zone } = new;
    let shop = ShopView::from(state.engine().create_shop(NewShop { id, name, currency, time_zone }).await?);
    access.shop = shop.id.as_str().into();
    state.audit(&access, "shop.created", format!("shop:{}", shop.id), None, recorded(&shop)).await?;
    Ok((StatusCode::CREATED, axum::Json(shop)))
}

/// Lists the shops that the token is good for
#[utoipa::path(
    get, path = "/api/v1/shops", tag = "shops",
    responses((status = 200, body = Page<ShopView>)),
)]
pub async fn list(State(state): State<ApiState>, Anyone(principal): Anyone) -> axum::Json<Page<ShopView>> {
    let own = |shop: &Shop| principal.shop.as_deref().is_none_or(|own| own == shop.id);
    let mut shops: Vec<ShopView> = state.engine().shops().into_iter().filter(own).map(Into::into).collect();
    shops.sort_by(|a, b| a.id.cmp(&b.id));
    axum::Json(Page::whole(shops))
}
