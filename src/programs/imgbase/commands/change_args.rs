//! What people say themselves of an image: accounts, files, modes, recipes.

use std::path::PathBuf;

use crate::cli::option_file;
use crate::error::{At, Error, Fault, Result};
use crate::programs::imgbase::scripts::{Action, Recipe};

/// ChangeArgs to a tree when everything else is made.
#[derive(Debug, Clone, clap::Args)]
pub struct ChangeArgs {
    /// Add an account; may be repeated
    ///
    /// Without a UID it gets the first number from 100 that is free, without a GID a group of its own. The home directory is
    /// made if one is named. A name or number that somebody else has is an error.
    #[arg(long, value_name = "NAME[:UID[:GID[:HOME[:SHELL]]]]", value_parser = user)]
    user: Vec<Action>,

    /// Put a file into the image; may be repeated
    ///
    /// Without a MODE it is 0755 for a program and 0644 for anything else. It is root's.
    #[arg(long, value_name = "FILE:PATH[:MODE]", value_parser = put_file)]
    file: Vec<Action>,

    /// Give a path another mode, in octal digits, and owner, by name or number; may be repeated
    #[arg(long, value_name = "PATH=MODE[,USER[:GROUP]]", value_parser = chmod)]
    chmod: Vec<Action>,
}

impl ChangeArgs {
    /// In the order in which they are done: accounts, files, modes.
    pub fn actions(&self) -> Vec<Action> {
        let actions = self.user.iter().chain(&self.file).chain(&self.chmod);
        actions.cloned().collect()
    }
}

/// Recipe files.
#[derive(Debug, Clone, clap::Args)]
pub struct RecipeArgs {
    /// Do what FILE says for packages whose scripts are uncovered, see below; may be repeated
    #[arg(long, value_name = "FILE")]
    recipe: Vec<PathBuf>,
}

impl RecipeArgs {
    /// Reads them.
    ///
    /// # Errors
    /// As [`Recipe::parse`]; `Io`. The place is the file.
    pub fn taken_in(&self) -> Result<Vec<Recipe>> {
        let mut all = Vec::new();
        for path in &self.recipe {
            let place = || path.to_string_lossy().into_owned();
            all.extend(Recipe::parse(&option_file(path)?).at(place)?);
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
        _ => Err(Fault::Usage("it is written /PATH=MODE or /PATH=MODE,USER:GROUP".into()).into()),
    }
}
