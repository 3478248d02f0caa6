//! Where the database lies: on which file system, and whether its file is a mount of its own.

use std::path::Path;

/// The name of the file system at `path`, if it is one that several machines may share: its
/// locks and syncs may not hold what SQLite needs.
#[cfg(target_os = "linux")]
pub fn shared_file_system(path: &Path) -> Option<&'static str> {
    let found = rustix::fs::statfs(path).ok()?;
    #[allow(
        clippy::cast_sign_loss,
        reason = "the kernel's magic numbers are 32 bits"
    )]
    shared_by_magic(found.f_type as u32)
}

/// Elsewhere that is not told.
#[cfg(not(target_os = "linux"))]
pub fn shared_file_system(_path: &Path) -> Option<&'static str> {
    None
}

/// The name of a file system that several machines may share, by its magic number
/// (statfs(2)).
#[cfg(target_os = "linux")]
const fn shared_by_magic(magic: u32) -> Option<&'static str> {
    Some(match magic {
        0x6969 => "NFS",
        0x517b | 0xff53_4d42 | 0xfe53_4d42 => "SMB",
        0x00c3_6400 => "Ceph",
        0x0102_1997 => "9P",
        0x6573_5546 => "FUSE",
        0x5346_414f | 0x6b41_4653 => "AFS",
        0x0116_1970 => "GFS2",
        0x7461_636f => "OCFS2",
        0x0bd0_0bd0 => "Lustre",
        _ => return None,
    })
}

/// Whether something is mounted on the very name `path`. That its device is another than its
/// directory's is not a sign of it: on overlayfs any file may have another one.
#[cfg(target_os = "linux")]
pub(super) fn is_mount_point(path: &Path) -> bool {
    use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags, statx};
    if let Ok(found) = statx(CWD, path, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::empty())
        && found
            .stx_attributes_mask
            .contains(StatxAttributes::MOUNT_ROOT)
    {
        return found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT);
    }
    // A kernel before 5.8 does not tell it so.
    let (Ok(table), Ok(path)) = (std::fs::read("/proc/self/mountinfo"), path.canonicalize()) else {
        return false;
    };
    is_in_mountinfo(&table, &path)
}

/// Elsewhere a file that is a mount has another device than its directory.
#[cfg(all(unix, not(target_os = "linux")))]
pub(super) fn is_mount_point(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let device = |path: &Path| path.metadata().ok().map(|found| found.dev());
    let (file, directory) = (device(path), device(super::directory_of(path)));
    file.is_some() && directory.is_some() && file != directory
}

#[cfg(not(unix))]
pub(super) fn is_mount_point(_path: &Path) -> bool {
    false
}

/// Whether a table of mounts (proc(5)) names `path` as a mount point: its fifth column, in
/// which blanks, line ends and backslashes are written in octal.
#[cfg(target_os = "linux")]
fn is_in_mountinfo(table: &[u8], path: &Path) -> bool {
    use std::os::unix::ffi::OsStrExt as _;
    let mut wanted = Vec::new();
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b' ' | b'\t' | b'\n' | b'\\' => wanted.extend(format!("\\{byte:03o}").into_bytes()),
            byte => wanted.push(*byte),
        }
    }
    table
        .split(|byte| *byte == b'\n')
        .filter_map(|line| line.split(|byte| *byte == b' ').nth(4))
        .any(|mounted| mounted == wanted)
}

#[cfg(target_os = "linux")]
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_systems_of_this_machine_are_none_that_is_shared() {
        // ext4, xfs, btrfs, tmpfs, overlayfs, zfs.
        for magic in [
            0xef53,
            0x5846_5342,
            0x9123_683e,
            0x0102_1994,
            0x794c_7630,
            0x2fc1_2fc1,
        ] {
            assert_eq!(shared_by_magic(magic), None);
        }
        assert_eq!(shared_by_magic(0x6969), Some("NFS"));
    }

    #[test]
    fn a_mount_is_found_by_its_whole_name() {
        let table = b"22 1 0:21 / / rw - overlay none rw\n\
            30 22 8:1 /srv/p.db /data/p.db rw,relatime - ext4 /dev/sda1 rw\n\
            31 22 8:1 /a /with\\040blank\\134.db rw - ext4 /dev/sda1 rw\n";
        for (path, is_mount) in [
            ("/data/p.db", true),
            ("/with blank\\.db", true),
            ("/", true),
            ("/data", false),
            ("/data/p.d", false),
            ("/srv/p.db", false),
            ("/data/p.db-wal", false),
        ] {
            assert_eq!(is_in_mountinfo(table, Path::new(path)), is_mount, "{path}");
        }
        assert!(!is_in_mountinfo(b"", Path::new("/data/p.db")));
    }

    #[test]
    fn the_kernel_is_asked_for_the_name_itself() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("p.db");
        std::fs::write(&file, "").unwrap();
        assert!(!is_mount_point(&file));
        assert!(!is_mount_point(&directory.path().join("none")));
        assert!(is_mount_point(Path::new("/proc")));
    }
}
