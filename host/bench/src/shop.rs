//! The shop that is measured on, and the events that are sent to it.

use serde_json::{Value, json};

/// Customers of the shop.
pub const CUSTOMERS: u64 = 1_000;
/// Products, each with three variants.
pub const PRODUCTS: u64 = 300;
/// Carts that the events are about: each is updated many times.
const CARTS: u64 = 20_000;

/// The shop's documents as lines of an import.
pub fn documents() -> String {
    let customers = (0..CUSTOMERS).map(|n| {
        let consent = json!({"channel": "email", "granted": n % 2 == 0, "at": 1_760_000_000_000_i64});
        let document = json!({
            "id": format!("c{n:04}"), "email": format!("customer{n}@example.com"), "name": format!("Customer {n}"),
            "locale": "en-GB", "time_zone": "Europe/Berlin", "tags": ["newsletter"], "consents": [consent],
            "created_at": 1_760_000_000_000_i64, "extra": {},
        });
        json!({"kind": "customer", "document": document})
    });
    let products = (0..PRODUCTS).map(|n| {
        let variant = |v: u64| {
            json!({
                "id": format!("v{n:03}-{v}"), "product": format!("p{n:03}"), "sku": format!("SKU-{n:03}-{v}"), "title": format!("Size {v}"),
                "price": {"amount": 1_999 + n, "currency": "EUR"}, "cost": {"amount": 900, "currency": "EUR"}, "extra": {},
            })
        };
        let document = json!({
            "id": format!("p{n:03}"), "title": format!("Product {n}"), "description": "A thing that people put into carts.",
            "category": "things/some", "tags": [], "publication": "published",
            "variants": (0..3).map(variant).collect::<Vec<_>>(), "extra": {},
        });
        json!({"kind": "product", "document": document})
    });
    customers.chain(products).map(|line: Value| format!("{line}\n")).collect()
}

/// Where an event differs from the others of its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Blank {
    /// Its own number.
    Number,
    /// The cart's.
    Cart,
    /// The customer's.
    Customer,
    /// The product's.
    Product,
    /// A time in milliseconds.
    Time,
}

/// Stand for digits in a template's text; they occur in it nowhere else.
const BLANKS: [(u8, Blank); 5] =
    [(b'#', Blank::Number), (b'@', Blank::Cart), (b'$', Blank::Customer), (b'%', Blank::Product), (b'&', Blank::Time)];

/// An event's text with blanks of fixed width, so that making one is a copy and a few digits.
#[derive(Debug, Clone)]
pub struct Template {
    text: Vec<u8>,
    blanks: Vec<(std::ops::Range<usize>, Blank)>,
}

impl Template {
    /// A `cart.updated` of about 1 KB, in CloudEvents' structured form.
    pub fn cart_updated() -> Self {
        let line = |n: u64| {
            json!({
                "variant_id": format!("v%%%-{n}"), "sku": format!("SKU-%%%-{n}"), "title": "A thing that people put into carts",
                "quantity": n + 1, "price": {"amount": 1_999, "currency": "EUR"}, "discount": {"amount": 0, "currency": "EUR"},
            })
        };
        let cart = json!({
            "id": "cart-@@@@@", "customer": "c$$$$", "email": "customer$$$$@example.com", "lines": [line(0), line(1), line(2)],
            "total": {"amount": 11_994, "currency": "EUR"}, "step": "shipping", "created_at": 1_760_000_000_000_i64,
            "updated_at": "&&&&&&&&&&&&&", "recovery_url": "https://shop.example.com/checkouts/@@@@@/recover?key=0f3c1d",
            "extra": {"landing": "/spring-sale", "currency_rate": 1, "note": "Please wrap it as a present.", "device": "phone"},
        });
        Self::of(
            &json!({"specversion": "1.0", "id": "e############", "source": "/bench", "type": "cart.updated", "data": cart}),
        )
    }

    /// A `bench.wait` until a time that [`Template::write`] is given.
    pub fn wait() -> Self {
        let data = json!({"until": "&&&&&&&&&&&&&"});
        Self::of(
            &json!({"specversion": "1.0", "id": "w############", "source": "/bench", "type": "bench.wait", "data": data}),
        )
    }

    fn of(event: &Value) -> Self {
        // A time is a number, not text.
        let text = event.to_string().replace("\"&&&&&&&&&&&&&\"", "&&&&&&&&&&&&&").into_bytes();
        let mut blanks: Vec<(std::ops::Range<usize>, Blank)> = Vec::new();
        for (at, byte) in text.iter().enumerate() {
            let Some((_, blank)) = BLANKS.iter().find(|(mark, _)| mark == byte) else { continue };
            match blanks.last_mut() {
                Some((range, last)) if range.end == at && last == blank => range.end += 1,
                _ => blanks.push((at..at + 1, *blank)),
            }
        }
        Self { text, blanks }
    }

    /// Its length in bytes, the same for every event.
    pub fn len(&self) -> usize {
        self.text.len()
    }

    /// Adds the event with this number and time.
    pub fn write(&self, out: &mut Vec<u8>, number: u64, time_ms: u64) {
        let begin = out.len();
        out.extend_from_slice(&self.text);
        let cart = number % CARTS;
        for (range, blank) in &self.blanks {
            let mut value = match blank {
                Blank::Number => number,
                Blank::Cart => cart,
                Blank::Customer => cart % CUSTOMERS,
                Blank::Product => cart % PRODUCTS,
                Blank::Time => time_ms,
            };
            for digit in out[begin + range.start..begin + range.end].iter_mut().rev() {
                *digit = b'0' + u8::try_from(value % 10).unwrap_or_default();
                value /= 10;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_json_of_the_promised_size_and_differ_where_they_should() {
        let template = Template::cart_updated();
        assert!((900..1_300).contains(&template.len()), "{}", template.len());
        let mut bytes = Vec::new();
        template.write(&mut bytes, 20_017, 1_790_000_000_123);
        assert_eq!(bytes.len(), template.len());
        let event: Value = serde_json::from_slice(&bytes).expect("JSON");
        assert_eq!(event["id"], "e000000020017");
        assert_eq!(event["data"]["id"], "cart-00017");
        assert_eq!(event["data"]["customer"], "c0017");
        assert_eq!(event["data"]["lines"][2]["variant_id"], "v017-2");
        assert_eq!(event["data"]["updated_at"], 1_790_000_000_123_u64);
        let mut bytes = Vec::new();
        Template::wait().write(&mut bytes, 1, 1_790_000_000_123);
        let event: Value = serde_json::from_slice(&bytes).expect("JSON");
        assert_eq!(event["data"]["until"], 1_790_000_000_123_u64);
    }

    #[test]
    fn every_reference_of_an_event_is_in_the_shop() {
        let documents = documents();
        assert_eq!(documents.lines().count() as u64, CUSTOMERS + PRODUCTS);
        for id in ["\"c0999\"", "\"v299-2\"", "\"v000-0\""] {
            assert!(documents.contains(id), "{id}");
        }
    }
}
