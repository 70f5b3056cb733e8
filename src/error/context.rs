//! Faults with their context.

use std::fmt;
use std::io;
use std::sync::Arc;

use super::fault::Fault;
use crate::escape;

/// Result of every fallible function of the library.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Fault with its context.
///
/// Displays as `context: context: problem: detail`, on one line, with everything that came from an archive escaped.
#[derive(Debug, Clone)]
pub struct Error {
    inner: Arc<Inner>,
}

#[derive(Debug, Clone)]
struct Inner {
    fault: Fault,
    /// Innermost first, the order in which context is added.
    context: Vec<String>,
}

impl Error {
    /// Returns an error without context.
    pub fn new(fault: Fault) -> Self {
        Error {
            inner: Arc::new(Inner {
                fault,
                context: Vec::new(),
            }),
        }
    }

    /// Adds outer context. Each caller on the way up adds the context it knows, once.
    #[must_use]
    pub fn at(mut self, context: impl Into<String>) -> Self {
        Arc::make_mut(&mut self.inner).context.push(context.into());
        self
    }

    /// The fault.
    pub fn fault(&self) -> &Fault {
        &self.inner.fault
    }

    /// Context, outermost first, not escaped.
    pub fn context(&self) -> impl Iterator<Item = &str> {
        self.inner.context.iter().rev().map(String::as_str)
    }

    /// Returns the text to type instead, where there is one.
    pub fn hint(&self) -> Option<String> {
        self.inner
            .fault
            .hint(self.context().next(), self.inner.context.len() == 1)
    }

    /// Tests if the fault is a closed pipe, which ends a program quietly.
    pub fn is_broken_pipe(&self) -> bool {
        matches!(&self.inner.fault, Fault::Io { source, .. } if source.kind() == io::ErrorKind::BrokenPipe)
    }

    /// Returns the error of the operating system for `action`, or the library error that it wraps.
    pub fn io(action: &'static str, source: io::Error) -> Self {
        match source.downcast::<Error>() {
            Ok(error) => error,
            Err(source) => Error::new(Fault::Io {
                action,
                source: Arc::new(source),
            }),
        }
    }

    /// Wraps the error so that it can pass through a [`std::io::Read`].
    pub fn into_io(self) -> io::Error {
        io::Error::other(self)
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        Error::new(fault)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.inner.fault {
            Fault::Io { source, .. } => Some(&**source),
            _ => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for context in self.context() {
            write!(f, "{}: ", escape::brief(context))?;
        }
        self.inner.fault.fmt(f)
    }
}

/// Adds context to a result.
pub trait At<T> {
    /// Adds outer context to an error; `context` is not called for `Ok`.
    fn at(self, context: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: Into<Error>> At<T> for Result<T, E> {
    fn at(self, context: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|error| error.into().at(context()))
    }
}

/// Names the action of an error of the operating system.
pub trait During<T> {
    /// Makes an `Io` error of it, see [`Error::io`]; `action` is a verb: `open`, `read`, `write`.
    fn during(self, action: &'static str) -> Result<T>;
}

impl<T, E: Into<io::Error>> During<T> for Result<T, E> {
    fn during(self, action: &'static str) -> Result<T> {
        self.map_err(|error| Error::io(action, error.into()))
    }
}
