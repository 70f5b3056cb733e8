//! The steps in which files get their names, change them and go, so that tests can let a program end before any of them.
//!
//! Who makes, names, syncs or removes a file asks [`step`] first. Outside of this library's own tests that says yes and
//! costs nothing; a test has it fail once, as a full disk would, or from some step on, as if the program were killed
//! there: what is written after that, and what is cleaned up, stays undone.

#[cfg(test)]
pub(crate) use testing::{fail_point, lacks_tmpfile};

/// Says that something in the folder of `path` is about to change.
///
/// # Errors
/// In tests only.
#[cfg(not(test))]
#[inline(always)]
pub(crate) fn fail_point(_path: &std::path::Path) -> std::io::Result<()> {
    Ok(())
}

/// Whether the file system is to be taken for one that knows no files without names.
#[cfg(not(test))]
#[inline(always)]
pub(crate) fn lacks_tmpfile(_path: &std::path::Path) -> bool {
    false
}

/// Plans for what is below a folder, so that tests which run at the same time leave each other alone.
#[cfg(test)]
pub(crate) mod testing {
    use std::io;
    use std::path::{Path, PathBuf};
    use std::sync::{Mutex, MutexGuard, PoisonError};

    use rustix::io::Errno;

    /// What becomes of the step after those that succeed.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(crate) enum Failure {
        /// It and all that follow do nothing.
        Killed,
        /// It fails, and the program goes on.
        Fails(Errno),
    }

    struct Plan {
        top: PathBuf,
        plain: bool,
        end: Failure,
        /// Steps that still succeed; `None` for all of them.
        left: Option<u64>,
        met: bool,
    }

    static PLANS: Mutex<Vec<Plan>> = Mutex::new(Vec::new());

    fn plans() -> MutexGuard<'static, Vec<Plan>> {
        PLANS.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs something with a plan for the folder. Says whether the end was met.
    pub(crate) fn with_plan<T>(
        top: &Path,
        plain: bool,
        end: Failure,
        steps: u64,
        run: impl FnOnce() -> T,
    ) -> (T, bool) {
        plans().push(Plan {
            top: top.to_owned(),
            plain,
            end,
            left: Some(steps),
            met: false,
        });
        let result = run();
        let mut plans = plans();
        let at = plans.iter().position(|plan| plan.top == top);
        let plan = at.map(|at| plans.remove(at));
        (result, plan.is_some_and(|plan| plan.met))
    }

    pub(crate) fn fail_point(path: &Path) -> io::Result<()> {
        let mut plans = plans();
        let plan = plans.iter_mut().find(|plan| path.starts_with(&plan.top));
        let Some((plan, left)) = plan.and_then(|plan| plan.left.map(|left| (plan, left))) else {
            return Ok(());
        };
        if left > 0 {
            plan.left = Some(left - 1);
            return Ok(());
        }
        plan.met = true;
        match plan.end {
            Failure::Killed => Err(io::Error::other("the program was killed")),
            Failure::Fails(errno) => {
                plan.left = None;
                Err(errno.into())
            }
        }
    }

    pub(crate) fn lacks_tmpfile(path: &Path) -> bool {
        let plans = plans();
        let mut plans = plans.iter().filter(|plan| path.starts_with(&plan.top));
        plans.any(|plan| plan.plain)
    }
}
