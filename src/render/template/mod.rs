//! Go templates as docker's users know them, over JSON instead of Go's types.
//!
//! gotmpl is the engine. These modules add docker's functions, the order of an object's keys for `json`, the names of
//! existing fields for the error about a missing one, and facts of docker's Go types that JSON lacks (see [`Shape`]).
//!
//! A template is the user's own, so it is trusted; the data is not. Data is never parsed as a template. Its strings are
//! escaped by [`crate::escape`] (docker shows them raw); `{{json .X}}` writes them without loss, and `{{raw .X}}`
//! unescaped. The size of the output and the rounds of a loop are limited.
//!
//! Known differences from docker: a Go struct prints as `{a b}` there and as `map[k:a l:b]` here, a nil pointer as
//! `<nil>` there and `<no value>` here; `printf` has no `%T`; 1e6 prints as 1000000, and numbers with a fraction go through `f64`; an error names
//! no column once the template runs. docker inspect tries a template on its Go types first and on plain JSON when that
//! fails, where `null` and missing keys behave differently; here it is always as on the types.

mod blocks;
mod convert;
mod duration;
mod functions;
mod plain;
mod printf;
mod rewrite;
mod shape;
mod store;

use std::fmt;

use gotmpl::TemplateError;
use serde_json::Value;

pub use shape::{Shape, Zero};

use crate::error::{Error, Fault, Result};
use blocks::NAME;
use plain::Plain;
use rewrite::Fields;
use store::Store;

/// Most bytes that one rendering may have.
const MAX_OUTPUT: usize = 64 << 20;

/// A parsed template.
///
/// # Examples
/// ```
/// use imgkit::render::{Shape, Template};
/// let template = Template::parse("{{.ID}} {{json .Cmd}}", Shape::ROW).unwrap();
/// let row = serde_json::json!({"ID": "6e5f702b1450", "Cmd": ["-m", "http.server"]});
/// assert_eq!(template.render(&row).unwrap(), r#"6e5f702b1450 ["-m","http.server"]"#);
/// ```
pub struct Template {
    body: gotmpl::Template,
    head: gotmpl::Template,
    store: Store,
    fields: Fields,
    /// Template for rows that need no engine, if it has only texts and fields.
    plain: Option<Plain>,
}

impl Template {
    /// Parses a template for data with these Go types, without escapes, as docker inspect does. For the backslash
    /// escapes and the keywords of docker's listings see [`Format`](super::Format).
    ///
    /// # Errors
    /// `Usage` for a text that is no template, and for functions and variables that are not defined.
    pub fn parse(text: &str, shape: Shape) -> Result<Self> {
        let store = Store::new(shape);
        let parsed = gotmpl::Template::new(NAME)
            .funcs(functions::of(&store))
            .parse(text)
            .map_err(usage)?;
        blocks::check(text).map_err(Fault::Usage)?;
        let names: Vec<String> = parsed.templates().into_iter().map(Into::into).collect();
        let plain = match &names[..] {
            [name] => parsed.lookup(name).and_then(|tree| Plain::of(tree, shape)),
            _ => None,
        };
        let mut body = parsed;
        let mut fields = Fields::default();
        for name in names {
            if let Some(tree) = body.lookup(&name).cloned() {
                let tree = rewrite::checked(tree, &mut fields)
                    .map_err(|why| Error::usage(format!("template: {NAME}: {why}")))?;
                body = body.add_parse_tree(&name, tree);
            }
        }
        Ok(Template {
            head: body.clone().funcs(functions::of_header()),
            body,
            store,
            fields,
            plain,
        })
    }

    /// Tests if the output may depend on a field of the data: the template names the field, or uses a whole object.
    pub fn uses(&self, field: &str) -> bool {
        self.fields.whole || self.fields.names.contains(field)
    }

    /// Executes the template over `data`; docker ends each rendering with a line end, which is left to the caller.
    ///
    /// # Errors
    /// `Usage` for a missing field, with the names of existing ones, and for invalid arguments of a function; `Limit`
    /// for more than 64 MiB of output.
    pub fn render(&self, data: &Value) -> Result<String> {
        if let Some(plain) = &self.plain
            && let Some(text) = plain.render(data)
            && text.len() <= MAX_OUTPUT
        {
            return Ok(text);
        }
        let loaded = self.store.load(data);
        let mut out = Bounded::default();
        let result = execute(&self.body, &mut out, &loaded.value);
        match result {
            _ if out.found > MAX_OUTPUT => Err(Error::limit(
                "template output in bytes",
                MAX_OUTPUT as u64,
                out.found as u64,
            )),
            Ok(()) => Ok(out.text),
            Err(error) => Err(usage(error)),
        }
    }

    /// The header of a table: the template executed over the columns' headings, with functions such as `lower` and
    /// `json` leaving them as they are. As in docker it ends where the template cannot be executed over headings.
    pub fn header<'a>(&self, headings: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
        let headings = headings
            .into_iter()
            .map(|(field, heading)| (field.to_owned(), heading.into()))
            .collect();
        let loaded = self.store.load_headings(&Value::Object(headings));
        let mut out = Bounded::default();
        // docker ignores this error, and the rows will report it if it is one.
        let _ = execute(&self.head, &mut out, &loaded.value);
        out.text
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Template").finish_non_exhaustive()
    }
}

fn execute(
    template: &gotmpl::Template,
    out: &mut Bounded,
    data: &gotmpl::Value,
) -> Result<(), TemplateError> {
    // A template of blanks only has no entry among the named templates, which hold the rewritten trees.
    match template.lookup(NAME) {
        Some(_) => template.execute_template_fmt(out, NAME, data),
        None => template.execute_fmt(out, data),
    }
}

fn usage(error: TemplateError) -> Error {
    Error::usage(match error {
        TemplateError::Exec(why) => format!("template: {NAME}: {why}"),
        error @ (TemplateError::Parse { .. } | TemplateError::Lex { .. }) => error.to_string(),
        error => format!("template: {NAME}: {error}"),
    })
}

/// Text up to a limit; further text is counted and is an error.
#[derive(Default)]
struct Bounded {
    text: String,
    found: usize,
}

impl fmt::Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.found = self.found.saturating_add(text.len());
        if self.found > MAX_OUTPUT {
            return Err(fmt::Error);
        }
        self.text.push_str(text);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
