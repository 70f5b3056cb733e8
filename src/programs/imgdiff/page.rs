//! What the help and the man page of imgdiff say.

use crate::cli::{Page, Uses};

pub const PAGE: Page = Page {
    name: "imgdiff",
    uses: Uses {
        temporary: true,
        ..Uses::ONE
    },
    description: &[
        "Tells what really differs between images, from any two files. Layers that both share are known by their diff \
         IDs and not compared; contents are read only where sizes agree and nothing else tells. Besides images, an \
         operand may be some layers of one (IMAGE@2..5, counted from 1, either end may be left out), a tar of files, \
         packed or not, or a folder.",
        "By default times and the names of owners are no difference, nor is what a builder notes down of itself in a \
         config, nor null or empty values. The names of one file are told by 'links' where they became or stopped \
         being one; a name that came or went is told as itself.",
        "With more than two images, tables show which layers, packages and paths are where: each path with its size \
         and a letter, which is the same where the same is there.",
        "With --blame and a path, the life of that path: what each layer did to it. With --waste, the bytes that an \
         image carries and nobody sees. Each file that a layer writes is counted once, as seen or as one kind of \
         waste, and the score is one minus the wasted share. What is wasted of stored bytes is the same share of each \
         layer's, because a packed layer has no bytes of one file.",
    ],
    output: &[
        "docker's lines, sorted by path: A for what was added, C for what changed, D for what was deleted, R for what \
         was moved; after a tab what differs. With --blame, after another tab the layer that did it, and its command. \
         Then, after an empty line, a short account; its last line is the verdict: same digest; same layers, other \
         compression; same files, other metadata; same but times; different. In brackets are the causes. Names are \
         escaped.",
        "With --format json one object per line, told apart by Type: path, config, history, layer, marker, package, stat, \
         text, life, image and, as the last one of a comparison or of --waste, summary. Templates get the same objects \
         but for the documents and the summary. Text that is no UTF-8 comes with its bytes in base64 in a second key \
         that ends in Bytes.",
    ],
    keys: &[
        (
            "Type",
            "what the object is about: path, config, history, layer, marker, package, stat, text, life, image, summary",
        ),
        ("Change", "A, C, D or R"),
        ("Path, OldPath", "the path, and where it was"),
        ("Fields", "the names of the fields that differ"),
        ("Details", "the same as text output has it"),
        (
            "Old, New",
            "what is there on either side: Kind, Mode, Uid, Gid, User, Group, Size (bytes), Mtime (RFC 3339), Layer (1 \
             is the base), Target, Device (major and minor number), HardLinkTo, Digest, Xattrs; null where nothing is. Of \
             a config, the values; of a package, the versions; of --layers, the layer; of a summary, the image",
        ),
        (
            "Xattrs",
            "of a file: Name, Value (base64) and, of security.capability, Capabilities in words",
        ),
        (
            "By",
            "which layer made the difference: Side (old or new), Layer, DiffID, CreatedBy",
        ),
        (
            "Key",
            "of a config: the place of the value, as config.Env.PATH",
        ),
        (
            "Step, Layer, Created, CreatedBy, Comment, EmptyLayer",
            "of a history: the step's number, the layer it made, and what the config says of it",
        ),
        (
            "Manager, Name, Architecture",
            "of a package: whose it is (dpkg, apk, rpm, pip, npm), and what it is called",
        ),
        (
            "Match, Changes, Markers",
            "of a layer with --layers: by what it was found again, how many of its paths and how many whiteouts differ",
        ),
        ("Opaque", "of a marker: whether it is an opaque whiteout"),
        (
            "Added, Changed, Deleted, Renamed",
            "of a summary or with --stat: how many paths",
        ),
        (
            "BytesNew, BytesGone",
            "of --stat: bytes of files below Path that are new, and that are gone",
        ),
        (
            "Contents, Patch",
            "of --text: text, binary or large; the lines as a unified diff, if it is text",
        ),
        (
            "Did, HardLink",
            "of a life: what the layer did to the path; whether it is there a further name of a file",
        ),
        (
            "Verdict, Causes, Differs",
            "of a summary: how alike they are, why they differ, and what the exit status says",
        ),
        (
            "SharedLayers, OldLayers, NewLayers, Repacked",
            "of a summary: how many layers are in both, and only in one; those with the same contents in other bytes: Old \
             and New, their numbers, and Causes",
        ),
        (
            "ID, Digest, Layers, Paths",
            "of an image: its ID, the digest of its manifest, how many layers it has, and how many paths; Layers of a \
             path of --waste: the numbers of those that have it",
        ),
        (
            "FileBytes, StoredBytes",
            "bytes of files, and of layers as they are stored",
        ),
        (
            "Number, Numbers, Values, Versions, Kinds, Sizes",
            "of more than two images: the image's number from 1; of each image in their order the layer's or step's \
             number, the value, the version, the kind and the size; null where there is none",
        ),
        (
            "WastedBytes, ShadowedBytes, DeletedBytes, MetadataBytes, DuplicateBytes, StoredWastedBytes",
            "of --waste: all of it; by why; as stored",
        ),
        ("Copies", "of a path of --waste: how often it is written"),
        (
            "Score, DiveEfficiency, DiveWastedBytes",
            "of --waste: from 0 to 1; what dive says",
        ),
    ],
    exit: &[
        ("0", "no difference in what was asked for"),
        ("1", "a difference, or a threshold was passed"),
        ("2", "something could not be read, or bad usage"),
    ],
    examples: &[
        ("what changed, and how", "imgdiff old.tar new.tar"),
        ("which layer did it", "imgdiff --blame old.tar new.tar"),
        ("which packages", "imgdiff --packages app:1 app:2"),
        (
            "line by line, below a folder",
            "imgdiff --text=/etc old.tar new.tar",
        ),
        (
            "whether two builds are the same, byte by byte",
            "imgdiff --strict --quiet a.tar b.tar",
        ),
        (
            "what the third layer and those above it did",
            "imgdiff app.tar@..2 app.tar",
        ),
        ("who wrote a file", "imgdiff --blame=/etc/passwd app.tar"),
        (
            "fail a pipeline for more than 50 MB of waste",
            "imgdiff --waste --max-waste 50MB app.tar",
        ),
    ],
    sections: &[(
        "FIELDS",
        &[
            (
                "type, mode, uid, gid, size, content, target, links, device, xattrs",
                "of files; compared unless other fields are asked for",
            ),
            (
                "config, history",
                "of images; compared unless other fields are asked for",
            ),
            (
                "mtime, names",
                "times, of files and of the image; names of owners: compared if asked for",
            ),
            (
                "owner, files, usual, all",
                "uid and gid; all of files; what is compared by default; everything",
            ),
        ],
    )],
    see_also: &["imghistory", "imginspect", "imgls", "imgverify"],
};
