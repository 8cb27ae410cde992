//! Conditions in CEL, the Common Expression Language: `room.segments[1] ==
//! claims.org`.
//!
//! An expression is compiled at start and refused there if it could not hold
//! what it says. It reads its variables and nothing else: no clock, no I/O.
//! What cannot be evaluated is neither true nor false, and says why without any
//! value in it.
//!
//! # Variables
//!
//! | | | |
//! |---|---|---|
//! | `claims` | map | what is known of the caller, by mapped name, then by the credential's own names |
//! | `room.name` | string | the room asked for; empty for calls that concern none |
//! | `room.segments` | list of strings | its name cut at each `:` and `/`; empty for calls that concern none |
//! | `provider` | string | `livekit` or `liveblocks` |
//! | `request.action` | string | `livekit.join`, `liveblocks.enter` or `liveblocks.personal` |
//! | `request.name`, `request.metadata` | string | what the client asked for and may set |
//! | `request.attributes` | map of strings | likewise |
//! | `request.agents` | list of maps | likewise: `agentName`, and `metadata`, `deployment`, `attributes` if given |
//! | `request.origin` | string | the `Origin` header |
//! | `request.client_ip` | string | the client's address, as far as it can be believed |
//!
//! What was not given is not there: `has(request.origin)` asks for it, and
//! `has(claims.org)` likewise. A claim whose name is no identifier is
//! `claims['https://app.example/org']`. Whole numbers of a claim are `int`, or
//! `uint` above 2^63 - 1; other numbers are `double`.
//!
//! # Operators and functions
//!
//! All operators of CEL but the optional ones (`.?`), over strings, numbers,
//! booleans, null, lists and maps; the macro `has()`; `size()`, `contains()`,
//! `startsWith()`, `endsWith()`; `string()`, `int()`, `uint()`, `double()`,
//! `bool()`. A side of `&&` or `||` that cannot be evaluated does not count
//! where the other decides. There are no loops, so the cost is at most the
//! text's length times the size of the variables.

mod check;
mod inputs;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, LazyLock};
use std::thread;

use cel::common::ast::Expr;
use cel::common::types::CelBool;
use cel::parser::Macro;
use cel::{Env, ExecutionError, IdedExpr, Value};

pub(crate) use inputs::Inputs;

/// The longest text in bytes.
const MAX_BYTES: usize = 4096;

/// How deep an expression may nest. Operators in a row nest too, but for `&&`
/// and `||`, which the parser balances. A level takes up to 50 KiB of stack
/// where nothing is optimized.
const MAX_DEPTH: u16 = 16;

/// Four times what parsing [`MAX_BYTES`] needs at most where nothing is
/// optimized: the parser recurses, and no stack may run out.
const PARSER_STACK: usize = 32 << 20;

/// What expressions are made of.
static LANGUAGE: LazyLock<Arc<Env>> = LazyLock::new(|| {
    let mut language = Env::default().with_optional_support(false).with_stdlib();
    let has = Macro::global("has", 1, |_, _, arguments| {
        // What is no member stays a call, which the check refuses.
        if !matches!(arguments.as_slice(), [IdedExpr { expr: Expr::Select(_), .. }]) {
            return Ok(None);
        }
        Ok(arguments.pop().map(|mut member| {
            if let Expr::Select(select) = &mut member.expr {
                select.test = true;
            }
            member
        }))
    });
    // It could only stand there already.
    let _added = language.add_macro(has);
    Arc::new(language)
});

/// A compiled expression.
#[derive(Clone, Debug)]
pub(crate) struct Expression {
    root: Arc<IdedExpr>,
    /// The names of members in its text.
    members: Arc<[String]>,
}

/// An expression had no result, or one that is no boolean. The reason holds
/// nothing but types and names out of the expression's text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unevaluable(String);

impl fmt::Display for Unevaluable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Expression {
    /// # Errors
    ///
    /// Where in the text what is wrong, in one line.
    pub(crate) fn compile(text: &str) -> Result<Self, String> {
        if text.len() > MAX_BYTES {
            return Err(format!("has {} bytes; an expression has at most {MAX_BYTES}", text.len()));
        }
        thread::scope(|scope| {
            let parser = thread::Builder::new().stack_size(PARSER_STACK).spawn_scoped(scope, || Self::parse(text));
            let parser = parser.map_err(|error| format!("cannot be read: no thread for its parser: {error}"))?;
            parser.join().unwrap_or_else(|_| Err("cannot be read; write it in another way".to_owned()))
        })
    }

    fn parse(text: &str) -> Result<Self, String> {
        let parser = LANGUAGE.parser().max_recursion_depth(MAX_DEPTH);
        let (root, places) = parser.parse_with_source_info(text).map_err(|errors| check::syntax(text, &errors))?;
        let members = check::members(text, &root, &places)?;
        Ok(Self { root: Arc::new(root), members: members.into() })
    }

    /// Whether it is true.
    ///
    /// # Errors
    ///
    /// It cannot be told.
    pub(crate) fn holds(&self, inputs: &Inputs) -> Result<bool, Unevaluable> {
        // No panic is known in here; one must not be a decision.
        let evaluated = catch_unwind(AssertUnwindSafe(|| {
            let value = Value::resolve_val(&self.root, &inputs.0)?;
            Ok(value
                .downcast_ref::<CelBool>()
                .map(|holds| *holds.inner())
                .ok_or_else(|| format!("it is of the type {}, not bool", value.get_type().name())))
        }));
        match evaluated {
            Ok(Ok(result)) => result.map_err(Unevaluable),
            Ok(Err(error)) => Err(Unevaluable(self.reason(&error))),
            Err(_) => Err(Unevaluable("it broke off".to_owned())),
        }
    }

    /// Why there is no result, less every value.
    fn reason(&self, error: &ExecutionError) -> String {
        match error {
            // A key that was computed may be a claim's value.
            ExecutionError::NoSuchKey(key) if self.members.contains(key) => format!("there is no {key}"),
            ExecutionError::NoSuchKey(_) => "there is no such key".to_owned(),
            ExecutionError::NoSuchOverload(call) => {
                let operator = call.function().trim_matches(['_', '@']);
                format!("`{operator}` does not go with ({})", call.argument_types().join(", "))
            }
            ExecutionError::UnexpectedType { got, want } => format!("found {got}, expected {want}"),
            ExecutionError::FunctionError { function, .. } => format!("{function}() failed"),
            ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => "division by zero".to_owned(),
            ExecutionError::Overflow(..) => "a number is too large".to_owned(),
            ExecutionError::IndexOutOfBounds(_) => "a list is too short".to_owned(),
            ExecutionError::DuplicateKey(_) => "a map has a key twice".to_owned(),
            _ => "an operator does not go with the types of its operands".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests;
