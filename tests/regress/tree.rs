//! Layers applied, imports and commits.
