//! Conditions of scripts: `test` and `dpkg --compare-versions`.

use super::environment::Environment;
use super::status::Status;
use crate::base::rootfs::Kind;

/// Evaluates the arguments of `test`.
pub(super) fn test(env: &Environment<'_>, args: &[Option<String>]) -> Status {
    // -o binds less than -a; both are evaluated from the left.
    let is = |arg: &Option<String>, text| arg.as_deref() == Some(text);
    for (operator, decisive) in [("-o", Status::Success), ("-a", Status::Failure)] {
        let at = args.iter().position(|arg| is(arg, operator));
        if let Some(at) = at.filter(|at| *at > 0) {
            let both = [test(env, &args[..at]), test(env, &args[at + 1..])];
            return match both.contains(&decisive) {
                true => decisive,
                false if both.contains(&Status::Unknown) => Status::Unknown,
                false => decisive.not(),
            };
        }
    }
    match args {
        [not, rest @ ..] if is(not, "!") && !rest.is_empty() => test(env, rest).not(),
        [] => Status::Failure,
        [None] | [None, _] => Status::Unknown,
        [Some(text)] => (!text.is_empty()).into(),
        [Some(op), value] => match (op.as_str(), value.as_deref()) {
            (_, None) => Status::Unknown,
            ("-n", Some(text)) => (!text.is_empty()).into(),
            ("-z", Some(text)) => text.is_empty().into(),
            ("-h" | "-L", Some(path)) => {
                matches!(env.kind(path, false), Some(Kind::Symlink(_))).into()
            }
            ("-d", Some(path)) => matches!(env.kind(path, true), Some(Kind::Directory)).into(),
            ("-f", Some(path)) => matches!(env.kind(path, true), Some(Kind::File(_))).into(),
            ("-e" | "-x" | "-r" | "-w" | "-s", Some(path)) => {
                (!path.is_empty() && env.kind(path, true).is_some()).into()
            }
            ("-t", _) => Status::Failure,
            _ => Status::Unknown,
        },
        [a, op, b] => match (a, op.as_deref(), b) {
            (Some(a), Some("=" | "=="), Some(b)) => (a == b).into(),
            (Some(a), Some("!="), Some(b)) => (a != b).into(),
            (Some(a), Some(op), Some(b)) => match (a.parse::<i64>(), b.parse::<i64>()) {
                (Ok(a), Ok(b)) => match op {
                    "-eq" => (a == b).into(),
                    "-ne" => (a != b).into(),
                    "-gt" => (a > b).into(),
                    "-ge" => (a >= b).into(),
                    "-lt" => (a < b).into(),
                    "-le" => (a <= b).into(),
                    _ => Status::Unknown,
                },
                _ => Status::Unknown,
            },
            _ => Status::Unknown,
        },
        _ => Status::Unknown,
    }
}

/// Evaluates `dpkg --compare-versions [--] A OP B` with an empty A, as on a first installation; unknown for other versions.
pub(super) fn compare(args: &[Option<String>]) -> Status {
    let words: Vec<Option<&str>> = args[1..]
        .iter()
        .map(Option::as_deref)
        .filter(|word| *word != Some("--"))
        .collect();
    match words.as_slice() {
        [Some(""), Some(op), Some(other)] if !other.is_empty() => matches!(
            *op,
            "lt" | "le" | "ne" | "<" | "<<" | "<=" | "gt-nl" | "ge-nl"
        )
        .into(),
        _ => Status::Unknown,
    }
}
