//! Installed packages of an image.

use std::io::{self, BufRead, BufReader, Read};

use crate::archive::Image;
use crate::blob::{CHUNK, Compression, Decoder, Meter};
use crate::error::{At, During, Error, Fault, Result, within};
use crate::layer::Limits;
use crate::packages::{self, DatabaseKind, Packages};
use crate::tree::{NodeKind, Reading, Tree};

/// Limit on the bytes of all package databases and metadata files of an image.
const MAX_BYTES: u64 = 1 << 30;

/// File to read: offset in the uncompressed tar, size, kind, path.
type Request = (u64, u64, DatabaseKind, Vec<u8>);

/// Reads the package databases of an image (dpkg, apk, RPM) and the metadata files of Python and npm packages.
///
/// Lists all layers, and reads those again that have one of these files.
///
/// # Errors
/// Those of [`Reading::list_all`] and [`Tree::apply`]; `Limit` for databases of more than a gigabyte together. A database
/// that cannot be read is in [`Packages::faults`], and the first entry that cannot be applied.
pub fn installed(image: &Image, limits: &Limits, meter: &Meter) -> Result<Packages> {
    let reading = Reading {
        limits: *limits,
        meter: meter.clone(),
        ..Reading::default()
    };
    let tree = Tree::apply(reading.list_all(image)?)?;
    let mut packages = Packages::default();
    // An entry that cannot be applied may be a database to other tools.
    packages.faults.extend(tree.faults().first().cloned());
    let mut requests: Vec<Vec<Request>> = vec![Vec::new(); image.layers.len()];
    let mut sum = 0u64;
    for node in tree.walk() {
        if node.kind() != NodeKind::File {
            continue;
        }
        let path = node.path();
        let Some(wanted) = DatabaseKind::of(&path) else {
            continue;
        };
        let Some(place) = node.location() else {
            continue;
        };
        let context = || crate::escape::bytes(&path).into_owned();
        let (what, limit) = ("bytes of a package database", packages::MAX_FILE_SIZE);
        let checked = match place.segments {
            Some(_) => Err(Error::unsupported("sparse package database")),
            None => within(what, limit, place.stored),
        };
        if let Err(error) = checked {
            packages.faults.push(error.at(context()));
            continue;
        }
        sum = sum.saturating_add(place.stored);
        within("bytes of package databases", MAX_BYTES, sum).at(context)?;
        if let Some(list) = requests.get_mut(place.layer) {
            list.push((place.offset, place.stored, wanted, path));
        }
    }
    for (i, mut requests) in requests.into_iter().enumerate() {
        requests.sort_by_key(|request| request.0);
        let layer = &image.layers[i];
        let layer_context = || format!("layer {} of {}", i + 1, image.layers.len());
        let read = match (requests.is_empty(), layer.content()) {
            (true, _) => Ok(()),
            (false, Some(content)) => content
                .reader()
                .and_then(|reader| read(reader, requests, limits, &mut packages)),
            (false, None) => Err(Fault::StreamConsumed.into()),
        };
        read.at(|| layer.place()).at(layer_context)?;
    }
    Ok(packages.sorted())
}

/// Reads the requested parts of a layer, in order of offsets.
fn read(
    stored: impl Read,
    requests: Vec<Request>,
    limits: &Limits,
    packages: &mut Packages,
) -> Result<()> {
    let mut stored = BufReader::with_capacity(CHUNK, stored);
    let compression = Compression::sniff(stored.fill_buf().during("read")?);
    let mut uncompressed = Decoder::new(stored, compression, limits.decode)?;
    let mut at = 0;
    // Hard links have one offset.
    let mut last: Option<(u64, Vec<u8>)> = None;
    for (offset, size, wanted, path) in requests {
        if let Some((_, bytes)) = last.as_ref().filter(|(known, _)| *known == offset) {
            packages.add(wanted, &path, bytes)?;
            continue;
        }
        let skip = offset.saturating_sub(at);
        io::copy(&mut (&mut uncompressed).take(skip), &mut io::sink()).during("read")?;
        let mut bytes = Vec::new();
        (&mut uncompressed)
            .take(size)
            .read_to_end(&mut bytes)
            .during("read")?;
        at = offset + bytes.len() as u64;
        packages.add(wanted, &path, &bytes)?;
        last = Some((offset, bytes));
    }
    Ok(())
}
