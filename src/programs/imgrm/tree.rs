//! Tags removed from trees of repositories.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::archive::{Half, Name, Open, Pick, TreeKind};
use crate::cli::{ImageArg, Io};
use crate::error::{At, Error, Result};
use crate::escape;
use crate::render::json;
use crate::spec::Platform;
use crate::store;
use crate::write::ListedName;
use crate::write::registry::{PushOptions, RegistryTree, place_of};

/// Repositories and tags.
type Tags = Vec<(String, String)>;

/// Tags by tree.
type ByTree = BTreeMap<(PathBuf, TreeKind), Tags>;

/// Returns the selected tags by tree; a name without a tag is its tag latest.
///
/// # Errors
/// `Usage` for anything but a tag; `NoSuchImage`; as [`Open::path`].
pub(super) fn tags(images: &[ImageArg], platform: Option<&Platform>) -> Result<ByTree> {
    let mut found = ByTree::new();
    for (kind, path, pick) in images.iter().filter_map(ImageArg::tree) {
        let place = path.to_string_lossy().into_owned();
        let (Pick::Name(text), None) = (&pick, platform) else {
            let why = "expected a tag in a tree of repositories: NAME[:TAG]";
            return Err(Error::usage(why).at(place));
        };
        let open = Open {
            only: Some(Half::Tree(kind)),
            ..Open::default()
        };
        let archive = open.path(&path)?;
        let root = archive.root(&pick).at(|| place.clone())?;
        let exact = ListedName::new(text).and_then(|name| place_of(&name));
        let exact = exact.map(|(name, tag)| format!("{name}:{tag}")).ok();
        let known = root.ref_names.iter();
        // A name may be typed as docker shows it, too.
        let same = known.filter(|known| Name::from_repo_tag(known).matches(text));
        let same: Vec<&String> = same.collect();
        let text = match (
            same.iter().find(|known| Some(**known) == exact.as_ref()),
            &same[..],
        ) {
            (Some(known), _) | (None, [known]) => *known,
            _ => return Err(archive.no_such_image(text, &archive.roots).at(place)),
        };
        let name = place_of(&ListedName::new(text)?)?;
        found.entry((path, kind)).or_default().push(name);
    }
    Ok(found)
}

/// Removes tags and prints them, and the images that are removed with them.
///
/// # Errors
/// `Io`.
pub(super) fn remove(
    path: &Path,
    kind: TreeKind,
    tags: &Tags,
    is_json: bool,
    io: &mut Io,
) -> Result<()> {
    let place = || path.to_string_lossy().into_owned();
    let registry = match kind {
        TreeKind::Registry => Some(RegistryTree::open(path, PushOptions::default())?),
        _ => None,
    };
    for (name, tag) in tags {
        let mut deleted = Vec::new();
        match &registry {
            Some(tree) => drop(tree.untag(name, tag).at(place)?),
            None => deleted = store::remove_from_tree(path, kind, name, tag).at(place)?,
        }
        let name = format!("{name}:{tag}");
        io.line(&match is_json {
            true => json::line(&json!({ "Untagged": name }))?,
            false => format!("Untagged: {}", escape::text(&name)),
        })?;
        for id in &deleted {
            io.line(&match is_json {
                true => json::line(&json!({ "Deleted": id }))?,
                false => format!("Deleted: {id}"),
            })?;
        }
    }
    Ok(())
}
