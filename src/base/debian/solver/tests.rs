use proptest::prelude::*;

use super::*;
use crate::base::debian::{Explanation, NotTaken, Paragraphs, explain};
use crate::error::Result;

/// Paragraphs of packages, one per line: `NAME VERSION [ARCH]; Field: value; ...`.
fn paragraphs(lines: &str) -> Paragraphs {
    let mut text = String::new();
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let mut fields = line.split(';').map(str::trim);
        let head: Vec<&str> = fields.next().expect("a head").split(' ').collect();
        let architecture = head.get(2).unwrap_or(&"amd64");
        let (name, version) = (head[0], head[1]);
        text.push_str(&format!(
            "Package: {name}\nVersion: {version}\nArchitecture: {architecture}\n"
        ));
        for field in fields.filter(|field| !field.is_empty()) {
            text.push_str(&format!("{field}\n"));
        }
        text.push('\n');
    }
    Paragraphs::new(&text).expect("paragraphs")
}

fn universe(paragraphs: &Paragraphs) -> Universe<'_> {
    let all = paragraphs.iter().map(|one| Candidate::of(one.fields()));
    let all: Vec<Candidate<'_>> = all.collect::<Result<_>>().expect("packages");
    Universe::new(all, "amd64", &["i386"]).expect("a universe")
}

fn request(include: &str) -> Request {
    let include = include.split_whitespace();
    Request {
        include: include
            .map(|one| Wanted::parse(one).expect("a package"))
            .collect(),
        prefer: vec!["preferred".to_owned()],
        ..Request::default()
    }
}

/// `NAME=VERSION` of the packages taken, sorted, or the error.
fn answer(universe: &Universe<'_>, request: &Request) -> String {
    match solve(universe, request) {
        Err(error) => error.to_string(),
        Ok(Err(unsolvable)) => unsolvable.to_string(),
        Ok(Ok(solution)) => {
            let mut all: Vec<String> = solution
                .taken
                .iter()
                .map(|taken| {
                    let one = universe.candidate(taken.choice);
                    match universe.machine(one) == universe.native() {
                        true => format!("{}={}", one.name, one.version),
                        false => format!("{}:{}={}", one.name, one.architecture, one.version),
                    }
                })
                .collect();
            all.sort();
            all.join(" ")
        }
    }
}

/// Checks requests and their results, independent of the order of packages.
fn check(lines: &str, cases: &[(&str, &str)]) {
    let backwards: Vec<&str> = lines.lines().rev().collect();
    for lines in [lines.to_owned(), backwards.join("\n")] {
        let paragraphs = paragraphs(&lines);
        let universe = universe(&paragraphs);
        for (include, expected) in cases {
            assert_eq!(&answer(&universe, &request(include)), expected, "{include}");
        }
    }
}

#[test]
fn real_packages_are_preferred_to_providers() {
    check(
        "aaa 9; Provides: real; Priority: required
         real 1
         a 1; Depends: real
         b 1; Depends: real (>= 2)
         c 1; Depends: aaa, real",
        &[
            ("a", "a=1 real=1"),
            (
                "b",
                "'b' requested; b 1 depends on real (>= 2), available: real 1",
            ),
            // A package already taken satisfies it.
            ("c", "aaa=9 c=1"),
        ],
    );
}

#[test]
fn stale_providers_are_not_taken() {
    check(
        "mover 1; Provides: thing
         mover 2
         taker 1; Provides: thing
         a 1; Depends: thing
         b 1; Depends: mover, thing",
        &[
            ("a", "a=1 taker=1"),
            ("b", "b=1 mover=2 taker=1"),
            ("mover=1 a", "a=1 mover=1"),
        ],
    );
}

#[test]
fn versions_of_two_suites_do_not_hide_each_other() {
    let lines = "lib 1
         lib 2
         lib 3~rc1
         a 1; Depends: lib
         b 1; Depends: lib (<< 2)
         c 1; Depends: lib (= 2)
         d 1; Depends: lib (<< 2), c";
    check(
        lines,
        &[
            ("a", "a=1 lib=3~rc1"),
            ("b", "b=1 lib=1"),
            ("a b", "a=1 b=1 lib=1"),
            ("c a", "a=1 c=1 lib=2"),
            ("lib=2 a", "a=1 lib=2"),
        ],
    );
    let paragraphs = paragraphs(lines);
    let mut all: Vec<Candidate<'_>> = paragraphs
        .iter()
        .map(|one| Candidate::of(one.fields()).expect("a package"))
        .collect();
    all[0].rank = 1;
    all[1].suite = "stable";
    let universe = Universe::new(all, "amd64", &[]).expect("a universe");
    assert_eq!(answer(&universe, &request("a")), "a=1 lib=1");
    assert_eq!(answer(&universe, &request("lib/stable a")), "a=1 lib=2");
    assert_eq!(
        answer(&universe, &request("lib/testing")),
        "no such package 'lib/testing': available: lib:amd64=1, lib:amd64=3~rc1 and lib:amd64=2"
    );
    let found = answer(&universe, &request("d"));
    assert!(found.contains("d 1 depends on lib (<< 2)"), "{found}");
    assert!(found.contains("c 1 depends on lib (= 2)"), "{found}");
    assert!(found.contains("cannot be installed together"), "{found}");
}

#[test]
fn provided_versions_are_those_stated() {
    check(
        "plain 5; Provides: v
         stated 5; Provides: v (= 2)
         a 1; Depends: v
         b 1; Depends: v (>= 2)
         c 1; Depends: v (>= 3)
         d 1; Conflicts: v (>= 2)
         gawk 1; Provides: awk
         mawk 1; Provides: awk; Priority: required
         e 1; Depends: awk",
        &[
            ("a", "a=1 plain=5"),
            ("b", "b=1 stated=5"),
            (
                "c",
                "'c' requested; c 1 depends on v (>= 3), which is missing",
            ),
            ("d a", "a=1 d=1 plain=5"),
            ("e", "e=1 mawk=1"),
            ("e gawk", "e=1 gawk=1"),
        ],
    );
}

#[test]
fn decisions_that_conflict_are_undone() {
    check(
        "a 1; Depends: x | y
         x 1; Depends: deep
         deep 1; Conflicts: z
         y 1
         z 1
         w 1; Breaks: y (<< 2)
         m 1; Depends: n
         n 1; Depends: m
         p 1; Depends: not-preferred | preferred
         not-preferred 1
         preferred 1
         self 1; Provides: s; Conflicts: s; Depends: s
         s 1",
        &[
            ("a", "a=1 deep=1 x=1"),
            ("a z", "a=1 y=1 z=1"),
            ("a w", "a=1 deep=1 w=1 x=1"),
            ("m", "m=1 n=1"),
            ("p", "p=1 preferred=1"),
            ("self", "self=1"),
            (
                "self s",
                "'self' requested; 's' requested; self 1 conflicts with s",
            ),
        ],
    );
}

#[test]
fn architectures() {
    check(
        "lib 1 amd64; Multi-Arch: same
         lib 1 i386; Multi-Arch: same
         odd 1 amd64; Multi-Arch: same
         odd 2 i386; Multi-Arch: same
         tool 1 amd64; Multi-Arch: foreign
         lang 1 amd64; Multi-Arch: allowed
         data 1 all
         app 1 i386; Depends: lib, tool, lang:any
         bad 1 i386; Depends: data
         two 1 i386; Depends: odd
         three 1; Depends: tool:any",
        &[
            ("app:i386", "app:i386=1 lang=1 lib:i386=1 tool=1"),
            ("app lib", "app:i386=1 lang=1 lib:i386=1 lib=1 tool=1"),
            (
                "bad",
                "'bad' requested; bad:i386 1 depends on data, available: data 1",
            ),
            ("two", "odd:i386=2 two:i386=1"),
            (
                "three",
                "'three' requested; three 1 depends on tool:any, available: tool 1",
            ),
        ],
    );
    let paragraphs = paragraphs("odd 1; Multi-Arch: same\nodd 2 i386; Multi-Arch: same");
    let found = answer(&universe(&paragraphs), &request("odd odd:i386"));
    assert!(found.contains("odd 1 and odd:i386 2 cannot"), "{found}");
}

#[test]
fn variants_exclusions_and_recommendations() {
    let paragraphs = paragraphs(
        "ess 1; Essential: yes; Depends: base
         base 1
         req 1; Priority: required
         imp 1; Priority: important; Recommends: rec, gone, base
         rec 1; Depends: gone
         std 1; Priority: standard; Recommends: nice | std
         nice 1; Recommends: nicer
         nicer 1
         apt 1",
    );
    let universe = universe(&paragraphs);
    let variant = |variant| Request {
        variant,
        ..Request::default()
    };
    for (request, expected) in [
        (variant(Variant::None), ""),
        (variant(Variant::Essential), "base=1 ess=1"),
        (variant(Variant::Minbase), "apt=1 base=1 ess=1 req=1"),
        (
            Request {
                exclude: vec![Wanted::parse("req").expect("a package")],
                recommends: true,
                ..variant(Variant::Standard)
            },
            "apt=1 base=1 ess=1 imp=1 std=1",
        ),
        (
            Request {
                recommends: true,
                ..request("imp nice")
            },
            "base=1 imp=1 nice=1 nicer=1",
        ),
        (
            Request {
                assume: vec!["gone".to_owned()],
                ..request("rec")
            },
            "rec=1",
        ),
        (
            Request {
                exclude: vec![Wanted::parse("base").expect("a package")],
                ..variant(Variant::Essential)
            },
            "base 1 is excluded by 'base'; ess is essential; ess 1 depends on base",
        ),
    ] {
        assert_eq!(answer(&universe, &request), expected);
    }
}

#[test]
fn dependencies_are_installed_first() {
    let paragraphs = paragraphs(
        "a 1; Depends: z, c
         z 1; Depends: y
         y 1
         c 1; Depends: d
         d 1; Pre-Depends: c
         e 1; Depends: a; Essential: yes",
    );
    let universe = universe(&paragraphs);
    let solution = solve(&universe, &request("e")).expect("no error");
    let solution = solution.expect("a solution");
    let names: Vec<&str> = solution
        .taken
        .iter()
        .map(|taken| universe.candidate(taken.choice).name)
        .collect();
    assert_eq!(names, ["y", "z", "c", "d", "a", "e"]);
    // Reasons refer to packages by index in installation order.
    let reason = &solution.taken[0].reason;
    let expected = Reason::Needed {
        by: 1,
        field: "Depends",
        relation: "y".to_owned(),
    };
    assert_eq!(*reason, expected);
    assert!(solution.taken[5].is_requested());
}

#[test]
fn explanations() {
    let paragraphs = paragraphs(
        "a 1; Depends: b, mta | alternative
         b 1; Depends: c (>= 1)
         c 1
         c 2
         mta 1
         alternative 1
         enemy 1; Conflicts: c
         other 1; Provides: virtual",
    );
    let universe = universe(&paragraphs);
    let request = request("a");
    let solution = solve(&universe, &request).expect("no error");
    let solution = solution.expect("a solution");
    let ask = |name: &str| {
        let wanted = Wanted::parse(name).expect("a package");
        explain(&universe, &request, &solution, &wanted).expect("an explanation")
    };
    let Explanation::Taken {
        chain,
        others,
        needed_by,
    } = ask("c")
    else {
        panic!("c is taken");
    };
    let steps: Vec<&str> = chain.iter().map(|step| step.package.as_str()).collect();
    assert_eq!(steps, ["a 1", "b 1", "c 2"]);
    assert_eq!(chain[0].reason, Reason::Requested("a".to_owned()));
    assert_eq!(others, ["c 1"]);
    let mentions = [("b 1".to_owned(), "depends on c (>= 1)".to_owned())];
    assert_eq!(needed_by, mentions);
    for (name, expected) in [
        ("nothing", "Missing"),
        ("virtual", "Missing"),
        ("alternative", "NotNeeded"),
        ("enemy", "enemy 1 conflicts with c"),
    ] {
        let Explanation::NotTaken { why, .. } = ask(name) else {
            panic!("{name} is not taken");
        };
        let found = match why {
            NotTaken::Unsatisfiable(unsolvable) => unsolvable.to_string(),
            why => format!("{why:?}"),
        };
        assert!(found.contains(expected), "{name}: {found}");
    }
}

#[test]
fn invalid_selections_and_relations_are_refused() {
    for bad in [
        "", "a b", "a=", "a=1 2", "a/", "A B", "-a", "a (>= 1)", "a:b:c",
    ] {
        assert!(Wanted::parse(bad).is_err(), "{bad}");
    }
    let paragraphs = paragraphs("a 1; Depends: b c\nd 1");
    let universe = universe(&paragraphs);
    let found = answer(&universe, &request("a"));
    assert_eq!(
        found,
        "a 1: Depends: relation: expected end of relation, found 'b c'"
    );
    // Relations of packages outside the closure are not parsed.
    assert_eq!(answer(&universe, &request("d")), "d=1");
}

/// Compares with recorded choices of apt, and of mmdebstrap for minbase: see testdata/README.md.
#[test]
fn choices_match_apt() {
    let read = |name: &str| {
        let path = format!("{}/testdata/solver/{name}", env!("CARGO_MANIFEST_DIR"));
        std::fs::read_to_string(path).expect("test data")
    };
    let paragraphs = Paragraphs::new(&read("Packages")).expect("paragraphs");
    let universe = universe(&paragraphs);
    let mut count = 0;
    for line in read("apt.txt").lines() {
        let (name, expected) = line.split_once(": ").expect("an answer");
        let request = match name {
            "minbase" => Request {
                variant: Variant::Minbase,
                prefer: vec!["usr-is-merged".to_owned()],
                ..Request::default()
            },
            name => request(name),
        };
        let solution = solve(&universe, &request).expect("no error");
        let solution = solution.expect("a solution");
        let mut names: Vec<&str> = solution
            .taken
            .iter()
            .map(|taken| universe.candidate(taken.choice).name)
            .collect();
        names.sort_unstable();
        assert_eq!(names.join(" "), expected, "{name}");
        count += 1;
    }
    assert_eq!(count, 41);
}

const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

/// Packages of the model: dependencies as lists of alternatives, and conflicts, all by index.
type Model = Vec<(Vec<Vec<usize>>, Vec<usize>)>;

/// Returns whether a set of packages satisfies the model.
fn is_solution(model: &Model, taken: u32) -> bool {
    let has = |one: usize| taken >> one & 1 == 1;
    (0..NAMES.len()).filter(|one| has(*one)).all(|one| {
        let (depends, conflicts) = &model[one];
        depends
            .iter()
            .all(|any| any.iter().any(|other| has(*other)))
            && !conflicts.iter().any(|other| *other != one && has(*other))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]
    /// The oracle tries all sets of packages.
    #[test]
    fn finds_a_solution_if_one_exists(
        model in prop::collection::vec(
            (
                prop::collection::vec(prop::collection::vec(0..NAMES.len(), 1..4), 0..3),
                prop::collection::vec(0..NAMES.len(), 0..2),
            ),
            NAMES.len(),
        ),
    ) {
        let list = |names: &Vec<usize>, with: &str| {
            names.iter().map(|one| NAMES[*one]).collect::<Vec<_>>().join(with)
        };
        let mut lines = String::new();
        for (one, (depends, conflicts)) in model.iter().enumerate() {
            let depends: Vec<String> = depends.iter().map(|any| list(any, " | ")).collect();
            let depends = depends.join(", ");
            let conflicts = list(conflicts, ", ");
            lines.push_str(&format!("{} 1; Depends: {depends}; Conflicts: {conflicts}\n", NAMES[one]));
        }
        let paragraphs = paragraphs(&lines);
        let universe = universe(&paragraphs);
        let possible = (0..1 << NAMES.len()).any(|taken| taken & 1 == 1 && is_solution(&model, taken));
        match solve(&universe, &request("a")).expect("no error") {
            Ok(solution) => {
                let numbers = solution.taken.iter().map(|taken| {
                    let name = universe.candidate(taken.choice).name;
                    NAMES.iter().position(|one| *one == name).expect("a name")
                });
                let taken = numbers.fold(0, |all, one| all | 1 << one);
                prop_assert!(is_solution(&model, taken), "{}{:b}", lines, taken);
                prop_assert!(taken & 1 == 1);
            }
            Err(unsolvable) => prop_assert!(!possible, "{}{}", lines, unsolvable),
        }
    }
}
