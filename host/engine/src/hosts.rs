//! The hosts that a grant of `http.send` names. They are written down when it is granted, so that a later version
//! which asks for more does not get it by itself.

use shopwright_policy::{Grant, Grants, Reach};

use crate::{EngineError, install::Program};

/// `http.send`
pub(crate) const FUNCTION: &str = "http.send";

/// The grants with their hosts written down: those that the manifest names, where the operator named none.
pub(crate) fn settled(program: &Program, grants: Grants) -> Result<Grants, EngineError> {
    let asked = &program.manifest.http;
    let mut all: Vec<Grant> = grants.iter().cloned().collect();
    for grant in all.iter_mut().filter(|grant| grant.function == FUNCTION) {
        if let Some(more) = Reach::new(asked, grant.hosts.as_deref()).too_much() {
            let list = if asked.is_empty() { "no host".into() } else { asked.join(", ") };
            let reason = format!("never more than asked: the plugin's manifest asks for {list}, and not for {more}");
            return Err(EngineError::invalid("bad-grants", "/grants", reason));
        }
        grant.hosts.get_or_insert_with(|| asked.iter().filter(|host| *host != "*").cloned().collect());
    }
    Grants::new(all).map_err(EngineError::internal)
}

/// A grant as another version of the plugin keeps it. One that asks for further hosts is held until they are
/// granted; hosts that it no longer asks for are taken at once.
pub(crate) fn kept(grant: &Grant, before: &Program, after: &Program) -> Result<Grant, EngineError> {
    let mut grant = grant.clone();
    if grant.function != FUNCTION {
        return Ok(grant);
    }
    let (old, new) = (&before.manifest.http, &after.manifest.http);
    let further: Vec<&str> = new.iter().filter(|host| !old.contains(host)).map(String::as_str).collect();
    if !further.is_empty() {
        return Err(EngineError::Refused {
            code: "not-granted",
            reason: format!(
                "version {} asks to call further hosts: {}. Give the grants anew, with the hosts of `{FUNCTION}` that it may call",
                after.manifest.version,
                further.join(", ")
            ),
        });
    }
    if let Some(hosts) = &mut grant.hosts {
        hosts.retain(|host| Reach::new(new, Some(std::slice::from_ref(host))).too_much().is_none());
    }
    Ok(grant)
}
