//! What a text says that could never hold, found at start and pointed at.

use cel::common::ast::{CallExpr, EntryExpr, Expr, IdedExpr, LiteralValue, SelectExpr, SourceInfo, operators};
use cel::parser::ParseErrors;

use super::MAX_DEPTH;
use super::inputs::VARIABLES;
use crate::nearest::nearest_of;

/// Functions of one argument.
const FUNCTIONS: [&str; 6] = ["bool", "double", "int", "size", "string", "uint"];
/// Functions of a value, and how many arguments they have beside it.
const METHODS: [(&str, usize); 4] = [("contains", 1), ("endsWith", 1), ("size", 0), ("startsWith", 1)];
const LOOPS: [&str; 6] = ["all", "exists", "existsOne", "exists_one", "filter", "map"];

/// Operators that copy their operands, or may.
const ARITHMETIC: [&str; 5] =
    [operators::ADD, operators::SUBSTRACT, operators::MULTIPLY, operators::DIVIDE, operators::MODULO];
const OTHER_OPERATORS: [&str; 13] = [
    operators::CONDITIONAL,
    operators::LOGICAL_AND,
    operators::LOGICAL_OR,
    operators::LOGICAL_NOT,
    operators::NEGATE,
    operators::EQUALS,
    operators::NOT_EQUALS,
    operators::LESS,
    operators::LESS_EQUALS,
    operators::GREATER,
    operators::GREATER_EQUALS,
    operators::IN,
    operators::INDEX,
];

/// How often an expression may copy what it is given: arithmetic, and members
/// of its own lists and maps. It keeps `claims.x + claims.x + …` small.
const MAX_COPIES: usize = 32;

/// How much of the text a message shows, in characters.
const EXCERPT: usize = 24;

/// Checks a parsed text; gives the names of members in it.
///
/// # Errors
///
/// What is wrong, and where.
pub(super) fn members(text: &str, root: &IdedExpr, places: &SourceInfo) -> Result<Vec<String>, String> {
    let mut check = Check { text, places, members: Vec::new(), copies: 0 };
    let checked = check.node(root, MAX_DEPTH).and_then(|()| check.condition(root));
    checked.map(|()| check.members).map_err(|(at, why)| {
        let before = text.get(..at).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        pointed(text, line, column, &why)
    })
}

/// What the parser says, in our words where it has too many.
pub(super) fn syntax(text: &str, errors: &ParseErrors) -> String {
    let Some(error) = errors.errors.first() else { return "is no CEL expression".to_owned() };
    let [line, column] = [error.pos.0, error.pos.1].map(|number| usize::try_from(number).unwrap_or(1).max(1));
    let rest = rest_of(text, line, column);
    let said = error.msg.trim_start_matches("Syntax error: ");
    // All tokens that there are help nobody.
    let said = said.split_once(" expecting {'[', '{'").map_or(said, |(said, _)| said);
    let why = if said.contains("Recursion limit") {
        too_deep()
    } else if text.trim().is_empty() {
        "is empty; write a condition such as claims.org == 'acme'".to_owned()
    } else if rest.is_empty() {
        "something is missing".to_owned()
    } else if rest.starts_with('=') {
        "`=` is no operator; `==` compares".to_owned()
    } else if rest.starts_with('&') {
        "`&` is no operator; `&&` is".to_owned()
    } else if rest.starts_with('|') {
        "`|` is no operator; `||` is".to_owned()
    } else if said.starts_with("token recognition error") && rest.starts_with(['\'', '"']) {
        "a string does not end, or has an unknown escape in it".to_owned()
    } else {
        format!("is no CEL: {}", said.replace("<EOF>", "the end"))
    };
    pointed(text, line, column, &why)
}

fn too_deep() -> String {
    format!("nests more than {MAX_DEPTH} levels deep; split it into several rules")
}

/// A message that points into the text.
fn pointed(text: &str, line: usize, column: usize, why: &str) -> String {
    let rest = rest_of(text, line, column);
    let mut excerpt: String = rest.chars().take(EXCERPT).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if rest.chars().nth(EXCERPT).is_some() {
        excerpt.push('…');
    }
    let at = if excerpt.is_empty() { "at the end".to_owned() } else { format!("at `{excerpt}`") };
    format!("line {line}, column {column}, {at}: {why}")
}

/// A line from a column on.
fn rest_of(text: &str, line: usize, column: usize) -> &str {
    let line = text.split('\n').nth(line - 1).unwrap_or_default();
    line.char_indices().nth(column - 1).map_or("", |(at, _)| &line[at..])
}

/// A byte of the text, and what is wrong there.
type Fault = (usize, String);

struct Check<'t> {
    text: &'t str,
    places: &'t SourceInfo,
    members: Vec<String>,
    copies: usize,
}

impl Check<'_> {
    fn at(&self, node: &IdedExpr) -> usize {
        self.places.offset_for(node.id).map_or(0, |(start, _)| start as usize)
    }

    /// Where a function's name begins, whose place is its `(`.
    fn at_name(&self, node: &IdedExpr) -> usize {
        let before = self.text.get(..self.at(node)).unwrap_or_default().trim_end();
        before.trim_end_matches(|c: char| c.is_ascii_alphanumeric() || c == '_').len()
    }

    /// Where a member's name begins, whose place is its `.`.
    fn at_member(&self, node: &IdedExpr) -> usize {
        let at = self.at(node) + 1;
        let rest = self.text.get(at..).unwrap_or_default();
        at + rest.len() - rest.trim_start().len()
    }

    fn node(&mut self, node: &IdedExpr, depth: u16) -> Result<(), Fault> {
        let Some(depth) = depth.checked_sub(1) else { return Err((self.at(node), too_deep())) };
        match &node.expr {
            Expr::Literal(_) => Ok(()),
            Expr::Ident(name) => self.variable(node, name),
            Expr::Select(SelectExpr { operand, field, .. }) => {
                self.node(operand, depth)?;
                self.member(operand, field, self.at_member(node))
            }
            Expr::Call(call) => self.call(node, call, depth),
            Expr::List(list) => list.elements.iter().try_for_each(|item| self.copied(item, depth)),
            Expr::Map(map) => map.entries.iter().try_for_each(|entry| match &entry.expr {
                EntryExpr::MapEntry(entry) => {
                    self.copied(&entry.key, depth)?;
                    self.copied(&entry.value, depth)
                }
                EntryExpr::StructField(field) => Err((self.at(&field.value), no_messages())),
            }),
            Expr::Struct(_) => Err((self.at_name(node), no_messages())),
            Expr::Comprehension(_) | Expr::Unspecified => Err((self.at(node), "cannot be read".to_owned())),
        }
    }

    fn variable(&self, node: &IdedExpr, name: &str) -> Result<(), Fault> {
        if VARIABLES.iter().any(|(known, _)| *known == name) {
            return Ok(());
        }
        let all = VARIABLES.map(|(known, _)| known);
        let near = nearest_of(name, all.into_iter());
        Err((self.at(node), format!("there is no variable `{name}`; there are {}{near}", all.join(", "))))
    }

    /// A member that is named in the text.
    fn member(&mut self, of: &IdedExpr, name: &str, at: usize) -> Result<(), Fault> {
        self.members.push(name.to_owned());
        let Expr::Ident(variable) = &of.expr else { return Ok(()) };
        match VARIABLES.iter().find(|(known, _)| known == variable) {
            Some(("provider", _)) => {
                Err((at, "`provider` is a string, \"livekit\" or \"liveblocks\"; it has no members".to_owned()))
            }
            Some((_, known)) if !known.is_empty() && !known.contains(&name) => {
                let near = nearest_of(name, known.iter().copied());
                Err((at, format!("`{variable}` has no member `{name}`; it has {}{near}", known.join(", "))))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn call(&mut self, node: &IdedExpr, call: &CallExpr, depth: u16) -> Result<(), Fault> {
        let CallExpr { func_name: function, target, args } = call;
        if target.is_none() && ARITHMETIC.contains(&function.as_str()) {
            self.copy(node)?;
        } else if target.is_some() || !OTHER_OPERATORS.contains(&function.as_str()) {
            callable(function, target.is_some(), args.len()).map_err(|why| (self.at_name(node), why))?;
        }
        target.iter().map(|target| &**target).chain(args).try_for_each(|operand| self.node(operand, depth))?;
        match &args[..] {
            [of, key @ IdedExpr { expr: Expr::Literal(LiteralValue::String(name)), .. }]
                if function == operators::INDEX =>
            {
                self.member(of, name.inner(), self.at(key))
            }
            _ => Ok(()),
        }
    }

    /// A member of a list or a map of the expression's own.
    fn copied(&mut self, node: &IdedExpr, depth: u16) -> Result<(), Fault> {
        if !matches!(node.expr, Expr::Literal(_)) {
            self.copy(node)?;
        }
        self.node(node, depth)
    }

    fn copy(&mut self, node: &IdedExpr) -> Result<(), Fault> {
        self.copies += 1;
        if self.copies > MAX_COPIES {
            return Err((
                self.at(node),
                format!(
                    "has more than {MAX_COPIES} computations and computed members of lists; split it into several rules"
                ),
            ));
        }
        Ok(())
    }

    /// Refuses what can be seen not to be a boolean.
    fn condition(&self, node: &IdedExpr) -> Result<(), Fault> {
        let kind = match &node.expr {
            Expr::Literal(LiteralValue::Boolean(_)) => return Ok(()),
            Expr::Literal(LiteralValue::String(_)) => "a string",
            Expr::Literal(LiteralValue::Null) => "null",
            Expr::Literal(_) => "a number",
            Expr::List(_) => "a list",
            Expr::Ident(name) if name == "provider" => "a string",
            Expr::Ident(_) | Expr::Map(_) => "a map",
            Expr::Call(CallExpr { func_name: name, target: None, args }) => match name.as_str() {
                operators::LOGICAL_AND | operators::LOGICAL_OR | operators::LOGICAL_NOT | operators::CONDITIONAL => {
                    return args.iter().try_for_each(|operand| self.condition(operand));
                }
                "string" => "a string",
                "double" | "int" | "size" | "uint" | operators::NEGATE => "a number",
                name if ARITHMETIC.contains(&name) => "no boolean",
                _ => return Ok(()),
            },
            _ => return Ok(()),
        };
        Err((self.at(node), format!("is {kind}, where a condition must be; compare it with something")))
    }
}

/// Whether there is such a function.
fn callable(name: &str, of_a_value: bool, arguments: usize) -> Result<(), String> {
    let method = METHODS.iter().find(|(known, _)| *known == name);
    let function = FUNCTIONS.contains(&name);
    if (of_a_value && method.is_some_and(|(_, count)| *count == arguments))
        || (!of_a_value && function && arguments == 1)
    {
        return Ok(());
    }
    if name == "has" {
        return Err("has() takes one member, as in has(claims.org)".to_owned());
    }
    if let Some((_, count)) = method.filter(|_| of_a_value || !function) {
        let argument = if *count == 0 { "" } else { "'x'" };
        return Err(format!("`{name}` is written claims.x.{name}({argument})"));
    }
    if function {
        return Err(format!("`{name}` is written {name}(claims.x)"));
    }
    if LOOPS.contains(&name) {
        return Err(format!("`{name}` is off, since it loops; `in` looks into a list, and has() is the one macro"));
    }
    let all = || METHODS.iter().map(|(name, _)| *name).chain(FUNCTIONS.into_iter().filter(|name| *name != "size"));
    let names = all().collect::<Vec<_>>().join(", ");
    Err(format!("there is no function `{name}`; there are has, {names}{}", nearest_of(name, all())))
}

fn no_messages() -> String {
    "builds a message, which CEL can and rules cannot; compare with strings, numbers, lists or maps".to_owned()
}
