//! Recipes: actions of the user in place of scripts that the emulation does not cover.
//!
//! A recipe file is JSON: `{"recipes": [{"package": "openssh-server", "since": "1:9", "before": "1:10", "do": [...],
//! "answers": ["ucf "]}]}`. Versions are optional. Each item of `do` is one of
//! `{"user": NAME, "uid": N, "gid": N, "home": PATH, "shell": PATH}`, `{"group": NAME, "gid": N}`,
//! `{"dir": PATH, "mode": "0755"}`, `{"link": PATH, "to": TARGET}`, `{"file": PATH, "text": TEXT, "mode": "0644"}`,
//! `{"file": PATH, "copy": PATH, "mode": "0644"}`, `{"chmod": "0640", "path": PATH}` and
//! `{"chown": "USER:GROUP", "path": PATH}`; all but the first field are optional unless nothing would be left to do.
//! `answers` are prefixes of commands that need not be reported.

use serde::Deserialize;

use super::action::{Action, account_name, mode, usage};
use crate::base::debian::{Unpacked, Version};
use crate::error::{Error, Result};

/// Actions for a package in place of commands of its scripts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recipe {
    /// Name of the package.
    pub package: String,
    /// Lowest version that the recipe applies to.
    pub since: Option<String>,
    /// First version that the recipe no longer applies to.
    pub before: Option<String>,
    /// Actions in their order.
    pub actions: Vec<Action>,
    /// Prefixes of commands that the recipe replaces, so that they are not reported.
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
    actions: Vec<RawAction>,
    #[serde(default)]
    answers: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAction {
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
    /// Parses a recipe file.
    ///
    /// # Errors
    /// `Json` for invalid JSON, `Usage` for an invalid recipe.
    pub fn parse(bytes: &[u8]) -> Result<Vec<Self>> {
        let raw: RawFile =
            serde_json::from_slice(bytes).map_err(|error| Error::json(error.to_string()))?;
        let recipe = |raw: RawRecipe| -> Result<Recipe> {
            for version in [&raw.since, &raw.before].into_iter().flatten() {
                Version::parse(version)?;
            }
            if raw.answers.iter().any(|answer| answer.trim().is_empty()) {
                return usage(format!(
                    "{}: empty answer: it would match every command",
                    raw.package
                ));
            }
            Ok(Recipe {
                actions: raw.actions.into_iter().map(action).collect::<Result<_>>()?,
                package: raw.package,
                since: raw.since,
                before: raw.before,
                answers: raw.answers,
            })
        };
        raw.recipes.into_iter().map(recipe).collect()
    }

    /// Returns whether the recipe applies to a package, by name and version.
    pub fn applies_to(&self, package: &Unpacked) -> bool {
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
}

fn action(raw: RawAction) -> Result<Action> {
    let file_mode = raw.mode.as_deref().map(mode).transpose()?;
    Ok(match raw {
        RawAction {
            user: Some(name),
            uid,
            gid,
            home,
            shell,
            ..
        } => Action::User {
            name: account_name(&name)?,
            uid,
            gid,
            home,
            shell,
        },
        RawAction {
            group: Some(name),
            gid,
            ..
        } => Action::Group {
            name: account_name(&name)?,
            gid,
        },
        RawAction {
            dir: Some(path), ..
        } => Action::Directory {
            path,
            mode: file_mode,
        },
        RawAction {
            link: Some(path),
            to: Some(to),
            ..
        } => Action::Link { path, to },
        RawAction {
            file: Some(path),
            text: Some(text),
            ..
        } => Action::Text {
            path,
            text,
            mode: file_mode,
        },
        RawAction {
            file: Some(path),
            copy: Some(from),
            ..
        } => Action::Copy {
            path,
            from,
            mode: file_mode,
        },
        RawAction {
            path: Some(path),
            chmod,
            chown,
            ..
        } if chmod.is_some() || chown.is_some() => Action::Mode {
            path,
            mode: chmod.as_deref().map(mode).transpose()?,
            owner: chown,
        },
        _ => return usage("invalid step of a recipe: unknown combination of fields".to_owned()),
    })
}
