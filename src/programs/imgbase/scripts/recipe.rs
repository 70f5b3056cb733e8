//! Recipes: what people say in the place of scripts that nothing stands in for.
//!
//! A recipe file is JSON: `{"recipes": [{"package": "openssh-server", "since": "1:9", "before": "1:10", "do": [...],
//! "answers": ["ucf "]}]}`. Versions may be left out. Each item of `do` is one of
//! `{"user": NAME, "uid": N, "gid": N, "home": PATH, "shell": PATH}`, `{"group": NAME, "gid": N}`,
//! `{"dir": PATH, "mode": "0755"}`, `{"link": PATH, "to": TARGET}`, `{"file": PATH, "text": TEXT, "mode": "0644"}`,
//! `{"file": PATH, "copy": PATH, "mode": "0644"}`, `{"chmod": "0640", "path": PATH}` and
//! `{"chown": "USER:GROUP", "path": PATH}`, where all but the first field may be left out unless nothing could be done.
//! `answers` are how the commands begin that the report need not name any more.

use std::path::PathBuf;

use serde::Deserialize;

use crate::base::debian::{Unpacked, Version};
use crate::error::{Fault, Result};
use crate::programs::imgbase::{Base, standins};

/// One thing to do to a finished tree. Numbers and modes that are not given are the usual ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// A system user; with a group of the same name and number unless a group is given, and its home made.
    User {
        /// Login name.
        name: String,
        /// Number; the first free one from 100.
        uid: Option<u32>,
        /// Number of the group.
        gid: Option<u32>,
        /// Home folder; `/nonexistent`.
        home: Option<String>,
        /// Login shell; `/usr/sbin/nologin`.
        shell: Option<String>,
    },
    /// A group.
    Group {
        /// Its name.
        name: String,
        /// Its number; the first free one from 100.
        gid: Option<u32>,
    },
    /// Permissions and owner of what is there.
    Mode {
        /// The path.
        path: String,
        /// Permissions.
        mode: Option<u16>,
        /// `USER`, `USER:GROUP` or `:GROUP`, by name or number.
        owner: Option<String>,
    },
    /// A folder.
    Folder {
        /// The path.
        path: String,
        /// Permissions; 0755.
        mode: Option<u16>,
    },
    /// A symbolic link.
    Link {
        /// The path.
        path: String,
        /// Its text.
        to: String,
    },
    /// A file with this text.
    Text {
        /// The path.
        path: String,
        /// The text.
        text: String,
        /// Permissions; 0644.
        mode: Option<u16>,
    },
    /// A copy of another file of the tree.
    Copy {
        /// The path.
        path: String,
        /// What is copied.
        from: String,
        /// Permissions; 0644.
        mode: Option<u16>,
    },
    /// A file of the system.
    File {
        /// The path in the tree.
        path: String,
        /// The path on the system.
        source: PathBuf,
        /// Permissions; 0755 for a program, 0644 for anything else.
        mode: Option<u16>,
    },
}

fn usage<T>(why: String) -> Result<T> {
    Err(Fault::Usage(why).into())
}

fn octal(text: &str) -> Result<u16> {
    let is_octal =
        !text.is_empty() && text.len() <= 5 && text.bytes().all(|b| matches!(b, b'0'..=b'7'));
    let mode = is_octal
        .then(|| u16::from_str_radix(text, 8).ok())
        .flatten();
    match mode.filter(|mode| *mode <= 0o7777) {
        Some(mode) => Ok(mode),
        None => usage(format!(
            "'{text}' is no mode: expected up to 5 octal digits"
        )),
    }
}

fn account_name(text: &str) -> Result<String> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    match !text.is_empty()
        && text.len() <= 32
        && !text.starts_with('-')
        && text.chars().all(is_name)
    {
        true => Ok(text.to_owned()),
        false => usage(format!("'{text}' is no account name")),
    }
}

impl Act {
    /// `NAME[:UID[:GID[:HOME[:SHELL]]]]`; an empty part is one that is not given.
    ///
    /// # Errors
    /// `Usage` for anything else.
    pub fn user(text: &str) -> Result<Self> {
        let parts: Vec<&str> = text.split(':').collect();
        if parts.len() > 5 {
            return usage(format!(
                "'{text}': expected NAME[:UID[:GID[:HOME[:SHELL]]]]"
            ));
        }
        let part = |at: usize| parts.get(at).copied().filter(|part| !part.is_empty());
        let number = |at: usize| match part(at).map(str::parse) {
            None => Ok(None),
            Some(Ok(number)) => Ok(Some(number)),
            Some(Err(_)) => usage(format!(
                "'{text}': expected a number, found '{}'",
                parts[at]
            )),
        };
        Ok(Act::User {
            name: account_name(parts[0])?,
            uid: number(1)?,
            gid: number(2)?,
            home: part(3).map(str::to_owned),
            shell: part(4).map(str::to_owned),
        })
    }

    /// `MODE[,OWNER]` and a path; `MODE` may be empty.
    ///
    /// # Errors
    /// `Usage` for a mode that is none.
    pub fn chmod(what: &str, path: &str) -> Result<Self> {
        let (mode, owner) = match what.split_once(',') {
            Some((mode, owner)) => (mode, Some(owner.to_owned())),
            None => (what, None),
        };
        let mode = if mode.is_empty() {
            None
        } else {
            Some(octal(mode)?)
        };
        let path = path.to_owned();
        Ok(Act::Mode { path, mode, owner })
    }

    /// `FILE:/PATH[:MODE]`.
    ///
    /// # Errors
    /// `Usage` for anything else.
    pub fn file(text: &str) -> Result<Self> {
        let wrong = || usage(format!("'{text}': expected FILE:/PATH[:MODE]"));
        // Names of files may hold colons, too.
        let Some(at) = text.rfind(":/") else {
            return wrong();
        };
        let (source, rest) = (&text[..at], &text[at + 1..]);
        let (path, mode) = match rest.rsplit_once(':') {
            Some((path, mode)) => (path, Some(octal(mode)?)),
            None => (rest, None),
        };
        if source.is_empty() || path.ends_with('/') {
            return wrong();
        }
        Ok(Act::File {
            path: path.to_owned(),
            source: source.into(),
            mode,
        })
    }

    /// Does it to a tree.
    ///
    /// # Errors
    /// `Usage` for an account or path that is not there; what putting files into the tree gives.
    pub fn apply(&self, base: &mut Base) -> Result<()> {
        standins::act(base, self)
    }
}

/// What to do for a package, and what that answers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recipe {
    /// The package's name.
    pub package: String,
    /// The oldest version it is for.
    pub since: Option<String>,
    /// The version it is not for any more.
    pub before: Option<String>,
    /// What is done.
    pub acts: Vec<Act>,
    /// How the commands begin that need not be reported.
    pub answers: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    recipes: Vec<RawRecipe>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRecipe {
    package: String,
    since: Option<String>,
    before: Option<String>,
    #[serde(default, rename = "do")]
    acts: Vec<RawAct>,
    #[serde(default)]
    answers: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAct {
    user: Option<String>,
    group: Option<String>,
    uid: Option<u32>,
    gid: Option<u32>,
    home: Option<String>,
    shell: Option<String>,
    dir: Option<String>,
    link: Option<String>,
    to: Option<String>,
    file: Option<String>,
    text: Option<String>,
    copy: Option<String>,
    mode: Option<String>,
    chmod: Option<String>,
    chown: Option<String>,
    path: Option<String>,
}

impl Recipe {
    /// Reads a recipe file.
    ///
    /// # Errors
    /// `Json` for what is none, `Usage` for a recipe that cannot be followed.
    pub fn parse(bytes: &[u8]) -> Result<Vec<Self>> {
        let raw: RawFile = serde_json::from_slice(bytes).map_err(|error| Fault::Json {
            why: error.to_string(),
        })?;
        let recipe = |raw: RawRecipe| -> Result<Recipe> {
            for version in [&raw.since, &raw.before].into_iter().flatten() {
                Version::parse(version)?;
            }
            if raw.answers.iter().any(|answer| answer.trim().is_empty()) {
                return usage(format!(
                    "{}: an answer that is empty is one to everything",
                    raw.package
                ));
            }
            Ok(Recipe {
                acts: raw.acts.into_iter().map(of_raw).collect::<Result<_>>()?,
                package: raw.package,
                since: raw.since,
                before: raw.before,
                answers: raw.answers,
            })
        };
        raw.recipes.into_iter().map(recipe).collect()
    }

    /// Whether it is for a package of that name and version.
    pub fn is_for(&self, package: &Unpacked) -> bool {
        if package.name() != self.package {
            return false;
        }
        let Ok(version) = Version::parse(package.version()) else {
            return false;
        };
        let bound = |text: &Option<String>, fits: fn(std::cmp::Ordering) -> bool| {
            text.as_deref().is_none_or(|text| {
                Version::parse(text).is_ok_and(|bound| fits(version.cmp(&bound)))
            })
        };
        bound(&self.since, std::cmp::Ordering::is_ge)
            && bound(&self.before, std::cmp::Ordering::is_lt)
    }

    /// Does what all recipes say that are for one of the packages. Returns the packages of the others.
    ///
    /// # Errors
    /// As [`Act::apply`]; the place is the package.
    pub fn apply_all(recipes: &[Recipe], base: &mut Base) -> Result<Vec<String>> {
        let mut unused = Vec::new();
        for recipe in recipes {
            if !base.packages.iter().any(|package| recipe.is_for(package)) {
                unused.push(recipe.package.clone());
                continue;
            }
            for act in &recipe.acts {
                act.apply(base)
                    .map_err(|error| error.at(recipe.package.clone()))?;
            }
        }
        Ok(unused)
    }
}

fn of_raw(raw: RawAct) -> Result<Act> {
    let mode = raw.mode.as_deref().map(octal).transpose()?;
    Ok(match raw {
        RawAct {
            user: Some(name),
            uid,
            gid,
            home,
            shell,
            ..
        } => Act::User {
            name: account_name(&name)?,
            uid,
            gid,
            home,
            shell,
        },
        RawAct {
            group: Some(name),
            gid,
            ..
        } => Act::Group {
            name: account_name(&name)?,
            gid,
        },
        RawAct {
            dir: Some(path), ..
        } => Act::Folder { path, mode },
        RawAct {
            link: Some(path),
            to: Some(to),
            ..
        } => Act::Link { path, to },
        RawAct {
            file: Some(path),
            text: Some(text),
            ..
        } => Act::Text { path, text, mode },
        RawAct {
            file: Some(path),
            copy: Some(from),
            ..
        } => Act::Copy { path, from, mode },
        RawAct {
            path: Some(path),
            chmod,
            chown,
            ..
        } if chmod.is_some() || chown.is_some() => Act::Mode {
            path,
            mode: chmod.as_deref().map(octal).transpose()?,
            owner: chown,
        },
        _ => return usage("a step of a recipe that says nothing to do".to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::debian::Control;

    #[test]
    fn a_recipe_does_what_it_says_to_the_packages_it_is_for() {
        let text = br#"{"recipes": [{"package": "a", "since": "1", "before": "2", "answers": ["ucf "],
            "do": [{"user": "web", "home": "/srv/web"}, {"file": "/etc/x", "text": "one\n", "mode": "0600"},
                   {"chown": "web:web", "path": "/etc/x"}, {"link": "/etc/y", "to": "x"}]}]}"#;
        let recipes = Recipe::parse(text).expect("recipes");
        let mut base = Base::new(1);
        base.rootfs
            .put(
                b"etc/passwd",
                crate::base::rootfs::Node::file(0o644, "root:x:0:0::/root:/bin/sh\n"),
            )
            .expect("a file");
        let mut package = Unpacked {
            control: Control::parse("Package: a\nVersion: 2\n").expect("control"),
            ..Unpacked::default()
        };
        assert!(!recipes[0].is_for(&package));
        package.control = Control::parse("Package: a\nVersion: 1.5\n").expect("control");
        base.packages.push(package);
        Recipe::apply_all(&recipes, &mut base).expect("done");
        let node = base.rootfs.get(b"etc/x").expect("a file");
        assert_eq!((node.mode, node.uid, node.gid), (0o600, 100, 100));
        assert_eq!(base.rootfs.get(b"srv/web").map(|node| node.uid), Some(100));
        assert!(
            Recipe::parse(
                br#"{"recipes": [{"package": "a", "do": [{"dir": "/x", "mode": "9"}]}]}"#
            )
            .is_err()
        );
        assert!(Recipe::parse(br#"{"recipes": [{"package": "a", "do": [{}]}]}"#).is_err());
    }

    #[test]
    fn what_is_typed_is_an_act_or_refused() {
        let user = Act::user("web:33::/srv").expect("a user");
        assert!(matches!(
            user,
            Act::User {
                uid: Some(33),
                gid: None,
                home: Some(_),
                shell: None,
                ..
            }
        ));
        assert!(
            Act::user("web:x").is_err()
                && Act::user("a/b").is_err()
                && Act::user("a:1:1:/:/:x").is_err()
        );
        assert!(Act::chmod("8", "/x").is_err() && Act::chmod("0640,web:adm", "/x").is_ok());
        assert!(Act::file("a").is_err() && Act::file("a:/b:0755").is_ok());
    }
}
