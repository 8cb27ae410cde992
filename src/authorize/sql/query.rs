//! The operator's query: its `:user`, `:room` and `:provider` become the
//! parameters of the database, and nothing else in it is touched.
//!
//! What stands in a string, a quoted name or a comment is never a placeholder,
//! and a `:` that could be one or something else is refused.
//!
//! Sources: PostgreSQL 17, 4.1 (lexical structure) and 8.15.3 (slices);
//! `sqlite.org/lang_expr.html` and `tokenize.c` of SQLite.

use std::fmt::{Display, Write as _};

use crate::nearest::nearest_of;

/// The longest query in bytes.
pub(super) const MAX_BYTES: usize = 16 * 1024;

/// What a statement that only reads begins with.
const READING: [&str; 3] = ["select", "with", "values"];

/// Whose words a query is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    Postgres,
    Sqlite,
}

/// What a query may ask about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parameter {
    User,
    Room,
    Provider,
}

impl Parameter {
    const ALL: [Self; 3] = [Self::User, Self::Room, Self::Provider];

    /// As the query has it.
    pub(super) const fn placeholder(self) -> &'static str {
        match self {
            Self::User => ":user",
            Self::Room => ":room",
            Self::Provider => ":provider",
        }
    }
}

/// A query as its database understands it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Query {
    /// With `$1::text`, … or `?1`, … where a placeholder was, a number for each.
    pub(super) sql: String,
    /// What each number stands for.
    pub(super) parameters: Vec<Parameter>,
}

impl Query {
    /// # Errors
    ///
    /// What is wrong with the text, and what would be right.
    pub(crate) fn parse(text: &str, dialect: Dialect) -> Result<Self, String> {
        if text.len() > MAX_BYTES {
            return Err("has more than 16 KiB; make a view of it and select from that".to_owned());
        }
        if text.contains('\0') {
            return Err("has a NUL in it; take it out".to_owned());
        }
        let mut reader = Reader { text, at: 0, dialect, query: Self { sql: String::new(), parameters: Vec::new() } };
        reader.read()?;
        Ok(reader.query)
    }

    /// Whether it asks about this at all.
    pub(crate) fn mentions(&self, parameter: Parameter) -> bool {
        self.parameters.contains(&parameter)
    }
}

fn begins_name(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_' || !c.is_ascii()
}

fn is_in_name(c: char) -> bool {
    begins_name(c) || c.is_ascii_digit()
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    dialect: Dialect,
    query: Query,
}

fn unclosed(mark: impl Display) -> String {
    format!("has a quotation that does not end; close it with `{mark}`")
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// The length of what `fits` at the front.
    fn run(&self, fits: impl Fn(char) -> bool) -> usize {
        self.rest().find(|c| !fits(c)).unwrap_or(self.rest().len())
    }

    fn skip(&mut self, bytes: usize) {
        self.at += bytes;
    }

    /// Takes so many bytes over as they are.
    fn copy(&mut self, bytes: usize) {
        self.query.sql.push_str(&self.rest()[..bytes]);
        self.skip(bytes);
    }

    fn read(&mut self) -> Result<(), String> {
        let postgres = self.dialect == Dialect::Postgres;
        let mut has_begun = false;
        while let Some(c) = self.rest().chars().next() {
            let next = self.rest()[c.len_utf8()..].chars().next();
            match (c, next) {
                (c, _) if c.is_ascii_whitespace() => self.copy(1),
                ('-', Some('-')) | ('/', Some('*')) => self.comment()?,
                (';', _) => {
                    self.end()?;
                    break;
                }
                (c, _) if !has_begun => {
                    let word = self.rest()[..self.run(is_in_name)].to_ascii_lowercase();
                    if !READING.contains(&&*word) {
                        let found = if word.is_empty() { format!("`{c}`") } else { format!("`{word}`") };
                        return Err(format!(
                            "begins with {found}; it may only read, and so must begin with select, with or values"
                        ));
                    }
                    has_begun = true;
                    self.copy(word.len());
                }
                ('\'' | '"', _) => self.quoted(c, false)?,
                ('`', _) if !postgres => self.quoted(c, false)?,
                ('[', _) if !postgres => self.until("]")?,
                ('e' | 'E', Some('\'')) if postgres => {
                    self.copy(1);
                    self.quoted('\'', true)?;
                }
                (c, _) if is_in_name(c) => {
                    let whole = self.run(|c| is_in_name(c) || c == '$');
                    self.copy(whole);
                }
                ('$', _) if postgres => self.dollar(next)?,
                (':', Some(':' | '=')) => self.copy(2),
                (':', Some(c)) if begins_name(c) => self.placeholder()?,
                (':', Some('0'..='9')) | ('?' | '@' | '$' | '#', _) if !postgres => {
                    return Err(format!(
                        "has a `{c}` outside of strings and comments, which is a parameter to SQLite; the parameters here are :user, :room, :provider"
                    ));
                }
                (c, _) => self.copy(c.len_utf8()),
            }
        }
        if has_begun { Ok(()) } else { Err("holds no statement; write `select role from … where …`".to_owned()) }
    }

    /// After a `;`, which is left out, nothing more may be said.
    fn end(&mut self) -> Result<(), String> {
        self.skip(1);
        let kept = self.query.sql.len();
        while let Some(c) = self.rest().chars().next() {
            if c.is_ascii_whitespace() || c == ';' {
                self.skip(1);
            } else if self.rest().starts_with("--") || self.rest().starts_with("/*") {
                self.comment()?;
            } else {
                return Err("holds more than one statement; keep the one before the `;`".to_owned());
            }
        }
        self.query.sql.truncate(kept);
        Ok(())
    }

    fn comment(&mut self) -> Result<(), String> {
        if self.rest().starts_with("--") {
            let postgres = self.dialect == Dialect::Postgres;
            let line = self.run(|c| c != '\n' && !(postgres && c == '\r'));
            self.copy(line);
            return Ok(());
        }
        // Only PostgreSQL's nest.
        let mut depth = 0;
        loop {
            let rest = self.rest();
            if rest.starts_with("/*") && (depth == 0 || self.dialect == Dialect::Postgres) {
                depth += 1;
                self.copy(2);
            } else if rest.starts_with("*/") {
                depth -= 1;
                self.copy(2);
            } else if let Some(c) = rest.chars().next() {
                self.copy(c.len_utf8());
            } else {
                return Err("has a comment that does not end; close it with `*/`".to_owned());
            }
            if depth == 0 {
                return Ok(());
            }
        }
    }

    /// Up to a mark, from one byte after here.
    fn until(&mut self, mark: &str) -> Result<(), String> {
        let found = self.rest()[1..].find(mark);
        let at = found.ok_or_else(|| unclosed(mark))?;
        self.copy(1 + at + mark.len());
        Ok(())
    }

    /// A string or a quoted name; the quote in it is written twice, and with
    /// `escapes` also behind a backslash.
    fn quoted(&mut self, quote: char, escapes: bool) -> Result<(), String> {
        self.copy(1);
        loop {
            let rest = self.rest();
            let mut chars = rest.chars();
            match (chars.next(), chars.next()) {
                (Some('\\'), Some(next)) if escapes => self.copy(1 + next.len_utf8()),
                (Some(c), Some(next)) if c == quote && next == quote => self.copy(2),
                (Some(c), _) if c == quote => {
                    self.copy(1);
                    // On another line the same string may go on.
                    let between = self.run(|c| c.is_ascii_whitespace());
                    if !(escapes && self.rest()[..between].contains('\n') && self.rest()[between..].starts_with(quote))
                    {
                        return Ok(());
                    }
                    self.copy(between + 1);
                }
                (Some(c), _) => self.copy(c.len_utf8()),
                (None, _) => return Err(unclosed(quote)),
            }
        }
    }

    /// `$tag$ … $tag$`.
    fn dollar(&mut self, next: Option<char>) -> Result<(), String> {
        if next.is_some_and(|c| c.is_ascii_digit()) {
            return Err("has a numbered parameter; write :user, :room or :provider, which are numbered by themselves"
                .to_owned());
        }
        let tag = &self.rest()[1..];
        let tag = &tag[..tag.find(|c| !is_in_name(c)).unwrap_or(tag.len())];
        if !self.rest()[1 + tag.len()..].starts_with('$') {
            self.copy(1);
            return Ok(());
        }
        let mark = format!("${tag}$");
        self.copy(mark.len() - 1);
        self.until(&mark)
    }

    fn placeholder(&mut self) -> Result<(), String> {
        // In `a[1:user]` it is a column, and no space makes the difference.
        if let Some(before) = self.text[..self.at].chars().next_back()
            && (is_in_name(before) || ['$', ']', ')', '[', '"', '\'', '`'].contains(&before))
        {
            return Err(format!(
                "has a `:` right after `{before}`, which could be a placeholder or part of a slice; put a space before it, or on both its sides"
            ));
        }
        let name =
            self.rest()[1..].find(|c| !is_in_name(c) && c != '$').map_or(self.rest(), |end| &self.rest()[..=end]);
        let parameter = Parameter::ALL.into_iter().find(|known| known.placeholder() == name);
        let parameter = parameter.ok_or_else(|| {
            let near = nearest_of(name, Parameter::ALL.into_iter().map(Parameter::placeholder));
            format!("`{name}` is none of :user, :room, :provider{near}")
        })?;
        self.skip(name.len());
        self.query.parameters.push(parameter);
        let number = self.query.parameters.len();
        // As text and nothing else: `007` must not be a room that is called 7.
        let written = match self.dialect {
            Dialect::Postgres => write!(self.query.sql, "${number}::text"),
            Dialect::Sqlite => write!(self.query.sql, "?{number}"),
        };
        written.map_err(|error| error.to_string())
    }
}
