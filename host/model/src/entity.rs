//! Entities: the documents of a shop's model, checked against the typed records and reduced to the
//! few terms the store looks them up by.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{Millis, carts, catalog, customers, discount_actions, inventory, market, orders, reviews, support, types};

/// Why something is not part of the model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// A document does not fit its record.
    #[error("this is no {kind}: {reason}")]
    Document {
        /// What it should have been.
        kind: EntityKind,
        /// Which field and why, as serde says it.
        reason: String,
    },
    /// An unknown entity kind.
    #[error("there is no entity kind `{text}`; kinds are {}", EntityKind::ALL.map(|k| k.as_str()).join(", "))]
    Kind {
        /// What was given.
        text: String,
    },
    /// Not an id of ours.
    #[error("`{text}` is no run id: it must be `run_` and 13 characters")]
    Id {
        /// What was given.
        text: String,
    },
}

/// The kinds of entity in a shop's model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum EntityKind {
    Customer,
    Product,
    Level,
    Order,
    Cart,
    Ticket,
    Article,
    Review,
    CompetitorPrice,
    Engagement,
    Discount,
}

impl EntityKind {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Customer,
        Self::Product,
        Self::Level,
        Self::Order,
        Self::Cart,
        Self::Ticket,
        Self::Article,
        Self::Review,
        Self::CompetitorPrice,
        Self::Engagement,
        Self::Discount,
    ];

    /// The kind's name in the API, the store, and `concerns`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Product => "product",
            Self::Level => "level",
            Self::Order => "order",
            Self::Cart => "cart",
            Self::Ticket => "ticket",
            Self::Article => "article",
            Self::Review => "review",
            Self::CompetitorPrice => "competitor_price",
            Self::Engagement => "engagement",
            Self::Discount => "discount",
        }
    }
}

impl fmt::Display for EntityKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for EntityKind {
    type Err = ModelError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|k| k.as_str() == text).ok_or_else(|| ModelError::Kind { text: text.into() })
    }
}

/// A discount code, as the store keeps what `discount-actions.create` made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Discount {
    /// What the customer types.
    pub code: String,
    /// None: anybody who has the code.
    #[serde(default)]
    pub customer: Option<String>,
    /// How much.
    pub value: discount_actions::Value,
    /// Until when.
    pub expires_at: types::Timestamp,
    /// Once only.
    pub single_use: bool,
    /// Why it was made.
    #[serde(default)]
    pub reason: String,
}

/// One document of the model with its index terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entity {
    /// What it is.
    pub kind: EntityKind,
    /// Unique within shop and kind.
    pub id: String,
    /// The record as JSON text, normalised (every field there, in the record's order).
    pub doc: String,
    /// Whom it belongs to: the customer of an order, the variant of a stock level.
    pub owner: Option<String>,
    /// A second way to find it: a customer's address (lower case), an order's number (without `#`).
    pub alt: Option<String>,
    /// What lists are sorted by.
    pub sort: Millis,
    /// For products: the ids of the variants. For orders: see [`Entity::sales`].
    pub parts: Vec<String>,
    /// For orders that are not cancelled: units sold per variant.
    pub sales: Vec<(String, i64)>,
}

impl Entity {
    /// Checks a document against its record and derives the index terms.
    ///
    /// # Errors
    /// [`ModelError::Document`] with the field and the reason.
    pub fn parse(kind: EntityKind, document: &serde_json::Value) -> Result<Self, ModelError> {
        Self::of(kind, &Source::Value(document))
    }

    fn of(kind: EntityKind, document: &Source<'_>) -> Result<Self, ModelError> {
        match kind {
            EntityKind::Customer => Self::of_customer(&document.typed(kind)?),
            EntityKind::Product => Self::of_product(&document.typed(kind)?),
            EntityKind::Level => Self::of_level(&document.typed(kind)?),
            EntityKind::Order => Self::of_order(&document.typed(kind)?),
            EntityKind::Cart => Self::of_cart(&document.typed(kind)?),
            EntityKind::Ticket => Self::of_ticket(&document.typed(kind)?),
            EntityKind::Article => {
                let article: ArticleDoc = document.typed(kind)?;
                Self::plain(kind, article.id.clone(), &article)
            }
            EntityKind::Review => {
                let review: reviews::Review = document.typed(kind)?;
                let entity = Self::plain(kind, review.id.clone(), &review)?;
                Ok(Self { owner: Some(review.product), sort: millis(review.at), ..entity })
            }
            EntityKind::CompetitorPrice => {
                let price: market::CompetitorPrice = document.typed(kind)?;
                let entity = Self::plain(kind, format!("{}@{}", price.variant_id, price.competitor), &price)?;
                Ok(Self { owner: Some(price.variant_id), sort: millis(price.at), ..entity })
            }
            EntityKind::Engagement => {
                let doc: EngagementDoc = document.typed(kind)?;
                let channel = match doc.engagement.channel {
                    customers::Channel::Email => "email",
                    customers::Channel::Sms => "sms",
                };
                let id = format!("{}@{channel}@{}", doc.customer, doc.engagement.template);
                let entity = Self::plain(kind, id, &doc)?;
                Ok(Self { owner: Some(doc.customer), ..entity })
            }
            EntityKind::Discount => Self::of_discount(&document.typed(kind)?),
        }
    }

    /// As [`Entity::parse`], from JSON text.
    ///
    /// # Errors
    /// [`ModelError::Document`] with the field and the reason.
    pub fn parse_text(kind: EntityKind, text: &str) -> Result<Self, ModelError> {
        Self::of(kind, &Source::Text(text))
    }

    /// The id that a document of `kind` has, without checking the rest: for removals.
    #[must_use]
    pub fn id_of(kind: EntityKind, document: &serde_json::Value) -> Option<String> {
        let text = |field: &str| document.get(field).and_then(serde_json::Value::as_str);
        match kind {
            EntityKind::Level => Some(format!("{}@{}", text("variant_id")?, text("location")?)),
            EntityKind::CompetitorPrice => Some(format!("{}@{}", text("variant_id")?, text("competitor")?)),
            EntityKind::Engagement => Some(format!("{}@{}@{}", text("customer")?, text("channel")?, text("template")?)),
            EntityKind::Discount => text("code").map(Into::into),
            _ => text("id").map(Into::into),
        }
    }

    /// `customer:42`: how events and waits name this entity.
    #[must_use]
    pub fn reference(&self) -> String {
        format!("{}:{}", self.kind, self.id)
    }

    /// What an event that carries this entity concerns: itself and what it belongs to.
    #[must_use]
    pub fn concerns(&self) -> Vec<String> {
        let mut all = vec![self.reference()];
        if let Some(owner) = &self.owner {
            let of = match self.kind {
                EntityKind::Order
                | EntityKind::Cart
                | EntityKind::Ticket
                | EntityKind::Engagement
                | EntityKind::Discount => "customer",
                EntityKind::Level | EntityKind::CompetitorPrice => "variant",
                EntityKind::Review => "product",
                _ => return all,
            };
            all.push(format!("{of}:{owner}"));
        }
        all.extend(self.parts.iter().map(|variant| format!("variant:{variant}")));
        all
    }

    /// Of a customer.
    ///
    /// # Errors
    /// When it has no id.
    pub fn of_customer(customer: &customers::Customer) -> Result<Self, ModelError> {
        let entity = Self::plain(EntityKind::Customer, customer.id.clone(), customer)?;
        let alt = customer.email.as_ref().map(|email| email.to_lowercase());
        Ok(Self { alt, sort: millis(customer.created_at), ..entity })
    }

    /// Of a product with its variants.
    ///
    /// # Errors
    /// When it has no id, or a variant names another product.
    pub fn of_product(product: &catalog::Product) -> Result<Self, ModelError> {
        let kind = EntityKind::Product;
        for variant in &product.variants {
            if variant.product != product.id {
                let reason =
                    format!("variant `{}` says product `{}`, not `{}`", variant.id, variant.product, product.id);
                return Err(ModelError::Document { kind, reason });
            }
        }
        let entity = Self::plain(kind, product.id.clone(), product)?;
        Ok(Self { parts: product.variants.iter().map(|v| v.id.clone()).collect(), ..entity })
    }

    /// Of a stock level.
    ///
    /// # Errors
    /// When variant or location is empty.
    pub fn of_level(level: &inventory::Level) -> Result<Self, ModelError> {
        let id = format!("{}@{}", level.variant_id, level.location);
        let entity = Self::plain(EntityKind::Level, id, level)?;
        Ok(Self { owner: Some(level.variant_id.clone()), sort: millis(level.updated_at), ..entity })
    }

    /// Of an order.
    ///
    /// # Errors
    /// When it has no id.
    pub fn of_order(order: &orders::Order) -> Result<Self, ModelError> {
        let entity = Self::plain(EntityKind::Order, order.id.clone(), order)?;
        let cancelled = order.cancelled_at.is_some() || order.fulfilment == orders::Fulfilment::Cancelled;
        let mut sales: Vec<(String, i64)> = Vec::new();
        if !cancelled {
            for line in &order.lines {
                match sales.iter_mut().find(|(variant, _)| *variant == line.variant_id) {
                    Some((_, units)) => *units += i64::from(line.quantity),
                    None => sales.push((line.variant_id.clone(), i64::from(line.quantity))),
                }
            }
        }
        Ok(Self {
            owner: order.customer.clone(),
            alt: Some(order.number.trim_start_matches('#').to_owned()),
            sort: millis(order.placed_at),
            sales,
            ..entity
        })
    }

    /// Of a cart.
    ///
    /// # Errors
    /// When it has no id.
    pub fn of_cart(cart: &carts::Cart) -> Result<Self, ModelError> {
        let entity = Self::plain(EntityKind::Cart, cart.id.clone(), cart)?;
        let alt = cart.email.as_ref().map(|email| email.to_lowercase());
        Ok(Self { owner: cart.customer.clone(), alt, sort: millis(cart.updated_at), ..entity })
    }

    /// Of a ticket.
    ///
    /// # Errors
    /// When it has no id.
    pub fn of_ticket(ticket: &support::Ticket) -> Result<Self, ModelError> {
        let entity = Self::plain(EntityKind::Ticket, ticket.id.clone(), ticket)?;
        Ok(Self { owner: ticket.customer.clone(), sort: millis(ticket.created_at), ..entity })
    }

    /// Of a discount code.
    ///
    /// # Errors
    /// When it has no code.
    pub fn of_discount(discount: &Discount) -> Result<Self, ModelError> {
        let entity = Self::plain(EntityKind::Discount, discount.code.clone(), discount)?;
        Ok(Self { owner: discount.customer.clone(), sort: millis(discount.expires_at), ..entity })
    }

    fn plain<T: Serialize>(kind: EntityKind, id: String, record: &T) -> Result<Self, ModelError> {
        if id.is_empty() || id.len() > 256 {
            return Err(ModelError::Document { kind, reason: "its id must have 1 to 256 characters".into() });
        }
        let doc =
            serde_json::to_string(record).map_err(|error| ModelError::Document { kind, reason: error.to_string() })?;
        Ok(Self { kind, id, doc, owner: None, alt: None, sort: 0, parts: Vec::new(), sales: Vec::new() })
    }
}

/// An article as it is stored: the record without the score, which a search adds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ArticleDoc {
    /// Unique within the shop.
    pub id: String,
    /// Headline.
    pub title: String,
    /// Plain text.
    pub text: String,
    /// Where customers read it.
    #[serde(default)]
    pub url: String,
}

/// An engagement as it is stored: the record and whose it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EngagementDoc {
    /// The customer's id.
    pub customer: String,
    /// The counts.
    #[serde(flatten)]
    pub engagement: customers::Engagement,
}

/// Where a document comes from: text is read straight into its record, which is most of an event's cost.
enum Source<'a> {
    Value(&'a serde_json::Value),
    Text(&'a str),
}

impl Source<'_> {
    fn typed<T: DeserializeOwned>(&self, kind: EntityKind) -> Result<T, ModelError> {
        match self {
            Self::Value(value) => T::deserialize(*value),
            Self::Text(text) => serde_json::from_str(text),
        }
        .map_err(|error| ModelError::Document { kind, reason: error.to_string() })
    }
}

/// WIT's timestamps are unsigned; the far future is cut off rather than wrapped.
fn millis(at: types::Timestamp) -> Millis {
    Millis::try_from(at).unwrap_or(Millis::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_cart_gets_its_terms_and_says_what_is_wrong() {
        let mut cart = json!({"id": "c1", "customer": "42", "email": "Ann@Example.com", "lines": [],
            "total": {"amount": 1999, "currency": "EUR"}, "step": "shipping", "created_at": 1, "updated_at": 7,
            "extra": {"a": [1, "x"]}});
        let entity = Entity::parse(EntityKind::Cart, &cart).expect("a cart");
        assert_eq!(entity.owner.as_deref(), Some("42"));
        assert_eq!(entity.alt.as_deref(), Some("ann@example.com"));
        assert_eq!(entity.sort, 7);
        assert_eq!(entity.concerns(), ["cart:c1", "customer:42"]);
        let back: serde_json::Value = serde_json::from_str(&entity.doc).expect("json");
        assert_eq!(back["extra"], cart["extra"]);
        cart["step"] = json!("nowhere");
        let error = Entity::parse(EntityKind::Cart, &cart).expect_err("no such step");
        assert!(error.to_string().contains("nowhere"), "{error}");
    }

    #[test]
    fn sales_leave_cancelled_orders_out() {
        let mut order = json!({"id": "1", "number": "#1001", "customer": "42",
            "lines": [{"variant_id": "v", "sku": "s", "title": "t", "quantity": 2, "price": {"amount": 1, "currency": "EUR"},
                       "discount": {"amount": 0, "currency": "EUR"}},
                      {"variant_id": "v", "sku": "s", "title": "t", "quantity": 3, "price": {"amount": 1, "currency": "EUR"},
                       "discount": {"amount": 0, "currency": "EUR"}}],
            "total": {"amount": 5, "currency": "EUR"}, "payment": "paid", "fulfilment": "unfulfilled", "placed_at": 9});
        let entity = Entity::parse(EntityKind::Order, &order).expect("an order");
        assert_eq!(entity.sales, [("v".to_owned(), 5)]);
        assert_eq!(entity.alt.as_deref(), Some("1001"));
        order["cancelled_at"] = json!(10);
        assert!(Entity::parse(EntityKind::Order, &order).expect("an order").sales.is_empty());
    }
}
