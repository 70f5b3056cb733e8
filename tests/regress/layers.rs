//! Layers that are not those of the config, and who verifies what.
