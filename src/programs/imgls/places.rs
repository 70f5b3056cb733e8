//! Parts of configs that `imgls --search` reads if asked to.

use serde_json::Value;

use crate::archive::Image;

/// Further parts of a config that are searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Place {
    /// Environment variables.
    Env,
    /// Command and entrypoint.
    Cmd,
    /// Commands of the build steps.
    History,
}

impl Place {
    /// Returns the name as typed.
    pub(super) fn name(self) -> &'static str {
        match self {
            Place::Env => "env",
            Place::Cmd => "cmd",
            Place::History => "history",
        }
    }

    /// Returns the texts of an image.
    pub(super) fn texts(self, image: &Image) -> Vec<String> {
        let strings = |key: &str| {
            let value = image.config.config().and_then(|config| config.get(key));
            let items = value.and_then(Value::as_array).into_iter().flatten();
            let items = items.filter_map(|item| item.as_str().map(str::to_owned));
            items.collect::<Vec<_>>()
        };
        match self {
            Place::Env => strings("Env"),
            Place::Cmd => vec![strings("Entrypoint").join(" "), strings("Cmd").join(" ")],
            Place::History => {
                let steps = image.config.history.iter();
                steps.map(|step| step.created_by.clone()).collect()
            }
        }
    }
}
