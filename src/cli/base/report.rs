//! What `--report` writes.

use serde_json::{Value, json};

use crate::debian::solver::Reason;
use crate::job::base::Base;
use crate::job::base::deb::DebReport;

/// The report as JSON: `packages`, `stand_ins`, `scripts`.
pub fn json(base: &Base, report: &DebReport) -> Vec<u8> {
    let name = |i: usize| {
        base.packages
            .get(i)
            .map(|package| package.name().to_owned())
    };
    let reason = |reason: &Reason| match reason {
        Reason::Asked(words) => json!({"asked": words}),
        Reason::Essential => json!("essential"),
        Reason::Priority(priority) => json!({"priority": priority.as_str()}),
        Reason::Variant => json!("variant"),
        Reason::Needed {
            by,
            field,
            relation,
        } => json!({"by": name(*by), "field": field, "relation": relation}),
    };
    let packages = base.packages.iter().enumerate().map(|(i, package)| {
        json!({
            "name": package.name(),
            "version": package.version(),
            "architecture": package.architecture(),
            "reason": report.reasons.get(i).map(reason),
        })
    });
    let text = |path: &Vec<u8>| String::from_utf8_lossy(path).into_owned();
    let stand_ins = report.stand_ins.iter().map(|one| {
        json!({
            "name": one.name,
            "made": one.made.iter().map(text).collect::<Vec<_>>(),
            "notes": one.notes,
        })
    });
    let scripts = report.scripts.iter().map(|package| {
        let left = package.left.iter().map(|left| {
            json!({
                "script": left.script,
                "line": left.line,
                "text": left.text,
                "command": left.command,
                "certain": left.certain,
            })
        });
        json!({
            "package": package.package,
            "version": package.version,
            "architecture": package.architecture,
            "class": package.class.as_str(),
            "left": left.collect::<Vec<_>>(),
            "later": package.later,
        })
    });
    let document: Value = json!({
        "packages": packages.collect::<Vec<_>>(),
        "stand_ins": stand_ins.collect::<Vec<_>>(),
        "scripts": scripts.collect::<Vec<_>>(),
        "left_out": report.left_out,
    });
    let mut bytes = serde_json::to_vec_pretty(&document).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}
