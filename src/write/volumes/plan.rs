//! Where an archive is cut into volumes.

use crate::archive::volumes::{CHUNK_LENGTH, ParityColumns, chunk_length};
use crate::error::{Error, Result, within};

/// Smallest volume in bytes.
pub const MIN_VOLUME: u64 = 1 << 20;

/// Columns of an archive, at least: so many parts of it can be repaired apart.
const MIN_COLUMNS: u64 = 20;

/// Unit in bytes of volumes of equal size, and of cuts inside of members.
const UNIT: u64 = 512;

/// Way to cut an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Cuts {
    /// Between two members if a tenth of the volume at most stays unused, else inside of one.
    #[default]
    Members,
    /// At equal sizes.
    Equal,
    /// Only between members.
    Whole,
}

/// Amount of parity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParityAmount {
    /// Hundredths of the archive's columns, rounded up.
    Percent(u64),
    /// Columns.
    Columns(u64),
}

/// A member's place in the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub name: String,
    /// Offset of the header in bytes.
    pub start: u64,
}

/// A volume to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cut {
    /// Offset in bytes in the archive.
    pub offset: u64,
    /// Length in bytes.
    pub size: u64,
    /// Offset in bytes in the volume of the first member that begins in it.
    pub first_member: Option<u64>,
}

/// Volumes of an archive.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub cuts: Vec<Cut>,
    /// Columns of the code; `first` is 0.
    pub parity: Option<ParityColumns>,
}

impl Plan {
    /// Plans volumes of at most `limit` bytes, of an archive of `total` bytes with these members in their order.
    ///
    /// # Errors
    /// `Usage` for a member that does not fit into a volume and must not be cut, or an unsupported amount of parity;
    /// `Limit` for more than 10,000 volumes.
    pub fn new(
        members: &[Place],
        total: u64,
        limit: u64,
        cuts: Cuts,
        parity: Option<ParityAmount>,
    ) -> Result<Self> {
        let (ends, columns) = match (parity, cuts) {
            (Some(amount), _) => {
                let (length, volume) = columns(total, limit);
                let count = total.div_ceil(volume) * (volume / length);
                (
                    equal(total, volume)?,
                    Some(of_amount(amount, count, length)?),
                )
            }
            (None, Cuts::Equal) => {
                let limit = limit / UNIT * UNIT;
                let count = total.div_ceil(limit);
                let volume = total.div_ceil(count).next_multiple_of(UNIT);
                (equal(total, volume)?, None)
            }
            (None, _) => (at_members(members, total, limit, cuts)?, None),
        };
        let mut offset = 0;
        let mut next = members.iter().map(|member| member.start).peekable();
        let cuts = ends.into_iter().map(|end| {
            while next.next_if(|start| *start < offset).is_some() {}
            let first = next.peek().filter(|start| **start < end);
            let cut = Cut {
                offset,
                size: end - offset,
                first_member: first.map(|start| start - offset),
            };
            offset = end;
            cut
        });
        Ok(Plan {
            cuts: cuts.collect(),
            parity: columns,
        })
    }

    /// Length of the chunks that have digests, in bytes.
    pub fn chunk(&self) -> u64 {
        let columns = self.parity.map(|columns| columns.length);
        columns.map_or(CHUNK_LENGTH, chunk_length)
    }
}

/// Returns the length of a column and of a volume, in bytes.
fn columns(total: u64, limit: u64) -> (u64, u64) {
    for each in 1..MIN_COLUMNS {
        let unit = 64 * each;
        let count = total.div_ceil(limit / unit * unit).max(1);
        let volume = total.div_ceil(count).next_multiple_of(unit);
        if total.div_ceil(volume) * each >= MIN_COLUMNS {
            return (volume / each, volume);
        }
    }
    let unit = 64 * MIN_COLUMNS;
    let count = total.div_ceil(limit / unit * unit).max(1);
    let volume = total.div_ceil(count).next_multiple_of(unit);
    (volume / MIN_COLUMNS, volume)
}

fn of_amount(amount: ParityAmount, data: u64, length: u64) -> Result<ParityColumns> {
    let parity = match amount {
        ParityAmount::Percent(percent) => data.saturating_mul(percent).div_ceil(100).max(1),
        ParityAmount::Columns(columns) => columns,
    };
    let columns = ParityColumns {
        first: 0,
        data,
        parity,
        length,
    };
    match columns.is_supported() {
        true => Ok(columns),
        false => {
            let why =
                format!("--parity: {data} columns of data and {parity} of parity are too many");
            Err(Error::usage(why))
        }
    }
}

fn equal(total: u64, volume: u64) -> Result<Vec<u64>> {
    let count = total.div_ceil(volume);
    check_count(count)?;
    Ok((1..=count)
        .map(|number| total.min(number * volume))
        .collect())
}

fn check_count(count: u64) -> Result<()> {
    within("volumes", crate::limits::Limits::default().volumes, count)
}

fn at_members(members: &[Place], total: u64, limit: u64, cuts: Cuts) -> Result<Vec<u64>> {
    let inside = limit / UNIT * UNIT;
    let mut ends = Vec::new();
    let mut offset = 0;
    while total - offset > limit {
        let fitting = members.partition_point(|member| member.start <= offset + limit);
        let border = fitting.checked_sub(1).and_then(|last| members.get(last));
        let border = border.map_or(0, |member| member.start);
        offset = if border > offset
            && (cuts == Cuts::Whole || border >= offset + limit - limit / 10)
        {
            border
        } else if cuts == Cuts::Whole {
            let member = fitting.checked_sub(1).and_then(|last| members.get(last));
            let name = member.map_or("", |member| member.name.as_str());
            let why = format!("--no-blob-cut: {name} does not fit into a volume of {limit} bytes");
            return Err(Error::usage(why));
        } else {
            offset + inside
        };
        ends.push(offset);
        check_count(ends.len() as u64 + 1)?;
    }
    ends.push(total);
    Ok(ends)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(starts: &[u64]) -> Vec<Place> {
        let place = |&start| Place {
            name: format!("m{start}"),
            start,
        };
        starts.iter().map(place).collect()
    }

    const MIB: u64 = 1 << 20;

    #[test]
    fn cuts_at_members_that_leave_a_tenth_and_else_inside() {
        let members = places(&[0, 512, 950 * 1024, MIB + 512, 3 * MIB]);
        let plan = Plan::new(&members, 3 * MIB + 4096, MIB, Cuts::Members, None).expect("a plan");
        let ends: Vec<u64> = plan.cuts.iter().map(|cut| cut.offset + cut.size).collect();
        let second = 950 * 1024;
        assert_eq!(
            ends,
            [second, second + MIB, second + 2 * MIB, 3 * MIB + 4096]
        );
        let firsts: Vec<_> = plan.cuts.iter().map(|cut| cut.first_member).collect();
        assert_eq!(firsts, [Some(0), Some(0), None, Some(MIB - second)]);
    }

    #[test]
    fn a_member_that_does_not_fit_is_named() {
        let members = places(&[0, 4096, 3 * MIB]);
        let error = Plan::new(&members, 4 * MIB, MIB, Cuts::Whole, None).expect_err("too long");
        assert!(error.to_string().contains("m4096"), "{error}");
    }

    #[test]
    fn columns_are_twenty_at_least_and_cover_the_archive() {
        for total in [
            10_240,
            MIB,
            5 * MIB + 512,
            19 * MIB,
            20 * MIB,
            333 * MIB + 1024,
        ] {
            for limit in [MIB, MIB + 77, 64 * MIB, 4_294_967_295] {
                let amount = Some(ParityAmount::Percent(10));
                let plan = Plan::new(&[], total, limit, Cuts::Members, amount).expect("a plan");
                let columns = plan.parity.expect("columns");
                assert!(
                    columns.data >= 20 && columns.length.is_multiple_of(64),
                    "{total} {limit}"
                );
                assert!(columns.data * columns.length >= total, "{total} {limit}");
                assert_eq!(columns.parity, columns.data.div_ceil(10));
                assert!(plan.cuts.iter().all(|cut| cut.size <= limit));
                let each = columns.data / plan.cuts.len() as u64;
                for cut in &plan.cuts {
                    assert_eq!(cut.offset % (each * columns.length), 0, "{total} {limit}");
                }
            }
        }
    }
}
