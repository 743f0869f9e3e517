//! `--grant FUNCTION:NARROWING=VALUE`: grants as they are typed, and as people read them.

use serde_json::{Value, json};
use shopwright_policy::{Grant, narrowings};

use super::plugin::print_permissions;
use crate::{
    failure::{Failure, Result},
    output::{self, cell},
};

/// How `--grant` is written, for help.
pub const HELP: &str = "Narrow a grant; may be given several times. `FUNCTION:per_day=N`, `:channels=A,B`, `:categories=A,B`, `:templates=A,B`, `:hosts=A,B`.";

/// One `--grant`.
pub fn parse(text: &str) -> Result<Value> {
    // A host may have a port: what has no `=` belongs to the part before.
    let mut parts: Vec<String> = Vec::new();
    for part in text.split(':') {
        match parts.last_mut() {
            Some(last) if is_hosts(last) && !part.contains('=') => *last = format!("{last}:{part}"),
            _ => parts.push(part.to_owned()),
        }
    }
    let function = parts.first().cloned().unwrap_or_default();
    let mut grant = json!({"function": function});
    for part in parts.iter().skip(1) {
        let (name, value) = part.split_once('=').ok_or_else(|| wrong(text, format!("`{part}` has no `=`")))?;
        grant[name] = match name {
            "per_day" => {
                let most = value.parse::<u32>().map_err(|_| wrong(text, format!("`{value}` is no whole number")))?;
                json!(most)
            }
            "channels" | "categories" | "templates" | "hosts" => {
                value.split(',').filter(|one| !one.is_empty()).collect()
            }
            other => {
                let known = narrowings(&function).join(", ");
                return Err(wrong(text, format!("`{other}` is no narrowing of {function}; it takes {known}")));
            }
        };
    }
    // Whether the narrowing makes sense is the policy's to say, here as on the host.
    shopwright_policy::Grants::parse(&json!([grant])).map_err(|error| wrong(text, error.to_string()))?;
    Ok(grant)
}

/// Whether a part is a list of hosts that may go on behind a colon.
fn is_hosts(part: &str) -> bool {
    part.starts_with("hosts=")
}

fn wrong(text: &str, reason: String) -> Failure {
    Failure::usage(format!("--grant {text}: {reason}")).remedy("Write it as messaging.send-email:per_day=100.")
}

/// All that is asked for, narrowed as said; none where nothing was said.
pub fn narrowed(asked: &[Value], given: &[String]) -> Result<Option<Value>> {
    if given.is_empty() {
        return Ok(None);
    }
    let mut grants: Vec<Value> = asked.iter().map(|permission| json!({"function": permission["function"]})).collect();
    narrow(&mut grants, given)?;
    Ok(Some(Value::Array(grants)))
}

/// Puts each `--grant` in the place of the grant that is there.
pub fn narrow(grants: &mut [Value], given: &[String]) -> Result {
    for text in given {
        let grant = parse(text)?;
        let place = grants.iter_mut().find(|known| known["function"] == grant["function"]).ok_or_else(|| {
            Failure::usage(format!("the plugin does not ask for {}", cell(&grant["function"])))
                .remedy("Never more than asked is granted: see `shopwright plugin permissions`.")
        })?;
        *place = grant;
    }
    Ok(())
}

/// A grant in words: the function, and how it is narrowed.
pub fn words(grant: &Value) -> String {
    match serde_json::from_value::<Grant>(grant.clone()) {
        Ok(grant) => match grant.words() {
            Some(narrowed) => format!("{} ({narrowed})", grant.function),
            None => grant.function,
        },
        // Written by a later version: as it is.
        Err(_) => grant.to_string(),
    }
}

/// Shows what is asked for, the riskiest first, and how it is narrowed.
pub fn show(asked: &[Value], http: &Value, grants: Option<&Value>) {
    print_permissions(asked, http);
    for grant in grants.and_then(Value::as_array).into_iter().flatten() {
        if grant.as_object().is_some_and(|grant| grant.len() > 1) {
            output::line(format!("narrowed: {}", words(grant)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grants_are_typed_and_checked() {
        let asked = [json!({"function": "orders.get"}), json!({"function": "pricing-actions.set-price"})];
        let given = ["pricing-actions.set-price:categories=hats,shoes:per_day=5".to_owned()];
        let grants = narrowed(&asked, &given).expect("good").expect("some");
        let expected = json!([{"function": "orders.get"},
            {"function": "pricing-actions.set-price", "categories": ["hats", "shoes"], "per_day": 5}]);
        assert_eq!(grants, expected);
        assert_eq!(
            words(&grants[1]),
            "pricing-actions.set-price (only category hats and shoes; at most 5 times a day)"
        );
        assert_eq!(narrowed(&asked, &[]).expect("good"), None);
        let calls = parse("http.send:hosts=api.example.com:8443,b.example:per_day=2").expect("good");
        let expected = json!({"function": "http.send", "hosts": ["api.example.com:8443", "b.example"], "per_day": 2});
        assert_eq!(calls, expected);
        for (text, says) in [
            ("orders.get:per_day=1", "for actions"),
            ("messaging.send-email:per_day=many", "whole number"),
            ("messaging.send-email:per_day", "no `=`"),
            ("messaging.send-email:colour=red", "templates, per_day"),
            ("nonsense", "no function"),
            ("messaging.send-sms:per_day=1", "does not ask for"),
        ] {
            let failure = narrowed(&asked, &[text.to_owned()]).expect_err(text);
            assert!(failure.to_string().contains(says), "{failure}");
        }
    }
}
