//! Paths in image configs and Dockerfiles.

/// Joins a path to an absolute directory, without `.`, `..` and repeated slashes. An absolute `path` replaces the
/// directory.
pub fn join_paths(directory: &str, path: &str) -> String {
    let directory = if path.starts_with('/') { "" } else { directory };
    let mut components: Vec<&str> = Vec::new();
    for component in directory.split('/').chain(path.split('/')) {
        match component {
            "" | "." => {}
            ".." => {
                components.pop();
            }
            component => components.push(component),
        }
    }
    format!("/{}", components.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_joined_and_normalised() {
        for (directory, path, expected) in [
            ("/app", "src", "/app/src"),
            ("/app/", "./a//b/.", "/app/a/b"),
            ("/app", "../etc", "/etc"),
            ("/app", "../../../etc", "/etc"),
            ("/app", "/etc/../usr", "/usr"),
            ("", "a", "/a"),
            ("/", "..", "/"),
        ] {
            assert_eq!(join_paths(directory, path), expected, "{directory} {path}");
        }
    }
}
