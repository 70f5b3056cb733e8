//! The two parts of the command line: options and images, and the expression behind them.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use crate::error::{Error, Fault, Result};
use crate::find::{Expression, starts_expression};

/// Splits a command line before the first word of an expression. Values of options are none.
pub(super) fn split(
    argv: Vec<OsString>,
    command: &clap::Command,
) -> (Vec<OsString>, Vec<OsString>) {
    let mut argv = argv;
    let mut at = 1;
    let mut has_image = false;
    while let Some(argument) = argv.get(at) {
        let is_misspelt = || has_image && has_unknown_letter(argument, command);
        if starts_expression(argument.as_bytes()) || is_misspelt() {
            let expression = argv.split_off(at);
            return (argv, expression);
        }
        has_image |= !argument.as_bytes().starts_with(b"-") || argument == "-";
        at += 1 + usize::from(takes_next(argument, command));
    }
    (argv, Vec::new())
}

/// Tests if an argument is no option and no letters of options together: a misspelt word of the expression.
fn has_unknown_letter(argument: &OsStr, command: &clap::Command) -> bool {
    let text = argument.to_str().and_then(|text| text.strip_prefix('-'));
    let Some(text) = text.filter(|text| text.len() > 1 && !text.starts_with('-')) else {
        return false;
    };
    for (at, letter) in text.char_indices() {
        let mut options = command.get_opts();
        match options.find(|arg| arg.get_short() == Some(letter)) {
            Some(option) if option.get_action().takes_values() => {
                // A number has only digits.
                let value = text.get(at + letter.len_utf8()..).unwrap_or_default();
                let names = option.get_value_names().unwrap_or_default();
                let is_number = names.first().is_some_and(|name| name == "N");
                return is_number && !value.bytes().all(|byte| byte.is_ascii_digit());
            }
            Some(_) => {}
            // Made for every program.
            None if matches!(letter, 'h' | 'V') => {}
            None => return true,
        }
    }
    false
}

/// Tests if the value of an option is the next argument.
fn takes_next(argument: &OsStr, command: &clap::Command) -> bool {
    let Some(text) = argument.to_str() else {
        return false;
    };
    let has_value = |arg: &&clap::Arg| arg.get_action().takes_values();
    if let Some(name) = text.strip_prefix("--") {
        let mut options = command.get_opts();
        return options.any(|arg| arg.get_long() == Some(name) && has_value(&arg));
    }
    let Some(letters) = text.strip_prefix('-') else {
        return false;
    };
    // Of letters together, what follows the first with a value is its value.
    let mut letters = letters.char_indices();
    let with_value = letters.find(|(_, letter)| {
        let mut options = command.get_opts().filter(has_value);
        options.any(|arg| arg.get_short() == Some(*letter))
    });
    with_value.is_some_and(|(at, letter)| 1 + at + letter.len_utf8() == text.len())
}

/// Checks that images stand before the expression.
///
/// # Errors
/// `Word` if there are none.
pub(super) fn check_images(has_images: bool, expression: &[OsString]) -> Result<()> {
    if has_images {
        return Ok(());
    }
    let fault = |why, hint| {
        Error::new(Fault::Word {
            why,
            hint: Some(hint),
        })
    };
    Err(match expression.first() {
        Some(word) => fault(
            "images must precede the expression",
            "the order is imgfind [OPTIONS] IMAGE... EXPRESSION",
        )
        .at(word.to_string_lossy()),
        None => fault(
            "the following required arguments were not provided: <IMAGE>...",
            "see imgfind --help",
        ),
    })
}

/// Checks that the expression only selects the files whose contents are searched.
///
/// # Errors
/// `Usage` if it writes.
pub(super) fn check_actions(expression: &Expression) -> Result<()> {
    match expression.writes() {
        true => Err(Error::usage(
            "-print0, -printf and -ls show no matches in contents: -l shows paths, and -0 ends them by NUL",
        )),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::programs::imgfind::args::Args;

    #[test]
    fn the_expression_begins_at_its_first_word() {
        let command = Args::command();
        for (line, expected) in [
            ("imgfind a.tar -name x", 2),
            ("imgfind --scope final a.tar ( -type f )", 4),
            ("imgfind a.tar --layer 3 ! -name x", 4),
            ("imgfind --layer -name a.tar -type f", 4),
            ("imgfind --layer=3 a.tar -not -name x", 3),
            ("imgfind -0 a.tar b.tar", 4),
            ("imgfind -qj 1 a.tar -print0", 4),
            ("imgfind -j -name a.tar", 4),
            ("imgfind -j1 -name a.tar", 2),
            ("imgfind -name x a.tar", 1),
            ("imgfind - -exec ls", 2),
            ("imgfind a.tar -o", 3),
            ("imgfind a.tar -nmae x", 2),
            ("imgfind -nmae x a.tar", 4),
            ("imgfind a.tar -onA3 -eroot -C 2 -name x", 6),
            ("imgfind -o -a -e -name a.tar -name x", 6),
            ("imgfind a.tar -q0", 3),
            ("imgfind a.tar -qj1 b.tar", 4),
        ] {
            let words = line.split(' ').map(OsString::from).collect();
            let (head, _) = split(words, &command);
            assert_eq!(head.len(), expected, "{line}");
        }
    }
}
