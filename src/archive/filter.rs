//! Filters of `--filter`.

use super::{Image, Name};
use crate::error::{Error, Result};
use crate::glob::{Dialect, Glob};
use crate::spec::{Reference, Timestamp};

/// Filter of `--filter`, in docker's words.
#[derive(Debug, Clone)]
pub enum Filter {
    /// `reference=GLOB`: name, with or without its tag.
    Reference(Glob),
    /// `dangling=true|false`: untagged or tagged images.
    Dangling(bool),
    /// `label=KEY` or `label=KEY=VALUE`.
    Label(String, Option<String>),
    /// `before=IMAGE`: created before that image.
    Before(String),
    /// `since=IMAGE`: created after that image.
    Since(String),
    /// `until=TIME`: created before that time.
    Until(Timestamp),
}

impl Filter {
    /// Parses `KEY=VALUE`; ages are relative to `now`.
    ///
    /// # Errors
    /// `Usage` for an unknown key or an invalid value.
    pub fn parse(text: &str, now: Timestamp) -> Result<Self> {
        let usage = |why: String| Err(Error::usage(why));
        let Some((key, value)) = Filter::split(text) else {
            return usage(format!("filter '{text}': expected KEY=VALUE"));
        };
        match key.as_str() {
            // Names are listed and matched without the default host.
            "reference" => match Glob::new(Reference::without_default(value), Dialect::Go) {
                Ok(glob) => Ok(Filter::Reference(glob)),
                Err(why) => usage(format!("filter '{text}': invalid pattern: {why}")),
            },
            "dangling" => match value.to_ascii_lowercase().as_str() {
                "true" | "1" | "t" => Ok(Filter::Dangling(true)),
                "false" | "0" | "f" => Ok(Filter::Dangling(false)),
                _ => usage(format!("filter '{text}': expected true or false")),
            },
            "label" => Ok(match value.split_once('=') {
                Some((key, value)) => Filter::Label(key.into(), Some(value.into())),
                None => Filter::Label(value.into(), None),
            }),
            "before" => Ok(Filter::Before(value.into())),
            "since" => Ok(Filter::Since(value.into())),
            "until" => match until(value, now) {
                Some(time) => Ok(Filter::Until(time)),
                None => usage(format!(
                    "filter '{text}': expected a time in RFC 3339, seconds, or an age like 24h"
                )),
            },
            _ => usage(format!(
                "filter '{text}': unknown key: expected reference, dangling, label, before, since or until"
            )),
        }
    }

    /// Splits `KEY=VALUE` into the key in lower case and the value, both trimmed, as docker does.
    pub fn split(text: &str) -> Option<(String, &str)> {
        let (key, value) = text.split_once('=')?;
        Some((key.trim().to_lowercase(), value.trim()))
    }

    /// Tests if the filter reads labels, and so configs.
    pub fn label_matches(&self, image: &Image) -> bool {
        let Filter::Label(key, value) = self else {
            return true;
        };
        let labels = image.config.labels();
        labels
            .iter()
            .any(|(k, v)| k == key && value.as_ref().is_none_or(|value| value == v))
    }

    /// Tests if a creation time, as written, satisfies `until=`; an unknown time does not.
    pub fn time_matches(&self, created: Option<&str>) -> bool {
        let Filter::Until(until) = self else {
            return true;
        };
        created
            .and_then(Timestamp::parse)
            .is_some_and(|created| created.nanoseconds() < until.nanoseconds())
    }

    /// Tests if a name satisfies `reference=`: alone, with its tag, or in full.
    pub fn reference_matches(&self, name: Option<&Name>) -> bool {
        let Filter::Reference(glob) = self else {
            return true;
        };
        let Some(name) = name else { return false };
        glob.is_match(name.to_string().as_bytes())
            || name
                .repository()
                .is_some_and(|repository| glob.is_match(repository.as_bytes()))
    }
}

/// Parses a time, or an age as Go writes durations.
fn until(text: &str, now: Timestamp) -> Option<Timestamp> {
    if let Some(time) = Timestamp::parse(text) {
        return Some(time);
    }
    if let Ok(seconds) = text.parse::<i64>() {
        return Some(Timestamp::from_unix(seconds, 0));
    }
    let (mut rest, mut age) = (text, 0i64);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: i64 = rest.get(..digits)?.parse().ok()?;
        let unit = match rest.as_bytes().get(digits)? {
            b'h' => 3600,
            b'm' => 60,
            b's' => 1,
            _ => return None,
        };
        age = age.checked_add(number.checked_mul(unit)?)?;
        rest = rest.get(digits + 1..)?;
    }
    (!text.is_empty()).then(|| Timestamp::from_unix(now.seconds().saturating_sub(age), 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(text: &str) -> Result<Filter> {
        Filter::parse(text, Timestamp::from_unix(0, 0))
    }

    #[test]
    fn ages_and_times() {
        let now = Timestamp::from_unix(1_000_000, 0);
        let at = |text| until(text, now).map(Timestamp::seconds);
        assert_eq!(at("24h"), Some(1_000_000 - 86_400));
        assert_eq!(at("1h30m5s"), Some(1_000_000 - 5405));
        assert_eq!(at("12345"), Some(12345));
        assert_eq!(at("1970-01-02T00:00:00Z"), Some(86_400));
        for bad in ["", "h", "1d", "1h2", "-", "99999999999999999999h"] {
            assert_eq!(at(bad), None, "{bad}");
        }
    }

    fn matches(pattern: &str, name: &str) -> bool {
        filter(&format!("reference={pattern}"))
            .expect("a filter")
            .reference_matches(Some(&Name::from_repo_tag(name)))
    }

    #[test]
    fn references_match_as_in_docker() {
        assert!(matches("alpine", "docker.io/library/alpine:3"));
        assert!(matches("alp*:3*", "alpine:3.10"));
        assert!(matches("corpus/*", "corpus/classic:1"));
        assert!(!matches("corpus*", "corpus/classic:1"));
        assert!(!matches("**", "corpus/classic:1"));
        assert!(matches("*/*:[0-9]", "corpus/classic:1"));
        assert!(!matches("{alpine,busybox}", "alpine:3"));
        assert!(matches("[^b]lpine", "alpine:3"));
        assert!(!matches("[^a]lpine", "alpine:3"));
        assert!(matches("my[\\-_]app", "my-app:1"));
        assert!(matches("my[a-z\\-]app", "my-app:1"));
        assert!(matches("[!-z]lpine", "alpine:3"));
        assert!(!matches("[!]lpine", "alpine:3"));
        assert!(matches("\\alpine", "alpine:3"));
        for malformed in ["[", "[a", "[]", "[]a]", "[^]", "[-a]", "[a-]", "a\\"] {
            assert!(
                filter(&format!("reference={malformed}")).is_err(),
                "{malformed}"
            );
        }
    }

    #[test]
    fn unknown_filters_are_refused() {
        assert!(filter("size=1").is_err());
        assert!(filter("dangling=maybe").is_err());
        assert!(filter("reference").is_err());
    }
}
