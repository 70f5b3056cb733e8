//! Facts of docker's Go types that JSON lacks.

/// Facts of docker's Go types about fields of JSON data, on any level.
#[derive(Debug, Clone, Copy, Default)]
pub struct Shape {
    /// Fields that are lists: their `null` prints as `[]` (and is `null` in `json`).
    pub lists: &'static [&'static str],
    /// Fields that are maps of strings with arbitrary keys: their `null` prints as `map[]`, a missing key is
    /// `<no value>` instead of an error, and `index` returns an empty string for it.
    pub maps: &'static [&'static str],
    /// Fields that are sets: like `maps`, and `{}` in them prints as `{}`.
    pub sets: &'static [&'static str],
    /// Fields that are nanoseconds and print as Go's durations, `1m30s`: the object's own field name and the field.
    pub durations: &'static [(&'static str, &'static str)],
    /// Fields that JSON may omit: the object's own field name (empty for the outermost), the field, and its value
    /// then.
    pub absent: &'static [(&'static str, &'static str, Zero)],
    /// Other names of fields, and the names they have in JSON: Go's field `ID` is `Id` there.
    pub aliases: &'static [(&'static str, &'static str)],
    /// True if the outermost object is a row of a listing: `{{json .}}` then sorts its keys and escapes `<`, `>` and
    /// `&` as Go's `json.Marshal` does.
    pub row: bool,
}

/// Go's value of a missing field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Zero {
    /// A nil list, `[]`.
    List,
    /// A nil map, `map[]`.
    Map,
    /// A nil pointer.
    Nil,
    /// An empty text.
    Text,
    /// `false`.
    False,
    /// The number 0.
    Number,
    /// A duration of 0.
    Duration,
}

impl Shape {
    /// A row of a listing: docker images, docker history.
    pub const ROW: Shape = Shape {
        lists: &[],
        maps: &[],
        sets: &[],
        durations: &[],
        absent: &[],
        aliases: &[],
        row: true,
    };

    /// The output of docker image inspect.
    pub const INSPECT: Shape = Shape {
        lists: &[
            "RepoTags",
            "RepoDigests",
            "Env",
            "Cmd",
            "Entrypoint",
            "OnBuild",
            "Shell",
            "Layers",
            "Test",
        ],
        maps: &["Labels", "Data"],
        sets: &["ExposedPorts", "Volumes"],
        durations: &[
            ("Healthcheck", "Interval"),
            ("Healthcheck", "Timeout"),
            ("Healthcheck", "StartPeriod"),
            ("Healthcheck", "StartInterval"),
        ],
        absent: &[
            ("", "Comment", Zero::Text),
            ("", "Author", Zero::Text),
            ("", "Variant", Zero::Text),
            ("", "OsVersion", Zero::Text),
            ("Config", "User", Zero::Text),
            ("Config", "WorkingDir", Zero::Text),
            ("Config", "StopSignal", Zero::Text),
            ("Config", "Env", Zero::List),
            ("Config", "Cmd", Zero::List),
            ("Config", "Entrypoint", Zero::List),
            ("Config", "OnBuild", Zero::List),
            ("Config", "Shell", Zero::List),
            ("Config", "Labels", Zero::Map),
            ("Config", "Volumes", Zero::Map),
            ("Config", "ExposedPorts", Zero::Map),
            ("Config", "ArgsEscaped", Zero::False),
            ("Config", "Healthcheck", Zero::Nil),
            ("Healthcheck", "Test", Zero::List),
            ("Healthcheck", "Interval", Zero::Duration),
            ("Healthcheck", "Timeout", Zero::Duration),
            ("Healthcheck", "StartPeriod", Zero::Duration),
            ("Healthcheck", "StartInterval", Zero::Duration),
            ("Healthcheck", "Retries", Zero::Number),
        ],
        aliases: &[("ID", "Id")],
        row: false,
    };
}
