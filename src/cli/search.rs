//! Opening all archives of one argument, which may be a directory of archives.

use super::args::Common;
use super::image::{ImageArg, remember};
use super::open::{Opened, Openings, Takes};
use crate::archive::{Open, Search};
use crate::error::{Error, Result};

/// Archives of one argument, opened one at a time: one archive, or all archives below a directory.
pub struct Each {
    one: Option<Result<Opened>>,
    search: Option<Search>,
    /// Error about the directory itself, for the case that it holds no archive.
    nothing: Option<Error>,
}

impl Openings {
    /// Opens the archive of an argument, or the archives below a directory in the order of their paths. An archive that
    /// cannot be opened is an error, and the others follow.
    pub fn each(&mut self, image: &ImageArg, common: &Common, open: Open, takes: Takes) -> Each {
        let alone = |one| Each {
            one: Some(one),
            search: None,
            nothing: None,
        };
        let Some(directory) = image.directory_to_search() else {
            return alone(self.open(image, common, open, takes));
        };
        let nothing = match open.path(&directory) {
            Ok(archive) => {
                remember(&archive);
                return alone(Ok(Opened::whole(archive)));
            }
            Err(error) => error,
        };
        match Search::below(&directory, open) {
            Ok(search) => Each {
                one: None,
                search: Some(search),
                nothing: Some(nothing),
            },
            Err(error) => alone(Err(error)),
        }
    }
}

impl Iterator for Each {
    type Item = Result<Opened>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(one) = self.one.take() {
            return Some(one);
        }
        match self.search.as_mut()?.next() {
            Some(found) => {
                self.nothing = None;
                Some(found.map(|archive| {
                    remember(&archive);
                    Opened::whole(archive)
                }))
            }
            None => {
                self.search = None;
                self.nothing.take().map(Err)
            }
        }
    }
}
