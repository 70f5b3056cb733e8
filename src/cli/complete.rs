//! Shell completions of operands: files, images of the local store and, after `FILE:`, images of an archive.

use clap::{Command, ValueHint};

/// Completes operands of all programs, with names that `imgls` prints and names of files.
const OPERANDS: &str = r#"_imgkit_operands() {
    local IFS=$'\n' word="${COMP_LINE:0:COMP_POINT}" file names ls=(imgls)
    type -P imgls >/dev/null || ls=(imgkit ls)
    word="${word##* }"
    file="${word%%:*}"
    if [[ ${word} == *:* && -e ${file} ]]; then
        names="$("${ls[@]}" --format '{{.Repository}}:{{.Tag}}' "${file}" 2>/dev/null | sed "s|^|${file//|/\\|}:|")"
    else
        names="$("${ls[@]}" --format '{{.Repository}}:{{.Tag}}' 2>/dev/null)"
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
    let mut out = String::from(OPERANDS);
    let label_of = |line| {
        let label = str::strip_prefix(line, "        ")?.strip_suffix(')')?;
        label.starts_with("img").then_some(label)
    };
    let labels: Vec<&str> = script.lines().filter_map(label_of).collect();
    // A command with subcommands is completed with their names, and help with names of programs.
    let has_names = |label: &str| {
        let below = format!("{label}__");
        label.ends_with("__help") || labels.iter().any(|other| other.starts_with(&below))
    };
    let mut is_leaf = !command.has_subcommands();
    let mut previous = "";
    for line in script.lines() {
        if let Some(label) = label_of(line) {
            is_leaf = !has_names(label);
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
