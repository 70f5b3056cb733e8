//! imgimport: make an image of a root filesystem.

mod args;
pub mod import;

use std::path::Path;
use std::process::ExitCode;

use crate::blob::{Input, Meter};
use crate::cli::{self, Io, Page, Uses, Verdict};
use crate::disk::{Directory, Options};
use crate::error::At;
use crate::spec::Digest;
use crate::write::Bundle;
use crate::write::Packer;
use crate::{Fault, Result, escape};
use args::Args;
use import::{ImportOptions, Imported};

const PAGE: Page = Page {
    name: "imgimport",
    uses: Uses::MAKES,
    description: &[
        "Makes an image of a root filesystem, as docker import does: of a tar, a cpio archive (newc, crc or odc, as an \
         initramfs is), packed or not, from a file or standard input, or of a folder. The image has one layer. It goes \
         into the local store, under NAME if one is given, or with -o into an archive.",
        "A tar passes through byte for byte: its plain bytes are the layer, so the diff ID is their SHA-256 digest. A \
         tar in gzip or zstd stays packed as it is; what layers do not come in (xz, bzip2) is unpacked. It is hashed, \
         checked and stored in one pass. One that no engine could unpack (names with '..', links to nothing, entries \
         below a file, types such as GNU tar's dump directories) is refused, and so are names that begin .wh., which \
         engines would take for whiteouts, archives of images, and one that is damaged: then nothing is stored.",
        "A folder is packed so that the same files give the same bytes: sorted by name, with numeric owners, times in \
         whole seconds and none later than SOURCE_DATE_EPOCH where that is set. Hard links, devices, FIFOs, the \
         attributes user.* and security.capability and access control lists are kept; holes of sparse files are \
         written as zeros, as layers should have it. Sockets are left out, and said so. The mode and owner of the folder itself are \
         not taken. A file that changes while it is read is an error.",
        "The config is empty but for the platform (--platform, or the host's) and what -c says; or it starts from \
         --config, an image's config, of which all but layers stays. Its created time is SOURCE_DATE_EPOCH where that \
         is set. The history has docker import's entry.",
    ],
    output: &[
        "The image's ID, sha256:…, on a line, as docker import prints it. With -o - the archive instead.",
    ],
    keys: cli::MADE_KEYS,
    exit: &[
        ("0", "done"),
        (
            "2",
            "the input could not be read or trusted, the image not written, or bad usage",
        ),
    ],
    examples: &[
        (
            "as docker import",
            "imgimport -c 'CMD [\"/bin/sh\"]' rootfs.tar base:1",
        ),
        (
            "a container of another machine",
            "ssh host docker export web | imgimport - web:moved",
        ),
        (
            "a folder, the same image every time",
            "SOURCE_DATE_EPOCH=0 imgimport --owner 0 --exclude '**/*.pyc' root/ app:1",
        ),
        (
            "for another architecture, as an archive",
            "imgimport --platform linux/arm64 -o base.tar arm64.tar.xz base:arm",
        ),
        (
            "an initramfs",
            "imgimport -c 'ENTRYPOINT [\"/init\"]' initrd.img initrd:1",
        ),
    ],
    sections: &[],
    see_also: &["imgcommit", "imgload", "imgsave", "imghistory"],
};

/// Runs the program with the arguments, streams and environment of the process.
pub fn main() -> ExitCode {
    cli::run(&PAGE, |args: &Args, io| {
        if let Some(name) = args.name.as_deref().map(Path::new)
            && !is_stdin(&args.input)
            && !args.input.exists()
            && name.exists()
        {
            let (input, name) = (shown(&args.input), shown(name));
            let why = format!("no file '{input}': the file comes first: imgimport {name} {input}");
            return Err(Fault::Usage(why).into());
        }
        let (instructions, names) = args.making.taken_in(args.name.as_deref())?;
        args.making.warn_of_lists(&instructions, io);
        let recode = args.packing.recode(&args.common)?;
        let excludes = args.selecting.excludes()?;
        let config = args.config.as_deref().map(cli::option_file).transpose()?;
        let options = ImportOptions {
            names,
            message: args.message.clone(),
            platform: args.common.platform.clone(),
            config,
            instructions,
            created: cli::now(),
        };
        cli::apart(args.making.file(), Some(&args.input))?;
        let meter = Meter::default();
        let is_folder = args.input.is_dir();
        if !is_folder && (args.owner.is_some() || args.selecting.is_given()) {
            let why = "--owner and --exclude are for folders: an archive passes through as it is";
            return Err(Fault::Usage(why.into()).into());
        }
        let folder = match is_folder {
            false => None,
            true => {
                let folder = Directory::read(
                    &args.input,
                    &Options {
                        excludes,
                        owner: args.owner,
                        latest: cli::source_date_epoch(),
                        exact_times: false,
                        overlay: false,
                        limits: args.common.limits(),
                    },
                )?;
                say_skipped(&folder.skipped, io);
                Some(folder)
            }
        };
        let input = match is_folder {
            true => None,
            false => Some(open(&args.input)?),
        };
        let landing = args.making.landing(&args.common)?;
        let packer = Packer {
            recode: &recode,
            landing: &landing,
            meter: &meter,
        };
        let total = input.as_ref().and_then(Input::len);
        let label = args.input.to_string_lossy();
        let progress = io.progress(&label, total, &meter, args.making.quiet);
        let (bundle, id): (Bundle, Digest) = match (folder, input) {
            (Some(folder), _) => import::import_folder(&folder, &packer, &options)?,
            (None, Some(input)) => {
                let in_place = args.making.output.is_some();
                let imported = import::import(input, in_place, &packer, &options);
                let (bundle, id, said) = imported.map_err(|error| placed(error, &args.input))?;
                drop(progress);
                say(&said, &args.input, io);
                (bundle, id)
            }
            (None, None) => return Err(Fault::Gone.into()),
        };
        args.making.deliver(&bundle, &id, &args.common, io)?;
        Ok(Verdict::Yes)
    })
}

fn is_stdin(path: &Path) -> bool {
    path == Path::new("-")
}

fn shown(path: &Path) -> String {
    match is_stdin(path) {
        true => "standard input".to_owned(),
        false => path.to_string_lossy().into_owned(),
    }
}

fn open(path: &Path) -> Result<Input> {
    match is_stdin(path) {
        true => Input::stdin(),
        false => Input::path(path),
    }
    .at(|| shown(path))
}

/// What is wrong with the config is wrong with what was typed, and with nothing in the input.
fn placed(error: crate::Error, path: &Path) -> crate::Error {
    match error.fault() {
        Fault::Instruction { .. } | Fault::Schema { .. } | Fault::Json { .. } => error,
        _ => error.at(shown(path)),
    }
}

fn say(said: &Imported, path: &Path, io: &mut Io) {
    say_skipped(&said.skipped, io);
    if said.looks_like_image {
        let path = shown(path);
        io.warn(&format!(
            "{path}: it looks like an archive of images, of which imgload loads the images"
        ));
    }
}

fn say_skipped(sockets: &[Vec<u8>], io: &Io) {
    for path in sockets.iter().take(10) {
        io.note(&format!(
            "{}: a socket, which is left out",
            escape::bytes(path)
        ));
    }
    if let Some(more) = sockets.len().checked_sub(10).filter(|more| *more > 0) {
        io.note(&format!("and {more} more sockets"));
    }
}
