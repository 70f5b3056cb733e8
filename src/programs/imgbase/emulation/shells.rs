//! `/etc/shells`, as `update-shells` of debianutils makes it.

use std::collections::BTreeSet;

use super::editor::TreeEditor;
use crate::error::Result;

const DIRECTORY: &str = "usr/share/debianutils/shells.d";
const TEMPLATE: &str = "usr/share/debianutils/shells";

/// Lists the shells of the template and of the packages' snippets in the order of their names, each followed by its real
/// path where `/bin` is a link, after the existing lines of the file.
pub(super) fn make(editor: &mut TreeEditor<'_>) -> Result<()> {
    let Some(template) = editor.text(TEMPLATE)? else {
        return Ok(());
    };
    let state = editor.text("var/lib/shells.state")?.unwrap_or_default();
    let state: BTreeSet<&str> = state.lines().collect();
    let existing = editor
        .text("etc/shells")?
        .unwrap_or_else(|| template.clone());

    let mut packaged: Vec<String> = Vec::new();
    let mut sources = vec![template.clone()];
    for name in editor.children(DIRECTORY) {
        sources.extend(editor.text(&format!("{DIRECTORY}/{name}"))?);
    }
    for source in &sources {
        for line in source.lines() {
            let shell = line.split('#').next().unwrap_or_default().trim();
            if shell.is_empty() {
                continue;
            }
            packaged.push(shell.to_owned());
            let real = editor.base.rootfs.resolve(shell.as_bytes())?;
            let real = format!("/{}", String::from_utf8_lossy(&real));
            if real != shell {
                packaged.push(real);
            }
        }
    }
    let mut lines: Vec<&str> = Vec::new();
    let mut seen = BTreeSet::new();
    for line in existing.lines() {
        let shell = line.split('#').next().unwrap_or_default();
        let keeps = shell.is_empty()
            || packaged.iter().any(|known| known == shell)
            || !state.contains(shell);
        if keeps && (shell.is_empty() || seen.insert(shell.to_owned())) {
            lines.push(line);
        }
    }
    // The state includes duplicates.
    let kept: Vec<&str> = packaged.iter().map(String::as_str).collect();
    for shell in &packaged {
        if !state.contains(shell.as_str()) && seen.insert(shell.clone()) {
            lines.push(shell);
        }
    }
    let joined = |lines: &[&str]| lines.iter().map(|line| format!("{line}\n")).collect();
    let (shells, state): (String, String) = (joined(&lines), joined(&kept));
    editor.write("etc/shells", shells)?;
    editor.write("var/lib/shells.state", state)
}
