//! Published rules as tables: the schemas of the image specification (`schema/*.json` there); for docker's additions
//! and omissions, the types that its engine decodes.
//!
//! The fields that engines read and require were determined by testing docker 20.10 and skopeo 1.9 field by field. The
//! version in `oci-layout` (`image-layout-schema.json`) is checked where layouts are opened.

use super::form::{BASE64, LAYERS, MEDIA_TYPE, TIME, URI, VARIABLE};
use super::rule::{Field, Rule};

const fn optional(name: &'static str, rule: Rule) -> Field {
    Field::optional(name, rule)
}

const fn required(name: &'static str, rule: Rule) -> Field {
    Field::required(name, rule)
}

const fn vital(name: &'static str, rule: Rule) -> Field {
    Field::vital(name, rule)
}

const fn unread(name: &'static str, rule: Rule) -> Field {
    Field::unread(name, rule)
}

const ANY_INTEGER: Rule = Rule::Integer(i64::MIN, i64::MAX);
const SIZE: Rule = Rule::Integer(0, i64::MAX);
const MEDIA: Rule = Rule::Formed(MEDIA_TYPE);
const URLS: Rule = Rule::List(&Rule::Formed(URI));
const TEXTS: Rule = Rule::List(&Rule::Text);
const STRINGS: Rule = Rule::Map(&Rule::Text);
const OBJECTS: Rule = Rule::Map(&Rule::Object(&[]));
const SCHEMA_VERSION: Field = required("schemaVersion", Rule::Integer(2, 2));

/// Fields that every descriptor needs. Without digest or size imgkit refuses it.
const POINTER: &[Field] = &[
    required("mediaType", MEDIA),
    vital("digest", Rule::Digest),
    vital("size", SIZE),
    optional("urls", URLS),
];

/// Other fields of `content-descriptor.json`.
const MORE: &[Field] = &[
    optional("data", Rule::Formed(BASE64)),
    optional("artifactType", MEDIA),
    optional("annotations", STRINGS),
];

/// `content-descriptor.json`.
const DESCRIPTOR: Rule = Rule::Object(&[POINTER, MORE]);

/// Platform of `image-index-schema.json`.
const PLATFORM: Rule = Rule::Object(&[&[
    required("architecture", Rule::Text),
    required("os", Rule::Text),
    optional("os.version", Rule::Text),
    optional("os.features", TEXTS),
    optional("variant", Rule::Text),
]]);

/// `image-index-schema.json`.
pub(super) const INDEX: Rule = Rule::Object(&[&[
    SCHEMA_VERSION,
    optional("mediaType", MEDIA),
    unread("artifactType", MEDIA),
    unread("subject", DESCRIPTOR),
    required(
        "manifests",
        Rule::List(&Rule::Object(&[
            POINTER,
            MORE,
            &[optional("platform", PLATFORM)],
        ])),
    ),
    optional("annotations", STRINGS),
]]);

/// Docker manifest list: states its media type, and each item has a platform.
pub(super) const DOCKER_LIST: Rule = Rule::Object(&[&[
    SCHEMA_VERSION,
    required("mediaType", MEDIA),
    required(
        "manifests",
        Rule::List(&Rule::Object(&[POINTER, &[required("platform", PLATFORM)]])),
    ),
]]);

/// `image-manifest-schema.json`.
pub(super) const MANIFEST: Rule = Rule::Object(&[&[
    SCHEMA_VERSION,
    optional("mediaType", MEDIA),
    unread("artifactType", MEDIA),
    optional("subject", DESCRIPTOR),
    required("config", DESCRIPTOR),
    required("layers", Rule::NotEmpty(&DESCRIPTOR)),
    optional("annotations", STRINGS),
]]);

/// Docker manifest of schema 2: states its media type, and may have no layers.
pub(super) const DOCKER_MANIFEST: Rule = Rule::Object(&[&[
    SCHEMA_VERSION,
    vital("mediaType", MEDIA),
    required("config", Rule::Object(&[POINTER])),
    required("layers", Rule::List(&Rule::Object(&[POINTER]))),
]]);

/// Artifact manifests with media types of their own, such as the specification once had.
pub(super) const ARTIFACT: Rule = Rule::Object(&[&[
    optional("mediaType", MEDIA),
    unread("artifactType", MEDIA),
    optional("subject", DESCRIPTOR),
    optional("config", DESCRIPTOR),
    optional("layers", Rule::List(&DESCRIPTOR)),
    optional("blobs", Rule::List(&DESCRIPTOR)),
    optional("annotations", STRINGS),
]]);

/// Execution parameters: the specification's fields first, then docker's own.
const RUN: &[Field] = &[
    optional("User", Rule::Text),
    optional("ExposedPorts", OBJECTS),
    optional("Env", Rule::List(&Rule::Formed(VARIABLE))),
    optional("Volumes", OBJECTS),
    optional("WorkingDir", Rule::Text),
    optional("Labels", STRINGS),
    optional("StopSignal", Rule::Text),
    optional("ArgsEscaped", Rule::Bool),
    optional("Hostname", Rule::Text),
    optional("Domainname", Rule::Text),
    optional("AttachStdin", Rule::Bool),
    optional("AttachStdout", Rule::Bool),
    optional("AttachStderr", Rule::Bool),
    optional("Tty", Rule::Bool),
    optional("OpenStdin", Rule::Bool),
    optional("StdinOnce", Rule::Bool),
    optional(
        "Healthcheck",
        Rule::Object(&[&[
            optional("Test", TEXTS),
            optional("Interval", ANY_INTEGER),
            optional("Timeout", ANY_INTEGER),
            optional("StartPeriod", ANY_INTEGER),
            unread("StartInterval", ANY_INTEGER),
            optional("Retries", ANY_INTEGER),
        ]]),
    ),
    optional("Image", Rule::Text),
    optional("NetworkDisabled", Rule::Bool),
    optional("MacAddress", Rule::Text),
    optional("OnBuild", TEXTS),
    optional("StopTimeout", ANY_INTEGER),
    optional("Shell", Rule::Words),
];

/// Command of an image. Docker accepts a string instead of a list, others fail to read it.
const COMMAND: &[Field] = &[optional("Entrypoint", TEXTS), optional("Cmd", TEXTS)];

/// Command of the container an image was committed from; only docker reads it.
const CONTAINER_COMMAND: &[Field] = &[
    optional("Entrypoint", Rule::Words),
    optional("Cmd", Rule::Words),
];

/// Fields of `config-schema.json`, without its requirements.
const CONFIG: &[Field] = &[
    optional("created", Rule::Formed(TIME)),
    optional("author", Rule::Text),
    optional("variant", Rule::Text),
    optional("os.version", Rule::Text),
    optional("os.features", TEXTS),
    optional("config", Rule::Object(&[RUN, COMMAND])),
    optional(
        "history",
        Rule::List(&Rule::Object(&[&[
            optional("created", Rule::Formed(TIME)),
            optional("author", Rule::Text),
            optional("created_by", Rule::Text),
            optional("comment", Rule::Text),
            optional("empty_layer", Rule::Bool),
        ]])),
    ),
];

/// Other fields that docker's engine reads.
const DOCKER: &[Field] = &[
    optional("id", Rule::Text),
    optional("parent", Rule::Text),
    optional("comment", Rule::Text),
    optional("container", Rule::Text),
    optional("container_config", Rule::Object(&[RUN, CONTAINER_COMMAND])),
    optional("docker_version", Rule::Text),
    optional("Size", ANY_INTEGER),
];

const REQUIRED: &[Field] = &[
    required("architecture", Rule::Text),
    required("os", Rule::Text),
];

const ROOTFS: Rule = Rule::Object(&[&[
    required("diff_ids", Rule::List(&Rule::Digest)),
    required("type", Rule::Formed(LAYERS)),
]]);

/// `config-schema.json`, and docker's other fields.
pub(super) const OCI_CONFIG: Rule =
    Rule::Object(&[REQUIRED, &[required("rootfs", ROOTFS)], CONFIG, DOCKER]);

/// Config of a docker-archive, which docker does not load without diff IDs.
pub(super) const DOCKER_CONFIG: Rule =
    Rule::Object(&[REQUIRED, &[vital("rootfs", ROOTFS)], CONFIG, DOCKER]);

/// Config of a layer before docker 1.10.
pub(super) const V1_CONFIG: Rule = Rule::Object(&[
    &[
        optional("architecture", Rule::Text),
        optional("os", Rule::Text),
    ],
    CONFIG,
    DOCKER,
]);
