//! Dockerfiles of other builders.
