//! The folder in which programs that decode layers keep what they found out.

use std::path::PathBuf;

use clap::builder::{OsStringValueParser, TypedValueParser};

use super::Io;
use crate::cache::Cache;
use crate::error::Result;

/// Where indexes of packed layers are kept.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Caching {
    /// Keep an index of each packed layer in DIR, and read from there what is known of layers
    ///
    /// The first run makes the index while it decodes a layer; later ones answer without decoding it, or decode the
    /// parts they need. Entries are believed as they were verified then, and the archive's bytes are not read for them:
    /// imgverify notices damage. Contents are decoded from the archive and compared with the hash they had. DIR has to be
    /// yours, and nobody else may be able to write to it; what is in it can be deleted at any time.
    #[arg(
        long,
        value_name = "DIR",
        env = "IMGKIT_CACHE",
        value_parser = OsStringValueParser::new().map(PathBuf::from),
        hide_env_values = true,
        help_heading = "Common options"
    )]
    pub cache: Option<PathBuf>,
}

impl Caching {
    /// Opens the folder, if one was named. An empty name is none.
    ///
    /// # Errors
    /// As [`Cache::open`].
    pub fn open(&self) -> Result<Option<Cache>> {
        let named = self.cache.as_deref();
        let named = named.filter(|folder| !folder.as_os_str().is_empty());
        named.map(Cache::open).transpose()
    }
}

/// Says once that nothing could be kept, if so: what was asked for was done all the same.
pub fn warn_of_cache(cache: Option<&Cache>, io: &mut Io) {
    if let Some(error) = cache.and_then(Cache::save_error) {
        io.warn(&format!("cannot write the cache: {error}"));
    }
}
