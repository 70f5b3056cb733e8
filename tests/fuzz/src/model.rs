//! Layers applied the slow way: what trees are compared with.

use std::collections::{BTreeMap, BTreeSet};

/// What is at a path: the letter, and for all but folders a number for the file and its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Thing {
    Folder(bool),
    File(char, usize, String),
}

/// Applies one layer the slow way: paths are whole texts, and everything is looked through each time.
pub fn model_layer(map: &mut BTreeMap<String, Thing>, line: &str, inodes: &mut usize) -> bool {
    let items: Vec<Vec<&str>> = line
        .split('|')
        .map(|item| item.trim().splitn(3, ' ').collect())
        .filter(|item: &Vec<&str>| item.len() > 1)
        .collect();
    let below = |path: &str, top: &str| {
        path.strip_prefix(top)
            .is_some_and(|rest| rest.starts_with('/'))
    };
    let mut good = true;
    for item in &items {
        match item[0] {
            "w" => map.retain(|path, _| path != item[1] && !below(path, item[1])),
            "o" => map.retain(|path, _| !below(path, item[1])),
            _ => {}
        }
    }
    let mut own: BTreeSet<String> = BTreeSet::new();
    let mut wanted: BTreeSet<String> = BTreeSet::new();
    let mut parents =
        |map: &mut BTreeMap<String, Thing>, path: &str, own: &mut BTreeSet<String>| {
            let ends = path
                .match_indices('/')
                .map(|(at, _)| at)
                .chain(Some(path.len()));
            for end in ends.collect::<Vec<_>>() {
                let folder = &path[..end];
                if folder.is_empty() {
                    continue;
                }
                match map.get(folder) {
                    Some(Thing::Folder(_)) => {}
                    Some(Thing::File(..)) if own.contains(folder) => return false,
                    other => {
                        if other.is_some() {
                            wanted.insert(folder.to_owned());
                        }
                        map.insert(folder.to_owned(), Thing::Folder(true));
                        own.insert(folder.to_owned());
                    }
                }
            }
            true
        };
    let folder_of = |path: &str| {
        path.rsplit_once('/')
            .map_or(String::new(), |(folder, _)| folder.to_owned())
    };
    for item in &items {
        match item[0] {
            "w" => good &= parents(map, &folder_of(item[1]), &mut own),
            "o" => good &= parents(map, item[1], &mut own),
            _ => {}
        }
    }
    let mut entries: BTreeSet<String> = BTreeSet::new();
    for item in &items {
        let path = item[1].to_owned();
        let text = item.get(2).copied().unwrap_or_default().to_owned();
        if matches!(item[0], "w" | "o") {
            continue;
        }
        if !parents(map, &folder_of(&path), &mut own) {
            good = false;
            continue;
        }
        let thing = match item[0] {
            "d" => Thing::Folder(false),
            "h" => match map.get(&text) {
                Some(Thing::File(kind, inode, contents))
                    if text != path && !below(&text, &path) =>
                {
                    Thing::File(*kind, *inode, contents.clone())
                }
                _ => {
                    good = false;
                    continue;
                }
            },
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
        }
        map.insert(path.clone(), thing);
        own.insert(path.clone());
        entries.insert(path);
    }
    good && wanted.is_subset(&entries)
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
