//! Scripts of a made-up package.

use super::{Coverage, report};
use crate::base::debian::{Control, Member, Unpacked};
use crate::base::rootfs::Node;
use crate::programs::imgbase::Base;
use crate::programs::imgbase::emulation::{self, EmulationOptions};

fn base(postinst: &str) -> Base {
    let mut base = Base::new(1_750_000_000);
    for (path, text) in [
        ("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n"),
        ("etc/group", "root:x:0:\nadm:x:4:\n"),
        ("usr/bin/tool-a", "x"),
    ] {
        base.rootfs
            .put(path.as_bytes(), Node::file(0o755, text))
            .expect("a file");
    }
    let member = Member {
        mode: 0o755,
        bytes: postinst.as_bytes().to_vec(),
    };
    base.packages.push(Unpacked {
        control: Control::parse("Package: made-up\nVersion: 1\nArchitecture: all\n")
            .expect("control"),
        members: [("postinst".to_owned(), member)].into(),
        ..Unpacked::default()
    });
    base
}

#[test]
fn known_commands_are_carried_out_and_covered() {
    let mut base = base(
        "#!/bin/sh\nset -e\nU=demo\nsetup() {\n  mkdir -p \"$1\"\n  chown $U:adm \"$1\"; chmod ${2} $1\n}\n\
         if [ \"$1\" = configure ] && [ -z \"$2\" ]; then\n  adduser --system --group --home /var/lib/demo $U || true\n\
         for d in log cache; do setup /var/$d/demo 2750; done\nfi\n\
         case $1 in (configure|x) update-alternatives --install /usr/bin/tool tool /usr/bin/tool-a 5;; *) rm -rf /;; esac\n\
         cat > /etc/demo.conf <<EOF\nuser=demo\nEOF\n\
         if dpkg --compare-versions \"$2\" lt-nl 2; then rm -rf /etc; fi\nexit 0\nrm -rf /usr\n",
    );
    emulation::run(&mut base, &EmulationOptions::default()).expect("made");
    let node = base.rootfs.get(b"var/log/demo").expect("a directory");
    assert_eq!((node.mode, node.uid, node.gid), (0o2750, 100, 4));
    let conf = base.rootfs.read(b"etc/demo.conf", 99).expect("read");
    assert_eq!(conf.as_deref(), Some(b"user=demo\n".as_slice()));
    assert!(base.rootfs.get(b"etc/alternatives/tool").is_some());
    let found = report(&base, &[]);
    assert_eq!(
        (found[0].class, found[0].left.as_slice()),
        (Coverage::Covered, [].as_slice())
    );
}

#[test]
fn unknown_commands_are_skipped_and_reported() {
    let mut base = base(
        "#!/bin/sh\nP=$(some-program)\nif grep -q x /etc/y; then chmod 600 /etc/passwd; fi\nrm -rf \"$P\"\nunknown --now\n",
    );
    emulation::run(&mut base, &EmulationOptions::default()).expect("made");
    assert_eq!(
        base.rootfs.get(b"etc/passwd").map(|node| node.mode),
        Some(0o755)
    );
    let found = report(&base, &[]);
    let left: Vec<(usize, &str)> = found[0]
        .left
        .iter()
        .map(|left| (left.line, left.command.as_str()))
        .collect();
    assert_eq!(found[0].class, Coverage::Uncovered);
    assert_eq!(
        left,
        [
            (3, "chmod 600 /etc/passwd"),
            (4, "rm -rf …"),
            (5, "unknown --now")
        ]
    );
}

#[test]
fn hostile_scripts_are_uncovered_in_bounded_time() {
    let deep = format!("#!/bin/sh\n{}true\n", "if true; then ".repeat(100_000));
    let chain = format!("#!/bin/sh\n{}true\n", "true && ".repeat(100_000));
    let calls = "#!/bin/sh\nf() { f; f; }\nf\n".to_owned();
    let quotes = format!("#!/bin/sh\necho {}\n", "${a:-".repeat(10_000));
    for script in [
        deep,
        chain,
        calls,
        quotes,
        "#!/usr/bin/perl\n".to_owned(),
        "#!/bin/sh\n'".to_owned(),
    ] {
        let found = report(&base(&script), &[]);
        assert_eq!(
            found[0].class,
            Coverage::Uncovered,
            "{}",
            &script[..20.min(script.len())]
        );
    }
}
