//! Shell completions of operands: files, images of the local store and, after `FILE:`, images of an archive.

use clap::{Command, ValueHint};

/// Completes operands of all programs, with names that `imgls` prints and names of files.
const OPERANDS: &str = r#"_imgkit_operands() {
    local IFS=$'\n' word="${COMP_LINE:0:COMP_POINT}" file names
    word="${word##* }"
    file="${word%%:*}"
    if [[ ${word} == *:* && -e ${file} ]]; then
        names="$(imgls --format '{{.Repository}}:{{.Tag}}' "${file}" 2>/dev/null | sed "s|^|${file//|/\\|}:|")"
    else
        names="$(imgls --format '{{.Repository}}:{{.Tag}}' 2>/dev/null)"
    fi
    COMPREPLY=( $(compgen -W "$(grep -v '<none>' <<<"${names}")" -- "${word}") )
    if [[ ${#COMPREPLY[@]} -eq 0 ]]; then
        compopt -o filenames 2>/dev/null
    fi
    COMPREPLY+=( $(compgen -f -- "${word}") )
    # A colon parts words: only what follows the last one is typed anew.
    if [[ ${word} == *:* && ${COMP_WORDBREAKS} == *:* ]]; then
        COMPREPLY=( "${COMPREPLY[@]#"${word%"${word##*:}"}"}" )
    fi
}

"#;

/// Marks options whose value is a path, so that shells offer files only for these.
pub(super) fn hinted(command: Command) -> Command {
    let names: Vec<String> = command
        .get_subcommands()
        .map(|subcommand| subcommand.get_name().to_owned())
        .collect();
    let mut command = command.mut_args(|arg| {
        let names = arg.get_value_names().unwrap_or_default();
        let is_path = |name: &str| {
            let ends = [
                "FILE", "DIR", "PATH", "IMAGE", "TAR", "SRC", "DST", "A", "B",
            ];
            name.split(|c: char| !c.is_ascii_alphanumeric())
                .any(|word| ends.contains(&word))
        };
        let is_flag = !arg.get_action().takes_values();
        match is_flag || arg.is_positional() || names.iter().any(|name| is_path(name)) {
            true => arg,
            false => arg.value_hint(ValueHint::Other),
        }
    });
    for name in names {
        command = command.mut_subcommand(name, hinted);
    }
    command
}

/// Adds operands to bash completions; those of clap have options only.
pub(super) fn with_operands(script: &[u8], command: &Command) -> Vec<u8> {
    let script = String::from_utf8_lossy(script);
    let has_subcommands = command.has_subcommands();
    let mut out = String::from(OPERANDS);
    // The one command that has subcommands comes first, and its words are their names.
    let mut is_leaf = !has_subcommands;
    let mut previous = "";
    for line in script.lines() {
        let label = line
            .strip_prefix("        ")
            .and_then(|rest| rest.strip_suffix(')'));
        if label.is_some_and(|label| label.contains("__")) {
            is_leaf = true;
        }
        let begins = line
            .trim_start()
            .starts_with("if [[ ${cur} == -* || ${COMP_CWORD} -eq ");
        let ends =
            previous.trim() == "esac" && line.trim_start().starts_with("COMPREPLY=( $(compgen -W");
        match (is_leaf, begins, ends) {
            (true, true, _) => out.push_str("            if [[ ${cur} == -* ]] ; then"),
            (true, _, true) => out.push_str("            _imgkit_operands"),
            _ => out.push_str(line),
        }
        out.push('\n');
        previous = line;
    }
    out.into_bytes()
}
