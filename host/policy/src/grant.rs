//! What an operator granted an installation, function by function.

use serde::{Deserialize, Serialize};
use shopwright_model::messaging::Email;

use crate::{
    action::ActionKind,
    facts::{Facts, Scope, effects_today},
    hosts::HostPattern,
    rule::is_within,
};

/// Why a grant cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GrantError {
    /// The JSON is no list of grants.
    #[error("these are no grants: {reason}; write [{{\"function\": \"messaging.send-email\"}}, …]")]
    Json {
        /// As serde says it.
        reason: String,
    },
    /// Not `interface.function`.
    #[error("`{function}` is no function; write `interface.function`, such as `orders.get`")]
    Function {
        /// What was given.
        function: String,
    },
    /// A narrowing that means nothing for this function.
    #[error("a grant of `{function}` cannot be narrowed by `{narrowing}`; that is for {only}")]
    Narrowing {
        /// Which grant.
        function: String,
        /// Which field.
        narrowing: &'static str,
        /// Where it makes sense.
        only: &'static str,
    },
    /// A host that is none.
    #[error("`http.send` cannot be granted for a host like this: {reason}")]
    Host {
        /// What is wrong with it.
        reason: String,
    },
    /// The same function twice.
    #[error("`{function}` is granted twice; keep one of them")]
    Twice {
        /// Which.
        function: String,
    },
}

/// One granted function, perhaps narrowed. In JSON `{"function": "messaging.send-email", "per_day": 100}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// `interface.function`.
    pub function: String,
    /// Only these staff channels (for `messaging.notify-staff`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channels: Option<Vec<String>>,
    /// Only products of these categories and below (for `pricing-actions.set-price`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub categories: Option<Vec<String>>,
    /// Only these templates (for `messaging.send-email`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub templates: Option<Vec<String>>,
    /// Only these hosts (for `http.send`), as [`crate::HostPattern`] writes them; those that the manifest asks
    /// for where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hosts: Option<Vec<String>>,
    /// At most so many effects on one of the shop's local days (for actions).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_day: Option<u32>,
}

impl Grant {
    /// A grant without narrowing.
    #[must_use]
    pub fn of(interface: &str, function: &str) -> Self {
        let function = format!("{interface}.{function}");
        Self { function, channels: None, categories: None, templates: None, hosts: None, per_day: None }
    }

    /// Why this grant does not cover an action of its function; none if it does.
    pub(crate) fn objection(&self, action: &ActionKind, facts: &Facts) -> Option<String> {
        if self.function != action.name() {
            return Some(format!("This plugin was not granted {}.", action.name()));
        }
        let outside = |allowed: &Option<Vec<String>>, value: &str, what: &str| {
            let allowed = allowed.as_ref()?;
            (!allowed.iter().any(|known| known == value))
                .then(|| format!("This plugin may use only these {what}: {}.", allowed.join(", ")))
        };
        let objection = match action {
            ActionKind::NotifyStaff { channel, .. } => outside(&self.channels, channel, "staff channels"),
            ActionKind::SendEmail(Email { template, .. }) => outside(&self.templates, template, "templates"),
            ActionKind::SetPrice { .. } => self.categories.as_ref().and_then(|categories| {
                let of = facts.variant.as_ref().map(|variant| variant.category.as_str());
                let inside = of.is_some_and(|of| categories.iter().any(|outer| is_within(of, outer)));
                (!inside).then(|| format!("This plugin may set prices only in: {}.", categories.join(", ")))
            }),
            _ => None,
        };
        objection.or_else(|| {
            let most = self.per_day?;
            let need = effects_today(Scope::Installation, action.name(), facts.now, &facts.shop);
            match facts.count(&need) {
                Some(done) if done < u64::from(most) => None,
                Some(_) => Some(format!("This plugin may use {} at most {most} times a day.", self.function)),
                None => Some(format!("How often this plugin used {} today is not known.", self.function)),
            }
        })
    }

    fn check(&self) -> Result<(), GrantError> {
        let part = |text: &str| {
            !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        };
        if !self.function.split_once('.').is_some_and(|(interface, function)| part(interface) && part(function)) {
            return Err(GrantError::Function { function: self.function.clone() });
        }
        let is = |name: &str| self.function == name;
        let wrong = [
            (self.channels.is_some() && !is("messaging.notify-staff"), "channels", "`messaging.notify-staff`"),
            (
                self.categories.is_some() && !is("pricing-actions.set-price"),
                "categories",
                "`pricing-actions.set-price`",
            ),
            (self.templates.is_some() && !is("messaging.send-email"), "templates", "`messaging.send-email`"),
            (self.hosts.is_some() && !is("http.send"), "hosts", "`http.send`"),
            (self.per_day.is_some() && !ActionKind::NAMES.contains(&self.function.as_str()), "per_day", "actions"),
        ];
        match wrong.into_iter().find(|(wrong, ..)| *wrong) {
            Some((_, narrowing, only)) => {
                Err(GrantError::Narrowing { function: self.function.clone(), narrowing, only })
            }
            None => self.hosts.iter().flatten().try_for_each(|host| match HostPattern::parse(host) {
                Ok(pattern) if pattern.is_any() => {
                    Err(GrantError::Host { reason: format!("`{host}`: name the hosts one by one") })
                }
                Ok(_) => Ok(()),
                Err(reason) => Err(GrantError::Host { reason }),
            }),
        }
    }
}

/// What an installation may call. In JSON a list of [`Grant`]s.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(transparent)]
pub struct Grants {
    grants: Vec<Grant>,
}

/// What lies between what a component imports and what it was granted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Difference {
    /// Imported and not granted: `interface.function`, sorted.
    pub missing: Vec<String>,
    /// Granted and not imported, sorted.
    pub unused: Vec<String>,
}

impl Grants {
    /// Checks and collects.
    ///
    /// # Errors
    /// The first grant that cannot be used, and why.
    pub fn new(grants: Vec<Grant>) -> Result<Self, GrantError> {
        for (i, grant) in grants.iter().enumerate() {
            grant.check()?;
            if grants[..i].iter().any(|earlier| earlier.function == grant.function) {
                return Err(GrantError::Twice { function: grant.function.clone() });
            }
        }
        Ok(Self { grants })
    }

    /// Every imported function, not narrowed.
    #[must_use]
    pub fn everything<'a>(imports: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut all = Self::default();
        for (interface, function) in imports {
            if !all.allows(interface, function) {
                all.grants.push(Grant::of(interface, function));
            }
        }
        all
    }

    /// From a JSON list.
    ///
    /// # Errors
    /// What is wrong and with which grant.
    pub fn parse(json: &serde_json::Value) -> Result<Self, GrantError> {
        let grants = Vec::<Grant>::deserialize(json).map_err(|error| GrantError::Json { reason: error.to_string() })?;
        Self::new(grants)
    }

    /// The grant of a function.
    #[must_use]
    pub fn find(&self, interface: &str, function: &str) -> Option<&Grant> {
        self.grants
            .iter()
            .find(|grant| grant.function.split_once('.').is_some_and(|(of, name)| of == interface && name == function))
    }

    /// Whether a function was granted, narrowed or not.
    #[must_use]
    pub fn allows(&self, interface: &str, function: &str) -> bool {
        self.find(interface, function).is_some()
    }

    /// What a component imports beyond these grants, and what it was granted and does not import.
    #[must_use]
    pub fn difference<'a>(&self, imports: impl IntoIterator<Item = (&'a str, &'a str)>) -> Difference {
        let asked: std::collections::BTreeSet<String> =
            imports.into_iter().map(|(interface, function)| format!("{interface}.{function}")).collect();
        let granted: std::collections::BTreeSet<String> =
            self.grants.iter().map(|grant| grant.function.clone()).collect();
        Difference {
            missing: asked.difference(&granted).cloned().collect(),
            unused: granted.difference(&asked).cloned().collect(),
        }
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Grant> {
        self.grants.iter()
    }
}

impl<'de> Deserialize<'de> for Grants {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Self::new(Vec::deserialize(from)?).map_err(serde::de::Error::custom)
    }
}
