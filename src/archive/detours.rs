//! Members of an outer tar whose path is not where they land: it holds `..`, or goes through a link of the archive.
//!
//! docker load unpacks the outer tar, so with a link `s -> .` the member `s/manifest.json` replaces `manifest.json`;
//! readers that look members up by name never see it. Such members are found here, and with them the names that they
//! land on: whoever looks one of these up is refused, because another loader would take other bytes.
//!
//! Links count wherever they stand in the tar: an unpacker may meet them before or after what is below them. A hard
//! link counts too, because one to a symbolic link is one. Work and memory are linear in the names; where links lead
//! to other links so often that they are not, every name is taken for one that something may land on.

use std::collections::HashMap;

use super::members::{Member, MemberKind};
use crate::layer::clean_path;

/// Links that a path may lead through, as Linux has it.
const MAX_LINKS: usize = 40;
/// Parts of paths and of link targets that are walked in all.
const MAX_STEPS: usize = 10_000_000;

/// The detours of an archive.
#[derive(Debug, Default)]
pub struct Detours {
    tree: LinkTree,
    /// The members that take one, in their order.
    members: Vec<Detour>,
    /// Where they land, and under which names they would be looked up; positions in `members`.
    lands: HashMap<Vec<u8>, usize>,
    /// One that may land anywhere.
    anywhere: Option<usize>,
}

/// A member that takes a detour.
#[derive(Debug, Clone)]
pub struct Detour {
    /// Its position among the members.
    pub position: usize,
    /// The link that it goes through; `None` if it only holds `..`.
    pub link: Option<Vec<u8>>,
}

/// The names of links, part by part.
#[derive(Debug, Default)]
struct LinkTree {
    next: HashMap<(usize, Vec<u8>), usize>,
    /// Where the link of each node leads; `None` for what is only above one. Node 0 is the top.
    targets: Vec<Option<Target>>,
}

#[derive(Debug, Clone)]
enum Target {
    Path(Vec<u8>),
    /// Several members of this name lead elsewhere each.
    Several,
}

enum Landing {
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
                // Names a member from the top.
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
            if matches!(member.kind, MemberKind::Folder) {
                continue;
            }
            // docker cleans the name before it follows links, others follow each part.
            for path in [name.as_slice(), &member.name] {
                match detours.tree.landing(path, &mut steps) {
                    Landing::At(place) => {
                        detours.lands.entry(place).or_insert(detour);
                    }
                    Landing::Nowhere => {}
                    Landing::Anywhere => {
                        detours.anywhere.get_or_insert(detour);
                    }
                }
            }
            detours.lands.entry(name).or_insert(detour);
        }
        detours
    }

    /// The members that take a detour, in their order.
    pub fn members(&self) -> &[Detour] {
        &self.members
    }

    /// The member that lands on a name, or is called so and lands elsewhere.
    pub(super) fn landing_on(&self, name: &[u8]) -> Option<usize> {
        let detour = self.lands.get(name).copied().or(self.anywhere)?;
        Some(self.members.get(detour)?.position)
    }

    /// The link of the archive that a clean name goes through.
    pub(super) fn link_above(&self, name: &[u8]) -> Option<Vec<u8>> {
        self.tree.link_above(name)
    }

    /// Whether a link's target goes through another link on its way from `folder`.
    pub(super) fn leads_through_link(&self, folder: &[u8], target: &[u8]) -> bool {
        if self.tree.next.is_empty() {
            return false;
        }
        let mut walk = Walk::default();
        let parts: Vec<&[u8]> = parts(folder).chain(parts(target)).collect();
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

    /// The first link that a clean name goes through.
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

    /// Where an unpacker puts what is called so: every part but the last is followed, and the top is above itself.
    fn landing(&self, path: &[u8], steps: &mut usize) -> Landing {
        let mut left: Vec<&[u8]> = parts(path).collect();
        left.reverse();
        let mut walk = Walk::default();
        let mut links = 0;
        while let Some(part) = left.pop() {
            *steps += 1;
            if *steps > MAX_STEPS {
                return Landing::Anywhere;
            }
            walk.step(self, part);
            if left.is_empty() {
                break;
            }
            let target = match walk.target(self) {
                None => continue,
                Some(Target::Several) => return Landing::Anywhere,
                Some(Target::Path(target)) => target,
            };
            links += 1;
            if links > MAX_LINKS {
                return Landing::Nowhere;
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
        Landing::At(names.join(&b'/'))
    }
}

/// The parts of a path that was walked so far, each with its node among the links.
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

/// The parts of a path that lead anywhere.
fn parts(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.split(|&byte| byte == b'/')
        .filter(|part| !matches!(*part, b"" | b"."))
}

/// A name as Go's `filepath.Clean` has it below the top: `..` takes away the part before it.
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
                offset: 0,
            })
            .collect();
        Detours::of(&members)
    }

    /// Each of these replaces `manifest.json` when docker 20.10 loads it.
    #[test]
    fn members_land_where_docker_puts_them() {
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
            assert_eq!(detours(members).landing_on(b"manifest.json"), last);
        }
    }

    #[test]
    fn members_elsewhere_and_links_as_docker_writes_them_are_no_detours() {
        let found = detours(&[
            ("manifest.json", None),
            ("one/layer.tar", None),
            ("two/layer.tar", Some("../one/layer.tar")),
            ("/a//b", None),
        ]);
        assert!(found.members().is_empty());
        assert_eq!(found.landing_on(b"manifest.json"), None);
        assert!(!found.leads_through_link(b"two", b"../one/layer.tar"));
        let found = detours(&[("s", Some("t")), ("s/x", None), ("t/manifest.json", None)]);
        assert_eq!(found.landing_on(b"manifest.json"), None);
        assert_eq!(found.landing_on(b"t/x"), Some(1));
        assert_eq!(found.landing_on(b"s/x"), Some(1));
        assert!(found.leads_through_link(b"a", b"../s/../x"));
    }

    #[test]
    fn links_in_circles_land_nowhere_and_links_in_doubt_anywhere() {
        let found = detours(&[("a", Some("b")), ("b", Some("a")), ("a/x", None)]);
        assert_eq!(found.landing_on(b"x"), None);
        let found = detours(&[("a", Some("b")), ("a", Some("c")), ("a/x", None)]);
        assert_eq!(found.landing_on(b"y"), Some(2));
    }
}
