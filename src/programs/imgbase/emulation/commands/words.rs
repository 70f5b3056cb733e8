//! Options and operands of a command.

/// A command's arguments, parsed.
pub(super) struct Words<'w> {
    /// Options in their order, each with its value.
    pub(super) options: Vec<(&'w str, Option<&'w str>)>,
    /// Arguments that are not options.
    pub(super) operands: Vec<&'w str>,
}

impl<'w> Words<'w> {
    /// Parses arguments. The options in `valued`, which are separated by blanks, take a value.
    pub(super) fn new(words: &[&'w str], valued: &str) -> Self {
        let mut found = Words {
            options: Vec::new(),
            operands: Vec::new(),
        };
        let mut words = words.iter().copied();
        while let Some(word) = words.next() {
            if word == "--" {
                found.operands.extend(words.by_ref());
            } else if word == "-" || !word.starts_with('-') {
                found.operands.push(word);
            } else if let Some((name, value)) = word.split_once('=').filter(|_| is_long(word)) {
                found.options.push((name, Some(value)));
            } else {
                let value = lists(valued, word).then(|| words.next()).flatten();
                found.options.push((word, value));
            }
        }
        found
    }

    /// Returns the operand of a command that takes exactly one.
    pub(super) fn operand(&self) -> Option<&'w str> {
        match self.operands[..] {
            [one] => Some(one),
            _ => None,
        }
    }

    /// Returns whether an option is given.
    pub(super) fn has(&self, name: &str) -> bool {
        self.options.iter().any(|(option, _)| *option == name)
    }

    /// Returns the value of the first given option among synonyms, which are separated by blanks.
    pub(super) fn value(&self, names: &str) -> Option<&'w str> {
        let mut options = self.options.iter();
        options.find(|(option, _)| lists(names, option))?.1
    }

    /// Returns whether a letter is among the short options.
    pub(super) fn letter(&self, letter: char) -> bool {
        let mut options = self.options.iter();
        options.any(|(option, _)| !is_long(option) && option.contains(letter))
    }

    /// Checks that all options are in `known`, separated by blanks, or short ones among `letters`.
    pub(super) fn only(&self, known: &str, letters: &str) -> Option<()> {
        let is_short = |option: &str| option[1..].chars().all(|c| letters.contains(c));
        let mut options = self.options.iter();
        options
            .all(|(option, _)| lists(known, option) || !is_long(option) && is_short(option))
            .then_some(())
    }
}

fn is_long(option: &str) -> bool {
    option.starts_with("--")
}

/// Returns whether a word is in a list of words that are separated by blanks.
fn lists(list: &str, word: &str) -> bool {
    list.split(' ').any(|known| known == word)
}
