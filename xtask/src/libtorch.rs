//! libtorch: the user's own if there is one, else the CPU half of PyTorch's wheel, in `.libtorch` at the root.

use crate::{
    Result, advice,
    install::{self, Part},
    platform::Platform,
    python::Python,
    wheel::{self, CUDA_LEFTOVERS, TORCH, Wheel},
};
use std::{
    env,
    ffi::{OsStr, OsString},
    fs,
    path::{Path, PathBuf},
};

/// The version that tch is made for.
pub const VERSION: &str = "2.13.0";

/// A header that the wrapper includes.
const HEADER: &str = "include/torch/csrc/api/include/torch/torch.h";

/// Which libtorch is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Libtorch {
    /// The one that LIBTORCH or LIBTORCH_USE_PYTORCH names.
    Users,
    /// The one in this folder, which `.cargo/config.toml` names.
    Managed(PathBuf),
}

impl Libtorch {
    /// The one at the root, there or not.
    pub fn managed(root: &Path) -> Libtorch {
        Libtorch::Managed(root.join(".libtorch"))
    }
}

/// Sees to it that a libtorch is there. Does nothing, and needs no network, if it is.
pub fn ensure(root: &Path) -> Result<Libtorch> {
    if env::var_os("LIBTORCH_USE_PYTORCH").is_some() {
        // This one wins in torch-sys, whatever its value.
        return users_pytorch().map(|()| Libtorch::Users);
    }
    let folder = env::var_os("LIBTORCH").filter(|folder| is_users(root, folder));
    let (lib, include) = (env::var_os("LIBTORCH_LIB"), env::var_os("LIBTORCH_INCLUDE"));
    if folder.is_some() || (lib.is_some() && include.is_some()) {
        check_users(lib.as_ref().or(folder.as_ref()), "lib")?;
        check_users(include.as_ref().or(folder.as_ref()), "include")?;
        return Ok(Libtorch::Users);
    }
    let platform = Platform::here()?;
    let place = root.join(".libtorch");
    if check(&place, platform).is_ok() {
        return Ok(Libtorch::Managed(place));
    }
    place_it(&place, platform)?;
    println!("libtorch {VERSION} is in {}", place.display());
    Ok(Libtorch::Managed(place))
}

/// Whether the user set LIBTORCH. `.cargo/config.toml` sets it too, for xtask as well, to `.libtorch` at the root.
fn is_users(root: &Path, folder: &OsStr) -> bool {
    Path::new(folder) != root.join(".libtorch")
}

fn users_pytorch() -> Result {
    let python = if env::var_os("VIRTUAL_ENV").is_some() { "python" } else { "python3" }; // as torch-sys does
    let find = "import importlib.util as u, sys; sys.exit(u.find_spec('torch') is None)";
    if advice::runs(python, &["-c", find]) {
        return Ok(());
    }
    Err(format!(
        "LIBTORCH_USE_PYTORCH is set, but {python} has no PyTorch; get it with: {python} -m pip install torch=={VERSION}, \
         or unset LIBTORCH_USE_PYTORCH"
    ))
}

/// torch-sys checks the version; here only what it reports badly.
fn check_users(folder: Option<&OsString>, part: &str) -> Result {
    let folder = Path::new(folder.map_or(OsStr::new(""), OsString::as_os_str)).join(part);
    if folder.is_dir() {
        return Ok(());
    }
    Err(format!(
        "LIBTORCH is set, but there is no folder {}; correct it, or unset it to have libtorch {VERSION} fetched",
        folder.display()
    ))
}

/// Says what keeps `folder` from being a whole libtorch of the right version.
fn check(folder: &Path, platform: Platform) -> Result {
    let version = fs::read_to_string(folder.join("build-version"))
        .map_err(|error| format!("its build-version cannot be read: {error}"))?;
    if release(&version) != VERSION {
        return Err(format!("its build-version is {}", version.trim()));
    }
    let libraries = platform.libraries().iter().map(|name| Path::new("lib").join(name));
    let missing = libraries
        .chain([PathBuf::from(HEADER)])
        .find(|file| !fs::metadata(folder.join(file)).is_ok_and(|file| file.is_file() && file.len() > 0));
    missing.map_or(Ok(()), |file| Err(format!("{} is missing", file.display())))
}

/// `2.13.0+cu130` without its build: `2.13.0`.
fn release(version: &str) -> &str {
    version.trim().split('+').next().unwrap_or_default()
}

/// Installs into the user's cache folder and links `place` to it, so that clones share it; without a cache folder, or
/// without links, into `place` itself.
fn place_it(place: &Path, platform: Platform) -> Result {
    if fs::symlink_metadata(place).is_ok_and(|found| found.is_dir()) {
        let found = check(place, platform).err().unwrap_or_default();
        return Err(format!(
            "{} is no libtorch {VERSION}: {found}; remove the folder and run this again",
            place.display()
        ));
    }
    #[cfg(unix)]
    if let Some(shared) = cache_folder() {
        let home = shared.join(format!("libtorch-{VERSION}-{}", platform.name()));
        match Part::beside(&home) {
            Ok(part) => {
                if check(&home, platform).is_err() {
                    install(part, &home, platform)?;
                }
                return install::link(&home, place);
            }
            Err(why) => eprintln!("note: no shared copy of libtorch: {why}"),
        }
    }
    if fs::symlink_metadata(place).is_ok_and(|found| found.is_symlink()) {
        fs::remove_file(place).map_err(|error| format!("cannot remove {}: {error}", place.display()))?;
    }
    install(Part::beside(place)?, place, platform)
}

/// The user's folder for files that can be fetched again.
#[cfg(unix)]
fn cache_folder() -> Option<PathBuf> {
    let absolute = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || absolute("HOME");
    let base = absolute("XDG_CACHE_HOME").or_else(|| {
        Some(home()?.join(if cfg!(target_os = "macos") { "Library/Caches" } else { ".cache" }))
    })?;
    Some(base.join("convscope"))
}

fn install(part: Part, target: &Path, platform: Platform) -> Result {
    let python = Python::find()?;
    python.require_pip()?;
    println!("fetching libtorch {VERSION} for {} (about 0.5 GB, once)", platform.name());
    let made = part.path().join("libtorch");
    let wheels = part.path().join("wheels");
    let wheel = TORCH.download(&python, platform, &wheels.join("torch"))?;
    println!("unpacking libtorch");
    unpack_torch(&python, &wheel, &made)?;
    remove(&wheel)?;
    drop_cuda_shim(&python, &made, platform)?;
    for needed in leftovers(&python, &made, platform)? {
        let wheel = needed.download(&python, platform, &wheels.join(needed.requirement))?;
        unpack_library(&python, &wheel, &made, needed)?;
    }
    check(&made, platform).map_err(|what| format!("the wheel holds no whole libtorch {VERSION}: {what}"))?;
    part.publish(&made, target, |path| check(path, platform).is_ok())
}

fn unpack_torch(python: &Python, wheel: &Path, made: &Path) -> Result {
    wheel::unpack(python, wheel, made, wheel::keep_torch)?;
    let name = wheel.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let version = name.split('-').nth(1).unwrap_or_default();
    fs::write(made.join("build-version"), format!("{version}\n"))
        .map_err(|error| format!("cannot write {}: {error}", made.display()))
}

/// The `libtorch.so` of a build with CUDA is a shim that loads both halves. GNU ld links programs to it (lld does not), and
/// they would not start without the CUDA half: here the name leads to the CPU half.
fn drop_cuda_shim(python: &Python, made: &Path, platform: Platform) -> Result {
    let shim = made.join("lib/libtorch.so");
    if !platform.is_linux() || wheel::mentioned(python, &shim, &["libtorch_cuda.so"])?.is_empty() {
        return Ok(());
    }
    remove(&shim)?;
    link_file("libtorch_cpu.so", &shim)
}

#[cfg(unix)]
fn link_file(target: &str, link: &Path) -> Result {
    std::os::unix::fs::symlink(target, link)
        .map_err(|error| format!("cannot make {}: {error}", link.display()))
}

#[cfg(not(unix))]
fn link_file(_: &str, link: &Path) -> Result {
    Err(format!("cannot make {}: there are no links on this system", link.display()))
}

/// The wheels of CUDA that the CPU library of this install is linked against.
fn leftovers(python: &Python, made: &Path, platform: Platform) -> Result<Vec<Wheel>> {
    if !platform.is_linux() {
        return Ok(Vec::new());
    }
    let names: Vec<&str> = CUDA_LEFTOVERS.iter().filter_map(|wheel| wheel.provides).collect();
    let wanted = wheel::mentioned(python, &made.join("lib/libtorch_cpu.so"), &names)?;
    Ok(CUDA_LEFTOVERS
        .into_iter()
        .filter(|wheel| wheel.provides.is_some_and(|name| wanted.contains(&name)))
        .collect())
}

fn unpack_library(python: &Python, wheel: &Path, made: &Path, needed: Wheel) -> Result {
    let library = needed.provides.unwrap_or_default();
    match wheel::unpack(python, wheel, made, |name| wheel::keep_library(name, library))? {
        1 => Ok(()),
        count => Err(format!("{} holds {library} {count} times, expected once", wheel.display())),
    }
}

fn remove(file: &Path) -> Result {
    fs::remove_file(file).map_err(|error| format!("cannot remove {}: {error}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::install::tests::Scratch;
    use std::process::Command;

    const HERE: Platform = Platform::LinuxX64;

    /// A wheel as PyPI has it, with files of a few bytes.
    fn fake_wheel(python: &Python, folder: &Path, name: &str, files: &[(&str, &str)]) -> PathBuf {
        let wheel = folder.join(name);
        let script = "import sys, zipfile\n\
                      archive = zipfile.ZipFile(sys.argv[1], 'w', zipfile.ZIP_DEFLATED)\n\
                      for name, content in zip(sys.argv[2::2], sys.argv[3::2]): archive.writestr(name, content)\n\
                      archive.close()";
        let mut command = Command::new(python.program());
        command.args(["-c", script]).arg(&wheel);
        for (name, content) in files {
            // An argument cannot hold a zero byte.
            command.arg(name).arg(content);
        }
        assert!(command.status().unwrap().success());
        wheel
    }

    fn torch_wheel(python: &Python, folder: &Path, version: &str, without: &str) -> PathBuf {
        let files = [
            ("torch/__init__.py", "python"),
            ("torch/include/torch/csrc/api/include/torch/torch.h", "header"),
            ("torch/lib/libc10.so", "c10"),
            ("torch/lib/libtorch.so", "torch"),
            ("torch/lib/libtorch_cpu.so", "cpu"),
            ("torch/lib/libtorch_cuda.so", "cuda"),
        ];
        let files: Vec<_> = files.into_iter().filter(|(name, _)| !name.ends_with(without)).collect();
        fake_wheel(python, folder, &format!("torch-{version}-cp311-cp311-manylinux_2_28_x86_64.whl"), &files)
    }

    #[test]
    fn an_install_from_a_wheel_is_whole_and_holds_no_cuda() {
        let (scratch, python) = (Scratch::new(), Python::find().unwrap());
        let wheel = torch_wheel(&python, &scratch.0, "2.13.0+cu130", "nothing");
        let made = scratch.0.join("made");
        unpack_torch(&python, &wheel, &made).unwrap();
        check(&made, HERE).unwrap();
        assert_eq!(fs::read_to_string(made.join("lib/libtorch_cpu.so")).unwrap(), "cpu");
        assert_eq!(fs::read_to_string(made.join("build-version")).unwrap(), "2.13.0+cu130\n");
        assert!(!made.join("lib/libtorch_cuda.so").exists());
        assert_eq!(leftovers(&python, &made, HERE).unwrap(), [], "this library asks for nothing");
    }

    #[test]
    fn a_missing_library_an_empty_one_and_another_version_are_not_whole() {
        let (scratch, python) = (Scratch::new(), Python::find().unwrap());
        let made = |name: &str, version: &str, without: &str| {
            let made = scratch.0.join(name);
            fs::create_dir(&made).unwrap();
            let wheel = torch_wheel(&python, &made, version, without);
            unpack_torch(&python, &wheel, &made).unwrap();
            made
        };
        let without = made("without", VERSION, "libc10.so");
        assert_eq!(check(&without, HERE).unwrap_err(), "lib/libc10.so is missing");
        let old = made("old", "2.12.1", "nothing");
        assert_eq!(check(&old, HERE).unwrap_err(), "its build-version is 2.12.1");
        let empty = made("empty", VERSION, "nothing");
        fs::write(empty.join("lib/libc10.so"), "").unwrap();
        assert_eq!(check(&empty, HERE).unwrap_err(), "lib/libc10.so is missing");
        assert!(check(&scratch.0.join("nowhere"), HERE).is_err());
    }

    #[test]
    fn a_cut_off_wheel_is_an_error() {
        let (scratch, python) = (Scratch::new(), Python::find().unwrap());
        let wheel = torch_wheel(&python, &scratch.0, VERSION, "nothing");
        let whole = fs::read(&wheel).unwrap();
        fs::write(&wheel, &whole[..whole.len() / 2]).unwrap();
        let message = unpack_torch(&python, &wheel, &scratch.0.join("made")).unwrap_err();
        assert!(message.starts_with("cannot unpack: "), "{message}");
    }

    #[test]
    fn a_flipped_bit_in_a_wheel_is_an_error() {
        let (scratch, python) = (Scratch::new(), Python::find().unwrap());
        let content = "0123456789".repeat(1000);
        let name = "nvidia/lib/libcudart.so.13";
        let wheel = fake_wheel(&python, &scratch.0, "cudart.whl", &[(name, &content)]);
        let mut bytes = fs::read(&wheel).unwrap();
        bytes[30 + name.len() + 5] ^= 1; // behind the member's header: inside its packed bytes
        fs::write(&wheel, bytes).unwrap();
        let message =
            unpack_library(&python, &wheel, &scratch.0.join("made"), CUDA_LEFTOVERS[0]).unwrap_err();
        assert!(message.starts_with("cannot unpack: "), "{message}");
    }

    #[test]
    fn only_the_cuda_libraries_that_are_asked_for_are_fetched() {
        let (scratch, python) = (Scratch::new(), Python::find().unwrap());
        fs::create_dir(scratch.0.join("lib")).unwrap();
        let library = scratch.0.join("lib/libtorch_cpu.so");
        fs::write(&library, b"\x7fELF\0libc10.so\0libcudart.so.13\0libcupti.so.12\0").unwrap();
        assert_eq!(leftovers(&python, &scratch.0, HERE).unwrap(), [CUDA_LEFTOVERS[0]]);
        assert_eq!(leftovers(&python, &scratch.0, Platform::MacArm64).unwrap(), []);
    }

    #[cfg(unix)]
    #[test]
    fn a_shim_that_asks_for_cuda_is_replaced_by_the_cpu_half() {
        let (scratch, python) = (Scratch::new(), Python::find().unwrap());
        let lib = scratch.0.join("lib");
        fs::create_dir(&lib).unwrap();
        fs::write(lib.join("libtorch_cpu.so"), "cpu").unwrap();
        let shim = lib.join("libtorch.so");
        for (content, expected) in [
            (&b"\x7fELF\0libtorch_cpu.so\0libtorch_cuda.so\0"[..], &b"cpu"[..]),
            (b"\x7fELF\0libtorch_cpu.so\0", b"\x7fELF\0libtorch_cpu.so\0"),
        ] {
            let _ = fs::remove_file(&shim);
            fs::write(&shim, content).unwrap();
            drop_cuda_shim(&python, &scratch.0, HERE).unwrap();
            assert_eq!(fs::read(&shim).unwrap(), expected);
        }
    }

    #[test]
    fn one_library_is_expected_in_a_cuda_wheel() {
        let (scratch, python) = (Scratch::new(), Python::find().unwrap());
        let cudart = CUDA_LEFTOVERS[0];
        let good = fake_wheel(&python, &scratch.0, "good.whl", &[("nvidia/lib/libcudart.so.13", "cudart")]);
        unpack_library(&python, &good, &scratch.0, cudart).unwrap();
        assert_eq!(fs::read_to_string(scratch.0.join("lib/libcudart.so.13")).unwrap(), "cudart");
        let bad = fake_wheel(&python, &scratch.0, "bad.whl", &[("nvidia/lib/libcudart.so.12", "cudart")]);
        let message = unpack_library(&python, &bad, &scratch.0, cudart).unwrap_err();
        assert!(message.ends_with("holds libcudart.so.13 0 times, expected once"), "{message}");
    }

    #[test]
    fn the_value_from_the_configuration_is_not_the_users() {
        let root = Path::new("/repo");
        assert!(!is_users(root, OsStr::new("/repo/.libtorch")));
        assert!(is_users(root, OsStr::new("/opt/libtorch")));
    }

    #[test]
    fn a_users_folder_without_libraries_is_named() {
        let scratch = Scratch::new();
        let message = check_users(Some(&scratch.0.clone().into_os_string()), "lib").unwrap_err();
        assert!(message.contains(&scratch.0.join("lib").display().to_string()), "{message}");
        fs::create_dir(scratch.0.join("lib")).unwrap();
        check_users(Some(&scratch.0.clone().into_os_string()), "lib").unwrap();
    }
}
