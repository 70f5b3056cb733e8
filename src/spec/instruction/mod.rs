//! Dockerfile instructions: one model, read from `-c` options, printed as the text of a Dockerfile, applied to a
//! config.
//!
//! | file | holds |
//! |---|---|
//! | `model` | [`Instruction`] and its parts |
//! | `change` | [`Change`]: an instruction as given to `docker import -c` and `docker commit -c`, and its expansion |
//! | `lines`, `arguments` | docker's parser: text to lines, lines to instructions |
//! | `expand` | docker's shell-like expansion of variables |
//! | `values`, `duration` | ports, signals, numbers and durations |
//! | `apply` | changes of a config object |
//! | `print`, `shell_lines`, `trigger`, `words` | instructions as text that docker's parser reads back as the same values |
//! | [`go`] | values in the notation of Go's `fmt` and `strconv` |
//!
//! The rules, the order in which errors are found and their words are those of docker's Dockerfile parser, its
//! expansion and its dispatcher. Where docker 20.10 and newer releases differ, the newer are followed: `STOPSIGNAL` and
//! `--start-interval` are known, `CMD` without a command clears it, zero means an inherited health check setting, and
//! variables may be expanded with `-`, `+` and `?` alone.
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
mod arguments;
mod change;
mod duration;
mod expand;
pub mod go;
mod invalid;
mod lines;
mod model;
mod print;
mod shell_lines;
#[cfg(test)]
mod tests;
mod trigger;
mod values;
mod words;

pub use apply::apply;
pub use change::{Change, expand_word, parse};
pub use duration::{format_duration, parse_duration};
pub use model::{Command, Copy, Healthcheck, Instruction, KEYWORDS, Pairs};
pub use print::{Printed, Printer};
pub use words::is_bare_word;
