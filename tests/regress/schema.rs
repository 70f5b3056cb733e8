//! Documents that break the rules of the image specification, as imgverify and imgload report them.
