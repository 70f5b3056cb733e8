//! The databases of package managers.

use imgkit::packages::{DatabaseKind, Manager, Packages};

use super::Taken;

fn read(wanted: DatabaseKind, bytes: &[u8]) -> Packages {
    let mut packages = Packages::default();
    // More packages than one image has are an error.
    let _ = packages.add(wanted, b"place", bytes);
    packages.sorted()
}

fn compared(wanted: DatabaseKind, bytes: &[u8]) {
    let (once, again) = (read(wanted, bytes), read(wanted, bytes));
    assert_eq!(once.list, again.list);
    assert_eq!(once.faults.len(), again.faults.len());
    let manager = match wanted {
        DatabaseKind::Dpkg => Manager::Dpkg,
        DatabaseKind::Apk => Manager::Apk,
        DatabaseKind::RpmSqlite | DatabaseKind::RpmOther => Manager::Rpm,
        DatabaseKind::Python => Manager::Pip,
        DatabaseKind::Npm => Manager::Npm,
    };
    for package in &once.list {
        assert_eq!(package.manager, manager);
        assert!(!package.name.is_empty(), "{package:?}");
    }
}

/// All that are texts.
pub fn packages(data: &[u8]) {
    let mut taken = Taken(data);
    let wanted = [
        DatabaseKind::Dpkg,
        DatabaseKind::Apk,
        DatabaseKind::Python,
        DatabaseKind::Npm,
    ];
    compared(wanted[usize::from(taken.byte() % 4)], taken.0);
    let _ = DatabaseKind::of(data);
}

/// An RPM database in SQLite.
pub fn rpm(data: &[u8]) {
    compared(DatabaseKind::RpmSqlite, data);
}
