//! Members of a tar of which only parts are there: volumes of a set, some of which are missing or damaged.

use super::content::Content;
use super::detours::Detours;
use super::member::{Member, MemberKind};
use super::members::MemberTable;
use super::volumes::Run;
use crate::blob::FileRange;
use crate::error::{Error, Fault, Result, within};
use crate::layer::Limits;

/// Tests if an error is damage of a volume.
fn is_damage(error: &Error) -> bool {
    matches!(error.fault(), Fault::Volumes(_))
}

impl MemberTable {
    /// Indexes the members of a tar that are whole in some ranges of it, each of which begins with a member. Returns also
    /// the names of those that begin in the first range, if that is the beginning of the tar.
    ///
    /// # Errors
    /// As [`MemberTable::index`].
    pub fn runs(
        range: &FileRange,
        runs: &[Run],
        lost: &[(u64, u64)],
        limits: &Limits,
    ) -> Result<(Self, Vec<Vec<u8>>)> {
        let mut all = MemberTable::default();
        let mut leading = Vec::new();
        for run in runs {
            let mut start = Some(run.start);
            while let Some(from) = start.take() {
                let part = range.slice(from, run.end - from);
                let mut table = MemberTable::default();
                match MemberTable::index(&part, limits) {
                    Ok(indexed) => table = indexed,
                    Err(error) if is_damage(&error) => table.fault = Some(error),
                    Err(error) => return Err(error),
                }
                if from == 0 {
                    let names = table.members.iter().map(|member| member.name.clone());
                    leading = names.collect();
                }
                let damaged_at = table.drop_cut(from);
                // Headers after the damage are found from the next known one on.
                start = damaged_at.and_then(|at| {
                    let mut restarts = run.restarts.iter();
                    restarts.find(|restart| **restart > at).copied()
                });
                all.append(table, lost);
                within("members", limits.entries, all.members.len() as u64)?;
            }
        }
        all.detours = Detours::of(&all.members);
        Ok((all, leading))
    }

    /// Removes the last member if its contents end after what is there. Returns an offset in bytes before the damage
    /// that stopped the walk, for a table that begins at `from`.
    fn drop_cut(&mut self, from: u64) -> Option<u64> {
        let fault = self.fault.take()?;
        if is_damage(&fault) {
            let last = self.members.last();
            return Some(from + last.map_or(0, |last| last.offset));
        }
        self.members.pop();
        let count = self.members.len();
        self.by_name.retain(|_, positions| {
            positions.retain(|position| *position < count);
            !positions.is_empty()
        });
        None
    }

    /// Adds the members of another part of the tar whose contents are not in a lost range.
    fn append(&mut self, table: MemberTable, lost: &[(u64, u64)]) {
        let is_lost = |member: &Member| match &member.kind {
            MemberKind::File(Content::Range(range)) => {
                let start = range.parts().1;
                let end = start + range.len();
                lost.iter().any(|(from, to)| start < *to && *from < end)
            }
            _ => false,
        };
        let first = self.members.len();
        for (name, positions) in table.by_name {
            let is_there = |position: &usize| {
                let member = table.members.get(*position);
                !member.is_some_and(is_lost)
            };
            let positions = positions.into_iter().filter(is_there);
            let positions: Vec<usize> = positions.map(|position| position + first).collect();
            if !positions.is_empty() {
                self.by_name.entry(name).or_default().extend(positions);
            }
        }
        self.members.extend(table.members);
    }
}
