//! Layers applied the slow way: what trees are compared with.

use std::collections::{BTreeMap, BTreeSet};

/// What is at a path: the letter, and for all but folders a number for the file and its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Thing {
    Folder(bool),
    File(char, usize, String),
}

type Map = BTreeMap<String, Thing>;

fn join(folder: &str, part: &str) -> String {
    match folder {
        "" => part.to_owned(),
        folder => format!("{folder}/{part}"),
    }
}

fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

fn below(path: &str, top: &str) -> bool {
    path.strip_prefix(top)
        .is_some_and(|rest| rest.starts_with('/'))
}

/// Walks a path from a folder through symbolic links: where it leads, or whether nothing is there.
fn lead(
    map: &Map,
    folder: &str,
    path: &str,
    links: usize,
    last: bool,
    gone: Option<&str>,
) -> Result<String, bool> {
    let (mut at, mut rest, mut links) = (folder.to_owned(), path.to_owned(), links);
    if rest.starts_with('/') {
        at = String::new();
    }
    loop {
        rest = rest.trim_start_matches('/').to_owned();
        if rest.is_empty() {
            return Ok(at);
        }
        let (part, behind) = match rest.split_once('/') {
            Some((part, behind)) => (part.to_owned(), behind.to_owned()),
            None => (rest.clone(), String::new()),
        };
        rest = behind;
        if part == ".." {
            at = folder_of(&at).to_owned();
            continue;
        }
        if gone == Some(&at) && gone != Some("") {
            return Err(false);
        }
        let child = join(&at, &part);
        match map.get(&child) {
            None => return Err(true),
            Some(Thing::Folder(_)) => at = child,
            Some(_) if rest.is_empty() && !last => return Ok(child),
            Some(_) if gone == Some(&child) => return Err(false),
            Some(Thing::File('l', _, text)) if links < 40 => {
                links += 1;
                rest = format!("{text}/{rest}");
                if text.starts_with('/') {
                    at = String::new();
                }
            }
            Some(Thing::File('l', ..)) => return Err(false),
            Some(_) => return Err(true),
        }
    }
}

/// Goes to a folder, making what is missing, through the layer's own links; `None` where something of the layer's own
/// that leads to no folder is in the way.
fn enter(map: &mut Map, path: &str, own: &mut BTreeSet<String>) -> Option<String> {
    let mut at = String::new();
    for part in path.split('/').filter(|part| !part.is_empty()) {
        let child = join(&at, part);
        at = match map.get(&child) {
            Some(Thing::Folder(_)) => child,
            Some(Thing::File('l', _, text)) if own.contains(&child) => {
                let led = lead(map, &at, text, 1, true, None).ok()?;
                if !led.is_empty() && !matches!(map.get(&led), Some(Thing::Folder(_))) {
                    return None;
                }
                led
            }
            Some(Thing::File(..)) if own.contains(&child) => return None,
            _ => {
                map.insert(child.clone(), Thing::Folder(true));
                own.insert(child.clone());
                child
            }
        };
    }
    Some(at)
}

/// Applies one layer the slow way: paths are whole texts, and everything is looked through each time. Whether nothing
/// is wrong with it.
pub fn model_layer(map: &mut Map, line: &str, inodes: &mut usize) -> bool {
    let items: Vec<Vec<&str>> = line
        .split('|')
        .map(|item| item.trim().splitn(3, ' ').collect())
        .filter(|item: &Vec<&str>| item.len() > 1)
        .collect();
    model_items(map, &items, inodes, &mut BTreeMap::new())
}

/// `before` keeps what the first entries alone make, by how many they are: each such part is worked out once.
fn model_items(
    map: &mut Map,
    items: &[Vec<&str>],
    inodes: &mut usize,
    before: &mut BTreeMap<usize, Map>,
) -> bool {
    let (start, start_inodes) = (map.clone(), *inodes);
    // A marker below a link of the layer waits for that link.
    let is_link = |path: &str| items.iter().any(|item| item[0] == "l" && item[1] == path);
    let is_late = |item: &[&str]| match item[0] {
        "w" => (item[1].match_indices('/')).any(|(end, _)| is_link(&item[1][..end])),
        "o" => {
            is_link(item[1])
                || (item[1].match_indices('/')).any(|(end, _)| is_link(&item[1][..end]))
        }
        _ => false,
    };
    let is_marker = |item: &[&str]| matches!(item[0], "w" | "o");
    let mut good = true;
    for item in items.iter().filter(|item| !is_late(item)) {
        match item[0] {
            "w" => map.retain(|path, _| path != item[1] && !below(path, item[1])),
            "o" => map.retain(|path, _| !below(path, item[1])),
            _ => {}
        }
    }
    let mut own: BTreeSet<String> = BTreeSet::new();
    for item in items.iter().filter(|item| !is_late(item)) {
        match item[0] {
            "w" => good &= enter(map, folder_of(item[1]), &mut own).is_some(),
            "o" => good &= enter(map, item[1], &mut own).is_some(),
            _ => {}
        }
    }
    for (number, item) in items.iter().enumerate() {
        let text = item.get(2).copied().unwrap_or_default().to_owned();
        if is_marker(item) {
            if !is_late(item) {
                continue;
            }
            // What the layer itself wrote stays.
            if item[0] == "o" {
                match enter(map, item[1], &mut own) {
                    Some(led) => map.retain(|path, thing| {
                        let is_below = below(path, &led) || led.is_empty();
                        if let (Thing::Folder(implied), true) = (thing, is_below) {
                            *implied |= !own.contains(path);
                        }
                        !is_below || own.iter().any(|own| own == path || below(own, path))
                    }),
                    None => good = false,
                }
                continue;
            }
            let Some(folder) = enter(map, folder_of(item[1]), &mut own) else {
                good = false;
                continue;
            };
            let led = join(&folder, item[1].rsplit('/').next().expect("a part"));
            let stays = |path: &str| own.iter().any(|own| own == path || below(own, path));
            if let Some(Thing::Folder(implied)) = map.get_mut(&led) {
                *implied |= !own.contains(&led);
            }
            map.retain(|path, thing| {
                let stays = path != &led && !below(path, &led) || stays(path);
                if let (Thing::Folder(implied), true) = (thing, below(path, &led)) {
                    *implied |= !own.contains(path);
                }
                stays
            });
            continue;
        }
        let Some(folder) = enter(map, folder_of(item[1]), &mut own) else {
            good = false;
            continue;
        };
        let path = join(&folder, item[1].rsplit('/').next().expect("a part"));
        let thing = match item[0] {
            "d" => Thing::Folder(false),
            "h" => {
                let target = text.trim_start_matches('/');
                let climbs = target.split('/').any(|part| part == "..");
                let mut led = lead(map, "", target, 0, false, Some(&path));
                let mut found = led.as_ref().ok().and_then(|led| map.get(led)).cloned();
                if led == Err(true) {
                    // As it was before the markers that stand behind it.
                    if !before.contains_key(&number) {
                        let (mut other, mut count) = (start.clone(), start_inodes);
                        model_items(&mut other, &items[..number], &mut count, before);
                        before.insert(number, other);
                    }
                    let other = &before[&number];
                    // A link of a lower layer that a marker behind it makes a folder is one from the start, as in the
                    // directory that overlay2 unpacks the layer to.
                    let turned = (target.match_indices('/')).any(|(end, _)| {
                        let (now, then) = (map.get(&target[..end]), other.get(&target[..end]));
                        matches!(now, Some(Thing::Folder(_)))
                            && matches!(then, Some(Thing::File('l', ..)))
                    });
                    if turned {
                        good = false;
                        continue;
                    }
                    led = lead(other, "", target, 0, false, Some(&path));
                    found = led.as_ref().ok().and_then(|led| other.get(led)).cloned();
                }
                match (led, found) {
                    (Ok(led), Some(Thing::File(kind, inode, contents)))
                        if led != path && !climbs =>
                    {
                        Thing::File(kind, inode, contents)
                    }
                    _ => {
                        good = false;
                        continue;
                    }
                }
            }
            kind => {
                *inodes += 1;
                Thing::File(kind.chars().next().expect("a letter"), *inodes, text)
            }
        };
        if !matches!(
            (&thing, map.get(&path)),
            (Thing::Folder(_), Some(Thing::Folder(_)))
        ) {
            map.retain(|other, _| !below(other, &path));
            own.retain(|other| !below(other, &path));
        }
        map.insert(path.clone(), thing);
        own.insert(path);
    }
    good
}

/// The same in the words of [`shown`], without layers.
pub fn model_shown(map: &BTreeMap<String, Thing>) -> String {
    let mut paths: Vec<&String> = map.keys().collect();
    paths.sort_by_key(|path| path.split('/').collect::<Vec<_>>());
    let mut first: BTreeMap<usize, &String> = BTreeMap::new();
    let mut out = Vec::new();
    for path in paths {
        out.push(match &map[path] {
            Thing::Folder(true) => format!("i {path}"),
            Thing::Folder(false) => format!("d {path}"),
            Thing::File(kind, inode, _) => match first.get(inode) {
                Some(first) => format!("h {path}>{first}"),
                None => {
                    first.insert(*inode, path);
                    format!("{kind} {path}")
                }
            },
        });
    }
    out.join(" ")
}
