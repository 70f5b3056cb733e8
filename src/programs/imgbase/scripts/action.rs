//! Changes that a user requests for a finished tree.

use std::path::PathBuf;

use crate::error::{Fault, Result};
use crate::programs::imgbase::mode::parse_mode;

/// A change to a finished tree. Missing numbers and modes have the defaults that are stated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// A system user, with its home directory, and without a group given also a group of the same name and number.
    User {
        /// Login name.
        name: String,
        /// User number; by default the lowest free one from 100.
        uid: Option<u32>,
        /// Group number.
        gid: Option<u32>,
        /// Home directory; by default `/nonexistent`.
        home: Option<String>,
        /// Login shell; by default `/usr/sbin/nologin`.
        shell: Option<String>,
    },
    /// A group.
    Group {
        /// Group name.
        name: String,
        /// Group number; by default the lowest free one from 100.
        gid: Option<u32>,
    },
    /// Mode and owner of an existing path.
    Mode {
        /// Path in the tree.
        path: String,
        /// New mode.
        mode: Option<u16>,
        /// `USER`, `USER:GROUP` or `:GROUP`, by name or number.
        owner: Option<String>,
    },
    /// A directory.
    Directory {
        /// Path in the tree.
        path: String,
        /// Mode; by default 0755.
        mode: Option<u16>,
    },
    /// A symbolic link.
    Link {
        /// Path in the tree.
        path: String,
        /// Target of the link.
        to: String,
    },
    /// A file with a given text.
    Text {
        /// Path in the tree.
        path: String,
        /// Text of the file.
        text: String,
        /// Mode; by default 0644.
        mode: Option<u16>,
    },
    /// A copy of another file of the tree.
    Copy {
        /// Path in the tree.
        path: String,
        /// Path of the original.
        from: String,
        /// Mode; by default 0644.
        mode: Option<u16>,
    },
    /// A copy of a file of the host.
    File {
        /// Path in the tree.
        path: String,
        /// Path on the host.
        source: PathBuf,
        /// Mode; by default 0755 for an executable file, else 0644.
        mode: Option<u16>,
    },
}

pub(super) fn usage<T>(why: String) -> Result<T> {
    Err(Fault::Usage(why).into())
}

/// Parses a mode of octal digits.
pub(super) fn mode(text: &str) -> Result<u16> {
    match parse_mode(text) {
        Some(mode) => Ok(mode),
        None => usage(format!(
            "invalid mode '{text}': expected up to 5 octal digits"
        )),
    }
}

/// Parses the name of a user or a group.
pub(super) fn account_name(text: &str) -> Result<String> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    match !text.is_empty()
        && text.len() <= 32
        && !text.starts_with('-')
        && text.chars().all(is_name)
    {
        true => Ok(text.to_owned()),
        false => usage(format!("invalid account name '{text}'")),
    }
}

impl Action {
    /// Parses `NAME[:UID[:GID[:HOME[:SHELL]]]]`; an empty part counts as missing.
    ///
    /// # Errors
    /// `Usage` for anything else.
    pub fn user(text: &str) -> Result<Self> {
        let parts: Vec<&str> = text.split(':').collect();
        if parts.len() > 5 {
            return usage(format!(
                "invalid user '{text}': expected NAME[:UID[:GID[:HOME[:SHELL]]]]"
            ));
        }
        let part = |at: usize| parts.get(at).copied().filter(|part| !part.is_empty());
        let number = |at: usize| match part(at).map(str::parse) {
            None => Ok(None),
            Some(Ok(number)) => Ok(Some(number)),
            Some(Err(_)) => usage(format!(
                "invalid user '{text}': expected a number, found '{}'",
                parts[at]
            )),
        };
        Ok(Action::User {
            name: account_name(parts[0])?,
            uid: number(1)?,
            gid: number(2)?,
            home: part(3).map(str::to_owned),
            shell: part(4).map(str::to_owned),
        })
    }

    /// Parses `MODE[,OWNER]` for a path; `MODE` may be empty.
    ///
    /// # Errors
    /// `Usage` for an invalid mode.
    pub fn chmod(what: &str, path: &str) -> Result<Self> {
        let (mode, owner) = match what.split_once(',') {
            Some((mode, owner)) => (mode, Some(owner.to_owned())),
            None => (what, None),
        };
        let mode = match mode {
            "" => None,
            text => Some(self::mode(text)?),
        };
        let path = path.to_owned();
        Ok(Action::Mode { path, mode, owner })
    }

    /// Parses `FILE:/PATH[:MODE]`.
    ///
    /// # Errors
    /// `Usage` for anything else.
    pub fn file(text: &str) -> Result<Self> {
        let invalid = || usage(format!("invalid file '{text}': expected FILE:/PATH[:MODE]"));
        // File names may contain colons.
        let Some(at) = text.rfind(":/") else {
            return invalid();
        };
        let (source, rest) = (&text[..at], &text[at + 1..]);
        let (path, mode) = match rest.rsplit_once(':') {
            Some((path, text)) => (path, Some(mode(text)?)),
            None => (rest, None),
        };
        if source.is_empty() || path.ends_with('/') {
            return invalid();
        }
        Ok(Action::File {
            path: path.to_owned(),
            source: source.into(),
            mode,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_parsed_or_refused() {
        let user = Action::user("web:33::/srv").expect("a user");
        assert!(matches!(
            user,
            Action::User {
                uid: Some(33),
                gid: None,
                home: Some(_),
                shell: None,
                ..
            }
        ));
        assert!(
            Action::user("web:x").is_err()
                && Action::user("a/b").is_err()
                && Action::user("a:1:1:/:/:x").is_err()
        );
        assert!(Action::chmod("8", "/x").is_err() && Action::chmod("0640,web:adm", "/x").is_ok());
        assert!(Action::file("a").is_err() && Action::file("a:/b:0755").is_ok());
    }
}
