//! Installations out of the logs of dpkg and apt.
//!
//! Both write local times without their zone; they are taken for UTC, which builds run in.

use crate::escape;
use crate::layer::Mtime;

/// Actions of dpkg that a log tells beside its states.
const ACTIONS: [&str; 4] = ["install", "upgrade", "remove", "purge"];

/// A package that was installed or removed, as its manager recorded it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Installed {
    /// Time.
    pub time: Mtime,
    /// Event, as it was written.
    pub text: String,
}

/// Reads a log by its path: `var/log/dpkg.log` or `var/log/apt/history.log`. Lines in another form are left out; nothing
/// is found in other files.
pub fn installed_by_log(path: &[u8], bytes: &[u8]) -> Vec<Installed> {
    let text = String::from_utf8_lossy(bytes);
    match path {
        b"var/log/dpkg.log" => text.lines().filter_map(dpkg).collect(),
        b"var/log/apt/history.log" => text.split("\n\n").filter_map(apt).collect(),
        _ => Vec::new(),
    }
}

/// `2026-11-21 02:40:05 install curl:amd64 <none> 8.5.0-2`
fn dpkg(line: &str) -> Option<Installed> {
    let (time, rest) = line.split_at_checked(19)?;
    let action = rest.split_whitespace().next()?;
    let is_action = ACTIONS.contains(&action);
    is_action.then_some(Installed {
        time: super::mtime(time)?,
        text: format!("dpkg: {}", rest.trim()),
    })
}

/// A paragraph with `Start-Date: 2026-11-21  02:40:05`, `Commandline: …` and what was done.
fn apt(paragraph: &str) -> Option<Installed> {
    let field = |name: &str| {
        let mut lines = paragraph.lines();
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    };
    let date = field("Start-Date")?;
    let (day, time) = date.trim().split_once(' ')?;
    let done = [
        "Install",
        "Reinstall",
        "Upgrade",
        "Downgrade",
        "Remove",
        "Purge",
    ];
    let done = done
        .iter()
        .filter_map(|name| Some(format!("{name}: {}", field(name)?)));
    let told = field("Commandline").map(str::to_owned).into_iter();
    let told: Vec<String> = told.chain(done).collect();
    Some(Installed {
        time: super::mtime(&format!("{day} {}", time.trim()))?,
        text: format!("apt: {}", escape::brief_to(&told.join("; "), 1000)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_tell_what_was_done_when() {
        let log = "2026-11-21 02:40:05 startup archives unpack\n\
                   2026-11-21 02:40:06 install curl:amd64 <none> 8.5.0-2\n\
                   2026-11-21 02:40:06 status half-installed curl:amd64 8.5.0-2\n\
                   2026-13-21 02:40:06 remove x:all 1 <none>\n\
                   2026-11-21 02:41\n\u{20ac}\u{20ac}\u{20ac}\u{20ac}\u{20ac}\u{20ac}\u{20ac} install x\n";
        let found = installed_by_log(b"var/log/dpkg.log", log.as_bytes());
        let found: Vec<(i64, &str)> = found
            .iter()
            .map(|one| (one.time.seconds, one.text.as_str()))
            .collect();
        assert_eq!(
            found,
            [(1_795_228_806, "dpkg: install curl:amd64 <none> 8.5.0-2")]
        );
        let log = "\nStart-Date: 2026-11-21  02:40:05\nCommandline: apt-get install -y curl\nInstall: curl:amd64 (8.5), libx:amd64 (1, automatic)\nEnd-Date: 2026-11-21  02:40:07\n\nStart-Date: x\n";
        let found = installed_by_log(b"var/log/apt/history.log", log.as_bytes());
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].time.seconds, 1_795_228_805);
        assert_eq!(
            found[0].text,
            "apt: apt-get install -y curl; Install: curl:amd64 (8.5), libx:amd64 (1, automatic)"
        );
        assert!(installed_by_log(b"var/log/other", log.as_bytes()).is_empty());
    }
}
