//! Images whose packages are unpacked but not configured, with a program that configures them in a container.
//!
//! The result of [`CONFIGURE`] is not reproducible: the packages' own scripts may generate keys and numbers. Nothing is run
//! here.

use super::Base;
use super::emulation::{self, EmulationOptions};
use crate::base::rootfs::Node;
use crate::error::Result;

/// Path of the program that configures the packages.
pub const CONFIGURE: &str = "usr/sbin/imgbase-configure";

const PROGRAM: &str = "\
#!/bin/sh
# Runs the maintainer scripts of packages that were unpacked without them. Run it once, as root, in a container.
set -e
export DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true LC_ALL=C.UTF-8
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
if [ ! -e /usr/sbin/policy-rc.d ]; then
    printf '#!/bin/sh\\nexit 101\\n' >/usr/sbin/policy-rc.d
    chmod 755 /usr/sbin/policy-rc.d
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
fi
dpkg --configure -a
";

/// Leaves packages in dpkg's state "unpacked": configuration files get the suffix `.dpkg-new`, the database lists the
/// packages as unpacked, and accounts exist because the scripts need them.
///
/// # Errors
/// As [`emulation::run`].
pub fn leave_unconfigured(base: &mut Base, options: &EmulationOptions) -> Result<()> {
    emulation::unconfigured(base, options)?;
    let epoch = base.epoch;
    let origin = base.origin("configure");
    let packages = base.packages.iter();
    let paths: Vec<String> = packages.flat_map(emulation::conffile_names).collect();
    for path in paths {
        rename_conffile(base, &path)?;
    }
    let program = Node::file(0o755, PROGRAM).at(epoch).from(origin);
    base.rootfs.put(CONFIGURE.as_bytes(), program)?;
    Ok(())
}

/// Renames a configuration file to its name with `.dpkg-new`.
fn rename_conffile(base: &mut Base, path: &str) -> Result<()> {
    let from = base.rootfs.resolve(path.as_bytes())?;
    let Some(node) = base.rootfs.get(&from).cloned() else {
        return Ok(());
    };
    let to = [from.as_slice(), b".dpkg-new"].concat();
    base.rootfs.remove(&from);
    base.rootfs.put(&to, node)?;
    Ok(())
}
