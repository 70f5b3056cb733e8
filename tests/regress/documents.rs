//! Documents that engines read otherwise, and texts that are no valid Unicode.
