//! Short texts: names, digests, patterns, templates.

use std::sync::OnceLock;

use imgkit::archive::Name;
use imgkit::disk::Patterns;
use imgkit::escape;
use imgkit::render::{Shape, Template};
use imgkit::spec::{Digest, MediaType, Platform, Reference, Timestamp};
use serde_json::{Value, json};

use super::Taken;

/// Names of images and all that stands in them.
pub fn reference(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok(reference) = Reference::parse(&text) {
        let full = reference.to_string();
        assert_eq!(
            Reference::parse(&full).ok().as_ref(),
            Some(&reference),
            "{full}"
        );
        let short = reference.familiar();
        assert_eq!(
            Reference::parse(&short).ok().as_ref(),
            Some(&reference),
            "{short}"
        );
        assert!(full.bytes().all(|byte| byte.is_ascii_graphic()), "{full}");
        let _ = (
            reference.domain(),
            reference.tag_or_latest(),
            reference.familiar_repository(),
        );
        let tagged = reference.clone().tagged();
        assert!(tagged.tag().is_some() || tagged.digest().is_some());
    }
    if let Ok(digest) = Digest::parse(&text) {
        assert_eq!(digest.as_str(), text);
        let path = digest.blob_path();
        assert!(
            !path.contains("..") && path.matches('/').count() == 2,
            "{path}"
        );
        assert_eq!(Digest::from_blob_path(&path), Some(digest.clone()));
        let _ = digest.short();
    }
    let _ = Digest::from_blob_path(&text);
    if let Ok(platform) = Platform::parse(&text) {
        let again = platform.to_string();
        assert_eq!(Platform::parse(&again).ok(), Some(platform), "{again}");
    }
    if let Some(time) = Timestamp::parse(&text) {
        let again = time.rfc3339_nano();
        let parsed = Timestamp::parse(&again);
        assert_eq!(
            parsed.map(Timestamp::nanoseconds),
            Some(time.nanoseconds()),
            "{again}"
        );
        let _ = (time.rfc3339(), time.created_at());
    }
    let kind = MediaType::new(&*text);
    let _ = (
        kind.layer_kind(),
        kind.is_index(),
        kind.is_manifest(),
        kind.is_image_config(),
    );
    let name = Name::from_repo_tag(&text);
    let _ = (
        name.repository(),
        name.tag(),
        name.matches(&text),
        name.means("app:1"),
        name.to_string(),
    );
}

/// What is shown of anything moves no terminal.
pub fn escape(data: &[u8]) {
    let harmless = |text: &str| {
        let bad = text.chars().find(|c| {
            c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
        });
        assert_eq!(bad, None, "{text:?}");
    };
    harmless(&escape::bytes(data));
    let text = String::from_utf8_lossy(data);
    harmless(&escape::text(&text));
    harmless(&escape::brief(&text));
    for limit in [0, 1, 7, 40] {
        harmless(&escape::brief_to(&text, limit));
        harmless(&escape::measured(&text, limit));
    }
}

/// Patterns, and a path that they are asked about.
pub fn exclude(data: &[u8]) {
    let mut taken = Taken(data);
    let path = taken.until(0);
    let text = String::from_utf8_lossy(taken.0);
    let Ok(excludes) = Patterns::new(text.lines().take(50)) else {
        return;
    };
    let clean = imgkit::layer::clean_path(path).path.into_owned();
    let left_out = excludes.matches(&clean);
    if excludes.is_empty() {
        assert!(!left_out);
    }
    // A last pattern that names all takes everything back, or nothing.
    for (last, expected) in [("**", true), ("!**", false)] {
        let more =
            Patterns::new(text.lines().take(50).chain([last])).expect("the same and one more");
        if !clean.is_empty() {
            assert_eq!(more.matches(&clean), expected, "{last}");
        }
    }
}

/// A template over a row and over what docker image inspect shows.
pub fn template(data: &[u8]) {
    static DATA: OnceLock<Value> = OnceLock::new();
    let value = DATA.get_or_init(|| {
        json!({"ID": "6e5f702b1450", "Size": "1.5MB", "N": 7, "F": 1.5, "Null": null, "Yes": true,
            "Names": ["a", "b\u{1b}[2J", "{{.ID}}"], "Env": null, "RepoTags": [],
            "Config": {"Labels": {"a": "b", "c\n": "<&>"}, "Cmd": ["x", "y"], "ExposedPorts": {"80/tcp": {}}},
            "RootFS": {"Type": "layers", "Layers": ["sha256:00"]}, "Created": "2020-01-02T03:04:05Z"})
    });
    let text = String::from_utf8_lossy(data);
    for shape in [Shape::ROW, Shape::INSPECT] {
        let Ok(template) = Template::parse(&text, shape) else {
            continue;
        };
        let first = template.render(value);
        let again = template.render(value);
        assert_eq!(first.as_ref().ok(), again.as_ref().ok());
        let _ = template.header([("ID", "IMAGE ID"), ("Size", "SIZE")]);
        let _ = template.uses("ID");
        if let (Ok(rendered), false) = (first, text.contains("{{")) {
            assert_eq!(rendered, text);
        }
    }
}
