//! `products/*`, and the unit costs of `inventory_items/*`.

use serde_json::{Map, Value};
use shopwright_model::catalog::{Product, ProductVariant, Publication};
use shopwright_model::types::Money;
use shopwright_model::{Entity, EntityKind};

use super::Setting;
use super::raw::{self, time};
use super::read::{Node, extra_map, extra_text};
use super::refunds::updated;
use super::settle::{Applied, Change, Draft, Name, State, Target, Translated, record};
use crate::ConnectorError;
use crate::money::minor_units;

/// A product as its payload knows it: without costs.
#[derive(Debug, Clone)]
pub(super) struct ProductState {
    product: Product,
    updated_at: u64,
}

/// `products/create` and `products/update`.
pub(super) fn product(node: &Node<'_>, kind: &str, setting: Setting<'_>) -> Result<Translated, ConnectorError> {
    let id = node.need("id")?.id()?;
    let variants = node
        .items("variants")?
        .iter()
        .map(|variant| record_of(variant, &id, setting))
        .collect::<Result<Vec<_>, _>>()?;
    let body = node.opt_text("body_html")?.unwrap_or_default();
    let taken = ["id", "admin_graphql_api_id", "title", "product_type", "category", "tags", "variants", "variant_gids"];
    let mut extra = node.extra(&taken);
    let category = node.field("category").map(|category| category.opt_text("full_name")).transpose()?.flatten();
    let kind_of = node.opt_text("product_type")?;
    extra.extend(kind_of.clone().filter(|_| category.is_some()).map(|kind| ("product_type".to_owned(), kind.into())));
    let product = Product {
        title: node.opt_text("title")?.unwrap_or_default(),
        description: plain(&body),
        category: category.map_or_else(|| kind_of.unwrap_or_default(), |name| name.replace(" > ", "/")),
        tags: node.tags()?.unwrap_or_default(),
        publication: match node.opt_text("status")?.as_deref() {
            Some("draft") => Publication::Draft,
            Some("archived") => Publication::Archived,
            _ => Publication::Published,
        },
        variants,
        extra: extra_text(&extra),
        id: id.clone(),
    };
    let updated_at = node.time_of(&["updated_at", "created_at"], setting.received_at)?;
    let state = State::Product(Box::new(ProductState { product, updated_at }));
    let draft = Draft {
        name: Name::Is(kind.to_owned()),
        at: time(node, setting),
        concerns: Vec::new(),
        change: Some(0),
        data: Value::Null,
        otherwise: kind.to_owned(),
    };
    let change = Change { target: Target::Entity(EntityKind::Product, id), state };
    Ok(Translated { changes: vec![change], events: vec![draft], ..Translated::default() })
}

/// `products/delete`.
pub(super) fn delete(node: &Node<'_>, setting: Setting<'_>) -> Result<Translated, ConnectorError> {
    Ok(raw::removal(node, EntityKind::Product, node.need("id")?.id()?, "product.deleted", setting))
}

fn record_of(node: &Node<'_>, product: &str, setting: Setting<'_>) -> Result<ProductVariant, ConnectorError> {
    let taken =
        ["id", "admin_graphql_api_id", "product_id", "sku", "title", "price", "compare_at_price", "inventory_item_id"];
    let mut extra = node.extra(&taken);
    // As text, as all ids.
    extra.extend(node.opt_id("inventory_item_id")?.map(|item| ("inventory_item_id".to_owned(), item.into())));
    Ok(ProductVariant {
        id: node.need("id")?.id()?,
        product: product.to_owned(),
        sku: node.opt_text("sku")?.unwrap_or_default(),
        title: node.opt_text("title")?.unwrap_or_default(),
        price: node.need("price")?.money(setting.currency)?,
        compare_at: node.field("compare_at_price").map(|price| price.money(setting.currency)).transpose()?,
        cost: None,
        extra: extra_text(&extra),
    })
}

impl ProductState {
    /// With the costs of the stored variants; what is stored stays if it is newer.
    pub fn apply(&self, stored: Option<&Entity>) -> Result<Applied, ConnectorError> {
        let Some(stored) = stored else { return Ok(Applied::Put(Entity::of_product(&self.product)?)) };
        let before: Product = record(stored)?;
        if updated(&extra_map(&before.extra)).is_some_and(|at| at > self.updated_at) {
            return Ok(Applied::Put(stored.clone()));
        }
        let mut product = self.product.clone();
        for variant in &mut product.variants {
            let old = before.variants.iter().find(|old| old.id == variant.id);
            variant.cost = old.and_then(|old| old.cost.clone());
        }
        Ok(Applied::Put(Entity::of_product(&product)?))
    }
}

/// The variant of an inventory item, in the product that has it.
#[must_use]
pub fn variant_of_item(product: &Entity, item: &str) -> Option<String> {
    let product: Product = record(product).ok()?;
    product.variants.iter().find(|variant| item_of(variant).as_deref() == Some(item)).map(|variant| variant.id.clone())
}

fn item_of(variant: &ProductVariant) -> Option<String> {
    let extra: Map<String, Value> = extra_map(&variant.extra);
    extra.get("inventory_item_id")?.as_str().map(str::to_owned)
}

/// The unit cost of an inventory item, into its variant; in the currency of the variant's price.
pub(super) fn set_cost(item: &str, cost: Option<&str>, stored: Option<&Entity>) -> Result<Applied, ConnectorError> {
    let Some(stored) = stored else { return Ok(Applied::Nothing) };
    let mut product: Product = record(stored)?;
    let Some(variant) = product.variants.iter_mut().find(|variant| item_of(variant).as_deref() == Some(item)) else {
        return Ok(Applied::Nothing);
    };
    let currency = variant.price.currency.clone();
    variant.cost = match cost {
        None => None,
        Some(text) => {
            let amount = minor_units(text, &currency).ok_or_else(|| ConnectorError::Payload {
                topic: "inventory_items/update".into(),
                path: "cost".into(),
                reason: format!("must be an amount, such as `\"19.99\"`, not `{text}`"),
            })?;
            Some(Money { amount, currency })
        }
    };
    Ok(Applied::Put(Entity::of_product(&product)?))
}

/// HTML as plain text: tags go, blocks become line breaks, the common entities are resolved.
fn plain(html: &str) -> String {
    let mut text = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(start) = rest.find('<') {
        text.push_str(&rest[..start]);
        let tag = &rest[start + 1..];
        let name: String = tag
            .trim_start_matches('/')
            .chars()
            .take_while(char::is_ascii_alphanumeric)
            .collect::<String>()
            .to_lowercase();
        rest = tag.find('>').map_or("", |end| &tag[end + 1..]);
        match name.as_str() {
            "script" | "style" if !tag.starts_with('/') => {
                let close = format!("</{name}");
                let end =
                    rest.as_bytes().windows(close.len()).position(|part| part.eq_ignore_ascii_case(close.as_bytes()));
                rest = end.map_or("", |end| &rest[end..]);
            }
            "p" | "br" | "div" | "li" | "ul" | "ol" | "tr" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => text.push('\n'),
            _ => {}
        }
    }
    text.push_str(rest);
    for (entity, character) in [
        ("&nbsp;", " "),
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#39;", "'"),
        ("&apos;", "'"),
        ("&amp;", "&"),
    ] {
        text = text.replace(entity, character);
    }
    let lines: Vec<String> = text
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .filter(|line| !line.is_empty())
        .collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn html_becomes_text() {
        let table = [
            ("Plain", "Plain"),
            ("<p>One</p><p>Two &amp; <b>three</b></p>", "One\nTwo & three"),
            ("a<br/>b<ul><li>c</li></ul>", "a\nb\nc"),
            ("<style>p { x: y }</style>A<script>alert('<p>')</script>B", "AB"),
            ("5 &lt; 6&nbsp;&#39;ok&#39; &amp;lt;", "5 < 6 'ok' &lt;"),
            ("broken <p", "broken"),
            ("<SCRIPT>İ</SCRIPT>x", "x"),
        ];
        for (html, text) in table {
            assert_eq!(plain(html), text, "{html}");
        }
    }
}
