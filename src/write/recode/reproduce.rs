//! Layers and configs rewritten without the differences between builds: times, and names of owners.
//!
//! The new tar has the same entries in the same order. Times later than the given one become that one (as other
//! builders clamp to `SOURCE_DATE_EPOCH`), owners are numbers only, and all headers have one form. Contents, modes,
//! numeric owners, links and extended attributes stay.

use std::io::{BufRead, Write};

use serde_json::{Map, Value};

use crate::blob::CHUNK;
use crate::error::{At, During, Error, Result};
use crate::layer::{EntryKind, Limits, Mtime, StreamInput, Walker, clean_path};
use crate::spec::{Timestamp, fields};
use crate::write::entry::{BLOCK, END, EntryOut};

/// Rewrites an uncompressed tar. Memory: one entry's header and [`CHUNK`] bytes.
///
/// # Errors
/// `Tar` for an invalid tar, `Limit`, `Io`; `Unsupported` for sparse entries.
pub(super) fn layer(
    tar: impl BufRead,
    epoch: i64,
    limits: &Limits,
    out: &mut dyn Write,
) -> Result<()> {
    let mut walker = Walker::new(StreamInput::new(tar)).within(limits);
    let mut header = Vec::new();
    let mut data = vec![0; CHUNK];
    while let Some(entry) = walker.next_entry()? {
        let context = || String::from_utf8_lossy(&entry.path).into_owned();
        if entry.sparse.is_some() {
            return Err(Error::unsupported(
                "a sparse file in a layer that is rewritten",
            ))
            .at(context);
        }
        let size = if entry.has_contents() { entry.size } else { 0 };
        let target = match entry.kind {
            EntryKind::HardLink => clean_path(&entry.link_target).path.into_owned(),
            _ => entry.link_target.clone(),
        };
        header.clear();
        EntryOut {
            path: entry.clean_path(),
            kind: entry.kind,
            mode: entry.metadata.mode,
            uid: entry.metadata.uid,
            gid: entry.metadata.gid,
            user_name: b"",
            group_name: b"",
            mtime: clamped(entry.metadata.mtime, epoch),
            size,
            link_target: &target,
            device: entry.device,
            xattrs: &entry.metadata.xattrs,
        }
        .header(&mut header);
        out.write_all(&header).during("write")?;
        let mut left = size;
        while left > 0 {
            let n = walker.read_data(&mut data)?;
            if n == 0 {
                break;
            }
            out.write_all(&data[..n]).during("write")?;
            left = left.saturating_sub(n as u64);
        }
        let padding = size.next_multiple_of(BLOCK) - size;
        out.write_all(&END[..padding as usize]).during("write")?;
    }
    walker.check_tail()?;
    out.write_all(&END).during("write")
}

fn clamped(mtime: Mtime, epoch: i64) -> Mtime {
    let latest = Mtime {
        seconds: epoch,
        nanos: 0,
    };
    if (mtime.seconds, mtime.nanos) > (latest.seconds, latest.nanos) {
        latest
    } else {
        mtime
    }
}

/// Rewrites a config for its rewritten layers: diff IDs, later times, and the fields in which docker's builder records
/// its machine and container. All other fields stay.
pub(super) fn config(value: &mut Value, diff_ids: &[String], epoch: i64) {
    let Value::Object(config) = value else { return };
    if let Some(Value::Object(rootfs)) = fields::get_mut(config, "rootfs") {
        fields::set(rootfs, "diff_ids", diff_ids.into());
    }
    for of_builder in ["container", "container_config", "docker_version"] {
        fields::remove(config, of_builder);
    }
    // ID of the build container and ID of the previous step's image, which depend on the time of the build.
    if let Some(Value::Object(settings)) = fields::get_mut(config, "config") {
        fields::remove(settings, "Hostname");
        fields::remove(settings, "Image");
    }
    clamp_created(config, epoch);
    if let Some(Value::Array(history)) = fields::get_mut(config, "history") {
        for entry in history {
            if let Value::Object(entry) = entry {
                clamp_created(entry, epoch);
            }
        }
    }
}

fn clamp_created(map: &mut Map<String, Value>, epoch: i64) {
    let created = fields::get(map, "created").and_then(Value::as_str);
    let later = created
        .and_then(Timestamp::parse)
        .is_some_and(|created| created.nanoseconds() > i128::from(epoch) * 1_000_000_000);
    if later {
        let latest = Timestamp::from_unix(epoch, 0).rfc3339_nano();
        fields::set(map, "created", latest.into());
    }
}
