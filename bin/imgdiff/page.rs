//! What the help and the man page of imgdiff say.

use imgkit::cli::Page;

pub const PAGE: Page = Page {
    name: "imgdiff",
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
        ("Change", "A, C, D or R"),
        ("Path, OldPath", "the path, and where it was"),
        ("Fields", "the names of the fields that differ"),
        ("Details", "the same as text output has it"),
        (
            "Old, New",
            "what is there on either side: Kind, Mode, Uid, Gid, User, Group, Size (bytes), Mtime (RFC 3339), Layer (1 \
             is the base), Target, Device, HardLinkTo, Digest, Xattrs; null where nothing is. Of a config, the values",
        ),
        (
            "By",
            "which layer made the difference: Side, Layer, DiffID, CreatedBy",
        ),
        (
            "Key",
            "of a config: the place of the value, as config.Env.PATH",
        ),
        (
            "Verdict, Causes, Differs",
            "of a summary: how alike they are, why they differ, and what the exit status says",
        ),
        (
            "FileBytes, StoredBytes",
            "bytes of files, and of layers as they are stored",
        ),
        (
            "WastedBytes, ShadowedBytes, DeletedBytes, MetadataBytes, DuplicateBytes, StoredWastedBytes",
            "of --waste: all of it; by why; as stored",
        ),
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
