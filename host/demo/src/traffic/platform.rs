//! The platform's payloads, in the shape in which it sends them to webhooks (version 2026-07 of its
//! admin API): every field is there, also those that say nothing here.

use serde_json::{Value, json};
use shopwright_model::Millis;

use crate::{
    calendar,
    shop::{
        CURRENCY, DOMAIN, INVENTORY_IDS, NAME, PLATFORM_DOMAIN, Shop, ZONE, catalogue::ONLY, history::SaleLine,
        people::Person, records, stock::LOCATIONS,
    },
};

/// The version of the platform's API.
pub const API_VERSION: &str = "2026-07";

/// A code that somebody redeems.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redeemed {
    /// What they typed.
    pub code: String,
    /// Cents off.
    pub cents: i64,
    /// What percentage that is, if it is one.
    pub percent: Option<u32>,
}

/// A checkout as the platform knows it.
#[derive(Debug, Clone)]
pub struct Checkout<'a> {
    /// The platform's number.
    pub id: u64,
    /// The checkout's token.
    pub token: &'a str,
    /// The cart's token.
    pub cart_token: &'a str,
    /// Who it is.
    pub person: &'a Person,
    /// How many orders they have.
    pub orders: usize,
    /// What is in it.
    pub lines: &'a [SaleLine],
    /// How far it got: 1 contact, 2 shipping, 3 payment.
    pub step: u8,
    /// When it was begun.
    pub created_at: Millis,
    /// When it changed last.
    pub updated_at: Millis,
    /// When it became an order.
    pub completed_at: Option<Millis>,
}

/// An order as the platform knows it.
#[derive(Debug, Clone)]
pub struct Order<'a> {
    /// The platform's number.
    pub id: u64,
    /// The shop's number, without the `#`.
    pub number: usize,
    /// Who it is.
    pub person: &'a Person,
    /// How many orders they have, this one included.
    pub orders: usize,
    /// What is in it.
    pub lines: &'a [SaleLine],
    /// What was taken off.
    pub redeemed: Option<&'a Redeemed>,
    /// The checkout it came from: id, token and the cart's token.
    pub checkout: Option<(u64, &'a str, &'a str)>,
    /// When it was placed.
    pub placed_at: Millis,
    /// When it was sent.
    pub shipped_at: Option<Millis>,
    /// When it arrived.
    pub delivered_at: Option<Millis>,
    /// When it changed last.
    pub updated_at: Millis,
}

fn time(at: Millis) -> String {
    calendar::iso(at, ZONE)
}

/// `1234` as `"12.34"`.
#[must_use]
pub fn amount(cents: i64) -> String {
    format!("{}{}.{:02}", if cents < 0 { "-" } else { "" }, cents.abs() / 100, cents.abs() % 100)
}

fn bag(cents: i64) -> Value {
    let money = json!({"amount": amount(cents), "currency_code": CURRENCY});
    json!({"shop_money": money, "presentment_money": money})
}

fn gid(kind: &str, id: impl std::fmt::Display) -> String {
    format!("gid://shopify/{kind}/{id}")
}

/// 19 % VAT, which prices include.
fn tax(cents: i64) -> i64 {
    cents - (cents as f64 / 1.19).round() as i64
}

fn tax_lines(cents: i64) -> Value {
    json!([{
        "channel_liable": false, "price": amount(tax(cents)), "price_set": bag(tax(cents)), "rate": 0.19, "title": "VAT"
    }])
}

/// Puts the fields of `more` behind those of `to`.
fn extend(to: &mut Value, more: Value) {
    if let (Value::Object(to), Value::Object(more)) = (to, more) {
        to.extend(more);
    }
}

fn address(person: &Person) -> Value {
    let (province, code) =
        person.city.province.map_or((Value::Null, Value::Null), |(name, code)| (json!(name), json!(code)));
    json!({
        "first_name": person.first, "address1": person.street, "phone": person.phone, "city": person.city.name,
        "zip": person.city.zip, "province": province, "country": person.city.country.name, "last_name": person.last,
        "address2": null, "company": null, "latitude": null, "longitude": null, "name": person.name(),
        "country_code": person.city.country.code, "province_code": code
    })
}

fn default_address(person: &Person) -> Value {
    let mut full = json!({"id": person.id + 2_000_000, "customer_id": person.id});
    let mut rest = address(person);
    if let Value::Object(rest) = &mut rest {
        rest.shift_remove("latitude");
        rest.shift_remove("longitude");
    }
    extend(&mut full, rest);
    extend(&mut full, json!({"country_name": person.city.country.name, "default": true}));
    full
}

/// The customer inside an order or a checkout.
fn embedded(person: &Person, at: Millis) -> Value {
    json!({
        "id": person.id, "created_at": time(person.created_at), "updated_at": time(at.max(person.created_at)),
        "first_name": person.first, "last_name": person.last, "state": "disabled", "note": null, "verified_email": true,
        "multipass_identifier": null, "tax_exempt": false, "email": person.email, "phone": person.phone,
        "currency": CURRENCY, "tax_exemptions": [], "admin_graphql_api_id": gid("Customer", person.id),
        "default_address": default_address(person)
    })
}

/// `customers/create` and `customers/update`.
#[must_use]
pub fn customer(person: &Person, orders: usize, spent: i64, updated_at: Millis) -> Value {
    let consent = |granted: bool| if granted { "subscribed" } else { "not_subscribed" };
    let mut body = embedded(person, updated_at);
    let sms = person.phone.as_ref().map(|_| {
        json!({
            "state": consent(person.sms_consent), "opt_in_level": "single_opt_in",
            "consent_updated_at": time(updated_at), "consent_collected_from": "SHOPIFY"
        })
    });
    extend(
        &mut body,
        json!({
            "orders_count": orders, "total_spent": amount(spent), "last_order_id": null, "last_order_name": null,
            "tags": if person.email_consent { "newsletter" } else { "" }, "addresses": [default_address(person)],
            "email_marketing_consent": {
                "state": consent(person.email_consent), "opt_in_level": "single_opt_in", "consent_updated_at": time(updated_at)
            },
            "sms_marketing_consent": sms
        }),
    );
    body
}

/// `checkouts/create` and `checkouts/update`.
#[must_use]
pub fn checkout(shop: &Shop, checkout: &Checkout<'_>) -> Value {
    let Checkout { person, lines, step, .. } = *checkout;
    let goods: i64 = lines.iter().map(|line| line.price * i64::from(line.quantity)).sum();
    let delivery = crate::shop::shipping(goods);
    let total = goods + if step >= 3 { delivery } else { 0 };
    let shipping_lines = if step >= 3 {
        json!([{
            "code": "Standard", "price": amount(delivery), "original_shop_price": amount(delivery),
            "original_shop_markup": "0.00", "source": "shopify", "title": "Standard", "presentment_title": "Standard",
            "phone": null, "tax_lines": tax_lines(delivery), "custom_tax_lines": null, "markup": "0.00",
            "carrier_identifier": null, "carrier_service_id": null, "api_client_id": null,
            "delivery_option_group": {"token": checkout.token, "type": "one_time_purchase"},
            "delivery_expectation_range": null, "delivery_expectation_type": null, "id": checkout.token,
            "requested_fulfillment_service_id": null, "delivery_category": null, "validation_context": null, "applied_discounts": []
        }])
    } else {
        json!([])
    };
    let mut body = json!({
        "id": checkout.id, "token": checkout.token, "cart_token": checkout.cart_token, "email": person.email,
        "gateway": (step >= 3).then_some("shopify_payments"), "buyer_accepts_marketing": person.email_consent,
        "buyer_accepts_sms_marketing": person.sms_consent, "sms_marketing_phone": null,
        "created_at": time(checkout.created_at), "updated_at": time(checkout.updated_at), "landing_site": "/",
        "note": "", "note_attributes": [], "referring_site": "", "shipping_lines": shipping_lines,
        "shipping_address": (step >= 2).then(|| address(person)), "taxes_included": true,
        "total_weight": weight(shop, lines), "currency": CURRENCY, "completed_at": checkout.completed_at.map(time),
        "phone": null, "customer_locale": person.city.country.locale
    });
    let items: Vec<Value> = lines.iter().map(|line| checkout_line(shop, line)).collect();
    extend(
        &mut body,
        json!({
            "line_items": items, "name": format!("#{}", checkout.id),
            "abandoned_checkout_url": records::recovery_url(checkout.token), "discount_codes": [],
            "tax_lines": tax_lines(total), "presentment_currency": CURRENCY, "source_name": "web",
            "total_line_items_price": amount(goods), "total_tax": amount(tax(total)), "total_discounts": "0.00",
            "subtotal_price": amount(goods), "total_price": amount(total), "total_duties": null, "device_id": null,
            "user_id": null, "location_id": null, "source_identifier": null, "source_url": null, "source": null,
            "closed_at": null, "billing_address": (step >= 3).then(|| address(person)),
            "customer": checkout_customer(person, checkout)
        }),
    );
    body
}

fn checkout_customer(person: &Person, checkout: &Checkout<'_>) -> Value {
    let mut body = embedded(person, checkout.updated_at);
    extend(
        &mut body,
        json!({"orders_count": checkout.orders, "total_spent": "0.00", "last_order_id": null, "last_order_name": null, "tags": ""}),
    );
    body
}

fn weight(shop: &Shop, lines: &[SaleLine]) -> i64 {
    lines.iter().map(|line| grams(shop, line) * i64::from(line.quantity)).sum()
}

fn grams(shop: &Shop, line: &SaleLine) -> i64 {
    shop.products[shop.variants[line.variant as usize].product].family().grams
}

fn variant_title(option: &str) -> Option<&str> {
    (option != ONLY).then_some(option)
}

fn checkout_line(shop: &Shop, line: &SaleLine) -> Value {
    let variant = &shop.variants[line.variant as usize];
    let product = &shop.products[variant.product];
    let sum = line.price * i64::from(line.quantity);
    json!({
        "key": variant.id.to_string(), "destination_location_id": null, "fulfillment_service": "manual", "gift_card": false,
        "grams": grams(shop, line), "origin_location_id": null, "presentment_title": product.title,
        "presentment_variant_title": variant_title(&variant.option).unwrap_or_default(), "product_id": product.id,
        "properties": null, "quantity": line.quantity, "requires_shipping": true, "sku": variant.sku,
        "tax_lines": tax_lines(sum), "taxable": true, "title": product.title, "variant_id": variant.id,
        "variant_title": variant_title(&variant.option), "variant_price": amount(line.price), "vendor": NAME, "user_id": null,
        "unit_price_measurement": {
            "measured_type": null, "quantity_value": null, "quantity_unit": null, "reference_value": null, "reference_unit": null
        },
        "rank": null, "compare_at_price": variant.compare_at.map(amount), "line_price": amount(sum), "price": amount(line.price),
        "applied_discounts": [], "discount_allocations": []
    })
}

/// Cents off each line: the sum of them is the discount, to the cent.
#[must_use]
pub fn spread(lines: &[SaleLine], cents: i64) -> Vec<i64> {
    let worth: Vec<i64> = lines.iter().map(|line| line.price * i64::from(line.quantity)).collect();
    let (mut left, mut sum) = (cents.min(worth.iter().sum()), worth.iter().sum::<i64>().max(1));
    worth
        .iter()
        .map(|&worth| {
            let part = left * worth / sum.max(1);
            left -= part;
            sum -= worth;
            part
        })
        .collect()
}

/// `orders/create`, `orders/updated`, `orders/fulfilled`.
#[must_use]
pub fn order(shop: &Shop, order: &Order<'_>) -> Value {
    let Order { person, lines, .. } = *order;
    let list: i64 = lines.iter().map(|line| line.price * i64::from(line.quantity)).sum();
    let discounts = spread(lines, order.redeemed.map_or(0, |redeemed| redeemed.cents));
    let off: i64 = discounts.iter().sum();
    let goods = list - off;
    let delivery = crate::shop::shipping(goods);
    let total = goods + delivery;
    let (checkout_id, token, cart_token) = order
        .checkout
        .map_or((Value::Null, Value::Null, Value::Null), |(id, token, cart)| (json!(id), json!(token), json!(cart)));
    let fulfilled = order.shipped_at.map(|_| "fulfilled");
    let token_of_order = records::token(order.id);
    let mut body = json!({
        "id": order.id, "admin_graphql_api_id": gid("Order", order.id), "app_id": 580_111, "browser_ip": "192.0.2.17",
        "buyer_accepts_marketing": person.email_consent, "cancel_reason": null, "cancelled_at": null, "cart_token": cart_token,
        "checkout_id": checkout_id, "checkout_token": token,
        "client_details": {
            "accept_language": person.city.country.locale, "browser_height": null, "browser_ip": "192.0.2.17",
            "browser_width": null, "session_hash": null, "user_agent": "Mozilla/5.0 (X11; Linux x86_64; rv:142.0)"
        },
        "closed_at": null, "company": null, "confirmation_number": token_of_order[..9].to_uppercase(), "confirmed": true,
        "contact_email": person.email, "created_at": time(order.placed_at), "currency": CURRENCY,
        "current_shipping_price_set": bag(delivery), "current_subtotal_price": amount(goods),
        "current_subtotal_price_set": bag(goods), "current_total_additional_fees_set": null,
        "current_total_discounts": amount(off), "current_total_discounts_set": bag(off), "current_total_duties_set": null,
        "current_total_price": amount(total), "current_total_price_set": bag(total), "current_total_tax": amount(tax(total)),
        "current_total_tax_set": bag(tax(total)), "customer_locale": person.city.country.locale, "device_id": null
    });
    let codes = order.redeemed.map_or_else(Vec::new, |redeemed| {
        vec![json!({
            "code": redeemed.code, "amount": amount(off),
            "type": if redeemed.percent.is_some() { "percentage" } else { "fixed_amount" }
        })]
    });
    extend(
        &mut body,
        json!({
            "discount_codes": codes, "duties_included": false, "email": person.email, "estimated_taxes": false,
            "financial_status": "paid", "fulfillment_status": fulfilled, "landing_site": "/", "landing_site_ref": null,
            "location_id": null, "merchant_business_entity_id": "MTI0NTY3ODkw", "merchant_of_record_app_id": null,
            "name": format!("#{}", order.number), "note": null, "note_attributes": [], "number": order.number.saturating_sub(1_000),
            "order_number": order.number,
            "order_status_url": format!("https://{DOMAIN}/orders/{token_of_order}/authenticate?key={}", &token_of_order[16..]),
            "original_total_additional_fees_set": null, "original_total_duties_set": null,
            "payment_gateway_names": ["shopify_payments"], "phone": person.phone, "po_number": null,
            "presentment_currency": CURRENCY, "processed_at": time(order.placed_at), "reference": null, "referring_site": "",
            "source_identifier": null, "source_name": "web", "source_url": null, "subtotal_price": amount(goods),
            "subtotal_price_set": bag(goods), "tags": "", "tax_exempt": false, "tax_lines": tax_lines(total),
            "taxes_included": true, "test": false, "token": token_of_order
        }),
    );
    extend(
        &mut body,
        json!({
            "total_cash_rounding_payment_adjustment_set": bag(0), "total_cash_rounding_refund_adjustment_set": bag(0),
            "total_discounts": amount(off), "total_discounts_set": bag(off), "total_line_items_price": amount(list),
            "total_line_items_price_set": bag(list), "total_outstanding": "0.00", "total_price": amount(total),
            "total_price_set": bag(total), "total_shipping_price_set": bag(delivery), "total_tax": amount(tax(total)),
            "total_tax_set": bag(tax(total)), "total_tip_received": "0.00", "total_weight": weight(shop, lines),
            "updated_at": time(order.updated_at), "user_id": null, "billing_address": address(person),
            "customer": embedded(person, order.updated_at),
            "discount_applications": order.redeemed.map_or_else(Vec::new, |redeemed| vec![json!({
                "target_type": "line_item", "type": "discount_code",
                "value": redeemed.percent.map_or_else(|| amount(off), |percent| format!("{percent}.0")),
                "value_type": if redeemed.percent.is_some() { "percentage" } else { "fixed_amount" },
                "allocation_method": "across", "target_selection": "all", "code": redeemed.code
            })])
        }),
    );
    let items: Vec<Value> = lines
        .iter()
        .zip(&discounts)
        .enumerate()
        .map(|(at, (line, off))| order_line(shop, order, at, line, *off))
        .collect();
    extend(
        &mut body,
        json!({
            "fulfillments": order.shipped_at.map_or_else(Vec::new, |shipped| vec![fulfilment(order, shipped, &items)]),
            "line_items": items, "payment_terms": null, "refunds": [], "returns": [], "shipping_address": address(person),
            "shipping_lines": [{
                "id": order.id + 3_000_000, "carrier_identifier": null, "code": "Standard",
                "current_discounted_price_set": bag(delivery), "discounted_price": amount(delivery),
                "discounted_price_set": bag(delivery), "is_removed": false, "phone": null, "price": amount(delivery),
                "price_set": bag(delivery), "requested_fulfillment_service_id": null, "source": "shopify", "title": "Standard",
                "tax_lines": tax_lines(delivery), "discount_allocations": []
            }]
        }),
    );
    body
}

fn order_line(shop: &Shop, order: &Order<'_>, at: usize, line: &SaleLine, off: i64) -> Value {
    let variant = &shop.variants[line.variant as usize];
    let product = &shop.products[variant.product];
    let id = order.id * 10 + at as u64;
    let sum = line.price * i64::from(line.quantity) - off;
    let allocations = if off > 0 {
        json!([{"amount": amount(off), "amount_set": bag(off), "discount_application_index": 0}])
    } else {
        json!([])
    };
    let open = if order.shipped_at.is_some() { 0 } else { line.quantity };
    json!({
        "id": id, "admin_graphql_api_id": gid("LineItem", id), "attributed_staffs": [], "current_quantity": line.quantity,
        "fulfillable_quantity": open, "fulfillment_service": "manual", "fulfillment_status": order.shipped_at.map(|_| "fulfilled"),
        "gift_card": false, "grams": grams(shop, line), "name": shop.title(line.variant as usize), "price": amount(line.price),
        "price_set": bag(line.price), "product_exists": true, "product_id": product.id, "properties": [],
        "quantity": line.quantity, "requires_shipping": true, "sku": variant.sku, "taxable": true, "title": product.title,
        "total_discount": "0.00", "total_discount_set": bag(0), "variant_id": variant.id,
        "variant_inventory_management": "shopify", "variant_title": variant_title(&variant.option), "vendor": NAME,
        "tax_lines": tax_lines(sum), "duties": [], "discount_allocations": allocations
    })
}

fn fulfilment(order: &Order<'_>, shipped: Millis, items: &[Value]) -> Value {
    let parcel = records::shipment(order.number - 1_001, shipped, order.delivered_at);
    json!({
        "id": parcel.id.parse::<u64>().unwrap_or(order.id), "admin_graphql_api_id": gid("Fulfillment", &parcel.id),
        "created_at": time(shipped), "location_id": LOCATIONS[0].0, "name": format!("#{}.1", order.number),
        "order_id": order.id, "origin_address": {}, "receipt": {}, "service": "manual",
        "shipment_status": if order.delivered_at.is_some() { "delivered" } else { "in_transit" }, "status": "success",
        "tracking_company": parcel.carrier, "tracking_number": parcel.tracking_number,
        "tracking_numbers": [parcel.tracking_number], "tracking_url": parcel.tracking_url,
        "tracking_urls": [parcel.tracking_url], "updated_at": time(order.delivered_at.unwrap_or(shipped)), "line_items": items
    })
}

/// `products/update`: prices as they are now.
#[must_use]
pub fn product(shop: &Shop, at: usize, stock: &dyn Fn(usize) -> i64, updated_at: Millis) -> Value {
    let product = &shop.products[at];
    let created_at = time(shop.start - 730 * calendar::DAY);
    let handle = product.title.to_lowercase().replace([' ', ','], "-").replace("--", "-");
    let variants: Vec<Value> = product
        .variants
        .clone()
        .enumerate()
        .map(|(position, n)| {
            let variant = &shop.variants[n];
            json!({
                "admin_graphql_api_id": gid("ProductVariant", variant.id), "barcode": null,
                "compare_at_price": variant.compare_at.map(amount), "created_at": created_at, "id": variant.id,
                "inventory_policy": "deny", "position": position + 1, "price": amount(variant.price), "product_id": product.id,
                "sku": variant.sku, "taxable": true, "title": variant.option, "updated_at": time(updated_at),
                "option1": variant.option, "option2": null, "option3": null, "image_id": null,
                "inventory_item_id": INVENTORY_IDS + n as u64, "inventory_quantity": stock(n), "old_inventory_quantity": stock(n)
            })
        })
        .collect();
    let values: Vec<&str> = product.variants.clone().map(|n| shop.variants[n].option.as_str()).collect();
    let gids: Vec<Value> = product
        .variants
        .clone()
        .map(|n| json!({"admin_graphql_api_id": gid("ProductVariant", shop.variants[n].id), "updated_at": time(updated_at)}))
        .collect();
    json!({
        "admin_graphql_api_id": gid("Product", product.id), "body_html": format!("<p>{}</p>", product.description),
        "created_at": created_at, "handle": handle, "id": product.id, "product_type": product.family().category,
        "published_at": product.published.then_some(&created_at), "template_suffix": "", "title": product.title,
        "updated_at": time(updated_at), "vendor": NAME, "status": if product.published { "active" } else { "draft" },
        "published_scope": "global", "tags": product.tags.join(", "), "variants": variants,
        "options": [{"name": "Title", "id": product.id + 1_000_000, "product_id": product.id, "position": 1, "values": values}],
        "images": [], "image": null, "media": [], "variant_gids": gids, "has_variants_that_requires_components": false,
        "category": null
    })
}

/// `inventory_levels/update`.
#[must_use]
pub fn level(variant: usize, place: usize, available: i64, updated_at: Millis) -> Value {
    let item = INVENTORY_IDS + variant as u64;
    json!({
        "inventory_item_id": item, "location_id": LOCATIONS[place].0, "available": available, "updated_at": time(updated_at),
        "admin_graphql_api_id": gid("InventoryLevel", format!("{}?inventory_item_id={item}", LOCATIONS[place].0))
    })
}

/// The domain that the headers name.
#[must_use]
pub fn shop_domain() -> &'static str {
    PLATFORM_DOMAIN
}
