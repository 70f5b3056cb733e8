//! History entries of all builders, read back as instructions.
//!
//! | file | holds |
//! |---|---|
//! | `parsed` | the result for one entry |
//! | `reader` | the state between entries, and passes over the history |
//! | `entry` | detection of an entry's producer and form |
//! | `classic`, `builders` | forms of docker's classic builder and buildah; of BuildKit, kaniko and the like |
//! | `values`, `copies` | arguments of settings; of `COPY` and `ADD` |
//! | `verbatim` | entries that have an instruction as it was written |
//! | `forms` | notations common to several builders |
//! | `pairs` | lists that lost their quotes |

mod builders;
mod classic;
mod copies;
mod entry;
mod forms;
mod pairs;
mod parsed;
mod reader;
mod values;
mod verbatim;

pub use parsed::{BUILDAH_LABEL, EXEC_FORM, ParsedEntry, Producer};
pub use reader::{BuildRecord, Reader};
pub use verbatim::DEFAULT_PATH;
