//! How the calls of `wit/` are offered to whoever links them.

use std::{future::Future, pin::Pin};

use serde::{Serialize, de::DeserializeOwned};
use shopwright_model::types::{ReadError, Receipt};
use shopwright_policy::ActionKind;
use wasmtime::component::{ComponentNamedList, ComponentType, Lift, Lower};

use crate::Reader;

/// The parameters of a WIT function, as a tuple: they come out of the guest and go into the journal.
pub trait Params: ComponentNamedList + Lift + Serialize + DeserializeOwned + Send + Sync + 'static {}
impl<T: ComponentNamedList + Lift + Serialize + DeserializeOwned + Send + Sync + 'static> Params for T {}

/// The ok type of a WIT function's result: it comes out of the journal and goes into the guest.
pub trait Returns: ComponentType + Lower + Lift + Serialize + DeserializeOwned + Send + Sync + 'static {}
impl<T: ComponentType + Lower + Lift + Serialize + DeserializeOwned + Send + Sync + 'static> Returns for T {}

/// What a read gives, in time.
pub type ReadFuture<'a, R> = Pin<Box<dyn Future<Output = Result<R, ReadError>> + Send + 'a>>;

/// Takes every host call of the commerce interfaces.
pub trait Surface {
    /// A read: `P` the WIT parameters, `R` the ok type of `result<R, read-error>`.
    fn read<P: Params, R: Returns>(
        &mut self,
        interface: &'static str,
        function: &'static str,
        read: for<'a> fn(&'a dyn Reader, P) -> ReadFuture<'a, R>,
    );

    /// An action: `P` the WIT parameters, `R` the ok type of `result<R, action-error>`.
    ///
    /// `ask` turns the parameters into the action, or says why they make no sense; the caller checks
    /// the action itself with [`shopwright_policy::Action::validate`]. `answer` builds the ok value
    /// from what carrying it out gave.
    fn action<P: Params, R: Returns>(
        &mut self,
        interface: &'static str,
        function: &'static str,
        ask: fn(P) -> Result<ActionKind, String>,
        answer: fn(Performed) -> R,
    );
}

/// What carrying out an action gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Performed {
    /// The effect's id, which is its idempotency key.
    pub effect: String,
    /// The id that the receiving platform gave.
    pub reference: Option<String>,
    /// For a discount: what the customer types.
    pub code: Option<String>,
}

impl Performed {
    /// The receipt that every action's answer is or contains.
    #[must_use]
    pub fn receipt(self) -> Receipt {
        Receipt { effect: self.effect, reference: self.reference }
    }
}
