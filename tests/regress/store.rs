//! Names, removal and listing in the local store.
