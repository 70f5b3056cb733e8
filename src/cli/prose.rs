//! Prose of manual pages, in a small subset of Markdown.
//!
//! A page has a title (`# imgls`) and sections (`## Filters`). A section has paragraphs, then a list of terms, each
//! on a line that starts with "- `TERM`: meaning" and on indented lines after it. Code spans in paragraphs and
//! meanings are bold in a manual page; help shows them without their backticks.

/// Prose of one page.
#[derive(Debug)]
pub struct Prose {
    sections: Vec<Section>,
}

/// Terms and their meanings.
pub type Terms = Vec<(String, String)>;

/// Section of a page.
#[derive(Debug, Default)]
pub struct Section {
    /// Title, as in `Exit status`.
    pub title: String,
    /// Paragraphs, each on one line, with the backticks of code spans.
    pub paragraphs: Vec<String>,
    /// Terms and their meanings.
    pub terms: Terms,
}

/// Titles of the sections that have a fixed position in a manual page.
const FIXED: [&str; 6] = [
    "Description",
    "Output format",
    "Exit status",
    "Environment",
    "Examples",
    "See also",
];

impl Prose {
    /// Parses the text of a page. Text before the first section is ignored.
    pub fn parse(text: &str) -> Prose {
        let mut sections: Vec<Section> = Vec::new();
        for block in text.split("\n\n").map(str::trim) {
            if let Some(title) = block.strip_prefix("## ") {
                sections.push(Section {
                    title: title.to_owned(),
                    ..Section::default()
                });
            } else if let Some(section) = sections.last_mut() {
                match block.strip_prefix("- ") {
                    Some(items) => section.terms.extend(items.split("\n- ").map(term)),
                    None => section.paragraphs.push(joined(block)),
                }
            }
        }
        Prose { sections }
    }

    /// Returns the section with this title; an empty one if it is missing.
    pub fn section(&self, title: &str) -> &Section {
        const MISSING: &Section = &Section {
            title: String::new(),
            paragraphs: Vec::new(),
            terms: Vec::new(),
        };
        let mut sections = self.sections.iter();
        sections
            .find(|section| section.title == title)
            .unwrap_or(MISSING)
    }

    /// Returns all sections in the order of the text.
    pub fn sections(&self) -> impl Iterator<Item = &Section> {
        self.sections.iter()
    }

    /// Returns the sections that only this page has, in the order of the text.
    pub fn own(&self) -> impl Iterator<Item = &Section> {
        let sections = self.sections.iter();
        sections.filter(|section| !FIXED.contains(&section.title.as_str()))
    }
}

/// Text of a block on one line.
fn joined(block: &str) -> String {
    let lines: Vec<&str> = block.lines().map(str::trim).collect();
    lines.join(" ")
}

/// Term and meaning of a list item: "`TERM`: meaning".
fn term(item: &str) -> (String, String) {
    let item = joined(item);
    let (term, meaning) = item.split_once("`: ").unwrap_or((&item, ""));
    (term.replace('`', ""), meaning.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_have_paragraphs_and_terms() {
        let text = "# imgls\n\n## Description\n\nLists `*`\nimages.\n\nMore.\n\n## Exit status\n\n\
                    - `0`: done\n- `1, 2`:\n  not\n  done\n\n## Filters\n\n- `a: b`: c\n";
        let prose = Prose::parse(text);
        let description = prose.section("Description");
        assert_eq!(description.paragraphs, ["Lists `*` images.", "More."]);
        let statuses = &prose.section("Exit status").terms;
        let expected = [("0", "done"), ("1, 2", "not done")];
        assert_eq!(
            *statuses,
            expected.map(|(term, meaning)| (term.to_owned(), meaning.to_owned()))
        );
        let own: Vec<&str> = prose.own().map(|section| section.title.as_str()).collect();
        assert_eq!(own, ["Filters"]);
        assert!(prose.section("See also").paragraphs.is_empty());
        assert_eq!(prose.section("Filters").terms[0].0, "a: b");
    }
}
