//! Sets of entries of a layer.

/// Numbers of entries, from 1. Memory: one byte for each number up to the greatest.
#[derive(Debug, Clone, Default)]
pub struct EntrySet(Vec<bool>);

impl EntrySet {
    /// Tests if an entry is in the set.
    pub fn contains(&self, entry: u64) -> bool {
        let at = usize::try_from(entry).ok();
        at.and_then(|at| self.0.get(at)).is_some_and(|is_in| *is_in)
    }

    /// Adds an entry; returns false if it was there.
    pub fn insert(&mut self, entry: u64) -> bool {
        let Ok(at) = usize::try_from(entry) else {
            return true;
        };
        if at >= self.0.len() {
            self.0.resize(at.saturating_add(1), false);
        }
        let is_in = self.0.get_mut(at);
        is_in.is_some_and(|is_in| !std::mem::replace(is_in, true))
    }

    /// Removes an entry.
    pub fn remove(&mut self, entry: u64) {
        let at = usize::try_from(entry).ok();
        if let Some(is_in) = at.and_then(|at| self.0.get_mut(at)) {
            *is_in = false;
        }
    }

    /// The entries in their order.
    pub fn iter(&self) -> impl Iterator<Item = u64> {
        let entries = self.0.iter().enumerate().filter(|(_, is_in)| **is_in);
        entries.map(|(entry, _)| entry as u64)
    }
}

impl FromIterator<u64> for EntrySet {
    fn from_iter<I: IntoIterator<Item = u64>>(entries: I) -> Self {
        let mut all = EntrySet::default();
        entries.into_iter().for_each(|entry| {
            all.insert(entry);
        });
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_in_it_until_they_are_removed() {
        let mut set = EntrySet::default();
        assert!(!set.contains(3) && set.iter().next().is_none());
        assert!(set.insert(3) && !set.insert(3) && set.insert(1));
        set.remove(7);
        assert_eq!(set.iter().collect::<Vec<_>>(), [1, 3]);
        set.remove(3);
        assert!(set.contains(1) && !set.contains(3));
        assert_eq!(
            [2, 5].into_iter().collect::<EntrySet>().iter().sum::<u64>(),
            7
        );
    }
}
