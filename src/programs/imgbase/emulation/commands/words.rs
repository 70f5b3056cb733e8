//! Options and operands of a command.

/// A command's arguments, parsed.
pub(super) struct Words<'w> {
    /// Options in their order, each with its value.
    pub(super) options: Vec<(&'w str, Option<&'w str>)>,
    /// Arguments that are not options.
    pub(super) operands: Vec<&'w str>,
}

impl<'w> Words<'w> {
    /// Parses arguments. The options in `valued` take a value.
    pub(super) fn new(words: &[&'w str], valued: &[&str]) -> Self {
        let mut found = Words {
            options: Vec::new(),
            operands: Vec::new(),
        };
        let mut words = words.iter().copied();
        while let Some(word) = words.next() {
            if word == "--" {
                found.operands.extend(words.by_ref());
            } else if let Some(long) = word.strip_prefix("--") {
                match long.split_once('=') {
                    Some((name, value)) => {
                        found.options.push((&word[..name.len() + 2], Some(value)))
                    }
                    None if valued.contains(&word) => found.options.push((word, words.next())),
                    None => found.options.push((word, None)),
                }
            } else if word.starts_with('-') && word.len() > 1 {
                match valued.contains(&word) {
                    true => found.options.push((word, words.next())),
                    false => found.options.push((word, None)),
                }
            } else {
                found.operands.push(word);
            }
        }
        found
    }

    /// Returns whether an option is given.
    pub(super) fn has(&self, name: &str) -> bool {
        self.options.iter().any(|(option, _)| *option == name)
    }

    /// Returns the value of the first given option among synonyms.
    pub(super) fn value(&self, names: &[&str]) -> Option<&'w str> {
        let mut found = self
            .options
            .iter()
            .filter(|(option, _)| names.contains(option));
        found.next().and_then(|(_, value)| *value)
    }

    /// Returns whether a letter is among the short options.
    pub(super) fn letter(&self, letter: char) -> bool {
        let mut shorts = self
            .options
            .iter()
            .filter(|(option, _)| !option.starts_with("--"));
        shorts.any(|(option, _)| option.contains(letter))
    }

    /// Returns whether all options are among `known` or short ones among `letters`.
    pub(super) fn only(&self, known: &[&str], letters: &str) -> bool {
        self.options
            .iter()
            .all(|(option, _)| match option.strip_prefix("--") {
                Some(_) => known.contains(option),
                None => known.contains(option) || option[1..].chars().all(|c| letters.contains(c)),
            })
    }
}
