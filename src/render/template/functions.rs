//! Functions of docker's templates, in addition to those of Go that gotmpl has.

use std::sync::Arc;

use gotmpl::{FuncMap, TemplateError, Value};

use super::printf::printf;
use super::store::Store;

/// Function that replaces `.Name` in a rewritten template; a template cannot name it.
pub(super) const FIELD: &str = ".field";

/// Function that returns the number of a duration, and any other value unchanged.
pub(super) const NUMBER: &str = ".number";
/// Function that returns 0 for a duration of 0, and any other value unchanged.
pub(super) const TRUTH: &str = ".truth";

/// Maximum number of blanks that `pad` adds on a side.
const MAX_PAD: i64 = 1 << 16;

const GO: [&str; 18] = [
    "and", "call", "eq", "ge", "gt", "html", "index", "js", "le", "len", "lt", "ne", "not", "or",
    "print", "printf", "println", "slice",
];
const OURS: [&str; 10] = [
    "urlquery", "json", "split", "join", "title", "lower", "upper", "pad", "truncate", "raw",
];

/// Tests if a template may call the function.
pub(super) fn exists(name: &str) -> bool {
    GO.contains(&name) || OURS.contains(&name)
}

type Answer = Result<Value, TemplateError>;

fn wrong(why: impl Into<String>) -> TemplateError {
    TemplateError::Exec(why.into())
}

fn add(
    functions: &mut FuncMap,
    name: &'static str,
    arguments: usize,
    function: impl Fn(&[Value]) -> Answer + Send + Sync + 'static,
) {
    let checked = move |given: &[Value]| match given.len() {
        n if n == arguments => function(given),
        n => Err(wrong(format!(
            "wrong number of args for {name}: want {arguments} got {n}"
        ))),
    };
    functions.insert(name.into(), Arc::new(checked));
}

fn text(value: &Value) -> Result<&str, TemplateError> {
    let kind = value.type_name();
    let why = || wrong(format!("wrong type for value; expected string; got {kind}"));
    value.as_str().ok_or_else(why)
}

fn int(value: &Value) -> Result<i64, TemplateError> {
    match value {
        Value::Int(number) => Ok(*number),
        Value::Uint(number) => Ok(i64::try_from(*number).unwrap_or(i64::MAX)),
        other => Err(wrong(format!(
            "wrong type for value; expected int; got {}",
            other.type_name()
        ))),
    }
}

fn string(text: impl AsRef<str>) -> Answer {
    Ok(Value::String(text.as_ref().into()))
}

/// Returns docker's functions, and those of Go's that need the original data.
pub(super) fn of(store: &Store) -> FuncMap {
    let mut functions = FuncMap::new();
    add_access(&mut functions, store);
    add_output(&mut functions, store);
    add_lists(&mut functions);
    add_strings(&mut functions);
    functions
}

/// Adds functions that read fields, keys and durations.
fn add_access(functions: &mut FuncMap, store: &Store) {
    let its = store.clone();
    functions.insert(
        FIELD.into(),
        Arc::new(move |given: &[Value]| {
            let Some((first, names)) = given.split_first() else {
                return Ok(Value::Nil);
            };
            names.iter().try_fold(first.clone(), |value, name| {
                its.field(&value, text(name)?).map_err(wrong)
            })
        }),
    );
    let its = store.clone();
    add(functions, NUMBER, 1, move |given| {
        let number = its.duration(&given[0]).map(Value::Int);
        Ok(number.unwrap_or_else(|| given[0].clone()))
    });
    let its = store.clone();
    add(functions, TRUTH, 1, move |given| {
        Ok(match its.duration(&given[0]) {
            Some(0) => Value::Int(0),
            _ => given[0].clone(),
        })
    });
    let its = store.clone();
    functions.insert(
        "index".into(),
        Arc::new(move |given: &[Value]| {
            let Some((first, keys)) = given.split_first() else {
                return Err(wrong(
                    "wrong number of args for index: want at least 1 got 0",
                ));
            };
            keys.iter()
                .try_fold(first.clone(), |value, key| match (&value, key) {
                    (Value::Map(map), Value::String(key)) if !map.contains_key(key) => {
                        Ok(its.missing_key(&value))
                    }
                    _ => value.index(key),
                })
        }),
    );
}

/// Adds functions that write values.
fn add_output(functions: &mut FuncMap, store: &Store) {
    let its = store.clone();
    functions.insert(
        "printf".into(),
        Arc::new(move |given: &[Value]| printf(&its, given)),
    );
    let its = store.clone();
    add(functions, "json", 1, move |given| {
        string(
            its.json(&given[0])
                .map_err(|error| wrong(error.to_string()))?,
        )
    });
    let its = store.clone();
    add(functions, "raw", 1, move |given| Ok(its.raw(&given[0])));
}

/// Adds functions that split and join lists.
fn add_lists(functions: &mut FuncMap) {
    add(functions, "split", 2, |given| {
        let (source, between) = (text(&given[0])?, text(&given[1])?);
        let parts: Vec<Value> = match between {
            // Go's Split returns the characters, without empty strings around them.
            "" => source.chars().map(|c| c.to_string().into()).collect(),
            between => source.split(between).map(Into::into).collect(),
        };
        Ok(parts.into())
    });
    add(functions, "join", 2, |given| {
        let Value::List(items) = &given[0] else {
            let kind = given[0].type_name();
            return Err(wrong(format!(
                "wrong type for value; expected []string; got {kind}"
            )));
        };
        let items: Result<Vec<&str>, _> = items.iter().map(text).collect();
        string(items?.join(text(&given[1])?))
    });
}

/// Adds functions that change strings.
fn add_strings(functions: &mut FuncMap) {
    add(functions, "lower", 1, |given| {
        string(text(&given[0])?.to_lowercase())
    });
    add(functions, "upper", 1, |given| {
        string(text(&given[0])?.to_uppercase())
    });
    add(functions, "title", 1, |given| {
        string(title(text(&given[0])?))
    });
    add(functions, "pad", 3, |given| {
        let source = text(&given[0])?;
        let side = |value| match int(value)? {
            blanks @ 0..=MAX_PAD => Ok(" ".repeat(blanks.unsigned_abs() as usize)),
            blanks => Err(wrong(format!(
                "pad: {blanks} is not between 0 and {MAX_PAD}"
            ))),
        };
        let (before, after) = (side(&given[1])?, side(&given[2])?);
        match source {
            "" => string(""),
            source => string(before + source + &after),
        }
    });
    add(functions, "truncate", 2, |given| {
        let source = text(&given[0])?;
        let Ok(mut length) = usize::try_from(int(&given[1])?) else {
            return Err(wrong("truncate: the length is negative"));
        };
        // Bytes as in docker, but never half a character.
        while length < source.len() && !source.is_char_boundary(length) {
            length -= 1;
        }
        string(source.get(..length).unwrap_or(source))
    });
}

/// Returns the functions for the header of a table, which leave headings unchanged.
pub(super) fn of_header() -> FuncMap {
    let mut functions = FuncMap::new();
    for (name, arguments) in [
        ("json", 1),
        ("raw", 1),
        ("split", 2),
        ("join", 2),
        ("title", 1),
        ("lower", 1),
        ("upper", 1),
        ("truncate", 2),
    ] {
        add(&mut functions, name, arguments, |given| {
            string(text(&given[0])?)
        });
    }
    functions
}

/// Go's `strings.Title`: the first letter of every word in upper case.
fn title(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut before = ' ';
    for c in source.chars() {
        let starts_word = match before {
            '\0'..='\u{7f}' => !before.is_ascii_alphanumeric() && before != '_',
            _ => before.is_whitespace(),
        };
        match starts_word {
            true => out.extend(c.to_uppercase()),
            false => out.push(c),
        }
        before = c;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_is_in_the_list_of_those_that_exist() {
        let store = Store::new(super::super::Shape::ROW);
        for name in of(&store).keys().filter(|name| !name.starts_with('.')) {
            assert!(exists(name), "{name}");
        }
        for name in GO.iter().chain(&OURS) {
            let template = gotmpl::Template::new("t").funcs(of(&store));
            let template = template.parse(&format!("{{{{{name}}}}}")).expect(name);
            let result = template.execute_to_string(&Value::Nil);
            let undefined = matches!(result, Err(TemplateError::UndefinedFunction(_)));
            assert!(!undefined, "{name}");
        }
    }
}
