//! What a plugin may do, in words. A component's imports are its permissions: each function of the WIT
//! interface that it imports is one line here, with the words an operator reads before saying yes.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::RegistryError;

/// What may go wrong when a plugin with this permission is careless or hostile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Risk {
    /// Nothing leaves the shop and no customer notices.
    Low,
    /// It sees personal data, or changes what staff work with.
    Medium,
    /// It reaches customers, or money.
    High,
}

/// What sort of thing a function does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Reads the shop's data.
    Read,
    /// Asks for an action, which passes the guardrails.
    Act,
    /// Concerns the run and the plugin's own memory.
    Own,
}

/// One function that a plugin imports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub struct Permission {
    /// WIT interface, such as `messaging`.
    pub interface: &'static str,
    /// Function of it, such as `send-email`.
    pub function: &'static str,
    /// What it does, as a clause without subject: "sends e-mail to customers".
    pub words: &'static str,
    /// How much harm it can do.
    pub risk: Risk,
    /// What sort of thing it does.
    pub kind: Kind,
    /// Verb and object by which [`summary`] joins permissions; an empty verb is not worth mention.
    #[serde(skip)]
    brief: (&'static str, &'static str),
}

impl Permission {
    /// `interface.function`, as grants name it.
    pub fn name(&self) -> String {
        format!("{}.{}", self.interface, self.function)
    }
}

const fn row(
    interface: &'static str,
    function: &'static str,
    kind: Kind,
    risk: Risk,
    brief: (&'static str, &'static str),
    words: &'static str,
) -> Permission {
    Permission { interface, function, words, risk, kind, brief }
}

use Kind::{Act, Own, Read};
use Risk::{High, Low, Medium};

/// Every function of the interface, in the order in which a summary speaks of them.
#[rustfmt::skip]
static ALL: &[Permission] = &[
    row("customers", "get", Read, Medium, ("reads", "customers"), "reads a customer's name, address, phone and consents"),
    row("customers", "find-by-email", Read, Medium, ("reads", "customers"), "finds a customer by e-mail address"),
    row("customers", "get-standing", Read, Medium, ("reads", "customers"), "reads what a customer has bought and is expected to buy"),
    row("customers", "engagement-of", Read, Medium, ("reads", "customers"), "reads how a customer answered to messages"),
    row("customers", "query", Read, Medium, ("reads", "customers"), "searches all customers"),
    row("orders", "get", Read, Medium, ("reads", "orders"), "reads an order"),
    row("orders", "find-by-number", Read, Medium, ("reads", "orders"), "finds an order by its number"),
    row("orders", "of-customer", Read, Medium, ("reads", "orders"), "reads the orders of a customer"),
    row("orders", "query", Read, Medium, ("reads", "orders"), "searches all orders"),
    row("carts", "get", Read, Medium, ("reads", "carts"), "reads a cart"),
    row("carts", "open-of-customer", Read, Medium, ("reads", "carts"), "reads the open carts of a customer"),
    row("support", "get", Read, Medium, ("reads", "tickets"), "reads a support ticket with its messages"),
    row("support", "open-of-customer", Read, Medium, ("reads", "tickets"), "reads the open support tickets of a customer"),
    row("support", "of-customer", Read, Medium, ("reads", "tickets"), "reads all support tickets of a customer"),
    row("support", "search-articles", Read, Low, ("reads", "help articles"), "searches the help centre's articles"),
    row("catalog", "get-product", Read, Low, ("reads", "products"), "reads a product with its prices and costs"),
    row("catalog", "get-variant", Read, Low, ("reads", "products"), "reads a variant with its price and cost"),
    row("catalog", "query", Read, Low, ("reads", "products"), "searches all products"),
    row("inventory", "levels", Read, Low, ("reads", "stock"), "reads the stock of a variant"),
    row("inventory", "velocity", Read, Low, ("reads", "stock"), "reads how fast a variant sells"),
    row("reviews", "summary-of", Read, Low, ("reads", "reviews"), "reads the reviews of a product"),
    row("market", "prices-of", Read, Low, ("reads", "competitors' prices"), "reads competitors' prices"),
    row("market", "changes-of", Read, Low, ("reads", "past price changes"), "reads past price changes"),
    row("messaging", "send-email", Act, High, ("sends", "email"), "sends e-mail to customers"),
    row("messaging", "send-sms", Act, High, ("sends", "SMS"), "sends SMS to customers"),
    row("messaging", "notify-staff", Act, Low, ("notifies", "staff"), "sends notices to the shop's own people"),
    row("pricing-actions", "set-price", Act, High, ("changes", "prices"), "changes prices"),
    row("discount-actions", "create", Act, High, ("creates", "discounts"), "creates discount codes"),
    row("support-actions", "reply", Act, High, ("answers", "tickets"), "answers customers in support tickets"),
    row("support-actions", "assign", Act, Medium, ("sorts", "tickets"), "assigns support tickets to teams and people"),
    row("support-actions", "set-priority", Act, Medium, ("sorts", "tickets"), "changes the priority of support tickets"),
    row("support-actions", "set-status", Act, Medium, ("sorts", "tickets"), "resolves, closes and reopens support tickets"),
    row("support-actions", "note", Act, Low, ("sorts", "tickets"), "writes internal notes on support tickets"),
    row("support-actions", "tag", Act, Low, ("sorts", "tickets"), "tags support tickets"),
    row("http", "send", Act, High, ("", ""), "sends requests to servers outside, to the hosts named below"),
    row("workflow", "emit", Own, Medium, ("publishes", "events"), "publishes events that can start other workflows"),
    row("workflow", "ask", Own, Low, ("asks", "people"), "asks a person to decide"),
    row("workflow", "start", Own, Low, ("", ""), "starts its own other workflows"),
    row("workflow", "wait-for", Own, Medium, ("waits for", "events"), "waits for events of the shop and reads them"),
    row("workflow", "sleep", Own, Low, ("", ""), "waits for a time"),
    row("workflow", "sleep-until", Own, Low, ("", ""), "waits until a time"),
    row("workflow", "info", Own, Low, ("", ""), "reads the run's id, the shop's currency and time zone"),
    row("workflow", "now", Own, Low, ("", ""), "reads the run's clock"),
    row("workflow", "random", Own, Low, ("", ""), "draws random numbers"),
    row("workflow", "log", Own, Low, ("", ""), "writes to the run's log"),
    row("memory", "get", Own, Low, ("remembers", ""), "reads its own memory"),
    row("memory", "set", Own, Low, ("remembers", ""), "writes its own memory"),
    row("memory", "remove", Own, Low, ("remembers", ""), "removes from its own memory"),
    row("memory", "increment", Own, Low, ("remembers", ""), "counts in its own memory"),
    row("memory", "compare-and-set", Own, Low, ("remembers", ""), "writes its own memory where nobody else did"),
];

/// Every permission there is, in the order of a summary.
pub fn all() -> &'static [Permission] {
    ALL
}

/// The permission to call a function; none where no version of the interface has it. The interface is
/// given as `messaging` or in full as `shopwright:plugin/messaging@0.1.0`.
pub fn find(interface: &str, function: &str) -> Option<Permission> {
    let name = interface.strip_prefix("shopwright:plugin/").unwrap_or(interface);
    let name = name.split('@').next().unwrap_or(name);
    ALL.iter().find(|known| known.interface == name && known.function == function).copied()
}

/// The permission that [`Permission::name`] gives as `name`.
pub fn named(name: &str) -> Option<Permission> {
    name.split_once('.').and_then(|(interface, function)| find(interface, function))
}

/// The permissions that a component's imports (interface, function) are, each once, in the order of a
/// summary.
///
/// # Errors
/// [`RegistryError::UnknownFunctions`] with every function that there are no words for: what cannot be
/// shown to an operator cannot be granted.
pub fn permissions<I, F>(imports: &[(I, F)]) -> Result<Vec<Permission>, RegistryError>
where
    I: AsRef<str>,
    F: AsRef<str>,
{
    let mut unknown = BTreeSet::new();
    let mut found = Vec::new();
    for (interface, function) in imports {
        match find(interface.as_ref(), function.as_ref()) {
            Some(permission) => found.push(permission),
            None => {
                unknown.insert(format!("{}.{}", interface.as_ref(), function.as_ref()));
            }
        }
    }
    if !unknown.is_empty() {
        return Err(RegistryError::UnknownFunctions { names: unknown.into_iter().collect() });
    }
    Ok(ordered(&found))
}

/// Each permission once, in the order of a summary.
fn ordered(permissions: &[Permission]) -> Vec<Permission> {
    ALL.iter().filter(|known| permissions.contains(known)).copied().collect()
}

/// The permissions as one line: "reads customers and orders; sends email; changes prices".
pub fn summary(permissions: &[Permission]) -> String {
    summary_with_hosts(permissions, &[])
}

/// As [`summary`], with the hosts that the manifest asks to call: "…; calls api.example.com".
pub fn summary_with_hosts(permissions: &[Permission], hosts: &[String]) -> String {
    let mut clauses: Vec<(&str, Vec<&str>)> = Vec::new();
    for Permission { brief: (verb, object), .. } in ordered(permissions) {
        if verb.is_empty() {
            continue;
        }
        match clauses.iter_mut().find(|(known, _)| *known == verb) {
            Some((_, objects)) if objects.contains(&object) => {}
            Some((_, objects)) => objects.push(object),
            None => clauses.push((verb, vec![object])),
        }
    }
    if !hosts.is_empty() {
        let words = hosts.iter().map(|host| if host == "*" { "hosts that you name" } else { host.as_str() });
        clauses.push(("calls", words.collect()));
    }
    let clauses: Vec<String> =
        clauses.iter().map(|(verb, objects)| format!("{verb} {}", joined(objects)).trim_end().to_owned()).collect();
    if clauses.is_empty() { "reads and changes nothing of the shop".to_owned() } else { clauses.join("; ") }
}

/// "a", "a and b", "a, b and c".
fn joined(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// What an upgrade asks for beyond what was granted, and what it no longer needs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Difference {
    /// In the new ones alone.
    pub added: Vec<Permission>,
    /// In the old ones alone.
    pub removed: Vec<Permission>,
}

impl Difference {
    /// True where both are the same.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty()
    }
}

/// How `new` permissions differ from `old` ones.
pub fn difference(old: &[Permission], new: &[Permission]) -> Difference {
    let beyond = |these: &[Permission], those: &[Permission]| {
        ordered(these).into_iter().filter(|permission| !those.contains(permission)).collect()
    };
    Difference { added: beyond(new, old), removed: beyond(old, new) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    /// The interface as published and the table of words, kept the same.
    #[test]
    fn every_function_has_words_and_every_word_a_function() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit/0.1");
        let mut resolve = wit_parser::Resolve::default();
        let (package, _) = resolve.push_dir(&folder).unwrap();
        let exported: BTreeSet<_> = resolve
            .worlds
            .iter()
            .flat_map(|(_, world)| world.exports.keys().cloned().collect::<Vec<_>>())
            .map(|key| resolve.name_world_key(&key))
            .collect();
        let mut published = BTreeSet::new();
        for (name, id) in &resolve.packages[package].interfaces {
            if exported.iter().any(|export| export.contains(&format!("/{name}@"))) {
                continue;
            }
            for function in resolve.interfaces[*id].functions.keys() {
                published.insert((name.clone(), function.clone()));
            }
        }
        let known: BTreeSet<_> = ALL.iter().map(|row| (row.interface.to_owned(), row.function.to_owned())).collect();
        assert!(published.len() > 40, "{published:?}");
        assert_eq!(published.difference(&known).collect::<Vec<_>>(), Vec::<&(String, String)>::new(), "no words");
        assert_eq!(known.difference(&published).collect::<Vec<_>>(), Vec::<&(String, String)>::new(), "no function");
        assert_eq!(known.len(), ALL.len(), "a function has two lines");
    }

    fn of(names: &[(&str, &str)]) -> Vec<Permission> {
        permissions(names).unwrap()
    }

    #[test]
    fn a_summary_joins_what_belongs_together() {
        let asked = [
            ("pricing-actions", "set-price"),
            ("shopwright:plugin/messaging@0.1.0", "send-email"),
            ("orders", "get"),
            ("orders", "query"),
            ("customers", "get"),
            ("catalog", "query"),
            ("workflow", "sleep"),
            ("memory", "get"),
        ];
        let expected = "reads customers, orders and products; sends email; changes prices; remembers";
        assert_eq!(summary(&of(&asked)), expected);
        let hosts = ["api.example.com".to_owned()];
        assert_eq!(summary_with_hosts(&of(&[("carts", "get")]), &hosts), "reads carts; calls api.example.com");
        assert_eq!(summary(&of(&[("workflow", "now")])), "reads and changes nothing of the shop");
    }

    #[test]
    fn an_upgrade_shows_what_it_adds_and_leaves() {
        let old = of(&[("orders", "get"), ("carts", "get")]);
        let new = of(&[("orders", "get"), ("messaging", "send-sms"), ("customers", "get")]);
        let names = |permissions: &[Permission]| permissions.iter().map(Permission::name).collect::<Vec<_>>();
        let Difference { added, removed } = difference(&old, &new);
        assert_eq!(names(&added), ["customers.get", "messaging.send-sms"]);
        assert_eq!(names(&removed), ["carts.get"]);
        assert!(difference(&new, &new).is_empty());
    }

    #[test]
    fn a_function_without_words_is_named() {
        let error = permissions(&[("orders", "get"), ("orders", "delete"), ("wallet", "pay")]).unwrap_err();
        assert!(matches!(error, RegistryError::UnknownFunctions { names } if names == ["orders.delete", "wallet.pay"]));
    }
}
