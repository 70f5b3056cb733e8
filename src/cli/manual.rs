//! Manual pages on a terminal.

use std::io::{IsTerminal, Seek};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

/// Opens a manual page in `man`, which replaces this program. Returns if standard output is no terminal, or without
/// `man`.
pub fn open_manual(page: &[u8]) {
    if !std::io::stdout().is_terminal() {
        return;
    }
    // A file, because a pipe would need this program to fill it.
    let Ok(mut file) = tempfile::tempfile() else {
        return;
    };
    if std::io::Write::write_all(&mut file, page).is_err() || file.rewind().is_err() {
        return;
    }
    let mut man = Command::new("man");
    // Returns only if there is no such program.
    let _ = man.args(["-l", "-"]).stdin(Stdio::from(file)).exec();
}
