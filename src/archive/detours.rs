//! Members of an outer tar whose path differs from the path they are extracted to: it holds `..`, or passes through a
//! link of the archive.
//!
//! docker load unpacks the outer tar, so with a link `s -> .` the member `s/manifest.json` replaces `manifest.json`;
//! readers that look members up by name never see it. This module finds such members and the names they are extracted
//! to. Looking up one of these names is an error, because another loader would take other bytes.
//!
//! Links count wherever they stand in the tar: an unpacker may meet them before or after the members below them. Hard
//! links count too, because a hard link to a symbolic link is one. Work and memory are linear in the names; if links
//! lead to other links so often that they are not, every name counts as a target.

use std::collections::HashMap;

use super::member::{Member, MemberKind};
use crate::layer::clean_path;

/// Number of links that a path may pass through, as on Linux.
const MAX_LINKS: usize = 40;
/// Total number of path and link target components that are walked.
const MAX_STEPS: usize = 10_000_000;

/// Detours of an archive.
#[derive(Debug, Default)]
pub struct Detours {
    tree: LinkTree,
    /// Members that take a detour, in their order.
    members: Vec<Detour>,
    /// Paths that members are extracted to, and their clean names; values are positions in `members`.
    destinations: HashMap<Vec<u8>, usize>,
    /// Position of a member that may be extracted to any path.
    anywhere: Option<usize>,
}

/// Member that takes a detour.
#[derive(Debug, Clone)]
pub struct Detour {
    /// Position among the members.
    pub position: usize,
    /// Link that it passes through; `None` if it only holds `..`.
    pub link: Option<Vec<u8>>,
}

/// Names of links as a tree of components.
#[derive(Debug, Default)]
struct LinkTree {
    next: HashMap<(usize, Vec<u8>), usize>,
    /// Target of the link at each node; `None` for its parent directories. Node 0 is the top.
    targets: Vec<Option<Target>>,
}

#[derive(Debug, Clone)]
enum Target {
    Path(Vec<u8>),
    /// Several members of this name have different targets.
    Several,
}

enum Destination {
    At(Vec<u8>),
    Nowhere,
    Anywhere,
}

impl Detours {
    /// Finds the detours of all members.
    pub(super) fn of(members: &[Member]) -> Self {
        let mut detours = Detours::default();
        for member in members {
            let target = match &member.kind {
                MemberKind::Symlink(target) => target.clone(),
                // A hard link names a member from the top.
                MemberKind::HardLink(target) => [b"/", target.as_slice()].concat(),
                _ => continue,
            };
            detours.tree.add(&lexical(&member.name), target);
        }
        let mut steps = 0;
        for (position, member) in members.iter().enumerate() {
            let climbs = clean_path(&member.name).climbs;
            if detours.tree.next.is_empty() && !climbs {
                continue;
            }
            let name = lexical(&member.name);
            let link = detours.tree.link_above(&name);
            if link.is_none() && !climbs {
                continue;
            }
            let detour = detours.members.len();
            detours.members.push(Detour { position, link });
            if matches!(member.kind, MemberKind::Directory) {
                continue;
            }
            // docker cleans the name before it follows links, others follow each component.
            for path in [name.as_slice(), &member.name] {
                match detours.tree.destination(path, &mut steps) {
                    Destination::At(path) => {
                        detours.destinations.entry(path).or_insert(detour);
                    }
                    Destination::Nowhere => {}
                    Destination::Anywhere => {
                        detours.anywhere.get_or_insert(detour);
                    }
                }
            }
            detours.destinations.entry(name).or_insert(detour);
        }
        detours
    }

    /// Members that take a detour, in their order.
    pub fn members(&self) -> &[Detour] {
        &self.members
    }

    /// Returns the position of a member that is extracted to `name`, or has that name and is extracted elsewhere.
    pub(super) fn extracted_to(&self, name: &[u8]) -> Option<usize> {
        let detour = self.destinations.get(name).copied().or(self.anywhere)?;
        Some(self.members.get(detour)?.position)
    }

    /// Returns the link of the archive that a clean name passes through.
    pub(super) fn link_above(&self, name: &[u8]) -> Option<Vec<u8>> {
        self.tree.link_above(name)
    }

    /// Tests if a link's target passes through another link on its way from `directory`.
    pub(super) fn leads_through_link(&self, directory: &[u8], target: &[u8]) -> bool {
        if self.tree.next.is_empty() {
            return false;
        }
        let mut walk = Walk::default();
        let parts: Vec<&[u8]> = parts(directory).chain(parts(target)).collect();
        parts.iter().enumerate().any(|(i, part)| {
            walk.step(&self.tree, part);
            i + 1 < parts.len() && walk.target(&self.tree).is_some()
        })
    }
}

impl LinkTree {
    fn add(&mut self, name: &[u8], target: Vec<u8>) {
        if self.targets.is_empty() {
            self.targets.push(None);
        }
        let mut node = 0;
        for part in parts(name) {
            let new = self.targets.len();
            node = *self.next.entry((node, part.to_vec())).or_insert(new);
            if node == new {
                self.targets.push(None);
            }
        }
        if node == 0 {
            return;
        }
        let target = match self.targets[node].take() {
            None => Target::Path(target),
            Some(Target::Path(known)) if known == target => Target::Path(target),
            Some(_) => Target::Several,
        };
        self.targets[node] = Some(target);
    }

    fn below(&self, node: usize, part: &[u8]) -> Option<usize> {
        self.next.get(&(node, part.to_vec())).copied()
    }

    /// Returns the first link that a clean name passes through.
    fn link_above(&self, name: &[u8]) -> Option<Vec<u8>> {
        let mut node = 0;
        let mut end = 0;
        for part in parts(name) {
            if self.targets.get(node).is_some_and(Option::is_some) {
                return Some(name[..end - 1].to_vec());
            }
            node = self.below(node, part)?;
            end += part.len() + 1;
        }
        None
    }

    /// Returns the path that an unpacker extracts `path` to: links in every component but the last are followed, and
    /// `..` at the top stays there.
    fn destination(&self, path: &[u8], steps: &mut usize) -> Destination {
        let mut left: Vec<&[u8]> = parts(path).collect();
        left.reverse();
        let mut walk = Walk::default();
        let mut links = 0;
        while let Some(part) = left.pop() {
            *steps += 1;
            if *steps > MAX_STEPS {
                return Destination::Anywhere;
            }
            walk.step(self, part);
            if left.is_empty() {
                break;
            }
            let target = match walk.target(self) {
                None => continue,
                Some(Target::Several) => return Destination::Anywhere,
                Some(Target::Path(target)) => target,
            };
            links += 1;
            if links > MAX_LINKS {
                return Destination::Nowhere;
            }
            match target.first() {
                Some(b'/') => walk.0.clear(),
                _ => walk.up(),
            }
            let from = left.len();
            left.extend(parts(target));
            left[from..].reverse();
        }
        let names: Vec<&[u8]> = walk.0.iter().map(|(part, _)| *part).collect();
        Destination::At(names.join(&b'/'))
    }
}

/// Components of a path walked so far, each with its node in the tree of links.
#[derive(Default)]
struct Walk<'a>(Vec<(&'a [u8], Option<usize>)>);

impl<'a> Walk<'a> {
    fn step(&mut self, tree: &LinkTree, part: &'a [u8]) {
        if part == b".." {
            return self.up();
        }
        let above = self.0.last().map_or(Some(0), |(_, node)| *node);
        self.0
            .push((part, above.and_then(|node| tree.below(node, part))));
    }

    fn up(&mut self) {
        self.0.pop();
    }

    fn target<'t>(&self, tree: &'t LinkTree) -> Option<&'t Target> {
        let node = self.0.last()?.1?;
        tree.targets.get(node)?.as_ref()
    }
}

/// Components of a path except empty ones and `.`.
fn parts(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.split(|&byte| byte == b'/')
        .filter(|part| !matches!(*part, b"" | b"."))
}

/// Cleans a name like Go's `filepath.Clean` below the top: `..` removes the component before it.
fn lexical(name: &[u8]) -> Vec<u8> {
    let mut kept: Vec<&[u8]> = Vec::new();
    for part in parts(name) {
        match part {
            b".." => {
                kept.pop();
            }
            part => kept.push(part),
        }
    }
    kept.join(&b'/')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detours(members: &[(&str, Option<&str>)]) -> Detours {
        let members: Vec<Member> = members
            .iter()
            .map(|(name, link)| Member {
                name: name.as_bytes().to_vec(),
                kind: match link {
                    Some(target) => MemberKind::Symlink(target.as_bytes().to_vec()),
                    None => MemberKind::Other,
                },
                mtime: crate::layer::Mtime::default(),
                offset: 0,
            })
            .collect();
        Detours::of(&members)
    }

    /// Each of these replaces `manifest.json` when docker 20.10 loads it.
    #[test]
    fn detours_lead_to_the_paths_of_docker() {
        for members in [
            &[("s", Some(".")), ("s/manifest.json", None)][..],
            &[("e", Some("d/..")), ("e/manifest.json", None)],
            &[("x/../manifest.json", None)],
            &[("../manifest.json", None)],
            &[("a/../../manifest.json", None)],
            &[("s", Some("/")), ("./s//manifest.json", None)],
            &[
                ("a", Some("b/c")),
                ("b/c", Some("..")),
                ("a/manifest.json", None),
            ],
            &[("s/manifest.json", None), ("s", Some("."))],
        ] {
            let last = members.iter().position(|(_, link)| link.is_none());
            assert_eq!(detours(members).extracted_to(b"manifest.json"), last);
        }
    }

    #[test]
    fn plain_members_and_links_of_docker_are_no_detours() {
        let found = detours(&[
            ("manifest.json", None),
            ("one/layer.tar", None),
            ("two/layer.tar", Some("../one/layer.tar")),
            ("/a//b", None),
        ]);
        assert!(found.members().is_empty());
        assert_eq!(found.extracted_to(b"manifest.json"), None);
        assert!(!found.leads_through_link(b"two", b"../one/layer.tar"));
        let found = detours(&[("s", Some("t")), ("s/x", None), ("t/manifest.json", None)]);
        assert_eq!(found.extracted_to(b"manifest.json"), None);
        assert_eq!(found.extracted_to(b"t/x"), Some(1));
        assert_eq!(found.extracted_to(b"s/x"), Some(1));
        assert!(found.leads_through_link(b"a", b"../s/../x"));
    }

    #[test]
    fn circular_links_lead_nowhere_and_ambiguous_ones_anywhere() {
        let found = detours(&[("a", Some("b")), ("b", Some("a")), ("a/x", None)]);
        assert_eq!(found.extracted_to(b"x"), None);
        let found = detours(&[("a", Some("b")), ("a", Some("c")), ("a/x", None)]);
        assert_eq!(found.extracted_to(b"y"), Some(2));
    }
}
