//! What entries of the history leave open, taken from the layers, from later entries and from the config.

use std::collections::{HashMap, HashSet};

use super::instruction::{Certainty, Command, Instruction};
use super::layers::{Facts, Links};
use super::read::BUILDAH;
use super::settings::Settings;
use super::typed::PATH;
use super::write::{Writer, is_plain_key};
use super::{Line, Pairs, escape};
use crate::spec::join_paths;

/// Gives a copied heredoc its body, which is the only file of its layer.
pub fn body(line: &mut Line, facts: Option<&Facts>) {
    let Instruction::Copy(copy) = &mut line.instruction else {
        return;
    };
    let heredocs = copy
        .sources
        .iter()
        .filter(|source| source.starts_with("<<"))
        .count();
    if heredocs == 0 {
        return;
    }
    let name = |source: &str| {
        let name = source.trim_start_matches("<<").trim_start_matches('-');
        name.trim_matches(['"', '\'']).to_owned()
    };
    if let ([source], Some(body)) = (
        copy.sources.as_mut_slice(),
        facts.and_then(|facts| facts.body.as_ref()),
    ) && body.ends_with('\n')
        && is_plain_key(&name(source))
        && !body.lines().any(|line| line == name(source))
    {
        *source = name(source);
        copy.body = Some(body.clone());
        line.remarks
            .push("the body of the heredoc is the file in the layer".into());
        return;
    }
    for source in &mut copy.sources {
        if source.starts_with("<<") {
            *source = format!("<heredoc:{}>", name(source));
        }
    }
    line.certainty = Certainty::Lost;
    line.notes
        .push("the body of a heredoc is not recorded".into());
}

/// Puts names with blanks together, which BuildKit notes as if they were several: the layer tells what the target is.
pub fn blanks(line: &mut Line, workdir: &str, facts: &Facts, links: &Links) {
    let Instruction::Copy(copy) = &mut line.instruction else {
        return;
    };
    let mut words = copy.sources.clone();
    words.push(copy.destination.clone());
    if words.len() < 3 || facts.cut || words.len() > 50 {
        return;
    }
    let target = |from: usize| words.get(from..).unwrap_or_default().join(" ");
    let is_there = |from: &usize| {
        let path = join_paths(workdir, &target(*from));
        facts.has(&links.resolve(&path)) || facts.has(path.trim_start_matches('/').as_bytes())
    };
    // At least one word is the source; the shortest target that is there is meant.
    let Some(from) = (1..words.len()).rev().find(is_there) else {
        return;
    };
    let destination = target(from);
    let whole = words.get(..from).unwrap_or_default().join(" ");
    let name = whole.rsplit('/').next().unwrap_or_default();
    let ends = |path: &Vec<u8>| {
        path.strip_suffix(name.as_bytes())
            .is_some_and(|before| before.is_empty() || before.ends_with(b"/"))
    };
    // Several sources need a folder to go to; one is told by its name in the layer.
    let one = from > 1 && (!destination.ends_with('/') || facts.paths.iter().any(ends));
    if destination != copy.destination || one {
        copy.destination = destination;
        copy.sources = match one {
            true => vec![whole],
            false => words.get(..from).unwrap_or_default().to_vec(),
        };
        line.certainty = line.certainty.max(Certainty::Inferred);
        line.remarks
            .push("names with blanks, as the layer has them".into());
    }
}

/// Gives a copy the owner and the mode that its files have in the layer, where the builder does not note its options.
pub fn owner(line: &mut Line, workdir: &str, facts: &Facts, links: &Links) {
    let Instruction::Copy(copy) = &mut line.instruction else {
        return;
    };
    let has_flags = !copy.flags.is_empty();
    let is_elsewhere = copy.sources.iter().any(|source| source.starts_with('/'));
    if copy.add || has_flags || is_elsewhere || facts.cut || copy.destination.contains('$') {
        return;
    }
    let marks = facts.marks_at(&links.resolve(&join_paths(workdir, &copy.destination)));
    let mut files = marks.iter().filter(|marks| !marks.is_directory);
    let Some(first) = files.next() else {
        return;
    };
    if !marks.iter().all(|marks| marks.owner == first.owner) {
        return;
    }
    if first.owner != (0, 0) {
        let (uid, gid) = first.owner;
        copy.flags.push(format!("--chown={uid}:{gid}"));
    }
    let plain = marks.iter().filter(|marks| marks.is_file);
    let modes: HashSet<u16> = plain.map(|marks| marks.mode & 0o7777).collect();
    // Those that the files of a context mostly have say nothing.
    if let [mode] = modes.into_iter().collect::<Vec<_>>()[..]
        && !matches!(mode, 0o644 | 0o755 | 0o664 | 0o775 | 0o444 | 0o555)
        && !marks.iter().any(|marks| marks.is_directory)
    {
        copy.flags.push(format!("--chmod={mode:o}"));
    }
    if !copy.flags.is_empty() {
        line.certainty = line.certainty.max(Certainty::Inferred);
        line.remarks
            .push("options of this copy are not recorded; these give what the layer has".into());
    }
}

/// Gives build arguments the values that later commands had, and declares those that nothing declares.
pub fn args(lines: &mut Vec<Line>, escape: char) {
    let writer = Writer {
        escape,
        shell: &[],
        heredocs: false,
    };
    let set: HashSet<String> = lines
        .iter()
        .filter_map(|line| match &line.instruction {
            Instruction::Env(pairs) => Some(pairs.iter().map(|(name, _)| name.clone())),
            _ => None,
        })
        .flatten()
        .collect();
    // From the last line up: what the next command had.
    let mut next: Pairs = Vec::new();
    for line in lines.iter_mut().rev() {
        if !line.build_args.is_empty() {
            next.clone_from(&line.build_args);
        }
        for pair in &line.learnt {
            if !next.iter().any(|(name, _)| *name == pair.0) {
                next.push(pair.clone());
            }
        }
        let Instruction::Arg(args) = &mut line.instruction else {
            continue;
        };
        let mut filled = false;
        for (name, value) in args.iter_mut().take(1000) {
            // The builder gives values of its own to some, ENV to others, and what is empty may never have been given.
            let is_own = |had: &str| had.is_empty() || is_platform(name) || set.contains(name);
            if let Some((_, had)) = next.iter().find(|(known, _)| known == name)
                && value.as_ref() != Some(had)
                && !is_own(had)
            {
                *value = Some(had.clone());
                filled = true;
            }
            next.retain(|(known, _)| known != name);
        }
        if filled {
            line.certainty = line.certainty.max(Certainty::Inferred);
            line.remarks
                .push("with the value that it had at a later command".into());
            line.text.clear();
            line.write(&writer);
        }
    }
    let mut declared: HashSet<String> = HashSet::new();
    let mut last: Pairs = Vec::new();
    let mut out = Vec::with_capacity(lines.len());
    for mut line in std::mem::take(lines) {
        if let Instruction::Arg(args) = &line.instruction {
            declared.extend(args.iter().map(|(name, _)| name.clone()));
        }
        if !line.build_args.is_empty() {
            line.new_args = line.build_args != last;
            last.clone_from(&line.build_args);
            let missing = last.iter().filter(|(name, _)| !declared.contains(name));
            let missing: Vec<(String, Option<String>)> = missing
                .map(|(name, value)| (name.clone(), Some(value.clone())))
                .collect();
            if !missing.is_empty() {
                declared.extend(missing.iter().map(|(name, _)| name.clone()));
                let mut added = Line::new(Instruction::Arg(missing), Certainty::Inferred);
                added
                    .remarks
                    .push("not declared in the history, but a command had it".into());
                added.write(&writer);
                out.push(added);
            }
        }
        out.push(line);
    }
    *lines = out;
}

/// Whether the builder gives a build argument its value: the platforms it builds on and for.
fn is_platform(name: &str) -> bool {
    let part = name
        .strip_prefix("TARGET")
        .or_else(|| name.strip_prefix("BUILD"));
    matches!(part, Some("PLATFORM" | "OS" | "ARCH" | "VARIANT"))
}

/// Makes the lines add up to the config. `before` is what the base sets, `sum` what base and lines set together.
pub fn config(
    lines: &mut Vec<Line>,
    before: &Settings,
    sum: &Settings,
    known: &Settings,
    windows: bool,
) {
    triggers(lines, known);
    let shell = known.shell(windows);
    let add = |lines: &mut Vec<Line>, at: usize, instruction: Instruction| {
        let mut line = Line::new(instruction, Certainty::Inferred);
        line.remarks
            .push("in the config, without an entry in the history".into());
        line.write(&Writer {
            escape: escape(windows),
            shell: &shell,
            heredocs: false,
        });
        lines.insert(at, line);
    };
    let differs = |sum: &[(String, String)], key: &str, value: &str| {
        let found = sum.iter().find(|(name, _)| name == key);
        found.map(|(_, known)| known != value)
    };
    // What nothing sets comes first, as commands may need it; what was set otherwise comes last.
    let missing: Pairs = known
        .env
        .iter()
        .filter(|(key, value)| differs(&sum.env, key, value).is_none())
        // Builders give it to what has no base, or the base has it.
        .filter(|(key, value)| !(key == "PATH" && !windows && value == PATH))
        .cloned()
        .collect();
    if !missing.is_empty() {
        add(lines, 1, Instruction::Env(missing));
    }
    let end = |lines: &Vec<Line>| lines.len();
    let changed: Pairs = known
        .env
        .iter()
        .filter(|(key, value)| differs(&sum.env, key, value) == Some(true))
        .cloned()
        .collect();
    if !changed.is_empty() {
        add(lines, end(lines), Instruction::Env(changed));
    }
    let labels: Pairs = known
        .labels
        .iter()
        .filter(|(key, value)| differs(&sum.labels, key, value) != Some(false))
        // buildah adds it to whatever it builds.
        .filter(|(key, _)| key != BUILDAH)
        .cloned()
        .collect();
    if !labels.is_empty() {
        add(lines, end(lines), Instruction::Label(labels));
    }
    let with_protocol = |port: &String| match port.contains('/') {
        true => port.clone(),
        false => format!("{port}/tcp"),
    };
    let ports: Vec<String> = known
        .ports
        .iter()
        .filter(|port| !sum.ports.contains(&with_protocol(port)))
        .cloned()
        .collect();
    if !ports.is_empty() && !sum.ports.iter().any(|port| port.contains('-')) {
        add(lines, end(lines), Instruction::Expose(ports));
    }
    let volumes: Vec<String> = known
        .volumes
        .iter()
        .filter(|path| !sum.volumes.contains(path))
        .cloned()
        .collect();
    if !volumes.is_empty() {
        add(lines, end(lines), Instruction::Volume(volumes));
    }
    let path = |path: &str| match path {
        "" => "/".to_owned(),
        path => path.to_owned(),
    };
    if path(&known.workdir) != path(&sum.workdir) {
        add(
            lines,
            end(lines),
            Instruction::Workdir(path(&known.workdir)),
        );
    }
    if !known.user.is_empty() && known.user != sum.user {
        add(lines, end(lines), Instruction::User(known.user.clone()));
    }
    if !known.stop_signal.is_empty() && known.stop_signal != sum.stop_signal {
        add(
            lines,
            end(lines),
            Instruction::StopSignal(known.stop_signal.clone()),
        );
    }
    if !known.shell.is_empty() && known.shell != sum.shell {
        add(lines, end(lines), Instruction::Shell(known.shell.clone()));
    }
    if let Some(health) = &known.health
        && known.health != sum.health
    {
        add(lines, end(lines), Instruction::Healthcheck(health.clone()));
    }
    if known.entrypoint != sum.entrypoint {
        add(
            lines,
            end(lines),
            Instruction::Entrypoint(Command::Exec(known.entrypoint.clone())),
        );
    }
    let own_cmd = lines
        .iter()
        .any(|line| matches!(line.instruction, Instruction::Cmd(_)));
    let reset = known.entrypoint != sum.entrypoint && !own_cmd;
    if known.cmd != sum.cmd || reset && !known.cmd.is_empty() {
        if !known.cmd.is_empty() {
            add(
                lines,
                end(lines),
                Instruction::Cmd(Command::Exec(known.cmd.clone())),
            );
        } else if own_cmd && before.cmd.is_empty() {
            // A CMD of a base that an ENTRYPOINT reset, in one Dockerfile with it.
            let last = lines
                .iter()
                .rposition(|line| matches!(line.instruction, Instruction::Entrypoint(_)));
            for line in lines.iter_mut().take(last.unwrap_or(0)) {
                if matches!(line.instruction, Instruction::Cmd(_)) {
                    let text = line.text.split('\n').next().unwrap_or_default();
                    line.notes
                        .push(format!("{text}, which a later ENTRYPOINT reset"));
                    line.text.clear();
                }
            }
        } else if !reset {
            add(
                lines,
                end(lines),
                Instruction::Cmd(Command::Exec(Vec::new())),
            );
        }
    }
    let said: Vec<&String> = lines
        .iter()
        .filter_map(|line| match &line.instruction {
            Instruction::Onbuild(text) if !line.text.is_empty() => Some(text),
            _ => None,
        })
        .collect();
    let triggers: Vec<String> = known
        .onbuild
        .iter()
        .filter(|text| !said.contains(text))
        .cloned()
        .collect();
    for text in triggers {
        add(lines, end(lines), Instruction::Onbuild(text));
    }
}

/// Triggers of a base are gone once they ran.
fn triggers(lines: &mut [Line], known: &Settings) {
    let mut left: HashMap<&str, usize> = HashMap::new();
    for text in &known.onbuild {
        *left.entry(text).or_default() += 1;
    }
    for line in lines.iter_mut().rev() {
        let Instruction::Onbuild(text) = &line.instruction else {
            continue;
        };
        match left.get_mut(text.as_str()).filter(|count| **count > 0) {
            Some(count) => *count -= 1,
            // As the OCI format has no place for triggers, buildah leaves them out of the config.
            None if line.typed.is_some() && known.onbuild.is_empty() => line
                .notes
                .push("not in the config: the OCI format has no place for triggers".into()),
            None if !line.text.is_empty() => {
                line.notes
                    .push(format!("{}, a trigger that is no longer there", line.text));
                line.text.clear();
            }
            None => {}
        }
    }
}
