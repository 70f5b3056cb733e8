//! The request: variant, included and excluded packages, preferences.

use super::universe::{Candidate, Choice, Universe};
use crate::base::debian::relation::Relation;
use crate::base::debian::version::Version;
use crate::error::{Candidates, Error, Fault, Result};

/// Request to the solver.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// Initial set of packages.
    pub variant: Variant,
    /// Requested packages.
    pub include: Vec<Wanted>,
    /// Excluded packages.
    pub exclude: Vec<Wanted>,
    /// Names of packages that are preferred among alternatives.
    pub prefer: Vec<String>,
    /// Names that count as satisfied in any version, without a package being taken.
    pub assume: Vec<String>,
    /// Also take recommended packages where possible.
    pub recommends: bool,
}

/// Initial set of packages of a system.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Variant {
    /// No packages.
    #[default]
    None,
    /// Packages with `Essential: yes`.
    Essential,
    /// Also packages of priority required, and apt.
    Minbase,
    /// Also packages of priority important.
    Important,
    /// Also packages of priority standard.
    Standard,
}

/// Package selected by name: `NAME[:ARCH][=VERSION | /SUITE]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Text as typed.
    pub(super) text: String,
    pub(super) name: String,
    architecture: Option<String>,
    version: Option<String>,
    suite: Option<String>,
}

impl Wanted {
    /// Parses a selection.
    ///
    /// # Errors
    /// `Usage` for an invalid selection.
    pub fn parse(text: &str) -> Result<Self> {
        let bad = |why: &str| {
            let why =
                format!("'{text}': {why}: expected NAME, NAME:ARCH, NAME=VERSION or NAME/SUITE");
            Error::from(Fault::Usage(why))
        };
        let (name, version, suite) = match (text.split_once('='), text.split_once('/')) {
            (Some((name, version)), _) => (name, Some(version), None),
            (None, Some((name, suite))) => (name, None, Some(suite)),
            (None, None) => (text, None, None),
        };
        // Relations have the same grammar for name and architecture.
        let parsed = Relation::parse(name).map_err(|_| bad("invalid package name"))?;
        if parsed.to_string() != name || parsed.version.is_some() {
            return Err(bad("invalid package name"));
        }
        if let Some(version) = version {
            Version::parse(version).map_err(|_| bad("invalid version"))?;
        }
        if suite.is_some_and(str::is_empty) {
            return Err(bad("missing suite after '/'"));
        }
        Ok(Wanted {
            text: text.to_owned(),
            name: parsed.name.to_owned(),
            architecture: parsed.qualifier.map(str::to_owned),
            version: version.map(str::to_owned),
            suite: suite.map(str::to_owned),
        })
    }

    /// Returns the selection as typed.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the package name.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn fits(&self, universe: &Universe<'_>, choice: Choice) -> Result<bool> {
        let candidate = universe.candidate(choice);
        let version = self.version.as_deref().map(Version::parse).transpose()?;
        let machine = match self.architecture.as_deref() {
            None | Some("any") => None,
            Some("native") => Some(universe.native()),
            Some(architecture) => Some(architecture),
        };
        Ok(version.is_none_or(|version| version == candidate.version)
            && self
                .suite
                .as_deref()
                .is_none_or(|suite| suite == candidate.suite)
            && machine.is_none_or(|machine| {
                machine == candidate.architecture || machine == universe.machine(candidate)
            }))
    }

    /// Returns the matching packages, best first: those of the name or, if there are none, its providers.
    ///
    /// # Errors
    /// `NoSuchPackage` if there are none.
    pub(in crate::base::debian) fn choices(&self, universe: &Universe<'_>) -> Result<Vec<Choice>> {
        let mut found = Vec::new();
        for choice in universe.named(&self.name) {
            if self.fits(universe, choice)? {
                found.push(choice);
            }
        }
        if universe.named(&self.name).next().is_none() && self.version.is_none() {
            for (choice, _) in universe.providers(&self.name) {
                if self.fits(universe, *choice)? {
                    found.push(*choice);
                }
            }
        }
        let is_native = |choice: &Choice| universe.is_native(*choice);
        if self.architecture.is_none() && found.iter().any(is_native) {
            found.retain(is_native);
        }
        if !found.is_empty() {
            return Ok(found);
        }
        let available = universe.named(&self.name).map(|choice| {
            let candidate = universe.candidate(choice);
            let Candidate {
                name,
                version,
                architecture,
                ..
            } = candidate;
            format!("{name}:{architecture}={version}")
        });
        Err(Error::from(Fault::NoSuchPackage {
            wanted: self.text.clone(),
            candidates: available.collect::<Candidates>(),
        }))
    }
}
