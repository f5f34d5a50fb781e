//! The root directory of a container: a fresh tmpfs with the host's programs bound into it
//! read-only, and everything that is written kept away from the host.
//!
//! Top-level directories of the host are bind mounts under their own names. `/etc` and `/var`, and
//! any directory in which a mount point has to be made that the host lacks, are *opened*: replaced
//! by a directory in the tmpfs whose entries are symbolic links to the host's, which are bound
//! below [`BACKING`]. So a mount at `/etc/istio/proxy` needs no such directory on the host.
//! `/tmp`, `/run`, `/dev`, `/proc` and `/sys` are the container's own.
//!
//! Must run in a mount namespace of its own, by root, in a process with one thread.

use std::collections::BTreeSet;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};

use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_bind, mount_bind_recursive,
    mount_change, mount_remount, unmount,
};

use super::protocol::ContainerPlan;

/// Where the host's version of an opened directory is bound.
const BACKING: &str = "/ferromesh/host";
/// Top-level names that the container gets of its own.
const OWN: &[&str] = &[
    "proc",
    "sys",
    "dev",
    "tmp",
    "run",
    "ferromesh",
    "lost+found",
];
const DEVICES: &[&str] = &["null", "zero", "full", "random", "urandom", "tty"];

/// What went wrong while building the root.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {path}: {source}")]
pub(super) struct RootError {
    action: &'static str,
    path: PathBuf,
    source: io::Error,
}

fn failed<E: Into<io::Error>>(action: &'static str, path: &Path) -> impl FnOnce(E) -> RootError {
    let path = path.to_owned();
    move |source| RootError {
        action,
        path,
        source: source.into(),
    }
}

/// Builds the root of `plan` and moves the process into it.
pub(super) fn enter_root(plan: &ContainerPlan) -> Result<(), RootError> {
    let propagation = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change("/", propagation)
        .map_err(failed("detach from the host the mounts of", "/".as_ref()))?;
    let mut builder = RootBuilder::begin(&plan.root_dir)?;
    builder.bind_host()?;
    builder.open(Path::new("/etc"))?;
    builder.open(Path::new("/var"))?;
    builder.own_directories()?;
    builder.devices()?;
    builder.kernel_file_systems()?;
    for (path, content) in &plan.files {
        builder.file(Path::new(path), content)?;
    }
    for planned in &plan.mounts {
        builder.bind(
            &planned.source,
            Path::new(&planned.target),
            planned.read_only,
        )?;
    }
    builder.working_dir(&plan.working_dir)?;
    builder.pivot()
}

struct RootBuilder {
    root: PathBuf,
    /// Top-level directories of the host that are bound whole.
    bound: BTreeSet<PathBuf>,
}

impl RootBuilder {
    fn begin(root: &Path) -> Result<Self, RootError> {
        mount_tmpfs(root)?;
        Ok(Self {
            root: root.to_owned(),
            bound: BTreeSet::new(),
        })
    }

    /// The path outside for a path inside.
    fn outside(&self, inside: &Path) -> PathBuf {
        self.root.join(inside.strip_prefix("/").unwrap_or(inside))
    }

    fn bind_host(&mut self) -> Result<(), RootError> {
        let entries = fs::read_dir("/").map_err(failed("list", "/".as_ref()))?;
        for entry in entries.flatten() {
            let inside = entry.path();
            let Some(name) = entry.file_name().to_str().map(str::to_owned) else {
                continue;
            };
            let Ok(kind) = entry.file_type() else {
                continue;
            };
            if OWN.contains(&name.as_str()) {
                continue;
            }
            let target = self.outside(&inside);
            if kind.is_symlink() {
                let link = fs::read_link(&inside).map_err(failed("read", &inside))?;
                symlink(link, &target).map_err(failed("link", &target))?;
            } else if kind.is_dir() {
                make_dir(&target, 0o755)?;
                bind_read_only(&inside, &target)?;
                self.bound.insert(inside);
            }
        }
        Ok(())
    }

    /// Turns a directory that shows the host's into one of the container's with links to the
    /// host's entries.
    fn open(&mut self, inside: &Path) -> Result<(), RootError> {
        let target = self.outside(inside);
        let backing = Path::new(BACKING).join(inside.strip_prefix("/").unwrap_or(inside));
        let shown = self.outside(&backing);
        if self.bound.remove(inside) {
            unmount(&target, UnmountFlags::DETACH).map_err(failed("unmount", &target))?;
            make_dir(&shown, 0o755)?;
            bind_read_only(inside, &shown)?;
        } else if target.is_symlink() {
            fs::remove_file(&target).map_err(failed("replace", &target))?;
        }
        make_dir(&target, 0o755)?;
        let Ok(entries) = fs::read_dir(&shown) else {
            // The host has no such directory: an empty one is what is wanted.
            return Ok(());
        };
        for entry in entries.flatten() {
            let link = match entry.file_type() {
                Ok(kind) if kind.is_symlink() => fs::read_link(entry.path()),
                _ => Ok(backing.join(entry.file_name())),
            };
            let link = link.map_err(failed("read", &entry.path()))?;
            let at = target.join(entry.file_name());
            symlink(link, &at).map_err(failed("link", &at))?;
        }
        Ok(())
    }

    fn own_directories(&mut self) -> Result<(), RootError> {
        make_dir(&self.outside(Path::new("/tmp")), 0o1777)?;
        make_dir(&self.outside(Path::new("/run")), 0o755)?;
        for (name, link) in [
            ("run", Some("/run")),
            ("lock", Some("/run/lock")),
            ("tmp", None),
        ] {
            let target = self.outside(Path::new("/var")).join(name);
            if target.is_symlink() {
                fs::remove_file(&target).map_err(failed("replace", &target))?;
            }
            match link {
                Some(link) => symlink(link, &target).map_err(failed("link", &target))?,
                None => make_dir(&target, 0o1777)?,
            }
        }
        make_dir(&self.outside(Path::new("/run/lock")), 0o1777)
    }

    fn devices(&self) -> Result<(), RootError> {
        let dev = self.outside(Path::new("/dev"));
        make_dir(&dev, 0o755)?;
        for name in DEVICES {
            let target = dev.join(name);
            File::create(&target).map_err(failed("create", &target))?;
            let source = Path::new("/dev").join(name);
            mount_bind(&source, &target).map_err(failed("bind", &source))?;
        }
        make_dir(&dev.join("shm"), 0o1777)?;
        for (name, link) in [
            ("fd", "/proc/self/fd"),
            ("stdin", "/proc/self/fd/0"),
            ("stdout", "/proc/self/fd/1"),
            ("stderr", "/proc/self/fd/2"),
            ("ptmx", "pts/ptmx"),
        ] {
            symlink(link, dev.join(name)).map_err(failed("link", &dev.join(name)))?;
        }
        let pts = dev.join("pts");
        make_dir(&pts, 0o755)?;
        let options = c"newinstance,ptmxmode=0666,mode=0620";
        let flags = MountFlags::NOSUID | MountFlags::NOEXEC;
        // Without terminals of its own a container still runs; a user namespace may forbid them.
        let _ = mount("devpts", &pts, "devpts", flags, Some(options));
        Ok(())
    }

    /// `/proc` of the pod's process-id namespace and `/sys` of its network namespace. A user
    /// namespace may not mount them anew: then the host's are shown.
    fn kernel_file_systems(&self) -> Result<(), RootError> {
        let flags = MountFlags::NOSUID | MountFlags::NOEXEC | MountFlags::NODEV;
        for (name, kind, extra) in [
            ("proc", "proc", MountFlags::empty()),
            ("sys", "sysfs", MountFlags::RDONLY),
        ] {
            let target = self.outside(Path::new("/")).join(name);
            make_dir(&target, 0o755)?;
            if mount(kind, &target, kind, flags | extra, None).is_err() {
                let source = Path::new("/").join(name);
                mount_bind_recursive(&source, &target).map_err(failed("bind", &source))?;
            }
        }
        Ok(())
    }

    fn file(&mut self, inside: &Path, content: &str) -> Result<(), RootError> {
        let parent = inside.parent().unwrap_or(Path::new("/"));
        let target = match inside.file_name() {
            Some(name) => self.writable_dir(parent)?.join(name),
            None => self.outside(inside),
        };
        if target.is_symlink() {
            fs::remove_file(&target).map_err(failed("replace", &target))?;
        }
        fs::write(&target, content).map_err(failed("write", &target))
    }

    fn bind(&mut self, source: &Path, inside: &Path, read_only: bool) -> Result<(), RootError> {
        let is_dir = fs::metadata(source)
            .map_err(failed("mount", source))?
            .is_dir();
        let target = self.mount_point(inside, is_dir)?;
        mount_bind_recursive(source, &target).map_err(failed("mount", source))?;
        if read_only {
            make_read_only(&target)?;
        }
        Ok(())
    }

    /// A place to mount at, made if it is missing.
    fn mount_point(&mut self, inside: &Path, is_dir: bool) -> Result<PathBuf, RootError> {
        let resolved = self.resolve(inside);
        let target = self.outside(&resolved);
        let fits = fs::symlink_metadata(&target)
            .is_ok_and(|found| !found.is_symlink() && found.is_dir() == is_dir);
        if fits {
            return Ok(target);
        }
        if is_dir {
            return self.writable_dir(&resolved);
        }
        let parent = resolved.parent().unwrap_or(Path::new("/")).to_owned();
        let target = self
            .writable_dir(&parent)?
            .join(resolved.file_name().unwrap_or_default());
        if target.is_symlink() {
            fs::remove_file(&target).map_err(failed("replace", &target))?;
        }
        File::create(&target).map_err(failed("create", &target))?;
        Ok(target)
    }

    /// A directory of the container's own at `inside`, opened or made as needed.
    fn writable_dir(&mut self, inside: &Path) -> Result<PathBuf, RootError> {
        let resolved = self.resolve(inside);
        let mut at = PathBuf::from("/");
        for part in resolved.components().skip(1) {
            at.push(part);
            let outside = self.outside(&at);
            if self.bound.contains(&at) || outside.is_symlink() {
                self.open(&at)?;
            } else if !outside.is_dir() {
                make_dir(&outside, 0o755)?;
            }
        }
        Ok(self.outside(&at))
    }

    /// Follows the symbolic links of the image (`/var/run` → `/run`), but not those to the
    /// host's entries of an opened directory.
    fn resolve(&self, inside: &Path) -> PathBuf {
        let mut pending: Vec<_> = parts(inside);
        let mut at = PathBuf::from("/");
        // The kernel's own limit of links in one path.
        let mut links = 40;
        while let Some(part) = pending.pop() {
            at.push(&part);
            let Ok(link) = fs::read_link(self.outside(&at)) else {
                continue;
            };
            if link.starts_with(BACKING) || links == 0 {
                continue;
            }
            links -= 1;
            at.pop();
            if link.is_absolute() {
                at = PathBuf::from("/");
            }
            pending.extend(parts(&link));
        }
        at
    }

    fn working_dir(&mut self, wanted: &str) -> Result<(), RootError> {
        if !wanted.is_empty() && !self.outside(&self.resolve(Path::new(wanted))).is_dir() {
            // An image would bring the directory along; there is none, so it starts empty.
            let exists_on_host = Path::new(wanted).is_dir();
            if !exists_on_host {
                self.writable_dir(Path::new(wanted))?;
            }
        }
        Ok(())
    }

    fn pivot(self) -> Result<(), RootError> {
        let root = &self.root;
        std::env::set_current_dir(root).map_err(failed("enter", root))?;
        // With both arguments the same directory, the old root is stacked under the new one and
        // can be let go without a directory to hold it.
        rustix::process::pivot_root(".", ".").map_err(failed("change the root to", root))?;
        unmount(".", UnmountFlags::DETACH).map_err(failed("leave the host's root for", root))?;
        std::env::set_current_dir("/").map_err(failed("enter", "/".as_ref()))
    }
}

/// The parts of `path`, last first; `..` at the top stays at the top.
fn parts(path: &Path) -> Vec<std::ffi::OsString> {
    let mut parts: Vec<std::ffi::OsString> = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(part) => parts.push(part.to_owned()),
            Component::ParentDir => {
                parts.pop();
            }
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    parts.reverse();
    parts
}

fn mount_tmpfs(target: &Path) -> Result<(), RootError> {
    mount(
        "tmpfs",
        target,
        "tmpfs",
        MountFlags::NOSUID,
        Some(c"mode=0755"),
    )
    .map_err(failed("mount a tmpfs on", target))
}

fn make_dir(path: &Path, mode: u32) -> Result<(), RootError> {
    fs::create_dir_all(path).map_err(failed("create", path))?;
    fs::set_permissions(path, Permissions::from_mode(mode)).map_err(failed("set the mode of", path))
}

fn bind_read_only(source: &Path, target: &Path) -> Result<(), RootError> {
    mount_bind_recursive(source, target).map_err(failed("bind", source))?;
    make_read_only(target)
}

/// Only the topmost mount changes: a file system mounted below keeps its own flags. Flags that
/// the host has locked (`nosuid`, `nodev` in a user namespace) must be repeated.
fn make_read_only(target: &Path) -> Result<(), RootError> {
    let base = MountFlags::BIND | MountFlags::RDONLY;
    mount_remount(target, base, c"")
        .or_else(|_| mount_remount(target, base | MountFlags::NOSUID | MountFlags::NODEV, c""))
        .map_err(failed("protect", target))
}
