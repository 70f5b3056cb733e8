//! Names of pushed images in the tree.

use super::args::Args;
use crate::archive::Name;
use crate::error::Result;
use crate::spec::Reference;
use crate::write::registry::place_of;
use crate::write::{Bundle, ListedName};

/// Changes the names of a bundle to those in the tree, as the options say. The first `own` images were selected; the
/// others refer to them, and keep their tags.
///
/// # Errors
/// `BadReference`; `Usage` for a name without a repository.
pub(super) fn change(bundle: &mut Bundle, own: usize, args: &Args) -> Result<()> {
    for (position, listed) in bundle.listed.iter_mut().enumerate() {
        let is_own = position < own;
        let names = std::mem::take(&mut listed.names);
        let is_untagged = names.is_empty();
        let mut changed = Vec::new();
        for name in names {
            changed.push(changed_name(&name, is_own, args)?);
        }
        if let (Some(text), true, true) = (&args.name, is_own, is_untagged) {
            changed.push(named(text)?);
        }
        changed.dedup_by(|one, other| one.text == other.text);
        listed.names = changed;
    }
    Ok(())
}

fn changed_name(name: &ListedName, is_own: bool, args: &Args) -> Result<ListedName> {
    if let Some(text) = &args.name {
        let new = named(text)?;
        let (path, _) = place_of(&new)?;
        let has_tag = text
            .rsplit('/')
            .next()
            .is_some_and(|last| last.contains(':'));
        return match (is_own && has_tag, &name.name) {
            (true, _) => Ok(new),
            (false, Name::Full(reference)) => {
                let tag = reference.tag_or_latest().unwrap_or("latest");
                named(&format!("{path}:{tag}"))
            }
            (false, Name::Tag(tag)) => named(&format!("{path}:{tag}")),
            (false, Name::Text(_)) => Ok(new),
        };
    }
    let (mut path, tag) = place_of(name)?;
    if let (true, false, Name::Full(reference)) = (args.keep_host, name.typed, &name.name) {
        path = format!("{}/{path}", reference.domain());
    }
    if let Some(prefix) = &args.prefix {
        path = format!("{}/{path}", prefix.trim_end_matches('/'));
    }
    named(&format!("{path}:{tag}"))
}

/// Parses a name that is exact in a tree.
fn named(text: &str) -> Result<ListedName> {
    let name = Name::Full(Reference::parse(text)?.tagged());
    let name = ListedName::typed(name, text);
    place_of(&name).map(|_| name)
}
