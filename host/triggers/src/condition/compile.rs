//! From text to a checked tree: parse, refuse what is not known or too deep, add the [meter](super::meter).

use std::sync::{Arc, LazyLock};

use cel::common::ast::{CallExpr, EntryExpr, Expr, LiteralValue, SourceInfo, operators};
use cel::common::types::{CelInt, DYN_TYPE, INT_TYPE};
use cel::{Context, Env, IdedExpr, Value};

use super::{Root, meter};
use crate::TriggerError;

/// The longest expression, in bytes.
pub const MAX_EXPRESSION_BYTES: usize = 4096;

/// How deep an expression may nest. The evaluator recurses once a level.
const MAX_DEPTH: usize = 100;

/// Parsing and walking recurse with the text, which is not yet known to be shallow.
const COMPILE_STACK_BYTES: usize = 64 << 20;

const LOOP: &str = "@loop";
const CHARGE: &str = "@charge";

/// Callable as `name(…)`.
const FUNCTIONS: &[&str] =
    &["size", "int", "uint", "double", "string", "bool", "bytes", "timestamp", "duration", "type", "dyn", "matches"];

/// Callable as `value.name(…)`.
const METHODS: &[&str] = &[
    "contains",
    "startsWith",
    "endsWith",
    "matches",
    "size",
    "getDate",
    "getDayOfMonth",
    "getDayOfWeek",
    "getDayOfYear",
    "getFullYear",
    "getHours",
    "getMilliseconds",
    "getMinutes",
    "getMonth",
    "getSeconds",
    "orValue",
    "or",
    "hasValue",
    "value",
];

/// Expanded by the parser; a call that is left over has the wrong arguments.
const MACROS: &[&str] = &["all", "exists", "exists_one", "existsOne", "map", "filter"];

/// Names of types, for `type(x) == int`.
const TYPES: &[&str] = &["int", "uint", "double", "string", "bool", "bytes", "list", "map", "null_type", "type"];

/// A tree that is ready to run.
pub(super) struct Compiled {
    pub tree: IdedExpr,
    /// Whether it uses a macro over a list.
    pub loops: bool,
}

/// The functions expressions can call. One for the process: it never changes.
pub(super) fn environment() -> Arc<Env> {
    static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| {
        let mut env = Env::stdlib();
        env.add_overload(LOOP, LOOP, vec![DYN_TYPE, INT_TYPE], meter::enter)
            .expect("the name cannot be written in CEL");
        env.add_overload(CHARGE, CHARGE, vec![DYN_TYPE], meter::charge).expect("the name cannot be written in CEL");
        Arc::new(env)
    });
    Arc::clone(&ENVIRONMENT)
}

/// Compiles `source` on a thread of its own: with a stack for the deepest text, and a panic of the parser stays in it.
pub(super) fn compile(source: &str, root: Root) -> Result<Compiled, TriggerError> {
    if source.len() > MAX_EXPRESSION_BYTES {
        return Err(TriggerError::TooLong { length: source.len(), limit: MAX_EXPRESSION_BYTES });
    }
    if source.trim().is_empty() {
        return Err(
            Fault { at: None, reason: "it is empty: leave it out, or write a condition".into() }.on(source, None)
        );
    }
    let compiled = std::thread::scope(|scope| {
        std::thread::Builder::new()
            .name("compile-expression".into())
            .stack_size(COMPILE_STACK_BYTES)
            .spawn_scoped(scope, || build(source, root))
            .map(|thread| thread.join().ok())
    });
    match compiled {
        Ok(Some(compiled)) => compiled,
        Ok(None) => {
            Err(Fault { at: None, reason: "the parser gave up on it: write it more simply".into() }.on(source, None))
        }
        Err(error) => {
            Err(Fault { at: None, reason: format!("it could not be compiled now ({error}): try again") }
                .on(source, None))
        }
    }
}

fn build(source: &str, root: Root) -> Result<Compiled, TriggerError> {
    let env = environment();
    let (mut tree, info) = env.parser().parse_with_source_info(source).map_err(|errors| {
        let first = errors.errors.first();
        let (line, column) = first.map_or((1, 1), |error| error.pos);
        TriggerError::Syntax {
            expression: source.to_owned(),
            line: u32::try_from(line).unwrap_or(1).max(1),
            column: u32::try_from(column).unwrap_or(1).max(1),
            reason: first.map_or_else(|| "it is no CEL expression".into(), |error| error.msg.clone()),
        }
    })?;
    let mut checker = Checker { root: root.name(), scope: Vec::new(), loops: false };
    checker
        .walk(&mut tree, Place { depth: 0, in_body: false, operand: false })
        .map_err(|fault| fault.on(source, Some(&info)))?;
    Ok(Compiled { tree, loops: checker.loops })
}

/// Something refused, and the node where.
struct Fault {
    at: Option<u64>,
    reason: String,
}

impl Fault {
    fn on(self, source: &str, info: Option<&SourceInfo>) -> TriggerError {
        let offset =
            self.at.zip(info).and_then(|(id, info)| info.offset_for(id)).map_or(0, |(start, _)| start as usize);
        let before: String = source.chars().take(offset).collect();
        let column = before.rsplit('\n').next().map_or(0, |line| line.chars().count());
        TriggerError::Syntax {
            expression: source.to_owned(),
            // At most 4096 lines and columns.
            line: 1 + before.matches('\n').count() as u32,
            column: 1 + column as u32,
            reason: self.reason,
        }
    }
}

#[derive(Clone, Copy)]
struct Place {
    depth: usize,
    /// Inside a macro's body.
    in_body: bool,
    /// What a field or an item is taken from: the whole path is charged, not its parts.
    operand: bool,
}

struct Checker {
    root: &'static str,
    /// The names that macros bind here.
    scope: Vec<String>,
    loops: bool,
}

impl Checker {
    /// Checks a node and what is below it, adds the meter, and gives its weight in steps.
    fn walk(&mut self, node: &mut IdedExpr, place: Place) -> Result<u64, Fault> {
        let id = node.id;
        let at = |reason: String| Fault { at: Some(id), reason };
        let fault = |reason: String| Err(at(reason));
        if place.depth > MAX_DEPTH {
            return fault(format!(
                "it nests deeper than {MAX_DEPTH}: split it into several, or decide in the workflow"
            ));
        }
        let inner = Place { depth: place.depth + 1, operand: false, ..place };
        let operand = Place { operand: true, ..inner };
        let mut weight = 1;
        let mut path = false;
        match &mut node.expr {
            Expr::Literal(_) => {}
            Expr::Ident(name) => {
                let own = name.starts_with('@');
                path = !own;
                if !own && name != self.root && !self.scope.contains(name) && !TYPES.contains(&name.as_str()) {
                    return fault(format!("`{name}` is not known: the expression sees `{}`", self.root));
                }
            }
            Expr::Select(select) => {
                path = !select.test;
                weight += self.walk(&mut select.operand, operand)?;
            }
            Expr::Call(call) => {
                path =
                    [operators::INDEX, operators::OPT_INDEX, operators::OPT_SELECT].contains(&call.func_name.as_str());
                known(call).map_err(at)?;
                if call.func_name == "matches" {
                    weight += meter::REGEX_STEPS;
                    check_pattern(call).map_err(at)?;
                }
                // The lazy values compare with anything, a list or map literal only with its like.
                if [operators::EQUALS, operators::NOT_EQUALS].contains(&call.func_name.as_str())
                    && let [Expr::List(_) | Expr::Map(_), _] = [&call.args[0].expr, &call.args[1].expr]
                {
                    call.args.swap(0, 1);
                }
                if let Some(target) = &mut call.target {
                    weight += self.walk(target, inner)?;
                }
                for (index, argument) in call.args.iter_mut().enumerate() {
                    weight += self.walk(argument, if path && index == 0 { operand } else { inner })?;
                }
            }
            Expr::List(list) => {
                for element in &mut list.elements {
                    weight += self.walk(element, inner)?;
                }
            }
            Expr::Map(map) => {
                for entry in &mut map.entries {
                    if let EntryExpr::MapEntry(entry) = &mut entry.expr {
                        weight += self.walk(&mut entry.key, inner)? + self.walk(&mut entry.value, inner)?;
                    }
                }
            }
            Expr::Comprehension(comprehension) => {
                self.loops = true;
                let bound = self.scope.len();
                weight += self.walk(&mut comprehension.iter_range, inner)?;
                self.scope.push(comprehension.iter_var.clone());
                self.scope.extend(comprehension.iter_var2.clone());
                let body = Place { in_body: true, ..inner };
                let each =
                    self.walk(&mut comprehension.loop_cond, body)? + self.walk(&mut comprehension.loop_step, body)?;
                self.scope.truncate(bound);
                wrap(&mut comprehension.iter_range, LOOP, Some(each));
                weight += each;
            }
            Expr::Struct(_) => return fault("messages cannot be built here: write a map, `{'key': value}`".into()),
            Expr::Unspecified => return fault("it is incomplete".into()),
        }
        if path && place.in_body && !place.operand {
            wrap(node, CHARGE, None);
        }
        Ok(weight)
    }
}

/// Puts `node` into a call of one of the meter's functions.
fn wrap(node: &mut IdedExpr, function: &str, weight: Option<u64>) {
    let id = node.id;
    let mut args = vec![std::mem::take(node)];
    args.extend(weight.map(|weight| {
        let weight = CelInt::from(i64::try_from(weight).unwrap_or(i64::MAX));
        IdedExpr { id, expr: Expr::Literal(LiteralValue::Int(weight)) }
    }));
    *node = IdedExpr { id, expr: Expr::Call(CallExpr { func_name: function.to_owned(), target: None, args }) };
}

/// Refuses functions that do not exist.
fn known(call: &CallExpr) -> Result<(), String> {
    let name = call.func_name.as_str();
    // Operators, and what macros expand to, are no names.
    let operator = !name.starts_with(|first: char| first.is_ascii_alphabetic());
    let known = if call.target.is_some() { METHODS } else { FUNCTIONS };
    if operator || known.contains(&name) {
        return Ok(());
    }
    if MACROS.contains(&name) {
        return Err(format!("`{name}` takes a name and an expression: `list.{name}(x, …)`"));
    }
    if METHODS.contains(&name) {
        return Err(format!("`{name}` is called on a value: `value.{name}(…)`"));
    }
    if FUNCTIONS.contains(&name) {
        return Err(format!("`{name}` takes its value in parentheses: `{name}(value)`"));
    }
    Err(format!("there is no function `{name}`; there are {} and {}", FUNCTIONS.join(", "), METHODS.join(", ")))
}

/// Refuses a regular expression that does not compile, where it is written out.
fn check_pattern(call: &CallExpr) -> Result<(), String> {
    let Some(pattern) = call.args.last() else { return Ok(()) };
    let Expr::Literal(LiteralValue::String(_)) = &pattern.expr else { return Ok(()) };
    let empty = IdedExpr { id: pattern.id, expr: Expr::Literal(LiteralValue::String("".into())) };
    let call = CallExpr { func_name: "matches".into(), target: Some(Box::new(empty)), args: vec![pattern.clone()] };
    let test = IdedExpr { id: pattern.id, expr: Expr::Call(call) };
    match Value::resolve_val(&test, &Context::with_env(environment())) {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("the regular expression is wrong: {}", super::words(&error))),
    }
}
