//! Dockerfile instructions that change a config, as accepted by `docker import -c` and `docker commit -c`.
//!
//! The input is the text of instructions, the output a changed config object. Rules, order of errors and their texts
//! are those of docker's Dockerfile parser, its expansion and its dispatcher. Where versions differ, newer ones than
//! docker 20.10 are followed: `STOPSIGNAL` and `--start-interval` are known, `CMD` without a command clears it, zero
//! inherits a health check setting, and variables may be expanded with `-`, `+` and `?` alone.
//!
//! ```
//! use imgkit::spec::instruction::{apply, parse};
//! let mut config = serde_json::Map::new();
//! let changes = parse(&["ENV port=80", "EXPOSE $port/tcp", r#"CMD ["/app", "-p", "80"]"#])?;
//! apply(&mut config, &changes)?;
//! assert_eq!(
//!     serde_json::to_string(&config).unwrap(),
//!     r#"{"ExposedPorts":{"80/tcp":{}},"Env":["port=80"],"Cmd":["/app","-p","80"]}"#
//! );
//! # Ok::<(), imgkit::Error>(())
//! ```

mod apply;
mod command;
mod expand;
mod expanded;
mod lines;
mod model;
mod parse;
#[cfg(test)]
mod tests;
mod values;

pub use apply::apply;
pub use expanded::{expanded, expanded_word};
pub use model::{Change, Command, Healthcheck, Instruction};
pub use parse::parse;
