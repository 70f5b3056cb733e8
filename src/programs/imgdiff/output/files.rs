//! Files that differ: docker's lines, each with its differences; rows for JSON and templates.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::cli::kind_name;
use crate::escape;
use crate::layer::capabilities;
use crate::programs::imgdiff::compare::{Change, ChangeKind, Field, Side, Xattr, blame};
use crate::render::human;
use crate::render::json::bytes_lossless;
use crate::spec::Timestamp;
use crate::tree::{Meta, Node, NodeKind};

/// A path as docker prints it, from `/`, safe to show.
pub fn shown_path(path: &[u8]) -> String {
    format!("/{}", escape::bytes(path))
}

/// Lines of changes: letter, path, and after a tab the differences. With `by_layer`, after another tab, the layer
/// and its command.
pub fn change_lines<'r>(
    sides: &'r [Side; 2],
    changes: &'r [Change],
    by_layer: bool,
) -> impl Iterator<Item = String> + 'r {
    changes.iter().map(move |change| {
        let mut line = format!("{} {}", change.kind.letter(), change_path(sides, change));
        let what = details(sides, change);
        if !what.is_empty() {
            line.push('\t');
            line.push_str(&what.join(", "));
        }
        if by_layer {
            if what.is_empty() {
                line.push('\t');
            }
            line.push('\t');
            if let Some(made) = blame(sides, change) {
                let side = &sides[made.side];
                let by = escape::text(side.created_by(made.layer)).into_owned();
                let whose = if made.side == 0 { "old " } else { "" };
                line.push_str(&format!("{whose}layer {}: {by}", side.number(made.layer)));
            }
        }
        line
    })
}

/// Path of a change, of a renamed one both: `/old -> /new`. Escaped.
pub(super) fn change_path(sides: &[Side; 2], change: &Change) -> String {
    let [a, b] = sides;
    let (old, new) = (change.before(&a.tree), change.after(&b.tree));
    let path =
        |node: Option<Node<'_>>| node.map_or_else(String::new, |node| shown_path(&node.path()));
    match change.kind {
        ChangeKind::Renamed => format!("{} -> {}", path(old), path(new)),
        _ => path(new.or(old)),
    }
}

/// Two sizes as people read them, in bytes where that would say the same twice.
fn sizes(old: u64, new: u64) -> String {
    let (a, b) = (human::size(old), human::size(new));
    match a == b {
        true => format!("{old} B -> {new} B"),
        false => format!("{a} -> {b}"),
    }
}

/// Size as docker writes it: `12kB`.
pub(super) fn sized(bytes: u64) -> String {
    human::size(bytes)
}

/// Differences of a path, item by item: `mode 0644 -> 0755`.
pub fn details(sides: &[Side; 2], change: &Change) -> Vec<String> {
    let [a, b] = sides;
    let (Some(old), Some(new)) = (change.before(&a.tree), change.after(&b.tree)) else {
        return Vec::new();
    };
    let (was, is) = (old.meta(), new.meta());
    let mut items = Vec::new();
    for field in change.what.iter() {
        items.push(match field {
            Field::Type => format!(
                "type {} -> {}",
                kind_name(old.kind()),
                kind_name(new.kind())
            ),
            Field::Mode => format!("mode {:04o} -> {:04o}", was.mode, is.mode),
            Field::Uid => format!("owner {}", owners(&was, &is)),
            Field::Gid if change.what.has(Field::Uid) => continue,
            Field::Gid => format!("owner {}", owners(&was, &is)),
            Field::Names => format!("names {} -> {}", names(&was), names(&is)),
            Field::Size => format!("size {}", sizes(old.size(), new.size())),
            Field::Content => "content".into(),
            Field::Target => format!(
                "target {} -> {}",
                escape::bytes(old.link_target()),
                escape::bytes(new.link_target())
            ),
            Field::Links => {
                let other = |side: &Side, node: &Node<'_>| match other_name(side, node) {
                    Some(other) => shown_path(&other.path()),
                    None => "none".into(),
                };
                format!("links {} -> {}", other(a, &old), other(b, &new))
            }
            Field::Device => {
                let ((a, b), (c, d)) = (old.device(), new.device());
                format!("device {a}:{b} -> {c}:{d}")
            }
            Field::Xattrs => {
                items.extend(xattrs(&was.xattrs, &is.xattrs));
                continue;
            }
            Field::Mtime => format!("mtime {} -> {}", time(&was), time(&is)),
            Field::Config | Field::History => continue,
        });
    }
    items
}

fn owners(was: &Meta, is: &Meta) -> String {
    let (was, is) = (&was.owner, &is.owner);
    format!("{}:{} -> {}:{}", was.uid, was.gid, is.uid, is.gid)
}

fn names(meta: &Meta) -> String {
    let (user, group) = (&meta.owner.user_name, &meta.owner.group_name);
    format!("{}:{}", escape::bytes(user), escape::bytes(group))
}

fn time(meta: &Meta) -> String {
    Timestamp::from_unix(meta.mtime.seconds, meta.mtime.nanos).rfc3339_nano()
}

/// Each extended attribute that differs, capabilities in words.
fn xattrs(was: &[Xattr], is: &[Xattr]) -> Vec<String> {
    let find = |list: &[Xattr], name: &[u8]| -> Option<Vec<u8>> {
        let found = list.iter().find(|xattr| xattr.name == name)?;
        Some(found.value.clone())
    };
    let mut all: Vec<&[u8]> = was.iter().chain(is).map(|xattr| &xattr.name[..]).collect();
    all.sort_unstable();
    all.dedup();
    let mut items = Vec::new();
    for name in all {
        let (old, new) = (find(was, name), find(is, name));
        if old == new {
            continue;
        }
        let shown = escape::bytes(name);
        let say = |value: Option<&Vec<u8>>| -> String {
            match value {
                None => "none".into(),
                Some(value) => capabilities(value)
                    .unwrap_or_else(|| escape::brief(&escape::bytes(value)).into_owned()),
            }
        };
        items.push(match name {
            b"security.capability" => format!(
                "xattr {shown} {} -> {}",
                say(old.as_ref()),
                say(new.as_ref())
            ),
            _ => match (old, new) {
                (None, _) => format!("xattr {shown} added"),
                (_, None) => format!("xattr {shown} removed"),
                _ => format!("xattr {shown}"),
            },
        });
    }
    items
}

/// A change as a row, see the man page for its keys.
pub fn change_row(sides: &[Side; 2], change: &Change) -> Value {
    let [a, b] = sides;
    let (old, new) = (change.before(&a.tree), change.after(&b.tree));
    let mut row = Map::new();
    row.insert("Type".into(), "path".into());
    row.insert("Change".into(), change.kind.letter().to_string().into());
    let path = new.or(old).map_or_else(Vec::new, |node| node.path());
    put_bytes(&mut row, "Path", &rooted(&path));
    if let (ChangeKind::Renamed, Some(old)) = (change.kind, old) {
        put_bytes(&mut row, "OldPath", &rooted(&old.path()));
    }
    let fields: Vec<&str> = change.what.iter().map(Field::name).collect();
    row.insert("Fields".into(), fields.into());
    row.insert("Details".into(), details(sides, change).into());
    row.insert(
        "Old".into(),
        old.map_or(Value::Null, |node| node_value(a, &node)),
    );
    row.insert(
        "New".into(),
        new.map_or(Value::Null, |node| node_value(b, &node)),
    );
    let made = blame(sides, change);
    row.insert(
        "By".into(),
        made.map_or(Value::Null, |made| {
            let side = &sides[made.side];
            let layer = side
                .layers
                .get(made.layer)
                .and_then(|layer| layer.layer.diff_id.as_ref());
            json!({
                "Side": if made.side == 0 { "old" } else { "new" },
                "Layer": side.number(made.layer),
                "DiffID": layer.map(ToString::to_string),
                "CreatedBy": side.created_by(made.layer),
            })
        }),
    );
    row.into()
}

/// A path with `/` before it.
pub(super) fn rooted(path: &[u8]) -> Vec<u8> {
    [b"/", path].concat()
}

/// A text that need not be UTF-8 under its key, and beside it its bytes where the text is not all of it.
pub(super) fn put_bytes(row: &mut Map<String, Value>, key: &str, bytes: &[u8]) {
    let (text, lost) = bytes_lossless(bytes);
    row.insert(key.into(), text.into());
    if let Some(lost) = lost {
        row.insert(format!("{key}Bytes"), lost.into());
    }
}

/// Another name of the same file: the first one, or of the first one the second.
fn other_name<'t>(side: &'t Side, node: &Node<'t>) -> Option<Node<'t>> {
    let mut names = side.tree.names_of(node.inode()?);
    names.find(|name| name.index() != node.index())
}

/// Row of one side's node at a path.
pub(super) fn node_value(side: &Side, node: &Node<'_>) -> Value {
    let meta = node.meta();
    let mut value = Map::new();
    value.insert("Kind".into(), kind_name(node.kind()).into());
    value.insert("Mode".into(), format!("{:04o}", meta.mode).into());
    value.insert("Uid".into(), meta.owner.uid.into());
    value.insert("Gid".into(), meta.owner.gid.into());
    put_bytes(&mut value, "User", &meta.owner.user_name);
    put_bytes(&mut value, "Group", &meta.owner.group_name);
    value.insert("Size".into(), node.size().into());
    value.insert("Mtime".into(), time(&meta).into());
    value.insert("Layer".into(), side.number(node.layer()).into());
    match node.kind() {
        NodeKind::Symlink => put_bytes(&mut value, "Target", node.link_target()),
        NodeKind::CharDevice | NodeKind::BlockDevice => {
            let (major, minor) = node.device();
            value.insert("Device".into(), json!([major, minor]));
        }
        _ => {}
    }
    if let Some(other) = other_name(side, node) {
        put_bytes(&mut value, "HardLinkTo", &rooted(&other.path()));
    }
    if let Some(digest) = node.digest() {
        value.insert(
            "Digest".into(),
            format!("sha256:{}", hex::encode(digest)).into(),
        );
    }
    if !meta.xattrs.is_empty() {
        let all = meta.xattrs.iter().map(|xattr| {
            let mut one = Map::new();
            put_bytes(&mut one, "Name", &xattr.name);
            one.insert("Value".into(), STANDARD.encode(&xattr.value).into());
            if xattr.name == b"security.capability"
                && let Some(text) = capabilities(&xattr.value)
            {
                one.insert("Capabilities".into(), text.into());
            }
            Value::from(one)
        });
        value.insert("Xattrs".into(), all.collect());
    }
    value.into()
}
