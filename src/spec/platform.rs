//! Platforms of images and machines.

use std::fmt;

use super::json::{self, Node};
use crate::error::{Error, Result};

/// Operating system and processor, in Go's words (`linux`, `amd64`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Platform {
    /// `linux`, `windows`, …; empty when not stated.
    pub os: String,
    /// `amd64`, `arm64`, …; empty when not stated.
    pub architecture: String,
    /// `v7`, `v8`, …; `None` when not stated.
    pub variant: Option<String>,
    /// Minimum version of the operating system, on Windows.
    pub os_version: Option<String>,
}

impl Platform {
    /// Returns the platform this program runs on.
    pub fn host() -> Self {
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "x86" => "386",
            "aarch64" => "arm64",
            "powerpc64" if cfg!(target_endian = "little") => "ppc64le",
            "loongarch64" => "loong64",
            other => other,
        };
        let os = match std::env::consts::OS {
            "macos" => "linux", // images for containers there are Linux images
            other => other,
        };
        Platform {
            os: os.into(),
            architecture: architecture.into(),
            variant: None,
            os_version: None,
        }
    }

    /// Parses `os/architecture[/variant]`, or an architecture or operating system alone, as docker does.
    ///
    /// # Errors
    /// `Usage` for a text with empty parts or more than three parts.
    pub fn parse(text: &str) -> Result<Self> {
        let parts: Vec<&str> = text.split('/').collect();
        let malformed = |part: &&str| {
            let word = |b: u8| b.is_ascii_alphanumeric() || b"_-.".contains(&b);
            part.is_empty() || !part.bytes().all(word)
        };
        if parts.iter().any(malformed) || parts.len() > 3 {
            let why = format!("invalid platform '{text}': expected os/architecture[/variant]");
            return Err(Error::usage(why));
        }
        let host = Platform::host();
        let known_os = |os: &str| {
            matches!(
                os,
                "linux" | "windows" | "darwin" | "freebsd" | "wasip1" | "wasi"
            )
        };
        let mut platform = match parts[..] {
            [os] if known_os(&os.to_ascii_lowercase()) => Platform {
                os: os.to_ascii_lowercase(),
                ..host
            },
            [architecture] => Platform {
                architecture: architecture.to_ascii_lowercase(),
                ..host
            },
            _ => Platform {
                os: parts[0].to_ascii_lowercase(),
                architecture: parts[1].to_ascii_lowercase(),
                variant: parts.get(2).map(|v| v.to_ascii_lowercase()),
                os_version: None,
            },
        };
        let (architecture, variant) = match platform.architecture.as_str() {
            "x86_64" | "x86-64" => ("amd64", None),
            "aarch64" => ("arm64", None),
            "armhf" => ("arm", Some("v7")),
            "armel" => ("arm", Some("v6")),
            "i386" | "i686" => ("386", None),
            _ => return Ok(platform),
        };
        platform.architecture = architecture.into();
        platform.variant = platform.variant.or(variant.map(str::to_owned));
        Ok(platform)
    }

    /// Parses the platform object of a descriptor, or the fields of the same names of a config.
    pub fn from_node(node: &Node<'_>) -> Result<Self> {
        Ok(Platform {
            os: json::opt_text(node, "os")?.unwrap_or_default(),
            architecture: json::opt_text(node, "architecture")?.unwrap_or_default(),
            variant: json::opt_text(node, "variant")?.filter(|variant| !variant.is_empty()),
            os_version: json::opt_text(node, "os.version")?.filter(|version| !version.is_empty()),
        })
    }

    /// Tests if an image for this platform satisfies `wanted`. A missing variant equals the default one.
    pub fn satisfies(&self, wanted: &Platform) -> bool {
        self.os == wanted.os
            && self.architecture == wanted.architecture
            && self.effective_variant() == wanted.effective_variant()
            && (wanted.os_version.is_none() || self.os_version == wanted.os_version)
    }

    /// Completes the platform of a config from a descriptor in an index: all fields if the config states none, variant
    /// and version of the operating system if both state the same machine.
    #[must_use]
    pub fn completed_by(&self, descriptor: Option<&Platform>) -> Platform {
        let Some(descriptor) = descriptor else {
            return self.clone();
        };
        if self.os.is_empty() && self.architecture.is_empty() {
            return descriptor.clone();
        }
        let mut completed = self.clone();
        if (&self.os, &self.architecture) == (&descriptor.os, &descriptor.architecture) {
            completed.variant = completed.variant.or_else(|| descriptor.variant.clone());
            completed.os_version = completed
                .os_version
                .or_else(|| descriptor.os_version.clone());
        }
        completed
    }

    /// Tests if both are one platform, a missing variant being the default one. Other compatible platforms are not
    /// accepted.
    pub fn is_same_as(&self, other: &Platform) -> bool {
        self.os == other.os
            && self.architecture == other.architecture
            && self.effective_variant() == other.effective_variant()
            && (other.os_version.is_none() || self.os_version == other.os_version)
    }

    /// Ranks an image for this platform for `wanted`: 0 is best, `None` cannot run.
    ///
    /// Of other variants of the processor only compatible ones are ranked, the newest first: for `arm/v7` these are v6,
    /// v5 and no variant, for `arm64/v9` and `amd64/v3` the older ones (containerd, `platforms.Only`).
    pub fn rank(&self, wanted: &Platform) -> Option<u32> {
        let nothing_stated = self.architecture == "arm" && self.variant.is_none();
        if self.satisfies(wanted) && !nothing_stated {
            // A stated variant precedes the default one left out.
            let stated = wanted.variant.is_none() || self.variant == wanted.variant;
            return Some(u32::from(!stated));
        }
        let is_same = self.os == wanted.os
            && self.architecture == wanted.architecture
            && (wanted.os_version.is_none() || self.os_version == wanted.os_version);
        if !is_same {
            return None;
        }
        let architecture = self.architecture.as_str();
        let number = |variant: Option<&str>| {
            let (major, minor) = variant?
                .strip_prefix('v')
                .map(|text| text.split_once('.').unwrap_or((text, "0")))?;
            Some((major.parse::<u32>().ok()?, minor.parse::<u32>().ok()?))
        };
        let (major, minor) = number(wanted.effective_variant())?;
        let (own_major, own_minor) = match (architecture, &self.variant) {
            // It may need any variant: containers/image ranks it last.
            ("arm", None) => return Some(u32::MAX),
            _ => number(self.effective_variant())?,
        };
        // ARMv9.n has all of ARMv8.(n+5).
        let (own, most) = match (architecture, major.checked_sub(own_major)?) {
            ("arm64", 1) if major == 9 => (own_minor, minor.saturating_add(5)),
            ("arm64", 0) => (own_minor, minor),
            ("amd64", _) | ("arm", _)
                if own_minor == 0 && (architecture != "arm" || own_major >= 5) =>
            {
                (0, 0)
            }
            _ => return None,
        };
        let behind = (major - own_major).saturating_mul(1000);
        let behind = behind.saturating_add(most.checked_sub(own)?);
        Some(behind.saturating_add(2).min(u32::MAX - 1))
    }

    fn effective_variant(&self) -> Option<&str> {
        match (self.architecture.as_str(), self.variant.as_deref()) {
            ("arm", None) => Some("v7"),
            ("arm64", None) => Some("v8"),
            ("amd64", None) => Some("v1"),
            (_, variant) => variant,
        }
    }

    /// Tests if it is BuildKit's placeholder for attestations.
    pub fn is_unknown(&self) -> bool {
        self.os == "unknown" && self.architecture == "unknown"
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let or_unknown = |text: &str| {
            if text.is_empty() {
                "unknown".to_owned()
            } else {
                text.to_owned()
            }
        };
        write!(
            f,
            "{}/{}",
            or_unknown(&self.os),
            or_unknown(&self.architecture)
        )?;
        match &self.variant {
            Some(variant) => write!(f, "/{variant}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_variant_may_be_omitted() {
        let wanted = Platform::parse("linux/arm64").expect("a platform");
        assert!(
            Platform::parse("linux/arm64/v8")
                .expect("a platform")
                .satisfies(&wanted)
        );
        assert!(
            !Platform::parse("linux/arm/v6")
                .expect("a platform")
                .satisfies(&wanted)
        );
        assert_eq!(
            Platform::parse("linux/armhf")
                .expect("a platform")
                .to_string(),
            "linux/arm/v7"
        );
    }

    #[test]
    fn older_variants_run_on_newer_processors() {
        let rank = |image: &str, wanted: &str| {
            let parse = |text| Platform::parse(text).expect("a platform");
            parse(image).rank(&parse(wanted))
        };
        let order = ["linux/arm/v7", "linux/arm/v6", "linux/arm/v5"];
        let ranks: Vec<_> = order
            .iter()
            .map(|image| rank(image, "linux/arm/v7"))
            .collect();
        assert!(
            ranks.is_sorted() && ranks.iter().all(Option::is_some),
            "{ranks:?}"
        );
        for (image, wanted) in [
            ("linux/arm/v7", "linux/arm/v6"),
            ("linux/arm/v4", "linux/arm/v7"),
            ("linux/amd64/v2", "linux/amd64"),
            ("linux/amd64/v3", "linux/amd64/v2"),
            ("linux/arm64/v9", "linux/arm64/v8"),
            ("linux/arm/v7", "linux/arm64"),
            ("linux/386", "linux/amd64"),
        ] {
            assert_eq!(rank(image, wanted), None, "{image} for {wanted}");
        }
        assert!(rank("linux/amd64/v2", "linux/amd64/v3") < rank("linux/amd64", "linux/amd64/v3"));
        assert!(rank("linux/arm64/v8", "linux/arm64/v9").is_some());
    }

    #[test]
    fn empty_parts_are_refused() {
        for text in ["", "/", "linux/", "a/b/c/d", "a b c", "linux/am\u{202e}d64"] {
            assert!(Platform::parse(text).is_err(), "{text:?}");
        }
    }
}
