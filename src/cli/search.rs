//! What one argument names where it may be a directory of archives.

use super::args::Common;
use super::image::{ImageArg, remember};
use super::opened::{Opened, Openings, Takes};
use crate::archive::{Open, Search};
use crate::error::{Error, Result};

/// What one argument names, opened one after the other: one thing, or all archives below a directory.
pub struct Each {
    one: Option<Result<Opened>>,
    search: Option<Search>,
    /// What the directory is, which is the error if nothing is in it.
    nothing: Option<Error>,
}

impl Openings {
    /// Opens what an argument names; of a directory that is no image itself, the archives below it, in the order of their
    /// paths. What cannot be opened is an error in its place, and the rest follows.
    pub fn each(&mut self, image: &ImageArg, common: &Common, open: Open, takes: Takes) -> Each {
        let alone = |one| Each {
            one: Some(one),
            search: None,
            nothing: None,
        };
        let Some(directory) = image.folder_to_search() else {
            return alone(self.open(image, common, open, takes));
        };
        let nothing = match open.path(&directory) {
            Ok(archive) => return alone(Ok(Opened::whole(archive))),
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
