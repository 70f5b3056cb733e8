//! `printf` of lists, maps and durations, as Go formats them.
//!
//! gotmpl formats each of these as a whole and knows no verb for them but `%v`. In Go a verb goes to every item, and to
//! the keys and the values of a map.

use gotmpl::{TemplateError, Value};

use super::store::Store;

/// Go's `printf` of a format and its arguments.
///
/// # Errors
/// gotmpl's, for a format that is no text.
pub(super) fn printf(store: &Store, given: &[Value]) -> Result<Value, TemplateError> {
    let text = match given.split_first() {
        Some((Value::String(format), arguments))
            if arguments.iter().any(|value| is_composed(store, value)) =>
        {
            directives(format, arguments.len())
                .map(|directives| composed(store, &directives, arguments))
                .transpose()?
        }
        _ => None,
    };
    let text = match text {
        Some(text) => text,
        None => plain(given)?,
    };
    Ok(Value::String(text.into()))
}

fn is_composed(store: &Store, value: &Value) -> bool {
    matches!(value, Value::List(_) | Value::Map(_))
        || store.is_empty_set(value)
        || store.duration(value).is_some()
}

/// Text, and a directive behind it: `%-5q` as its `%-5` and `q`.
struct Directive<'a> {
    before: String,
    verb: Option<(&'a str, char)>,
}

/// The directives of a format that takes that many arguments, each in its turn; `None` for any other.
fn directives(format: &str, arguments: usize) -> Option<Vec<Directive<'_>>> {
    let mut found = Vec::new();
    let mut before = String::new();
    let mut taken = 0;
    let mut rest = format;
    while let Some(start) = rest.find('%') {
        before.push_str(rest.get(..start)?);
        rest = rest.get(start..)?;
        let behind = rest.get(1..)?;
        let spec = behind.trim_start_matches(['+', '-', '#', ' ', '0']);
        let spec = spec.trim_start_matches(|c: char| c.is_ascii_digit());
        let spec = match spec.strip_prefix('.') {
            Some(precision) => precision.trim_start_matches(|c: char| c.is_ascii_digit()),
            None => spec,
        };
        let verb = spec.chars().next()?;
        match verb {
            '*' | '[' => return None,
            '%' => before.push('%'),
            verb => {
                let spec = rest.get(..rest.len() - spec.len())?;
                found.push(Directive {
                    before: std::mem::take(&mut before),
                    verb: Some((spec, verb)),
                });
                taken += 1;
            }
        }
        rest = spec.get(verb.len_utf8()..)?;
    }
    before.push_str(rest);
    found.push(Directive { before, verb: None });
    (taken == arguments).then_some(found)
}

fn composed(
    store: &Store,
    directives: &[Directive<'_>],
    arguments: &[Value],
) -> Result<String, TemplateError> {
    let mut arguments = arguments.iter();
    let mut out = String::new();
    for directive in directives {
        out.push_str(&directive.before);
        if let (Some((spec, verb)), Some(value)) = (directive.verb, arguments.next()) {
            one(store, spec, verb, value, &mut out)?;
        }
    }
    Ok(out)
}

/// Formats one value by one directive. Recursion is bounded by the depth of the JSON.
fn one(
    store: &Store,
    spec: &str,
    verb: char,
    value: &Value,
    out: &mut String,
) -> Result<(), TemplateError> {
    match value {
        Value::List(_) | Value::Map(_) if matches!(verb, 'T' | 'p' | 't') || spec.contains('#') => {
        }
        Value::List(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(' ');
                }
                one(store, spec, verb, item, out)?;
            }
            out.push(']');
            return Ok(());
        }
        Value::Map(map) => {
            out.push_str("map[");
            for (i, (key, item)) in map.iter().enumerate() {
                if i > 0 {
                    out.push(' ');
                }
                one(store, spec, verb, &Value::String(key.clone()), out)?;
                out.push(':');
                one(store, spec, verb, item, out)?;
            }
            out.push(']');
            return Ok(());
        }
        value if store.is_empty_set(value) => {
            out.push_str("{}");
            return Ok(());
        }
        _ => {}
    }
    // For these verbs Go asks a duration for its number, for all others for its text.
    let number = match verb {
        'd' | 'b' | 'o' | 'O' | 'c' | 'U' => store.duration(value).map(Value::Int),
        _ => None,
    };
    let value = number.unwrap_or_else(|| value.clone());
    out.push_str(&plain(&[format!("{spec}{verb}").into(), value])?);
    Ok(())
}

/// gotmpl's own `printf`, which only templates can call.
fn plain(given: &[Value]) -> Result<String, TemplateError> {
    let arguments: String = (0..given.len())
        .map(|i| format!(" (index . {i})"))
        .collect();
    let template = gotmpl::Template::new("printf").parse(&format!("{{{{printf{arguments}}}}}"))?;
    template.execute_to_string(&given.to_vec().into())
}
