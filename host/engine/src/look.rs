//! Components that are looked at before anybody decides about them.

use shopwright_registry::{Permission, permissions};

use crate::{Engine, EngineError, install::is_free};

impl Engine {
    /// What a component asks for, in the order of a summary. Nothing of it is kept.
    ///
    /// # Errors
    /// [`EngineError::Refused`] for what is no component that this host takes.
    pub fn permissions_of(&self, component: &[u8]) -> Result<Vec<Permission>, EngineError> {
        let refused = |reason: String| EngineError::Refused { code: "bad-component", reason };
        let imports = self.core.sandbox.inspect(component).map_err(|error| refused(error.to_string()))?;
        let asked: Vec<(&str, &str)> = imports
            .functions
            .iter()
            .map(|function| (function.interface.as_str(), function.function.as_str()))
            .filter(|(interface, _)| !is_free(interface))
            .collect();
        permissions::permissions(&asked).map_err(|error| refused(error.to_string()))
    }
}
