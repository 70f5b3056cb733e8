//! Container images as plain files: open, list, inspect and verify them, with no daemon, registry, network or root.
//!
//! One way through: open an [`archive::Archive`], take its images, their layers, the layers' entries; let a program's
//! operation make a report of them, and its renderer draw it.
//!
//! | module | holds | may use |
//! |---|---|---|
//! | [`escape`], [`limits`], [`parallel`], [`index_vec`] | text that is safe to print; limits on input; work on all cores; typed positions | nothing |
//! | [`error`] | errors as facts | escape, limits |
//! | [`spec`] | the image specification's nouns, as views over bytes that are kept | nothing else |
//! | [`glob`] | patterns for paths and names | nothing else |
//! | [`blob`] | bytes with an identity: files, codecs, hashes | spec |
//! | [`layer`] | a tar as entries; one pass that finds out everything about a layer | spec, blob |
//! | [`nested`] | files inside files: what compressed files and archives hold | blob, layer |
//! | [`elf`] | headers of ELF files | nothing else |
//! | [`facts`] | facts of contents: text, kind by the first bytes, headers of ELF files, digests | elf |
//! | [`hashset`] | sets of digests in the forms of other programs | spec, blob, facts |
//! | [`grep`] | contents searched for regular expressions, with ripgrep's engine | nothing else |
//! | [`packages`] | the databases of package managers, read as files | spec, blob, layer, facts |
//! | [`disk`] | a directory of the file system as entries | glob, layer |
//! | [`archive`] | any container format as one type with images | spec, glob, blob, layer |
//! | [`find`] | expressions of imgfind: find's words, on facts about versions | spec, glob, layer, elf, facts |
//! | [`lists`] | lists of images, and which of them archives have | spec, blob, layer, archive |
//! | [`tree`] | layers applied: path -> node, and which layer wrote, replaced or deleted it | spec, blob, layer, archive |
//! | [`base`] | root filesystems in the making, Debian's packages as files (feature `base`) | spec, blob, layer, packages |
//! | [`cache`] | indexes of compressed layers and facts of contents, kept between runs | spec, blob, facts, layer, archive, tree |
//! | [`timeline`] | events of images in the order of time, and their records for other tools | spec, blob, layer, archive, tree |
//! | [`contents`] | contents of the files of many layers, each read once | spec, blob, layer, archive, tree, cache |
//! | [`owners`] | the packages that list a path, as of each layer | layer, facts, packages, tree, contents |
//! | [`write`](mod@write) | new layers, and images in any container format | spec, blob, layer, disk, archive, tree |
//! | [`bundle`] | receipts of what a site has, and archives without it | spec, blob, archive, write |
//! | [`store`] | the local store: an OCI layout, its lock, its index | spec, blob, archive, write |
//! | [`verify`](mod@verify) | findings of a full check of archives and layers | spec, blob, layer, nested, archive, tree, write, bundle |
//! | [`render`] | tables, templates, JSON, sizes and times, unified diffs, the frame of HTML pages | spec |
//! | [`cli`] | arguments, streams, exit statuses | all above |
//! | [`programs`] | the programs: arguments, man page, operation and output of each | all above |
//!
//! Modules that serve all others ([`escape`], [`limits`], [`parallel`], [`index_vec`], [`error`]) are used by all that come
//! after them. A test reads this table and compares it with the imports.
//!
//! For contributors: `src/README.md` has the modules as a picture, the way of a byte from file to output, and the files
//! that each kind of change touches; `tests/README.md` describes the tests.
//!
//! ```no_run
//! use imgkit::archive::{Open, Pick};
//!
//! let archive = Open::default().path("app.tar".as_ref())?;
//! let selection = archive.select(&Pick::Only, None)?;
//! for step in selection.image().steps() {
//!     println!("{:?} made layer {:?}", step.history.map(|entry| &entry.created_by), step.layer);
//! }
//! # Ok::<(), imgkit::Error>(())
//! ```

pub mod archive;
#[cfg(feature = "base")]
pub mod base;
pub mod blob;
pub mod bundle;
pub mod cache;
pub mod cli;
pub mod contents;
pub mod disk;
pub mod elf;
pub mod error;
pub mod escape;
pub mod facts;
pub mod find;
pub mod glob;
pub mod grep;
pub mod hashset;
pub mod index_vec;
pub mod layer;
pub mod limits;
pub mod lists;
pub mod nested;
pub mod owners;
pub mod packages;
pub mod parallel;
pub mod programs;
pub mod render;
pub mod spec;
pub mod store;
pub mod timeline;
pub mod tree;
pub mod verify;
pub mod write;

pub use error::{Error, Fault, Result};
