//! Vectors with typed positions, so that a position in one is no position in another.
//!
//! ```compile_fail
//! fn image_of(archive: &imgkit::archive::Archive, node: imgkit::archive::NodeIdx) {
//!     let _ = &archive.images[node];
//! }
//! ```

use std::iter::Map;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut, Index, IndexMut};
use std::slice;

/// Defines types of 32 bits for positions in an [`IndexVec`] or a similar table; they convert from and to `usize`.
macro_rules! index_types {
    ($($(#[$meta:meta])* $visibility:vis struct $name:ident;)+) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        $visibility struct $name(u32);

        impl From<usize> for $name {
            fn from(position: usize) -> Self {
                $name(u32::try_from(position).unwrap_or(u32::MAX))
            }
        }

        impl From<$name> for usize {
            fn from(position: $name) -> usize {
                position.0 as usize
            }
        }
    )+};
}
pub(crate) use index_types;

/// Vector whose positions are of type `I`, and otherwise a slice.
#[derive(Debug, Clone)]
pub struct IndexVec<I, T> {
    items: Vec<T>,
    index: PhantomData<I>,
}

impl<I: From<usize>, T> IndexVec<I, T> {
    /// Creates a vector that has a copy of `item` for each item of another.
    pub fn from_elem<U>(item: T, other: &IndexVec<I, U>) -> Self
    where
        T: Clone,
    {
        vec![item; other.len()].into()
    }

    /// Appends an item and returns its position.
    pub fn push(&mut self, item: T) -> I {
        self.items.push(item);
        I::from(self.items.len() - 1)
    }

    /// Returns the position of the next item that is pushed.
    pub fn next_index(&self) -> I {
        I::from(self.items.len())
    }

    /// Returns all positions in order.
    pub fn indices(&self) -> Map<std::ops::Range<usize>, fn(usize) -> I> {
        (0..self.items.len()).map(I::from)
    }

    /// Returns the items with their positions.
    pub fn iter_enumerated(&self) -> impl DoubleEndedIterator<Item = (I, &T)> + ExactSizeIterator {
        self.items
            .iter()
            .enumerate()
            .map(|(i, item)| (I::from(i), item))
    }
}

impl<I: Into<usize>, T> IndexVec<I, T> {
    /// Returns the item at a position; `None` past the end.
    pub fn get(&self, index: I) -> Option<&T> {
        self.items.get(index.into())
    }

    /// Returns the item at a position for changing it; `None` past the end.
    pub fn get_mut(&mut self, index: I) -> Option<&mut T> {
        self.items.get_mut(index.into())
    }
}

impl<I: Into<usize>, T> Index<I> for IndexVec<I, T> {
    type Output = T;

    fn index(&self, index: I) -> &T {
        &self.items[index.into()]
    }
}

impl<I: Into<usize>, T> IndexMut<I> for IndexVec<I, T> {
    fn index_mut(&mut self, index: I) -> &mut T {
        &mut self.items[index.into()]
    }
}

impl<I, T> Deref for IndexVec<I, T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.items
    }
}

impl<I, T> DerefMut for IndexVec<I, T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.items
    }
}

impl<I, T> Default for IndexVec<I, T> {
    fn default() -> Self {
        Vec::new().into()
    }
}

impl<I, T> From<Vec<T>> for IndexVec<I, T> {
    fn from(items: Vec<T>) -> Self {
        let index = PhantomData;
        IndexVec { items, index }
    }
}

impl<I, T> FromIterator<T> for IndexVec<I, T> {
    fn from_iter<A: IntoIterator<Item = T>>(items: A) -> Self {
        Vec::from_iter(items).into()
    }
}

impl<I, T> IntoIterator for IndexVec<I, T> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;

    fn into_iter(self) -> std::vec::IntoIter<T> {
        self.items.into_iter()
    }
}

impl<'a, I, T> IntoIterator for &'a IndexVec<I, T> {
    type Item = &'a T;
    type IntoIter = slice::Iter<'a, T>;

    fn into_iter(self) -> slice::Iter<'a, T> {
        self.items.iter()
    }
}
