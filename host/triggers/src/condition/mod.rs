//! Conditions and keys in CEL.
//!
//! An expression is compiled once and checked for every event, so a check converts nothing ahead: the
//! event is bound as a [lazy value](json) over the JSON document, and only the fields that the
//! expression reaches are looked at. Plugins and operators write these expressions, so each is
//! [bounded](meter): 4 KiB of text, a depth, and a number of steps per check, which bounds loops over lists
//! and what they build.

mod compile;
mod json;
mod meter;

use std::fmt;

use cel::common::types::{CelBool, CelDouble, CelInt, CelNull, CelString, CelUInt};
use cel::common::value::CowVal;
use cel::{Context, ExecutionError, Value};

use crate::TriggerError;
pub use compile::MAX_EXPRESSION_BYTES;
pub use meter::MAX_STEPS;

/// What the expression sees, and by which name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Root {
    /// `event`: `{id, kind, at, concerns, data}`.
    Event,
    /// `item`: a record of a query.
    Item,
}

impl Root {
    /// The name the expression uses.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Item => "item",
        }
    }
}

/// A CEL expression that gives a boolean.
///
/// A field that is not there, or null, makes the condition false wherever it is needed for the answer
/// (also in `!(event.data.a == 1)`); test for it with `has(event.data.a)` or write
/// `event.data.?a.orValue(0)`.
pub struct Condition(Expression);

impl Condition {
    /// Compiles `source`.
    ///
    /// # Errors
    /// [`TriggerError::Syntax`] with the position, also for an unknown name or function;
    /// [`TriggerError::TooLong`].
    pub fn compile(source: &str, root: Root) -> Result<Self, TriggerError> {
        Expression::compile(source, root).map(Self)
    }

    /// Whether `value` (what `event` or `item` stands for) meets the condition.
    ///
    /// # Errors
    /// [`TriggerError::NotBoolean`], [`TriggerError::Evaluation`] where types do not fit,
    /// [`TriggerError::TooManySteps`].
    pub fn check(&self, value: &serde_json::Value) -> Result<bool, TriggerError> {
        let expression = &self.0;
        let answer = expression.evaluate(value, |answer| {
            if let Some(answer) = answer.downcast_ref::<CelBool>() {
                return Ok(*answer.inner());
            }
            if answer.downcast_ref::<CelNull>().is_some() {
                return Ok(false);
            }
            Err(TriggerError::NotBoolean {
                expression: expression.source.clone(),
                got: answer.get_type().name().to_owned(),
            })
        })?;
        Ok(answer.unwrap_or(false))
    }

    /// The expression's text.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.0.source
    }
}

/// A CEL expression over `event` that gives a key: runs with the same key belong together.
pub struct KeyExpr(Expression);

impl KeyExpr {
    /// Compiles `source`.
    ///
    /// # Errors
    /// As [`Condition::compile`].
    pub fn compile(source: &str) -> Result<Self, TriggerError> {
        Expression::compile(source, Root::Event).map(Self)
    }

    /// The key of `value`: a text as it is, a number or boolean in its shortest form; none where the
    /// field is missing or null.
    ///
    /// # Errors
    /// [`TriggerError::NotKey`] for lists, maps and the like, otherwise as [`Condition::check`].
    pub fn eval(&self, value: &serde_json::Value) -> Result<Option<String>, TriggerError> {
        let expression = &self.0;
        let key = expression.evaluate(value, |key| {
            if let Some(text) = key.downcast_ref::<CelString>() {
                Ok(Some(text.inner().to_owned()))
            } else if let Some(number) = key.downcast_ref::<CelInt>() {
                Ok(Some(number.inner().to_string()))
            } else if let Some(number) = key.downcast_ref::<CelUInt>() {
                Ok(Some(number.inner().to_string()))
            } else if let Some(number) = key.downcast_ref::<CelDouble>() {
                Ok(Some(number.inner().to_string()))
            } else if let Some(truth) = key.downcast_ref::<CelBool>() {
                Ok(Some(truth.inner().to_string()))
            } else if key.downcast_ref::<CelNull>().is_some() {
                Ok(None)
            } else {
                Err(TriggerError::NotKey {
                    expression: expression.source.clone(),
                    got: key.get_type().name().to_owned(),
                })
            }
        })?;
        Ok(key.flatten())
    }

    /// The expression's text.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.0.source
    }
}

/// A compiled expression and what it sees.
struct Expression {
    source: String,
    root: Root,
    tree: cel::IdedExpr,
    /// Whether it goes over lists, so that steps must be counted.
    loops: bool,
}

impl Expression {
    fn compile(source: &str, root: Root) -> Result<Self, TriggerError> {
        let compiled = compile::compile(source, root)?;
        Ok(Self { source: source.to_owned(), root, tree: compiled.tree, loops: compiled.loops })
    }

    /// Evaluates on `value` and reads the answer; none where a field was missing.
    fn evaluate<T>(
        &self,
        value: &serde_json::Value,
        read: impl FnOnce(&CowVal<'_, '_>) -> Result<T, TriggerError>,
    ) -> Result<Option<T>, TriggerError> {
        let mut context = Context::with_env(compile::environment());
        context.add_variable_as_val(self.root.name(), json::lazy(value));
        if self.loops {
            meter::start();
        }
        let answer = Value::resolve_val(&self.tree, &context);
        if self.loops && meter::exhausted() {
            return Err(TriggerError::TooManySteps { expression: self.source.clone(), limit: MAX_STEPS });
        }
        match answer {
            Ok(answer) => read(&answer).map(Some),
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(TriggerError::Evaluation { expression: self.source.clone(), reason: words(&error) }),
        }
    }
}

/// Whether the evaluation stopped at something that is not there: an absent field, an index past the end,
/// or null where a value was needed.
fn is_missing(error: &ExecutionError) -> bool {
    let null = "null_type";
    match error {
        ExecutionError::NoSuchKey(_) | ExecutionError::IndexOutOfBounds(_) => true,
        ExecutionError::NoSuchOverload(overload) => overload.argument_types().iter().any(|name| name == null),
        ExecutionError::UnexpectedType { got, .. } => got == null,
        ExecutionError::ValuesNotComparable(left, right)
        | ExecutionError::UnsupportedBinaryOperator(_, left, right) => {
            matches!(left, Value::Null) || matches!(right, Value::Null)
        }
        _ => false,
    }
}

/// The error with what helps in practice; values are left out, they may be large or personal.
fn words(error: &ExecutionError) -> String {
    match error {
        ExecutionError::NoSuchOverload(overload) => {
            let types = overload.argument_types().join(" and ");
            let name = overload.function().trim_matches('_');
            format!("`{name}` does not take {types}: convert one side, such as `double(…)`, `int(…)` or `string(…)`")
        }
        ExecutionError::UnsupportedBinaryOperator(operator, left, right) => format!(
            "`{operator}` does not take {} and {}: convert one side, such as `double(…)` or `string(…)`",
            left.type_of(),
            right.type_of()
        ),
        ExecutionError::ValuesNotComparable(left, right) => {
            format!("{} and {} cannot be compared: convert one side", left.type_of(), right.type_of())
        }
        ExecutionError::UnexpectedType { got, want } => format!("{want} was needed and {got} came"),
        ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => "division by zero".into(),
        ExecutionError::Overflow(..) => "the number does not fit in 64 bits".into(),
        ExecutionError::FunctionError { function, message } => format!("`{function}`: {message}"),
        ExecutionError::UndeclaredReference(name) => format!("`{name}` is not known"),
        _ => "it cannot be evaluated on this value".into(),
    }
}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Condition").field(&self.source()).finish()
    }
}

impl fmt::Debug for KeyExpr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KeyExpr").field(&self.source()).finish()
    }
}
