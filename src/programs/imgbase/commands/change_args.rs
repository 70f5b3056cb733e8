//! Arguments for changes to the tree: accounts, files, modes, recipes.

use std::path::PathBuf;

use crate::cli::option_file;
use crate::error::{At, Error, Result};
use crate::programs::imgbase::scripts::{Action, Recipe};

/// Arguments for changes to the finished tree.
#[derive(Debug, Clone, clap::Args)]
pub struct ChangeArgs {
    /// Add an account; repeatable
    ///
    /// By default UID is the lowest free number from 100, and GID that of a new group with the same name. HOME is created
    /// if given. A name or number that is taken is an error.
    #[arg(long, value_name = "NAME[:UID[:GID[:HOME[:SHELL]]]]", value_parser = user, hide_short_help = true)]
    user: Vec<Action>,

    /// Add a file to the image; repeatable
    ///
    /// By default MODE is 0755 for an executable file and 0644 for any other one. The owner is root.
    #[arg(long, value_name = "FILE:PATH[:MODE]", value_parser = put_file, hide_short_help = true)]
    file: Vec<Action>,

    /// Change the octal mode and the owner, by name or number, of a path; repeatable
    #[arg(long, value_name = "PATH=MODE[,USER[:GROUP]]", value_parser = chmod, hide_short_help = true)]
    chmod: Vec<Action>,
}

impl ChangeArgs {
    /// Returns the actions in the order in which they are applied: accounts, files, modes.
    pub fn actions(&self) -> Vec<Action> {
        let actions = self.user.iter().chain(&self.file).chain(&self.chmod);
        actions.cloned().collect()
    }
}

/// Arguments for recipe files.
#[derive(Debug, Clone, clap::Args)]
pub struct RecipeArgs {
    /// Apply the recipes in FILE to packages with uncovered scripts, see below; repeatable
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    recipe: Vec<PathBuf>,
}

impl RecipeArgs {
    /// Reads the recipe files.
    ///
    /// # Errors
    /// As [`Recipe::parse`]; `Io`. The context is the file.
    pub fn read(&self) -> Result<Vec<Recipe>> {
        let mut all = Vec::new();
        for path in &self.recipe {
            let context = || path.to_string_lossy().into_owned();
            all.extend(Recipe::parse(&option_file(path)?).at(context)?);
        }
        Ok(all)
    }
}

fn user(text: &str) -> Result<Action, Error> {
    Action::user(text)
}

fn put_file(text: &str) -> Result<Action, Error> {
    Action::file(text)
}

fn chmod(text: &str) -> Result<Action, Error> {
    match text.rsplit_once('=') {
        Some((path, what)) if path.starts_with('/') && !what.is_empty() => {
            Action::chmod(what, path)
        }
        _ => Err(Error::usage(
            "invalid change: expected /PATH=MODE or /PATH=MODE,USER:GROUP",
        )),
    }
}
