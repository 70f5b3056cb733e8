//! imgls as a user runs it.

use serde_json::json;

use crate::common::build::{self, Files, Image, Shared};
use crate::common::kilobytes;
use crate::common::pack::Pack;
use crate::common::run::Room;

const HEADER: &str = "REPOSITORY   TAG       IMAGE ID       CREATED      SIZE\n";
const EMPTY: &str = "REPOSITORY   TAG       IMAGE ID   CREATED   SIZE\n";

/// Two names, two layers, 11 bytes of files.
fn app() -> Image {
    build::image("demo:1")
        .named("demo:latest")
        .layer("d etc | f etc/a one | f etc/b two")
        .step("CMD [\"/bin/sh\"]")
        .layer("f etc/c three | o etc")
}

/// An image on the base of [`app`]; its second layer counts a file of zeros, a link target and a hard-linked file once.
fn tool() -> Image {
    build::image("example.com/team/tool:2")
        .layer("d etc | f etc/a one | f etc/b two")
        .layer("z big 2500000 | l link etc/a | f x hello | h hard x")
        .set("created", json!("2023-12-01T00:00:00Z"))
        .set(
            "config",
            json!({"Labels": {"team": "tools", "stage": "beta"}}),
        )
}

fn untagged() -> Image {
    build::image("")
        .layer("f x y")
        .set("created", json!("2024-01-02T12:00:00Z"))
}

fn wide_table(rows: &[(&str, &str, &str, &str, &str)]) -> String {
    let mut text =
        String::from("REPOSITORY              TAG       IMAGE ID       CREATED        SIZE\n");
    for (repository, tag, id, created, size) in rows {
        text.push_str(&format!(
            "{repository:<24}{tag:<10}{id:<15}{created:<15}{size}\n"
        ));
    }
    text
}

fn all_rows() -> String {
    wide_table(&[
        ("demo", "1", &app().short(), "2 days ago", "11B"),
        ("demo", "latest", &app().short(), "2 days ago", "11B"),
        (
            "example.com/team/tool",
            "2",
            &tool().short(),
            "4 weeks ago",
            "2.5MB",
        ),
        (
            "<none>",
            "<none>",
            &untagged().short(),
            "12 hours ago",
            "1B",
        ),
    ])
}

#[test]
fn all_formats_list_the_same_images() {
    let (app, tool, none) = (app(), tool(), untagged());
    let images = [&app, &tool, &none];
    let room = Room::new();
    let oci = build::oci(&images);
    oci.write_to(&room.path("layout"));
    build::docker(&images).write_to(&room.path("unpacked"));
    room.run("imgls layout").ok(&all_rows());
    room.run("imgls unpacked").ok(&all_rows());
    room.run("imgls layout/").ok(&all_rows());
    for (shape, files) in [
        ("docker", build::docker(&images)),
        ("hard", build::docker_sharing(&images, Shared::HardLink)),
        ("docker25", build::docker25(&images)),
        ("oci", oci),
    ] {
        let tar = files.tar();
        room.write(shape, &tar);
        room.run(&format!("imgls {shape}")).ok(&all_rows());
        room.command("imgls -")
            .stdin_file(shape)
            .run()
            .ok(&all_rows());
        room.command("imgls -").pipe(&tar).run().ok(&all_rows());
        for pack in Pack::ALL {
            let packed = pack.pack(&tar);
            room.write("packed", &packed);
            room.run("imgls packed").ok(&all_rows());
            room.command("imgls -").pipe(&packed).run().ok(&all_rows());
        }
    }
}

#[test]
fn layers_with_any_compression() {
    for pack in Pack::ALL {
        let image = build::image("demo:1")
            .layer("f a aaaa")
            .packed(pack)
            .layer("f b bbb")
            .packed(pack);
        let expected = format!(
            "{HEADER}demo         1         {}   2 days ago   7B\n",
            image.short()
        );
        for files in [build::oci(&[&image]), build::docker25(&[&image])] {
            let room = Room::with("app.tar", &files);
            room.run("imgls app.tar").ok(&expected);
            room.command("imgls -")
                .pipe(&files.tar())
                .run()
                .ok(&expected);
        }
    }
}

#[test]
fn archives_of_docker_before_1_10() {
    let image = app();
    let room = Room::with("old.tar", &build::v1(&[&image]));
    let row = &room
        .run("imgls --no-trunc --format json old.tar")
        .json_lines()[0];
    let id = row["ImageID"].as_str().expect("an ID");
    assert_eq!((id.len(), row["ID"].as_str()), (64, Some(id)));
    let id = &id[..12];
    room.run("imgls old.tar").ok(&format!(
        "{HEADER}demo         1         {id}   2 days ago   11B\ndemo         latest    {id}   2 days ago   11B\n"
    ));
    room.run("imgls -q old.tar:demo")
        .ok(&format!("{id}\n{id}\n"));
}

#[test]
fn dir_format_has_no_names() {
    let room = Room::new();
    build::dir(&app()).write_to(&room.path("dir"));
    let row = format!(
        "{HEADER}<none>       <none>    {}   2 days ago   11B\n",
        app().short()
    );
    room.run("imgls dir").ok(&row);
    room.run("imgls dir:dir").ok(&row);
}

#[test]
fn several_inputs_add_an_archive_column() {
    let room = Room::with("a.tar", &build::docker(&[&app()]));
    room.write("b.tar", &build::oci(&[&app()]).tar());
    let id = app().short();
    let mut expected =
        String::from("REPOSITORY   TAG       IMAGE ID       CREATED      SIZE      ARCHIVE\n");
    for archive in ["a.tar", "b.tar"] {
        for tag in ["1", "latest"] {
            expected.push_str(&format!(
                "demo         {tag:<10}{id}   2 days ago   11B       {archive}\n"
            ));
        }
    }
    room.run("imgls a.tar b.tar").ok(&expected);
}

#[test]
fn table_options() {
    let room = Room::with("app.tar", &build::docker25(&[&app()]));
    let (id, short, digest) = (app().id(), app().short(), app().manifest_digest());
    room.run("imgls -q app.tar")
        .ok(&format!("{short}\n{short}\n"));
    room.run("imgls --quiet --no-trunc app.tar")
        .ok(&format!("{id}\n{id}\n"));
    let gap = " ".repeat(71 + 3 - 6);
    let id_gap = " ".repeat(71 + 3 - 8);
    room.run("imgls --digests app.tar:demo:1 --format 'table {{.Digest}}\\t{{.ID}}'")
        .ok(&format!("DIGEST{gap}IMAGE ID\n{digest}   {short}\n"));
    room.run("imgls --digests --no-trunc app.tar").ok(&format!(
        "REPOSITORY   TAG       DIGEST{gap}IMAGE ID{id_gap}CREATED      SIZE\n\
         demo         1         {digest}   {id}   2 days ago   11B\n\
         demo         latest    {digest}   {id}   2 days ago   11B\n"
    ));
    let docker = Room::with("app.tar", &build::docker(&[&app()]));
    docker.run("imgls --digests app.tar").ok(&format!(
        "REPOSITORY   TAG       DIGEST    IMAGE ID       CREATED      SIZE\n\
         demo         1         <none>    {short}   2 days ago   11B\n\
         demo         latest    <none>    {short}   2 days ago   11B\n"
    ));
}

#[test]
fn json_has_docker_keys_and_further_keys() {
    let image = tool();
    let room = Room::with("app.tar", &build::docker25(&[&image]));
    let stored = image.config().len()
        + image.manifest().len()
        + image.blobs().iter().map(Vec::len).sum::<usize>();
    let (id, short, digest) = (image.id(), image.short(), image.manifest_digest());
    room.run("imgls --format json app.tar").ok(&format!(
        "{{\"Archive\":\"app.tar\",\"Containers\":\"N/A\",\"Created\":\"2023-12-01T00:00:00Z\",\
         \"CreatedAt\":\"2023-12-01 00:00:00 +0000 UTC\",\"CreatedSince\":\"4 weeks ago\",\
         \"Digest\":\"{digest}\",\"ID\":\"{short}\",\"ImageID\":\"{id}\",\"Kind\":\"image\",\
         \"Platform\":\"linux/amd64\",\"Repository\":\"example.com/team/tool\",\"SharedSize\":\"N/A\",\
         \"Size\":\"2.5MB\",\"SizeBytes\":2500016,\"StoredBytes\":{stored},\"StoredSize\":\"2.51MB\",\
         \"Tag\":\"2\",\"UniqueSize\":\"N/A\",\"VirtualSize\":\"2.5MB\"}}\n"
    ));
}

#[test]
fn docker_templates() {
    let room = Room::with("app.tar", &build::docker(&[&app(), &tool()]));
    let (app, tool) = (app().short(), tool().short());
    room.run("imgls --format '{{.Repository}}:{{.Tag}} {{.ID}}' app.tar")
        .ok(&format!(
            "demo:1 {app}\ndemo:latest {app}\nexample.com/team/tool:2 {tool}\n"
        ));
    room.run("imgls --format 'table {{.ID}}\\t{{.Size}}\\t{{.Platform}}' app.tar:example.com/team/tool:2")
        .ok(&format!("IMAGE ID       SIZE      PLATFORM\n{tool}   2.5MB     linux/amd64\n"));
    room.run("imgls --format '{{json .Tag}} {{upper .Kind}}' app.tar:demo:1")
        .ok("\"1\" IMAGE\n");
    room.run("imgls --format table app.tar:@1")
        .ok(
            &wide_table(&[("example.com/team/tool", "2", &tool, "4 weeks ago", "2.5MB")])
                .replace("CREATED        SIZE", "CREATED       SIZE")
                .replace("4 weeks ago    ", "4 weeks ago   "),
        );
}

#[test]
fn filters() {
    let room = Room::with("app.tar", &build::docker(&[&app(), &tool(), &untagged()]));
    let names = |filters: &str| {
        let run = room.run(&format!(
            "imgls --format '{{{{.Repository}}}}:{{{{.Tag}}}}' {filters} app.tar"
        ));
        run.code(0);
        assert_eq!(run.err(), "", "{run}");
        run.out()
            .split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
            .join(" ")
    };
    let (demo, tool, none) = (
        "demo:1 demo:latest",
        "example.com/team/tool:2",
        "<none>:<none>",
    );
    for (filters, expected) in [
        ("--filter dangling=true", none.to_owned()),
        ("--filter dangling=false", format!("{demo} {tool}")),
        ("-f reference=demo", demo.to_owned()),
        ("-f 'reference=d*:l*'", "demo:latest".to_owned()),
        (
            "-f reference=demo:1 -f 'reference=*/*/*'",
            format!("demo:1 {tool}"),
        ),
        ("-f 'reference=*'", demo.to_owned()),
        ("-f label=team", tool.to_owned()),
        ("-f label=team=tools -f label=stage", tool.to_owned()),
        ("-f label=team=others", String::new()),
        ("-f label=team -f label=gone", String::new()),
        ("-f before=demo:1", tool.to_owned()),
        ("-f since=demo:1", none.to_owned()),
        ("-f since=example.com/team/tool:2", format!("{demo} {none}")),
        (
            "-f since=example.com/team/tool:2 -f dangling=false",
            demo.to_owned(),
        ),
        ("-f 'reference=nothing*'", String::new()),
    ] {
        assert_eq!(names(filters), expected, "{filters}");
    }
    let by_id = format!("-f before={}", &untagged().short()[..8]);
    assert_eq!(names(&by_id), format!("{demo} {tool}"));
    room.run("imgls -f before=what app.tar").fails(
        "imgls: no such image 'what': available: demo:1, demo:latest and example.com/team/tool:2\n",
    );
}

fn multi() -> (Files, Image, Image) {
    let (amd, arm) = (app(), app().platform("linux/arm64/v8"));
    let files = build::multi("demo:1", &[&amd, &arm], &["linux/s390x"]);
    (files, amd, arm)
}

#[test]
fn index_lists_one_platform() {
    let (files, amd, arm) = multi();
    let room = Room::with("app.tar", &files);
    let row = |image: &Image| {
        format!(
            "{HEADER}demo         1         {}   2 days ago   11B\n",
            image.short()
        )
    };
    room.run("imgls --platform linux/amd64 app.tar")
        .ok(&row(&amd));
    room.run("imgls --platform linux/arm64 app.tar")
        .ok(&row(&arm));
    room.run("imgls --platform linux/arm64/v8 app.tar")
        .ok(&row(&arm));
    for platform in ["linux/s390x", "windows/amd64"] {
        room.run(&format!("imgls --platform {platform} app.tar"))
            .fails(&format!(
                "imgls: no such image '{platform}': available: linux/amd64 and linux/arm64/v8\n"
            ));
    }
    // Without --platform, the host's image or the first one.
    let host = if cfg!(target_arch = "aarch64") {
        &arm
    } else {
        &amd
    };
    room.run("imgls app.tar").ok(&row(host));
    let digest = arm.manifest_digest();
    room.run(&format!("imgls --platform linux/arm64 app.tar@{digest}"))
        .ok(&row(&arm));
}

#[test]
fn tree_lists_platforms_attestations_and_missing_manifests() {
    let (files, amd, arm) = multi();
    let room = Room::with("app.tar", &files);
    let rows = room.run("imgls --tree app.tar");
    rows.code(0);
    let lines: Vec<&str> = rows.out().lines().collect();
    let stored = |image: &Image| {
        let all = image.config().len()
            + image.manifest().len()
            + image.blobs().iter().map(Vec::len).sum::<usize>();
        kilobytes(all)
    };
    assert_eq!(lines.len(), 6, "{rows}");
    assert_eq!(
        lines[0],
        "IMAGE                     ID             CREATED      SIZE      STORED"
    );
    assert!(lines[1].starts_with("demo:1                    "), "{rows}");
    assert_eq!(
        lines[2],
        format!(
            "├─ linux/amd64            {}   2 days ago   11B       {}",
            amd.short(),
            stored(&amd)
        )
    );
    assert_eq!(
        lines[3],
        format!(
            "├─ linux/arm64/v8         {}   2 days ago   11B       {}",
            arm.short(),
            stored(&arm)
        )
    );
    assert!(lines[4].starts_with("├─ linux/s390x (absent)   "), "{rows}");
    assert!(lines[5].starts_with("└─ attestation            "), "{rows}");
}

#[test]
fn all_lists_artifacts_and_missing_manifests() {
    let mut files = build::oci(&[&app()]);
    let artifact = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "artifactType": "application/example",
        "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": build::digest(b"{}"), "size": 2, "data": "e30="},
        "layers": [],
    })
    .to_string();
    let digest = build::digest(artifact.as_bytes());
    files.add(&build::blob_name(&digest), artifact.as_bytes());
    let absent = build::descriptor("application/vnd.oci.image.manifest.v1+json", b"gone");
    let entry = build::descriptor(
        "application/vnd.oci.image.manifest.v1+json",
        artifact.as_bytes(),
    );
    files.edit("index.json", |index| {
        let list = index["manifests"].as_array_mut().expect("a list");
        for (mut entry, name) in [(entry, "paper:1"), (absent.clone(), "gone:1")] {
            entry["annotations"] = json!({"org.opencontainers.image.ref.name": name});
            list.push(entry);
        }
    });
    let room = Room::with("app.tar", &files);
    let line = "imgls --format '{{.Repository}}:{{.Tag}} {{.Kind}} {{.ID}}'";
    let demo = format!("demo:1 image {0}\ndemo:latest image {0}\n", app().short());
    room.run(&format!("{line} app.tar")).ok(&demo);
    room.run(&format!("{line} --all app.tar")).ok(&format!(
        "{demo}paper:1 artifact {}\ngone:1 absent {}\n",
        build::short(&digest),
        build::short(absent["digest"].as_str().expect("a digest")),
    ));
    room.run("imginspect app.tar:paper:1")
        .fails("imginspect: app.tar: unsupported: 'paper:1' is not a container image\n");
}

#[test]
fn image_selection() {
    let images = [&app(), &tool(), &untagged()];
    let room = Room::with("d.tar", &build::docker(&images));
    room.write("o.tar", &build::oci(&images).tar());
    room.write("both.tar", &build::docker25(&images).tar());
    build::oci(&images).write_to(&room.path("layout"));
    let (demo, team, none) = (app(), tool(), untagged());
    let ids = |line: &str| room.run(&format!("imgls -q {line}"));
    let twice = format!("{0}\n{0}\n", demo.short());
    let one = |image: &Image| format!("{}\n", image.short());
    for line in [
        "d.tar:demo:1",
        "d.tar:demo:latest",
        "d.tar:demo",
        "d.tar:docker.io/library/demo:1",
        "d.tar:@0",
        "docker-archive:d.tar:demo:1",
        "docker-archive:d.tar:@0",
        "o.tar:demo:1",
        "oci-archive:o.tar:demo:1",
        "oci:layout:demo:1",
        "layout:demo",
        "./d.tar:demo:1",
        "both.tar:demo:1",
        "docker-archive:both.tar:demo:1",
        "oci-archive:both.tar:demo:1",
    ] {
        // A repository without a tag selects all its tags.
        let expected = match line.ends_with(":demo") {
            true => twice.clone(),
            false if line.contains('@') => twice.clone(),
            false => one(&demo),
        };
        ids(line).ok(&expected);
    }
    for line in [
        "d.tar:example.com/team/tool:2",
        "d.tar:@1",
        "o.tar:@2",
        "oci-archive:o.tar:@2",
        "both.tar:@1",
    ] {
        ids(line).ok(&one(&team));
    }
    for line in ["d.tar:@2", "o.tar:@3", "both.tar:@2"] {
        ids(line).ok(&one(&none));
    }
    for (archive, image) in [("d.tar", &none), ("o.tar", &none), ("both.tar", &team)] {
        ids(&format!("{archive}@{}", image.id())).ok(&one(image));
        ids(&format!("{archive}:@{}", image.id())).ok(&one(image));
        ids(&format!("{archive}:{}", image.short())).ok(&one(image));
    }
    ids(&format!("o.tar@{}", team.manifest_digest())).ok(&one(&team));
    let tar = build::docker(&images).tar();
    room.command("imgls -q -:demo:1")
        .pipe(&tar)
        .run()
        .ok(&one(&demo));
    room.command("imgls -q -:@2")
        .stdin_file("d.tar")
        .run()
        .ok(&one(&none));
    room.command("imgls -q docker-archive:-")
        .pipe(&tar)
        .run()
        .ok(&format!("{twice}{}{}", one(&team), one(&none)));
}

#[test]
fn unknown_images_are_answered_with_candidates() {
    let images = [&app(), &tool(), &untagged()];
    let room = Room::with("d.tar", &build::docker(&images));
    room.write("o.tar", &build::oci(&images).tar());
    for (line, wanted, third, closest) in [
        ("d.tar:demo:7", "demo:7", "d.tar:@2", "demo:1"),
        ("d.tar:@9", "@9", "d.tar:@2", ""),
        ("d.tar:tool", "tool", "d.tar:@2", "example.com/team/tool:2"),
        ("o.tar:demo:7", "demo:7", "o.tar:@3", "demo:1"),
    ] {
        let archive = &third[..5];
        let hint = match closest {
            "" => String::new(),
            closest => format!("hint: the closest name is {archive}:{closest}\n"),
        };
        room.run(&format!("imgls {line}")).fails(&format!(
            "imgls: {archive}: no such image '{wanted}': available: {archive}:demo:1, \
             {archive}:example.com/team/tool:2 and {third}\n{hint}"
        ));
    }
    room.run("imgls oci-archive:d.tar")
        .fails("imgls: d.tar: member 'index.json' is not in the archive\n");
    room.run("imgls docker-archive:o.tar")
        .fails("imgls: o.tar: member 'manifest.json' is not in the archive\n");
}

#[test]
fn store_is_a_layout() {
    let room = Room::new();
    build::oci(&[&app(), &tool(), &untagged()]).write_to(&room.path("store"));
    // Newest first.
    let rows = all_rows();
    let (head, rest) = rows.split_at(rows.find("\n").expect("a heading") + 1);
    let (named, untagged_row) = rest.split_at(rest.find("<none>").expect("a row"));
    let rows = format!("{head}{untagged_row}{named}");
    room.run("imgls --store store").ok(&rows);
    room.command("imgls")
        .env("IMGKIT_STORE", "store")
        .run()
        .ok(&rows);
    let table = |images: &[(&str, &str)]| {
        images.iter().fold(HEADER.to_owned(), |text, (tag, id)| {
            format!("{text}demo         {tag:<10}{id}   2 days ago   11B\n")
        })
    };
    let id = app().short();
    let demo = table(&[("1", &id), ("latest", &id)]);
    for name in [
        "demo",
        "demo:1",
        "docker.io/library/demo:1",
        "store:demo",
        &id,
        &id[..6],
        &app().id(),
    ] {
        let expected = match name.ends_with(":1") {
            true => table(&[("1", &id)]),
            false => demo.clone(),
        };
        room.run(&format!("imgls --store store {name}"))
            .ok(&expected);
    }
    let digest = app().manifest_digest();
    room.run(&format!("imgls --store store demo@{digest}"))
        .ok(&demo);
    room.run("imgls --store store demo:7").fails(
        "imgls: 'demo:7': no such file or image\nhint: the closest name in the store is demo:1\n",
    );
    // An existing path takes precedence over a name in the store.
    room.write("demo", &build::docker(&[&untagged()]).tar());
    room.run("imgls --store store -q demo")
        .ok(&format!("{}\n", untagged().short()));
    room.run("imgls --store store -q store:demo")
        .ok(&format!("{id}\n{id}\n"));
}

#[test]
fn missing_default_store_is_empty() {
    let room = Room::new();
    room.run("imgls").ok(EMPTY);
    std::fs::create_dir_all(room.path("data")).expect("a folder");
    build::oci(&[&app()]).write_to(&room.path("data/imgkit"));
    build::oci(&[&untagged()]).write_to(&room.path("home/.local/share/imgkit"));
    room.run("imgls -q")
        .ok(&format!("{}\n", untagged().short()));
    let data = room.path("data");
    let data = data.to_str().expect("UTF-8");
    let id = app().short();
    room.command("imgls -q")
        .env("XDG_DATA_HOME", data)
        .run()
        .ok(&format!("{id}\n{id}\n"));
    // As specified for XDG_DATA_HOME, a relative path is ignored.
    room.command("imgls -q")
        .env("XDG_DATA_HOME", "data")
        .run()
        .ok(&format!("{}\n", untagged().short()));
}

#[test]
fn partial_damage_is_reported() {
    let mut files = build::docker(&[&app(), &tool()]);
    let config = format!("{}.json", tool().id().trim_start_matches("sha256:"));
    files.put(&config, "{");
    let room = Room::with("app.tar", &files);
    let run = room.run("imgls --format '{{.Repository}}:{{.Tag}} {{.ID}}' app.tar");
    run.code(2)
        .complains(&format!("imgls: app.tar: {config}: invalid JSON"))
        .says(&format!("demo:1 {}\n", app().short()));
    assert!(run.out().contains("example.com/team/tool:2 "), "{run}");
}

#[test]
fn layers_are_read_for_sizes_only() {
    let image = build::image("demo:1").layer("f a aaaa").packed(Pack::Gzip);
    let mut files = build::oci(&[&image]);
    let blob = build::blob_name(&build::digest(&image.blobs()[0]));
    files.bytes(&blob)[20] ^= 1;
    let room = Room::with("app.tar", &files);
    room.run("imgls -q app.tar")
        .ok(&format!("{}\n", image.short()));
    room.run("imgls --format '{{.Repository}}' app.tar")
        .ok("demo\n");
    let run = room.run("imgls app.tar");
    run.code(2)
        .complains(&format!("imgls: app.tar: layer 1 of 1: {blob}: "));
    let row = format!(
        "demo         1         {}   2 days ago   N/A\n",
        image.short()
    );
    assert_eq!(run.out(), format!("{HEADER}{row}"), "{run}");
}

// ---------------------------------------------------------------------------------------- regressions found in a review

/// The need for sizes was guessed from the text of the template.
#[test]
fn templates_with_sizes_measure_layers() {
    let image = build::image("demo:1").layer("f a aaaa").packed(Pack::Gzip);
    let room = Room::with("app.tar", &build::oci(&[&image]));
    room.run("imgls --format '' app.tar").ok(&format!(
        "{HEADER}demo         1         {}   2 days ago   4B\n",
        image.short()
    ));
    room.run("imgls --format '{{.}}' app.tar")
        .code(0)
        .says(" Size:4B ");
    room.run("imgls --format '{{with $x := .}}{{$x.VirtualSize}}{{end}}' app.tar")
        .ok("4B\n");
    room.run("imgls -q --format '{{.SizeBytes}}' app.tar")
        .ok("4\n");
    // Without sizes a damaged layer is not opened.
    let damaged = damaged(&image);
    let room = Room::with("app.tar", &damaged);
    room.run("imgls --format '{{.Tag}} {{.StoredSize | len}}' app.tar")
        .code(0);
}

fn damaged(image: &Image) -> Files {
    let mut files = build::oci(&[image]);
    let name = build::blob_name(&build::digest(&image.blobs()[0]));
    let bytes = files.bytes(&name);
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    files
}

/// One damaged layer hid all rows.
#[test]
fn damaged_layer_hides_no_other_row() {
    let bad = build::image("bad:1").layer("f b bbbb").packed(Pack::Gzip);
    let good = build::image("good:1").layer("f g gg").packed(Pack::Gzip);
    let mut files = build::oci(&[&bad, &good]);
    let name = build::blob_name(&build::digest(&bad.blobs()[0]));
    let middle = files.get(&name).len() / 2;
    files.bytes(&name)[middle] ^= 0xff;
    let room = Room::with("app.tar", &files);
    let run = room.run("imgls app.tar");
    run.code(2);
    assert_eq!(
        run.out(),
        format!(
            "{HEADER}bad          1         {}   2 days ago   N/A\ngood         1         {}   2 days ago   2B\n",
            bad.short(),
            good.short()
        )
    );
    assert_eq!(run.err().lines().count(), 1, "{run}");
    run.complains(&format!("imgls: app.tar: layer 1 of 1: {name}: "));
    // Damage outside of the selection is not reported.
    room.run("imgls app.tar:good:1").code(0);
    files.remove(&build::blob_name(&bad.id()));
    let room = Room::with("app.tar", &files);
    room.run("imgls app.tar:good:1").code(0);
    room.run("imgls -q app.tar")
        .code(2)
        .complains("is not in the archive");
}

/// skopeo selects by the bare `ref.name` even if the image has a full name.
#[test]
fn ref_name_selects_beside_a_full_name() {
    let (app, tool) = (app(), tool());
    let mut files = build::docker25(&[&app, &tool]);
    files.remove("manifest.json").remove("repositories");
    let room = Room::new();
    files.write_to(&room.path("layout"));
    for program in ["imghistory -q --no-trunc", "imginspect --raw config"] {
        room.run(&format!("{program} oci:layout:2")).code(0);
    }
    room.run("imginspect --format '{{.Id}} {{.RepoTags}}' layout:2")
        .ok(&format!("{} [example.com/team/tool:2]\n", tool.id()));
    room.run("imgsave --format oci -o out.tar oci:layout:2")
        .ok("");
    room.run("imgls --format '{{.Repository}}:{{.Tag}}' out.tar")
        .ok("example.com/team/tool:2\n");
}

#[test]
fn digest_prefixes_and_names_with_digests() {
    let (app, tool) = (app(), tool());
    let room = Room::with("app.tar", &build::docker25(&[&app, &tool]));
    let tool_row = format!("{}\n", tool.short());
    let digest = tool.manifest_digest();
    let id = tool.id();
    for image in [
        format!("app.tar@{}", &digest[..19]),
        format!("app.tar@{}", &id[..19]),
        format!("app.tar:@{}", &id[..11]),
        format!("app.tar:example.com/team/tool:2@{digest}"),
        format!("app.tar:example.com/team/tool:2@{}", &digest[..19]),
    ] {
        room.run(&format!("imgls -q {image}")).ok(&tool_row);
        room.run(&format!(
            "imginspect --format '{{{{slice .Id 7 19}}}}' {image}"
        ))
        .ok(&tool_row);
    }
    room.run("imgls -q app.tar@sha256:00000000")
        .code(2)
        .complains("no such image 'sha256:00000000'");
}

/// A digest prefix below an index selected the index, and so the host's image.
#[test]
fn digest_prefix_selects_an_image_below_an_index() {
    let (files, _, arm) = multi();
    let room = Room::with("app.tar", &files);
    for digest in [arm.manifest_digest(), arm.id()] {
        room.run(&format!(
            "imginspect --format '{{{{.Architecture}}}}' app.tar@{}",
            &digest[..19]
        ))
        .ok("arm64\n");
    }
}

#[test]
fn unknown_name_suggests_the_closest() {
    let room = Room::with("app.tar", &build::docker(&[&tool(), &app()]));
    for (wanted, hint) in [
        (
            "tool",
            "hint: the closest name is app.tar:example.com/team/tool:2\n",
        ),
        (
            "example.com/team/tool:3",
            "hint: the closest name is app.tar:example.com/team/tool:2\n",
        ),
        ("dmo:1", "hint: the closest name is app.tar:demo:1\n"),
        ("nothing", ""),
    ] {
        room.run(&format!("imgls app.tar:{wanted}")).fails(&format!(
            "imgls: app.tar: no such image '{wanted}': available: app.tar:example.com/team/tool:2 and app.tar:demo:1\n{hint}"
        ));
    }
}

#[test]
fn until_filter() {
    let room = Room::with("app.tar", &build::docker(&[&app(), &tool(), &untagged()]));
    let line = "imgls --format '{{.Repository}}'";
    room.run(&format!("{line} --filter until=24h app.tar"))
        .ok("demo\ndemo\nexample.com/team/tool\n");
    room.run(&format!("{line} -f until=2023-12-24T00:00:00Z app.tar"))
        .ok("example.com/team/tool\n");
    room.run("imgls -f until=tomorrow app.tar").fails(
        "imgls: filter 'until=tomorrow': expected a time in RFC 3339, seconds, or an age like 24h\n",
    );
}

/// skopeo stores the manifests of an index as `<hex>.manifest.json`.
#[test]
fn dir_format_with_an_index() {
    let (amd, arm) = (app(), app().platform("linux/arm64/v8"));
    let mut files = Files::default();
    let mut list = Vec::new();
    for image in [&amd, &arm] {
        let hex = |digest: &str| digest.trim_start_matches("sha256:").to_owned();
        files.put(&hex(&image.id()), image.config());
        for blob in image.blobs() {
            files.put(&hex(&build::digest(&blob)), blob);
        }
        files.add(
            &format!("{}.manifest.json", hex(&image.manifest_digest())),
            image.manifest(),
        );
        let mut entry = build::descriptor(
            "application/vnd.oci.image.manifest.v1+json",
            &image.manifest(),
        );
        entry["platform"] = image.platform_value();
        list.push(entry);
    }
    let media_type = "application/vnd.oci.image.index.v1+json";
    let index = json!({"schemaVersion": 2, "mediaType": media_type, "manifests": list});
    files.add("manifest.json", index.to_string());
    let room = Room::new();
    files.write_to(&room.path("dir"));
    room.run("imgls -q --no-trunc --platform linux/arm64 dir")
        .ok(&format!("{}\n", arm.id()));
    room.run("imgls --tree dir").code(0).says("├─ linux/amd64");
    let run = room.run("imgverify dir");
    run.code(0).says("dir: ok: dir, 2 images");
    assert!(!run.out().contains("unreferenced"), "{run}");
}

#[test]
fn standard_input_is_read_once() {
    let tar = build::docker(&[&app()]).tar();
    let room = Room::new();
    for line in [
        "imgls - -",
        "imgls - dir:-",
        "imginspect -:demo:1 /dev/stdin",
    ] {
        let name = line.split(' ').next().expect("a program");
        room.command(line).pipe(&tar).run().fails(&format!(
            "{name}: cannot read two inputs from standard input\n"
        ));
    }
}

/// Indexes that share others gave an exponential tree, with quadratic time for its labels.
#[test]
fn tree_size_is_limited() {
    let mut files = build::oci(&[&app()]);
    let index: serde_json::Value =
        serde_json::from_slice(files.get("index.json")).expect("an index");
    let mut lowest = index["manifests"][0].clone();
    lowest
        .as_object_mut()
        .expect("an object")
        .remove("annotations");
    let media_type = "application/vnd.oci.image.index.v1+json";
    let mut level = lowest;
    for _ in 0..6 {
        let document =
            json!({"schemaVersion": 2, "mediaType": media_type, "manifests": vec![level; 10]});
        let document = document.to_string();
        level = build::descriptor(media_type, document.as_bytes());
        files.add(
            &build::blob_name(&build::digest(document.as_bytes())),
            document,
        );
    }
    files.edit("index.json", |index| index["manifests"] = json!([level]));
    let room = Room::with("app.tar", &files);
    let run = room.run("imgls --tree app.tar");
    run.code(0);
    assert_eq!(run.out().lines().count(), 62, "{run}");
    let wide = json!({"schemaVersion": 2, "mediaType": media_type, "manifests": vec![json!({
        "mediaType": media_type, "digest": format!("sha256:{}", "0".repeat(64)), "size": 1,
    }); 20_000]});
    let wide = wide.to_string();
    let entry = build::descriptor(media_type, wide.as_bytes());
    files.add(&build::blob_name(&build::digest(wide.as_bytes())), wide);
    files.edit("index.json", |index| index["manifests"] = json!([entry]));
    Room::with("app.tar", &files)
        .run("imgls --tree app.tar")
        .fails(
            "imgls: app.tar: rows of a tree: limit exceeded: expected at most 10000, found 20001\n",
        );
}

/// 100,000 tags took 38 seconds; 10,000 items with one large config copied it as often. 20,000 names took imgls 8 seconds,
/// and more than 100 to be written, because each was compared with all others.
#[test]
fn many_names_and_items_are_fast() {
    // Each run takes less than three seconds of the processors' time.
    let quick = |room: &Room, line: &str| room.command(line).seconds(10).run();
    let image = app();
    let mut files = build::docker(&[&image]);
    files.edit("manifest.json", |items| {
        let names: Vec<String> = (0..20_000).map(|i| format!("demo:{i}")).collect();
        items[0]["RepoTags"] = json!(names);
    });
    let room = Room::with("app.tar", &files);
    let run = quick(&room, "imgls -q app.tar");
    assert_eq!(run.out().lines().count(), 20_000);
    quick(&room, "imginspect --format '{{len .RepoTags}}' app.tar").ok("20000\n");
    quick(&room, "imgls --search demo app.tar").code(0);
    quick(&room, "imgconvert app.tar oci:layout").code(0);
    for _ in 0..2 {
        let loaded = quick(&room, "imgload -i app.tar");
        assert_eq!(loaded.out().lines().count(), 20_000);
    }
    quick(&room, "imgsave -o saved.tar demo").code(0);
    // Each name is an entry of index.json, which is more than documents may have without this.
    let saved = quick(&room, "imgls -q --limit json-size=8M saved.tar");
    assert_eq!(saved.out().lines().count(), 20_000);
    quick(&room, "imgrm demo:1 demo:2").code(0);
    let mut files = build::docker(&[&image]);
    files.edit("manifest.json", |items| {
        items[0]["RepoTags"] = json!(null);
        *items = json!(vec![items[0].clone(); 3000]);
    });
    let room = Room::with("app.tar", &files);
    let run = quick(&room, "imgls -q app.tar");
    assert_eq!(run.out().lines().count(), 3000);
    quick(&room, "imginspect app.tar").code(0);
    let other = build::image("other:1").layer("f o o");
    files.edit("manifest.json", |items| {
        items[0]["RepoTags"] = json!(["demo:1"])
    });
    let mut more = build::docker(&[&other]);
    for name in more.names() {
        if name != "manifest.json" && name != "repositories" {
            files.put(&name, more.bytes(&name).clone());
        }
    }
    let item: serde_json::Value =
        serde_json::from_slice(more.get("manifest.json")).expect("a list");
    files.edit("manifest.json", |items| {
        items.as_array_mut().expect("a list").push(item[0].clone());
    });
    quick(&Room::with("app.tar", &files), "imginspect app.tar")
        .code(2)
        .complains("several images, expected one: app.tar:demo:1, app.tar:@1, ")
        .complains(" and 2989 more\n");
}

/// Long names were printed in full in tables.
#[test]
fn long_names_are_truncated_in_tables_only() {
    let mut files = build::docker(&[&app()]);
    let long = format!("A{}", "x".repeat(100_000));
    files.edit("manifest.json", |items| {
        items[0]["RepoTags"] = json!([long])
    });
    let room = Room::with("app.tar", &files);
    for line in ["imgls app.tar", "imgls --tree app.tar"] {
        let run = room.run(line);
        run.code(0);
        let widest = run.out().lines().map(|line| line.chars().count()).max();
        assert!(widest < Some(500), "{line}: {widest:?}");
    }
    let rows = room.run("imgls --format json app.tar").json_lines();
    assert_eq!(rows[0]["Repository"], long.as_str());
}

/// An official image, one with annotations, one with labels, and one with none of them.
fn searched() -> Vec<Image> {
    let described = json!({
        "org.opencontainers.image.title": "Cache of pages",
        "org.opencontainers.image.description": "Keeps\nwhat was asked for, so that nobody has to ask for it again"
    });
    vec![
        build::image("varnish:7").layer("f a one").set(
            "config",
            json!({"Env": ["PATH=/bin", "MODE=fast"], "Cmd": ["varnishd", "-F"], "Labels": described}),
        ),
        build::image("example.com/team/varnish-tools:1")
            .step("RUN make fast")
            .layer("f b two"),
        build::image("team/other:2")
            .layer("f c three")
            .set("config", json!({"Labels": {"parent": "varnish"}})),
        build::image("team/last:3").layer("f d four"),
    ]
}

#[test]
fn search_finds_names_labels_and_titles_in_the_order_of_docker() {
    let images = searched();
    let room = Room::with(
        "all.tar",
        &build::docker(&images.iter().collect::<Vec<_>>()),
    );
    let found = |command: &str| {
        let line = format!("{command} --format '{{{{.Name}}}} {{{{json .Matched}}}}' all.tar");
        room.run(&line).code(0).out().to_owned()
    };
    assert_eq!(
        found("imgls --search VARNISH"),
        "varnish:7 [\"name\"]\nexample.com/team/varnish-tools:1 [\"name\"]\nteam/other:2 [\"label parent\"]\n"
    );
    assert_eq!(
        found("imgls --search team/*"),
        "team/last:3 [\"name\"]\nteam/other:2 [\"name\"]\n"
    );
    assert_eq!(
        found("imgls --search page"),
        "varnish:7 [\"label org.opencontainers.image.title\"]\n"
    );
    // Only where it is asked for.
    room.run("imgls -q --search fast all.tar").is(1, "", "");
    assert_eq!(
        found("imgls --search fast --in env,history"),
        "example.com/team/varnish-tools:1 [\"history\"]\nvarnish:7 [\"env\"]\n"
    );
    assert_eq!(
        found("imgls --search varnishd --in cmd"),
        "varnish:7 [\"cmd\"]\n"
    );
    assert_eq!(
        found("imgls --search docker.io/library/varnish"),
        "varnish:7 [\"name\"]\nexample.com/team/varnish-tools:1 [\"name\"]\nteam/other:2 [\"label parent\"]\n"
    );
}

#[test]
fn search_has_the_columns_and_keys_of_docker_search() {
    let images = searched();
    let room = Room::with(
        "all.tar",
        &build::docker(&images.iter().collect::<Vec<_>>()),
    );
    let (first, second) = (images[0].short(), images[1].short());
    room.run("imgls --search varnish --max-rows 2 all.tar").is(
        0,
        &format!(
            "NAME                               DESCRIPTION                                     STARS     OFFICIAL   IMAGE ID       ARCHIVE\n\
             varnish:7                          Keeps what was asked for, so that nobody has…   0         [OK]       {first}   all.tar\n\
             example.com/team/varnish-tools:1                                                   0                    {second}   all.tar\n"
        ),
        "imgls: 2 of 3 images are shown: --max-rows 0 shows all\n",
    );
    let official = room
        .run("imgls --search varnish --filter is-official=true --format json --no-trunc all.tar");
    let row: serde_json::Value = official.json();
    assert_eq!(row["IsOfficial"], "true");
    assert_eq!(row["IsAutomated"], "false");
    assert_eq!(row["StarCount"], "0");
    assert_eq!(row["Name"], "varnish:7");
    assert_eq!(
        row["Description"],
        "Keeps what was asked for, so that nobody has to ask for it again"
    );
    room.run("imgls -q --search varnish --filter label=parent all.tar")
        .ok(&format!("{}\n", images[2].short()));
    room.run("imgls --search x --filter is-official=maybe all.tar")
        .code(2)
        .complains("expected true or false");
    room.run("imgls --max-rows 2 all.tar").code(2);
}

#[test]
fn search_reads_annotations_of_manifests_and_their_descriptors() {
    let images = searched();
    let room = Room::new();
    build::oci(&[&images[3]]).write_to(&room.path("layout"));
    let index = room.path("layout/index.json");
    let text = std::fs::read_to_string(&index).expect("an index");
    let mut value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    value["manifests"][0]["annotations"]["org.opencontainers.image.vendor"] = json!("Initech");
    value["manifests"][0]["annotations"]["org.example.other"] = json!("Initrode");
    std::fs::write(&index, value.to_string()).expect("a file");
    room.run("imgls --search initech --format '{{.Matched}}' layout")
        .ok("[annotation org.opencontainers.image.vendor]\n");
    room.run("imgls -q --search initrode layout").is(1, "", "");
}
