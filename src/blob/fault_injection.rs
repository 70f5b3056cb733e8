//! Fault injection for file operations, so that tests can end a program before any of them.
//!
//! Code that creates, names, syncs or removes a file calls [`fail_point`] first. Outside of this library's own tests the
//! call succeeds and costs nothing; a test lets it fail once, as on a full disk, or from some call on, as if the program
//! had been killed there: later writes and the clean-up then fail as well.

#[cfg(test)]
pub(crate) use testing::{fail_point, lacks_tmpfile};

/// Announces a change in the directory of `path`.
///
/// # Errors
/// In tests only.
#[cfg(not(test))]
#[inline(always)]
pub(crate) fn fail_point(_path: &std::path::Path) -> std::io::Result<()> {
    Ok(())
}

/// Reports whether the file system should be treated as one without anonymous temporary files.
#[cfg(not(test))]
#[inline(always)]
pub(crate) fn lacks_tmpfile(_path: &std::path::Path) -> bool {
    false
}

/// Plans for the files below a directory, so that tests can run at the same time.
#[cfg(test)]
pub(crate) mod testing {
    use std::io;
    use std::path::{Path, PathBuf};
    use std::sync::{Mutex, MutexGuard, PoisonError};

    use rustix::io::Errno;

    /// Effect of the first call that does not succeed.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(crate) enum Failure {
        /// It and all later calls fail.
        Killed,
        /// It fails, and later calls succeed.
        Fails(Errno),
    }

    struct Plan {
        top: PathBuf,
        /// True if anonymous temporary files are unsupported.
        lacks_tmpfile: bool,
        failure: Failure,
        /// Number of calls that still succeed; `None` for all of them.
        left: Option<u64>,
        /// True if the failure was reached.
        reached: bool,
    }

    static PLANS: Mutex<Vec<Plan>> = Mutex::new(Vec::new());

    fn plans() -> MutexGuard<'static, Vec<Plan>> {
        PLANS.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `run` with a failure after `steps` calls for files below `top`. Also returns whether the failure was reached.
    pub(crate) fn with_plan<T>(
        top: &Path,
        lacks_tmpfile: bool,
        failure: Failure,
        steps: u64,
        run: impl FnOnce() -> T,
    ) -> (T, bool) {
        plans().push(Plan {
            top: top.to_owned(),
            lacks_tmpfile,
            failure,
            left: Some(steps),
            reached: false,
        });
        let result = run();
        let mut plans = plans();
        let at = plans.iter().position(|plan| plan.top == top);
        let plan = at.map(|at| plans.remove(at));
        (result, plan.is_some_and(|plan| plan.reached))
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
        plan.reached = true;
        match plan.failure {
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
        plans.any(|plan| plan.lacks_tmpfile)
    }
}
