use super::testing::Sample;
use super::tests::{matches, parse};
use crate::elf::Elf;
use crate::facts::{ContentFacts, Magic};

#[test]
fn contents_are_tested_by_their_facts() {
    let library = Sample {
        contents: ContentFacts {
            is_text: false,
            magic: Some(Magic::Elf),
            elf: Some(Box::new(Elf {
                soname: Some(b"libssl.so.3".to_vec()),
                needed: vec![b"libcrypto.so.3".to_vec(), b"libc.so.6".to_vec()],
                build_id: Some(vec![0xab, 0xcd, 0xef, 0x01, 0x23]),
                ..Elf::default()
            })),
            ..ContentFacts::default()
        },
        ..Sample::file("usr/lib/libssl.so.3")
    };
    let script = Sample {
        contents: ContentFacts {
            is_text: true,
            magic: Some(Magic::Script),
            ..ContentFacts::default()
        },
        ..Sample::file("usr/bin/ldd")
    };
    for (text, of_library, of_script) in [
        ("-text", false, true),
        ("-elf", true, false),
        ("-magic elf", true, false),
        ("-magic script", false, true),
        ("! -magic zip", true, true),
        ("-needed libcrypto.so.*", true, false),
        ("-needed libc.so.6 -needed libcrypto*", true, false),
        ("-needed libssl*", false, false),
        ("-soname lib*", true, false),
        ("-soname libcrypto*", false, false),
        ("-interp *", false, false),
        ("-build-id ABCDEF01", true, false),
        ("-build-id abcdef0123", true, false),
        ("-build-id abcdef0124", false, false),
    ] {
        assert_eq!(matches(text, &library), of_library, "{text}");
        assert_eq!(matches(text, &script), of_script, "{text}");
    }
    let owned = Sample {
        package: "libssl3",
        ..script.clone()
    };
    for text in [
        "-package libssl3",
        "-package lib*",
        "! -unowned",
        "-altered",
        "-hashset a -o -hashset b",
    ] {
        assert!(matches(text, &owned), "{text}");
    }
    for text in ["-package ssl", "-hashset a"] {
        assert!(!matches(text, &owned), "{text}");
    }
    assert!(matches("-unowned ! -altered", &script));
    let sets = parse("-hashset a -hashset b/c").expect("an expression");
    assert_eq!(sets.hash_sets(), ["a", "b/c"]);
    assert!(sets.uses().digests && !sets.uses().packages);
    let directory = Sample {
        contents: script.contents.clone(),
        ..Sample::directory("usr/bin")
    };
    assert!(!matches("-text", &directory));
    let expression = parse("-text -o -needed a -o -name b").expect("an expression");
    assert_eq!(expression.content_tests().len(), 2);
}
