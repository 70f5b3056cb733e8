//! Hints: the text to type instead.

use super::fault::Fault;
use super::kinds::{NotAnImage, VolumeFault};
use crate::{escape, limits};

impl Fault {
    /// Returns the text to type instead. `context` is the outermost one; `typed` is true if there is no other, so that it is
    /// the text the user typed.
    pub(super) fn hint(&self, context: Option<&str>, typed: bool) -> Option<String> {
        let input = || match context {
            // Errors name standard input; users type `-`.
            Some("standard input") => "-".to_owned(),
            context => escape::brief(context.unwrap_or("FILE")).into_owned(),
        };
        match self {
            Fault::NotAnImage(NotAnImage::RootFilesystem) => Some(format!(
                "looks like a root filesystem; imgimport {} NAME makes an image of it",
                input()
            )),
            Fault::NotAnImage(NotAnImage::Below {
                member,
                is_directory,
            }) => {
                let inside = member.rsplit_once('/').map_or("", |(inside, _)| inside);
                let inside = escape::brief(inside);
                Some(match is_directory {
                    true => format!("name the directory of the image: {}/{inside}", input()),
                    false => format!("extract it (tar -xf {}) and name {inside}", input()),
                })
            }
            Fault::NotAnImage(NotAnImage::DockerDataRoot) => Some(
                "docker save -o FILE.tar IMAGE writes an image of that engine as an archive".into(),
            ),
            Fault::NotAnImage(NotAnImage::ContainersStorage) => Some(
                "podman save -o FILE.tar IMAGE writes an image of that storage as an archive"
                    .into(),
            ),
            Fault::Volumes(VolumeFault::NoList { .. }) => Some(
                "imgload --volumes DIR... joins several directories, and keeps volumes until all were seen"
                    .into(),
            ),
            Fault::Volumes(VolumeFault::NotOneSet { volume, .. }) => {
                Some(format!("name a volume: {}", escape::brief(volume)))
            }
            Fault::SeveralImages { candidates } => candidates
                .first
                .first()
                .map(|first| format!("name one of them, as in {}", escape::brief(first))),
            Fault::NoSuchImage { candidates, .. } => candidates
                .closest
                .as_deref()
                .map(|closest| format!("the closest name is {}", escape::brief(closest))),
            Fault::Online { remedy, .. } => {
                Some(format!("{} writes it to a file", escape::brief(remedy)))
            }
            Fault::NotFound { closest, .. } => closest.as_deref().map(|closest| {
                format!(
                    "the closest name in the store is {}",
                    escape::brief(closest)
                )
            }),
            Fault::Unverified => Some(
                "--keyring FILE names the trusted keys, --allow-unsigned skips verification".into(),
            ),
            Fault::Keyring { keybox: true, .. } => {
                // gpg searches a bare name in its own directory.
                let here = if input().contains('/') { "" } else { "./" };
                Some(format!(
                    "gpg --no-default-keyring --keyring {here}{0} --export >{0}.gpg writes a readable one",
                    input()
                ))
            }
            Fault::List {
                is_template: true, ..
            } => Some("helm template renders a chart to a list".into()),
            Fault::Exists {
                kind: "a set of volumes",
            } => Some("--replace replaces it, --resume continues it".into()),
            Fault::Exists { kind: "a file" } => Some("--force replaces it".into()),
            Fault::NotAFile { kind: "a FIFO" } => {
                typed.then(|| format!("use - and redirect, as in imgls - < {}", input()))
            }
            Fault::Unsupported { what } => match &**what {
                "a set of digests in SQLite" => Some(
                    "sqlite3 FILE 'SELECT sha256 FROM FILE' >LIST writes those of NSRL as a list"
                        .into(),
                ),
                "a set of digests in zip" => {
                    Some("unzip -p FILE >LIST writes what is in it".into())
                }
                _ => None,
            },
            Fault::Word { hint, .. } => hint.map(str::to_owned),
            Fault::Limit { what, limit, found } => limits::remedy(what, *limit, *found),
            _ => None,
        }
    }
}
