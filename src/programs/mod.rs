//! The programs: each module holds one, with its arguments, its man page, its operation and its output.
//!
//! A program never uses another: code that two of them need is in a module below. [`PROGRAMS`] lists all of them for
//! imgkit, which runs each by its name.

use std::io;
use std::process::ExitCode;

use crate::cli::{self, Call, Description, Terms};

#[cfg(feature = "base")]
pub mod imgbase;
pub mod imgcommit;
pub mod imgconvert;
pub mod imgdf;
pub mod imgdiff;
pub mod imgedit;
pub mod imgexport;
pub mod imgfind;
pub mod imggraph;
pub mod imghistory;
pub mod imgimport;
pub mod imginspect;
pub mod imgkit;
pub mod imgload;
pub mod imgls;
pub mod imgprune;
pub mod imgpull;
pub mod imgpush;
pub mod imgrm;
pub mod imgsave;
pub mod imgtag;
pub mod imgverify;

/// Program of the suite.
pub struct Program {
    /// Name, as in `imgls`.
    pub name: &'static str,
    /// Group in which imgkit lists it.
    pub group: &'static str,
    /// Entry point.
    pub main: fn(Call<'_>) -> ExitCode,
}

/// Groups of programs, in the order in which they are listed.
const GROUPS: [&str; 4] = [LOOK, MOVE, MAKE, KEEP];
const LOOK: &str = "Look into images";
const MOVE: &str = "Move images";
const MAKE: &str = "Make images";
const KEEP: &str = "Keep the local store";

/// All programs except imgkit, by group.
pub const PROGRAMS: &[Program] = &[
    Program::new("imgls", LOOK, imgls::main),
    Program::new("imginspect", LOOK, imginspect::main),
    Program::new("imghistory", LOOK, imghistory::main),
    Program::new("imggraph", LOOK, imggraph::main),
    Program::new("imgdiff", LOOK, imgdiff::main),
    Program::new("imgfind", LOOK, imgfind::main),
    Program::new("imgverify", LOOK, imgverify::main),
    Program::new("imgload", MOVE, imgload::main),
    Program::new("imgsave", MOVE, imgsave::main),
    Program::new("imgconvert", MOVE, imgconvert::main),
    Program::new("imgpush", MOVE, imgpush::main),
    Program::new("imgpull", MOVE, imgpull::main),
    Program::new("imgexport", MOVE, imgexport::main),
    Program::new("imgimport", MAKE, imgimport::main),
    Program::new("imgcommit", MAKE, imgcommit::main),
    Program::new("imgedit", MAKE, imgedit::main),
    #[cfg(feature = "base")]
    Program::new("imgbase", MAKE, imgbase::main),
    Program::new("imgtag", KEEP, imgtag::main),
    Program::new("imgrm", KEEP, imgrm::main),
    Program::new("imgprune", KEEP, imgprune::main),
    Program::new("imgdf", KEEP, imgdf::main),
];

impl Program {
    const fn new(
        name: &'static str,
        group: &'static str,
        main: fn(Call<'_>) -> ExitCode,
    ) -> Program {
        Program { name, group, main }
    }

    /// Returns the program with this name, with or without `img`.
    pub fn find(name: &str) -> Option<&'static Program> {
        let mut programs = PROGRAMS.iter();
        programs.find(|program| name == program.name || name == program.short())
    }

    /// Returns the name after `imgkit`: `ls` for imgls.
    pub fn short(&self) -> &'static str {
        self.name.strip_prefix("img").unwrap_or(self.name)
    }

    /// Returns the program's documentation.
    pub fn description(&self) -> Description {
        Description::of(self.main)
    }

    /// Lists the groups: title, then name and purpose of each program. `name` chooses the form of the name.
    fn listed(name: fn(&Program) -> &'static str) -> Vec<(&'static str, Terms)> {
        let of = |group: &'static str| {
            let programs = PROGRAMS.iter().filter(|program| program.group == group);
            let terms =
                programs.map(|program| (name(program).to_owned(), program.description().about()));
            (group, terms.collect())
        };
        GROUPS.into_iter().map(of).collect()
    }
}

/// Writes imgkit(7), the manual page about everything that programs share.
///
/// # Errors
/// Those of the writer.
pub fn write_shared_page(out: &mut dyn io::Write) -> io::Result<()> {
    cli::write_shared(&Program::listed(|program| program.name), out)
}
