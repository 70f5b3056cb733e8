//! imgfind on the contents of files. What matches, and how lines look, ripgrep is asked in tests/cross/grep.py.

use serde_json::{Value, json};

use crate::common::build::{self, Image};
use crate::common::pack::Pack;
use crate::common::run::Room;

/// An image with texts in several states.
fn image(name: &str, pack: Pack) -> Image {
    build::image(name)
        .layer("d a | f a/one alpha\nbeta\nalpha beta\n | f a/two beta | f gone alpha")
        .packed(pack)
        .layer("w gone | f a/two alpha two | h three a/two | l link a/one | f empty ")
        .packed(pack)
}

fn room() -> Room {
    Room::with("app.tar", &build::docker(&[&image("demo:1", Pack::Plain)]))
}

#[test]
fn all_forms_of_storage_have_the_same_matches() {
    for pack in [Pack::Plain, Pack::Gzip, Pack::Zstd, Pack::Xz, Pack::Bzip2] {
        let room = Room::with("app.tar", &build::oci(&[&image("demo:1", pack)]));
        for cache in ["", "--cache=cache", "--cache=cache"] {
            let lines = "a/one:1:alpha\na/one:3:alpha beta\na/two:1:alpha two\n\
                         gone [layer 1, removed by 2]:1:alpha\nthree:1:alpha two\n";
            room.run(&format!("imgfind -n -e alpha {cache} app.tar"))
                .ok(lines);
            room.run(&format!("imgfind -c -e a {cache} app.tar --scope past"))
                .ok("a/two [layer 1, replaced by 2]:1\ngone [layer 1, removed by 2]:1\n");
        }
    }
}

#[test]
fn standard_input_is_searched() {
    let room = room();
    let tar = build::docker(&[&image("demo:1", Pack::Gzip)]);
    room.command("imgfind -l -e alpha --scope final -")
        .pipe(&tar.tar())
        .run()
        .ok("a/one\na/two\nthree\n");
}

#[test]
fn forms_of_the_output_are_ripgreps() {
    let room = room();
    let final_of = |line: &str| room.run(&format!("imgfind --scope final {line}"));
    final_of("-e beta app.tar").ok("a/one:beta\na/one:alpha beta\n");
    final_of("-on --column -b -e [bt][a-z]+ app.tar -path a/*")
        .ok("a/one:2:1:6:beta\na/one:3:7:17:beta\na/two:1:7:6:two\n");
    final_of("-l -e beta -e two app.tar").ok("a/one\na/two\nthree\n");
    final_of("-l0 -e beta app.tar").ok("a/one\0");
    final_of("-c -0 -e beta app.tar").ok("a/one\x002\n");
    final_of("--files-without-match -e a app.tar").ok("empty\n");
    final_of("--count-matches -e a app.tar -name one").ok("a/one:6\n");
    final_of("-n -A1 -e ^beta app.tar").ok("a/one:2:beta\na/one-3-alpha beta\n");
    final_of("-vn -e alpha app.tar").ok("a/one:2:beta\n");
    final_of("--heading -n -e beta -e two app.tar")
        .ok("a/one\n2:beta\n3:alpha beta\n\na/two\n1:alpha two\n\nthree\n1:alpha two\n");
    final_of("-n -U -e alpha\\nbeta app.tar").ok("a/one:1:alpha\na/one:2:beta\n");
    final_of("-q -e beta app.tar").ok("");
    final_of("-q -e nothing app.tar").is(1, "", "");
    final_of("--max-filesize 9 -l -e a app.tar").ok("a/two\nthree\n");
    room.run("imgfind --verbose -l -e beta app.tar").is(
        0,
        "a/one\na/two\tlayer 1, replaced by 2: COPY layer 2 /\n",
        "imgfind: matches by state: 1 final, 1 replaced\n",
    );
}

#[test]
fn records_have_lines_and_positions() {
    let room = room();
    let output = room.run("imgfind --format json -C1 -e beta app.tar -name one");
    let rows = output.json_lines();
    let lines: Vec<Value> = rows
        .iter()
        .map(|row| {
            json!([
                row["Kind"],
                row["Line"],
                row["Column"],
                row["ByteOffset"],
                row["Text"],
                row["Submatches"]
            ])
        })
        .collect();
    assert_eq!(
        lines,
        [
            json!(["context", 1, null, 0, "alpha", []]),
            json!(["match", 2, 1, 6, "beta", [{"Start": 0, "End": 4}]]),
            json!(["match", 3, 7, 11, "alpha beta", [{"Start": 6, "End": 10}]]),
        ],
        "{output}"
    );
    assert!(
        rows.iter()
            .all(|row| row["Path"] == "a/one" && row["Layer"] == 1)
    );
    room.run("imgfind --format {{.Path}}={{.Count}} -c -e a app.tar -name one")
        .ok("a/one=3\n");
    room.run("imgfind --format table -e alpha app.tar -name t*")
        .ok("PATH      LAYER     STATE     LINE      TEXT\na/two     2         final     1         alpha two\nthree     2         final     1         alpha two\n");
}

#[test]
fn binary_files_are_told_and_lines_are_escaped() {
    let image = build::image("demo:1").layer("f bin one\0two\n | f esc \x1b[31mone\t\u{202e}x\n");
    let room = Room::with("app.tar", &build::docker(&[&image]));
    room.run("imgfind -e one app.tar").ok(
        "bin: binary file matches (found \"\\0\" byte around offset 3)\nesc:\\x1b[31mone\t\\u{202e}x\n",
    );
    room.run("imgfind -a -e one app.tar -name bin")
        .ok("bin:one\\x00two\n");
    let output = room.run("imgfind --format json -e two app.tar");
    assert_eq!(output.json_lines()[0]["Kind"], "binary", "{output}");
}

#[test]
fn documents_are_searched() {
    let config = json!({"Env": ["PATH=/bin", "TOKEN=secret"], "Labels": {"a/b": "secret label"}, "User": "secret"});
    let image = build::image("demo:1")
        .layer("f a x")
        .set("config", config)
        .history(json!([{"created_by": "RUN echo secret"}]));
    let room = Room::with("app.tar", &build::docker(&[&image]));
    let run = |places: &str| room.run(&format!("imgfind -e secret --in {places} app.tar"));
    run("env").ok("app.tar:config:/config/Env/1:TOKEN=secret\n");
    run("labels,history").ok(
        "app.tar:config:/config/Labels/a~1b:a/b=secret label\napp.tar:config:/history/0/created_by:RUN echo secret\n",
    );
    let all = run("all").code(0).out().lines().count();
    assert_eq!(all, 4);
    run("files").is(1, "", "");
    room.run("imgfind -l -e b --in labels app.tar")
        .ok("app.tar:config:/config/Labels/a~1b\n");
    let output = room.run("imgfind --format json -e User --in env,config -i -v app.tar");
    assert!(
        output
            .json_lines()
            .iter()
            .all(|row| row["Document"] == "config" && row["Archive"] == "app.tar")
    );
    let names = crate::search::room();
    names
        .run("imgfind -e one --in names app.tar")
        .ok("a/one:a/one\ngone [layer 1, removed by 2]:gone\ngone [layer 2, whiteout]:gone\nlink:a/one\n");
}

#[test]
fn several_images_are_read_once_and_told_apart() {
    let room = room();
    let other = image("demo:1", Pack::Plain);
    room.write("two.tar", &build::docker(&[&other]).tar());
    room.run("imgfind --scope final -l -e beta app.tar two.tar")
        .ok("app.tar:demo:1:a/one\ntwo.tar:demo:1:a/one\n");
}

#[test]
fn a_damaged_layer_leaves_the_others() {
    let image = image("demo:1", Pack::Gzip);
    let mut files = build::oci(&[&image]);
    let second = image.blobs().pop().expect("a layer");
    let name = build::blob_name(&build::digest(&second));
    let half = second.len() / 2;
    files.bytes(&name)[half] ^= 0x55;
    let room = Room::with("app.tar", &files);
    let output = room.run("imgfind -n -e alpha app.tar");
    output.code(2);
    assert!(
        output.err().starts_with("imgfind: app.tar: layer 2 of 2: "),
        "{output}"
    );
    assert_eq!(
        output.out(),
        "a/one:1:alpha\na/one:3:alpha beta\ngone:1:alpha\n",
        "{output}"
    );
}

#[test]
fn invalid_searches_are_refused() {
    let room = room();
    room.run("imgfind -l app.tar").code(2);
    room.run("imgfind -e ( app.tar")
        .fails("imgfind: -e: invalid pattern: unclosed group\n");
    room.run("imgfind -e a\\nb app.tar").code(2);
    assert!(
        room.run("imgfind -e a\\nb app.tar")
            .err()
            .contains("-U searches across lines")
    );
    room.run("imgfind -e a app.tar -print0").fails(
        "imgfind: -print0, -printf and -ls show no matches in contents: -l shows paths, and -0 ends them by NUL\n",
    );
    room.write("patterns", b"alpha\nbeta\n");
    room.run("imgfind -cf patterns --scope final app.tar")
        .ok("a/one:3\na/two:1\nthree:1\n");
    room.command("imgfind -cf - --scope final app.tar")
        .pipe(b"alpha\nbeta\n")
        .run()
        .ok("a/one:3\na/two:1\nthree:1\n");
    let both = room.command("imgfind -f - -").pipe(b"a\n").run();
    both.code(2).complains("standard input");
    room.write("large", &vec![b'a'; (16 << 20) + 1]);
    room.run("imgfind -f large app.tar")
        .code(2)
        .complains("limit");
    room.run("imgfind -f gone app.tar")
        .fails("imgfind: gone: cannot read: no such file or directory\n");
}

/// A tar with files of these names and contents.
fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, contents) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(contents.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, *contents).expect("tar");
    }
    tar.into_inner().expect("tar")
}

/// A zip with files of these names and contents, stored.
fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut zip, mut directory) = (Vec::new(), Vec::new());
    for (name, contents) in files {
        let mut crc = flate2::Crc::new();
        crc.update(contents);
        let number = |number: usize| u32::try_from(number).expect("small").to_le_bytes();
        let length = u16::try_from(name.len()).expect("short").to_le_bytes();
        let sizes = [
            crc.sum().to_le_bytes(),
            number(contents.len()),
            number(contents.len()),
        ];
        let common = [
            &[20, 0, 0, 0, 0, 0, 0, 0, 0, 0][..],
            &sizes.concat(),
            &length,
            &[0, 0],
        ];
        directory.extend([&b"PK\x01\x02\x14\0"[..], &common.concat(), &[0; 10]].concat());
        directory.extend([&number(zip.len()), name.as_bytes()].concat());
        zip.extend([b"PK\x03\x04", &*common.concat(), name.as_bytes(), contents].concat());
    }
    let count = u16::try_from(files.len()).expect("few").to_le_bytes();
    let number = |number: usize| u32::try_from(number).expect("small").to_le_bytes();
    let (size, offset) = (number(directory.len()), number(zip.len()));
    let end = [
        b"PK\x05\x06\0\0\0\0",
        &count[..],
        &count,
        &size,
        &offset,
        &[0, 0],
    ]
    .concat();
    [zip, directory, end].concat()
}

/// An ar archive.
fn ar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut ar = b"!<arch>\n".to_vec();
    for (name, contents) in files {
        let length = contents.len();
        ar.extend(
            format!(
                "{name:<16}{:<12}{:<6}{:<6}{:<8}{length:<10}`\n",
                0, 0, 0, 644
            )
            .bytes(),
        );
        ar.extend(*contents);
        ar.resize(ar.len().next_multiple_of(2), b'\n');
    }
    ar
}

/// An archive of an image with one layer of these files.
fn archive_of(files: &[(&str, &[u8])]) -> Room {
    let image = build::image("demo:1").layer_bytes(tar(files));
    Room::with("app.tar", &build::docker(&[&image]))
}

#[test]
fn compressed_files_and_archives_are_opened() {
    let text = b"one\nneedle\n";
    let inner = tar(&[("./etc/key", text), ("etc/other", b"none")]);
    let control = Pack::Xz.pack(&tar(&[("./control", b"Package: needle\n")]));
    let deb = ar(&[
        ("debian-binary", b"2.0\n"),
        ("control.tar.xz", &control),
        ("data.tar.zst", &Pack::Zstd.pack(&inner)),
    ]);
    let gem = tar(&[
        ("metadata.gz", &Pack::Gzip.pack(b"needle gem")),
        ("data.tar.gz", &Pack::Gzip.pack(&inner)),
    ]);
    let room = archive_of(&[
        ("a.gz", &Pack::Gzip.pack(text)),
        ("b.tgz", &Pack::Gzip.pack(&inner)),
        (
            "c.jar",
            &zip(&[("META-INF/x", text), ("lib/y.jar", &zip(&[("z", text)]))]),
        ),
        ("d.deb", &deb),
        ("e.gem", &gem),
        ("f", &Pack::Bzip2.pack(text)),
        ("g.xz", &Pack::Xz.pack(&Pack::Zstd.pack(text))),
        ("h.txt", b"a needle"),
        (
            "i.a",
            &ar(&[("//", b"a_long_name_of_an_object/\n"), ("/0", text)]),
        ),
        ("j.zip", &zip(&[])),
    ]);
    let binary = "c.jar!lib/y.jar: binary file matches (found \"\\0\" byte around offset 5)\n";
    let inner_jar = "c.jar!lib/y.jar!z:2:needle\n";
    let one = "a.gz!a:2:needle\n\
               b.tgz!etc/key:2:needle\n\
               c.jar!META-INF/x:2:needle\n\
               INNER\
               d.deb!control.tar.xz!control:1:Package: needle\n\
               d.deb!data.tar.zst!etc/key:2:needle\n";
    let deeper = "g.xz!g!g:2:needle\n";
    let rest = "h.txt:1:a needle\ni.a!a_long_name_of_an_object:2:needle\n";
    let gem = "e.gem!data.tar.gz!etc/key:2:needle\n";
    let f = "f!f:2:needle\n";
    room.run("imgfind -n -z -e needle app.tar")
        .ok(&format!("{}{gem}{f}{rest}", one.replace("INNER", binary)));
    let one = one.replace("INNER", inner_jar);
    let gem = format!("e.gem!metadata.gz!metadata:1:needle gem\n{gem}");
    let two = room.run("imgfind -n --nested 2 -e needle app.tar");
    two.ok(&format!("{one}{gem}{f}{deeper}{rest}"));
    room.run("imgfind -c --nested 0 -e needle app.tar -name h.txt")
        .ok("h.txt:1\n");
    room.run("imgfind -l0 -z -e key -e gem app.tar")
        .is(1, "", "");
    room.run("imgfind -l0z -e needle app.tar -name [ab].*")
        .ok("a.gz!a\0b.tgz!etc/key\0");
    room.run("imgfind -z --files-without-match -e needle app.tar -name [bj].*")
        .ok("b.tgz!etc/other\n");
    room.run("imgfind -z --format {{.Path}}+{{.Inside}}={{.Text}} -e needle app.tar -name [ah].*")
        .ok("a.gz+a=needle\nh.txt+<no value>=a needle\n");
    room.run("imgfind --nested 5 -e x app.tar").fails(
        "imgfind: levels of files inside a file: limit exceeded: expected at most 4, found 5\nhint: --limit nested-depth=8 raises it, if you trust the input\n",
    );
}

#[test]
fn what_a_file_was_is_told_behind_the_path_inside() {
    let image = build::image("demo:1")
        .layer_bytes(tar(&[("a.gz", &Pack::Gzip.pack(b"key\n"))]))
        .layer("w a.gz");
    let room = Room::with("app.tar", &build::docker(&[&image]));
    room.run("imgfind -z -e key app.tar")
        .ok("a.gz!a [layer 1, removed by 2]:key\n");
    room.run("imgfind -lz -e key app.tar")
        .ok("a.gz!a\tlayer 1, removed by 2: COPY layer 2 /\n");
}

#[test]
fn damage_inside_files_is_a_note_with_its_place() {
    let good = Pack::Gzip.pack(b"needle\n");
    let mut broken = good.clone();
    let last = broken.len() - 5;
    broken[last] ^= 1;
    let cut = &good[..12];
    let inner = tar(&[("broken.gz", &broken), ("fine.gz", &good)]);
    let mut wrong = zip(&[("x", b"needle\n"), ("y", b"needle\n")]);
    let at = wrong
        .windows(6)
        .position(|part| part == b"needle")
        .expect("it");
    wrong[at + 6] = b'!';
    let half = &inner[..520];
    let room = archive_of(&[
        ("a.tar", &inner),
        ("b.zip", &wrong),
        ("c.gz", cut),
        ("d.7z", b"7z\xbc\xaf\x27\x1cneedle"),
        ("e.tar", half),
        ("f", b"needle"),
        ("g.zip", b"PK\x03\x04 needle"),
    ]);
    room.run("imgfind -n --nested 2 -e needle app.tar").is(
        0,
        "a.tar!broken.gz!broken:1:needle\na.tar!fine.gz!fine:1:needle\nb.zip!x:1:needle!\nb.zip!y:1:needle\n\
         d.7z:1:7z\\xbc\\xaf'\\x1cneedle\nf:1:needle\n",
        "imgfind: app.tar: a.tar!broken.gz: damaged gzip data: corrupt gzip stream does not have a matching checksum\n\
         imgfind: app.tar: b.zip!x: damaged zip data: wrong checksum\n\
         imgfind: app.tar: c.gz: damaged gzip data: unexpected end\n\
         imgfind: app.tar: d.7z: unsupported: 7z archive\n\
         imgfind: app.tar: e.tar!broken.gz: damaged tar: header at byte 0: unexpected end: 504 bytes are missing\n\
         imgfind: app.tar: g.zip: damaged zip data: missing directory\n",
    );
}

#[test]
fn a_bomb_inside_a_file_ends_that_file() {
    let zeros = vec![0; 3 << 20];
    let mut bomb = zip(&[("zeros", &zeros), ("more", b"needle")]);
    bomb = Pack::Gzip.pack(&bomb);
    let room = archive_of(&[
        ("a.gz", &Pack::Gzip.pack(&Pack::Gzip.pack(&zeros))),
        ("b.zip", &bomb),
        ("c.gz", &Pack::Gzip.pack(b"needle\n")),
    ]);
    room.run("imgfind --nested 3 --limit nested-size=1M -e needle app.tar")
        .is(
            0,
            "c.gz!c:needle\n",
            "imgfind: app.tar: a.gz!a: bytes inside a file: limit exceeded: expected at most 1048576, found 1050138\n\
             hint: --limit nested-size=2M raises it, if you trust the input\n\
             imgfind: app.tar: b.zip: bytes inside a file: limit exceeded: expected at most 1048576, found 1196192\n\
             hint: --limit nested-size=2M raises it, if you trust the input\n",
        );
}

#[test]
fn layers_that_no_image_has_are_searched() {
    let left = build::layer("d a | f a/key alpha");
    let zipped = Pack::Gzip.pack(&left);
    let mut files = build::oci(&[&image("demo:1", Pack::Gzip)]);
    files.blob(&zipped);
    files.blob(b"alpha, but no layer");
    files.blob(b"\x1f\x8b nor this alpha");
    // What an image has is no such layer, under a second name either.
    let layer = image("demo:1", Pack::Gzip).blobs()[0].clone();
    files.hard_link("odd/known", &build::blob_name(&build::digest(&layer)));
    files.add("odd/one", left.clone());
    let room = Room::with("app.tar", &files);
    let named = format!("@blob/{}", build::digest(&zipped));
    room.run("imgfind app.tar -name key").is(1, "", "");
    let lines = format!("app.tar:{named}:a/key\napp.tar:@blob/odd/one:a/key\n");
    for line in [
        "imgfind --unreferenced app.tar -name key",
        "imgfind --unreferenced --cache=cache app.tar -name key",
    ] {
        room.run(line).ok(&lines);
    }
    let all = room.run("imgfind --unreferenced app.tar -name one");
    all.ok("app.tar:demo:1:a/one\n");
    let found = room.run("imgfind --unreferenced --format json -e alpha app.tar -name key");
    let rows: Vec<Value> = found.json_lines();
    assert_eq!(rows.len(), 2);
    // A finding in an uncompressed member can be cut out of the archive.
    let at = rows[1]["StoredAt"].as_u64().expect("an offset") as usize;
    assert_eq!(&files.tar()[at..at + 5], b"alpha");
    // From a pipe as well.
    room.command("imgfind --unreferenced -q -e alpha - -name key")
        .pipe(&files.tar())
        .run()
        .is(0, "", "");
    // Those of a store that keeps no image.
    let mut bare = build::oci(&[]);
    bare.blob(&zipped);
    room.write("bare.tar", &bare.tar());
    room.run("imgfind --unreferenced bare.tar -name key")
        .ok("a/key\n");
}

#[test]
fn a_damaged_layer_that_no_image_has_is_reported() {
    let zipped = Pack::Gzip.pack(&build::layer("d a | f a/key alpha"));
    let mut files = build::oci(&[&image("demo:1", Pack::Plain)]);
    files.blob(&zipped);
    let last = zipped.len() - 6;
    files.bytes(&build::blob_name(&build::digest(&zipped)))[last] ^= 1;
    let room = Room::with("app.tar", &files);
    let found = room.run("imgfind --unreferenced app.tar -name one");
    assert_eq!(found.code(2).out(), "app.tar:demo:1:a/one\n");
    let place = build::blob_name(&build::digest(&zipped));
    found.complains(&format!("layer 1 of 1: {place}: damaged gzip data"));
}
