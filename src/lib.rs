//! Container images as plain files: open, list, inspect and verify them, with no daemon, registry, network or root.
//!
//! One way through: open an [`archive::Archive`], take its images, their layers, the layers' entries; let a [`job`]
//! make a report of them; let [`show`] draw it.
//!
//! | module | holds | may use |
//! |---|---|---|
//! | [`escape`], [`limits`], [`parallel`] | text that is safe to print; how much is accepted; work on all cores | nothing |
//! | [`error`] | what can go wrong, as facts | escape, limits |
//! | [`spec`] | the image specification's nouns, as views over bytes that are kept | nothing else |
//! | [`glob`] | patterns for paths and names | nothing else |
//! | [`elf`] | facts of ELF files: target, interpreter, libraries they ask for | nothing else |
//! | [`blob`] | bytes with an identity: files, codecs, hashes | spec |
//! | [`layer`] | a tar as entries; one pass that finds out everything about a layer | spec, blob |
//! | [`packages`] | the databases of package managers, read as files | spec |
//! | [`disk`] | a directory of the file system as entries | glob, layer |
//! | [`archive`] | any container format as one type with images | spec, blob, layer |
//! | [`tree`] | layers applied: path -> node, and which layer wrote, replaced or deleted it | spec, blob, layer, archive |
//! | [`rootfs`] | a root filesystem in the making: path -> node, owners as data | blob, layer |
//! | [`debian`] | Debian's packages as files: archives, control data, repositories, dependencies | spec, blob, layer, rootfs |
//! | [`cache`] | what was found out about compressed layers, kept between runs | spec, blob, layer, archive, tree |
//! | [`write`](mod@write) | images in any container format, and their blobs recompressed | spec, blob, layer, archive |
//! | [`store`] | the local store: an OCI layout, its lock, its index | spec, blob, archive, write |
//! | [`job`] | the operations of the programs, without printing | all above |
//! | [`show`] | tables, templates, JSON, sizes and times | spec, archive, tree, job |
//! | [`cli`] | arguments, streams, exit codes | all above |
//! | [`programs`] | the programs: arguments, page and run of each | all above |
//!
//! What serves all modules ([`escape`], [`limits`], [`parallel`], [`error`]) is used by all that come after it. A test
//! reads this table and compares it with the imports.
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
pub mod blob;
pub mod cache;
pub mod cli;
pub mod debian;
pub mod disk;
pub mod elf;
pub mod error;
pub mod escape;
pub mod glob;
pub mod job;
pub mod layer;
pub mod limits;
pub mod packages;
pub mod parallel;
pub mod programs;
pub mod rootfs;
pub mod show;
pub mod spec;
pub mod store;
pub mod tree;
pub mod write;

pub use error::{Error, Fault, Result};
