//! Anomalies of single entries.

use super::anomaly::{Anomalies, AnomalyKind};
use super::entry::Entry;
use super::extension::Extensions;
use super::header::Header;
use super::metadata::EntryKind;
use super::pax_value::Setting;
use super::whiteout::Whiteout;

/// Adds the anomalies of an entry that was read from `header` and `extensions`. `size_desync` tells that they state
/// different sizes.
pub(super) fn report(
    entry: &Entry,
    header: &Header<'_>,
    extensions: &Extensions,
    size_desync: bool,
    anomalies: &mut Anomalies,
) {
    let ends_with_slash = entry.path.ends_with(b"/");
    let own_slash = header.name().ends_with(b"/");
    let clean = entry.clean_path();
    let local = &extensions.local;
    let found = [
        (
            AnomalyKind::UnknownType,
            matches!(entry.kind, EntryKind::Other(_)),
        ),
        (AnomalyKind::DuplicateExtension, extensions.duplicate),
        (AnomalyKind::ConflictingNames, extensions.conflicting),
        (AnomalyKind::NulInName, extensions.nul_in_name),
        (AnomalyKind::AbsolutePath, entry.is_absolute()),
        (AnomalyKind::ClimbingPath, entry.climbs()),
        (AnomalyKind::EmptyName, entry.path.is_empty()),
        (
            AnomalyKind::RootNotDirectory,
            clean.is_empty() && entry.kind != EntryKind::Directory,
        ),
        (
            AnomalyKind::InvalidWhiteout,
            Whiteout::of(clean) == Whiteout::Invalid,
        ),
        (AnomalyKind::SizeDesync, size_desync),
        (AnomalyKind::OddNumber, !header.has_standard_numbers()),
        (AnomalyKind::PrefixInDoubt, header.has_prefix_in_doubt()),
        (
            AnomalyKind::SlashOnFile,
            // Without a type, Python decides by the header's own name, other readers by the final one.
            header.type_flag() == 0 && ends_with_slash != own_slash
                || matches!(entry.kind, EntryKind::File | EntryKind::HardLink) && ends_with_slash,
        ),
        (
            AnomalyKind::EmptyLink,
            // libarchive gives a long target only to a header that has a target of its own.
            entry.kind.is_link() && (entry.link_target.is_empty() || header.link_name().is_empty()),
        ),
        (AnomalyKind::HiddenBytes, header.has_hidden_bytes()),
        (AnomalyKind::PaddingData, extensions.padding_data),
        (AnomalyKind::EmptyRecord, local.deletes()),
        (
            AnomalyKind::OddSparse,
            // If a record states a size as well, Python takes it for the file's size.
            local.sparse.late || local.sparse.seen && matches!(local.size, Setting::Value(_)),
        ),
    ];
    for (kind, _) in found.into_iter().filter(|&(_, is_found)| is_found) {
        anomalies.add(kind, entry.header_offset, Some(&entry.path));
    }
}
