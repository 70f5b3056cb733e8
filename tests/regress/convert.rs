//! Names, media types and referrers through imgconvert and imgsave.
