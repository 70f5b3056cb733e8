//! The option for the cache of indexes of compressed layers.

use std::path::PathBuf;

use clap::builder::{OsStringValueParser, TypedValueParser};

use super::Io;
use crate::cache::Cache;
use crate::error::Result;

/// Option for the directory of the cache.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Common options")]
pub struct Caching {
    /// Cache indexes of compressed layers in DIR
    ///
    /// The first run makes the index while it decodes a layer; later runs decode nothing, or only the required parts.
    /// Entries of an index were verified when it was made and are not compared with the archive again; imgverify finds
    /// damage. File contents are decoded from the archive and compared with their recorded hashes; what imgfind
    /// found out about them is kept as well. DIR must be owned by you and writable for you only; its files may be
    /// deleted at any time.
    #[arg(
        long,
        value_name = "DIR",
        env = "IMGKIT_CACHE",
        value_parser = OsStringValueParser::new().map(PathBuf::from),
        hide_env_values = true
    )]
    pub cache: Option<PathBuf>,
}

impl Caching {
    /// Opens the cache if a directory was given. An empty name is ignored.
    ///
    /// # Errors
    /// As [`Cache::open`].
    pub fn open(&self) -> Result<Option<Cache>> {
        let named = self.cache.as_deref();
        let named = named.filter(|directory| !directory.as_os_str().is_empty());
        named.map(Cache::open).transpose()
    }
}

/// Warns once if the cache could not be written, which does not affect the operation.
pub fn warn_of_cache(cache: Option<&Cache>, io: &mut Io) {
    if let Some(error) = cache.and_then(Cache::save_error) {
        io.warn(&format!("cannot write the cache: {error}"));
    }
}
