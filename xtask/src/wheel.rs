//! Wheels: what pip is told to fetch, and which files of a wheel make libtorch.

use crate::{Result, platform::Platform, python::Python};
use std::{
    ffi::OsString,
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Reads zip files; Python's standard library can, Rust's cannot.
const SCRIPT: &str = include_str!("wheel.py");

/// A wheel that an install is made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wheel {
    /// What pip is asked for, with the exact version.
    pub requirement: &'static str,
    /// The library for which it is fetched, or none if it always is.
    pub provides: Option<&'static str>,
}

/// The wheel with libtorch in it.
pub const TORCH: Wheel = Wheel { requirement: "torch==2.13.0", provides: None };

/// The CPU half of a libtorch that was built with CUDA is linked against these two all the same.
pub const CUDA_LEFTOVERS: [Wheel; 2] = [
    Wheel { requirement: "nvidia-cuda-runtime==13.0.96", provides: Some("libcudart.so.13") },
    Wheel { requirement: "nvidia-cuda-cupti==13.0.85", provides: Some("libcupti.so.13") },
];

impl Wheel {
    /// Downloads it into `folder`; pip shows a bar and verifies the index's hash.
    pub fn download(&self, python: &Python, platform: Platform, folder: &Path) -> Result<PathBuf> {
        fs::create_dir_all(folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
        python.pip(&self.pip_args(platform, folder), folder)?;
        let mut wheels = fs::read_dir(folder)
            .map_err(|error| format!("cannot read {}: {error}", folder.display()))?
            .filter_map(|entry| entry.ok().map(|entry| entry.path()))
            .filter(|path| path.extension().is_some_and(|extension| extension == "whl"));
        match (wheels.next(), wheels.next()) {
            (Some(wheel), None) => Ok(wheel),
            _ => Err(format!("pip left no single wheel of {} in {}", self.requirement, folder.display())),
        }
    }

    /// The wheel does not depend on the Python that runs pip: one for CPython 3.11 is asked for on every machine.
    fn pip_args(&self, platform: Platform, folder: &Path) -> Vec<OsString> {
        let mut args: Vec<OsString> = [
            "download",
            "--no-deps",
            "--only-binary=:all:",
            "--no-cache-dir", // half a gigabyte that is unpacked once
            "--disable-pip-version-check",
            "--implementation=cp",
            "--python-version=3.11",
            "--abi=cp311",
        ]
        .map(OsString::from)
        .into();
        args.extend(platform.tags().iter().map(|tag| format!("--platform={tag}").into()));
        args.push("--dest".into());
        args.push(folder.into());
        args.push(self.requirement.into());
        args
    }
}

/// Unpacks from `wheel` what `keep` names a place for, below `folder`. Returns how many files that were.
pub fn unpack(
    python: &Python,
    wheel: &Path,
    folder: &Path,
    keep: impl Fn(&str) -> Option<String>,
) -> Result<usize> {
    let listing = script(python, &["list".into(), wheel.into()], "")?;
    let mut lines = String::new();
    let mut count = 0;
    for name in listing.lines() {
        if let Some(path) = keep(name) {
            lines.push_str(&format!("{name}\t{path}\n"));
            count += 1;
        }
    }
    script(python, &["extract".into(), wheel.into(), folder.into()], &lines)?;
    Ok(count)
}

/// Which of `libraries` the library `file` asks for. (Looks for the names between zero bytes, as they stand in the table
/// of an ELF file; one too many does no harm.)
pub fn mentioned<'a>(python: &Python, file: &Path, libraries: &[&'a str]) -> Result<Vec<&'a str>> {
    let mut args = vec!["mentions".into(), file.into()];
    args.extend(libraries.iter().map(OsString::from));
    let found = script(python, &args, "")?;
    Ok(libraries.iter().copied().filter(|name| found.lines().any(|line| line == *name)).collect())
}

fn script(python: &Python, args: &[OsString], input: &str) -> Result<String> {
    let failed = |what: &str| format!("cannot unpack: {what}");
    let mut child = Command::new(python.program())
        .args(["-I", "-X", "utf8", "-c", SCRIPT])
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| failed(&error.to_string()))?;
    if let Some(mut stdin) = child.stdin.take() {
        // A child that has died says why on stderr; the broken pipe does not matter then.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output().map_err(|error| failed(&error.to_string()))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(failed(String::from_utf8_lossy(&output.stderr).trim()))
    }
}

/// Where a file of the torch wheel goes in an install: headers, and libraries without CUDA and without Python.
///
/// The CUDA half must stay out, or the linker asks for all of CUDA.
pub fn keep_torch(name: &str) -> Option<String> {
    const NOT_THESE: [&str; 5] = ["cuda", "nvrtc", "nvshmem", "torch_python", "global_deps"];
    if name.ends_with('/') {
        return None;
    }
    if name.ends_with(".dist-info/licenses/LICENSE") {
        return Some("LICENSE".to_owned());
    }
    if let Some(header) = name.strip_prefix("torch/include/") {
        return Some(format!("include/{header}"));
    }
    let library = name.strip_prefix("torch/lib/")?;
    if library.contains('/') || NOT_THESE.iter().any(|part| library.contains(part)) {
        return None;
    }
    if library.trim_start_matches("lib").starts_with("shm.") {
        return None; // shared memory between Python's worker processes
    }
    Some(format!("lib/{library}"))
}

/// Where a file of a wheel goes of which only `library` is wanted.
pub fn keep_library(name: &str, library: &str) -> Option<String> {
    (name.rsplit('/').next() == Some(library)).then(|| format!("lib/{library}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pip_is_asked_for_the_wheel_of_the_platform_whatever_python_runs_it() {
        let args = TORCH.pip_args(Platform::MacArm64, Path::new("wheels"));
        let args: Vec<_> = args.iter().map(|arg| arg.to_string_lossy()).collect();
        assert_eq!(args[0], "download");
        for expected in
            ["--no-deps", "--only-binary=:all:", "--python-version=3.11", "--platform=macosx_14_0_arm64"]
        {
            assert!(args.iter().any(|arg| arg == expected), "{expected} is missing in {args:?}");
        }
        assert_eq!(args[args.len() - 3..], ["--dest", "wheels", "torch==2.13.0"]);
    }

    #[test]
    fn the_versions_agree() {
        assert_eq!(TORCH.requirement, format!("torch=={}", crate::libtorch::VERSION));
    }

    #[test]
    fn headers_and_cpu_libraries_are_kept() {
        for (name, path) in [
            ("torch/include/ATen/ATen.h", "include/ATen/ATen.h"),
            (
                "torch/include/torch/csrc/api/include/torch/cuda.h",
                "include/torch/csrc/api/include/torch/cuda.h",
            ),
            ("torch/lib/libtorch_cpu.so", "lib/libtorch_cpu.so"),
            ("torch/lib/libtorch.so", "lib/libtorch.so"),
            ("torch/lib/libgomp.so.1", "lib/libgomp.so.1"),
            ("torch/lib/libarm_compute.so", "lib/libarm_compute.so"),
            ("torch/lib/libnvpl_blas_core.so.0", "lib/libnvpl_blas_core.so.0"),
            ("torch/lib/libtorch_cpu.dylib", "lib/libtorch_cpu.dylib"),
            ("torch/lib/libomp.dylib", "lib/libomp.dylib"),
            ("torch/lib/torch_cpu.lib", "lib/torch_cpu.lib"),
            ("torch/lib/libiomp5md.dll", "lib/libiomp5md.dll"),
            ("torch-2.13.0.dist-info/licenses/LICENSE", "LICENSE"),
        ] {
            assert_eq!(keep_torch(name).as_deref(), Some(path), "{name}");
        }
    }

    #[test]
    fn cuda_python_and_the_rest_are_left_out() {
        for name in [
            "torch/lib/",
            "torch/lib/libtorch_cuda.so",
            "torch/lib/libtorch_cuda_linalg.so",
            "torch/lib/libc10_cuda.so",
            "torch/lib/libcaffe2_nvrtc.so",
            "torch/lib/libtorch_nvshmem.so",
            "torch/lib/libtorch_python.so",
            "torch/lib/torch_python.lib",
            "torch/lib/libshm.so",
            "torch/lib/shm.dll",
            "torch/lib/libshm/err.h",
            "torch/lib/libtorch_global_deps.so",
            "torch/_C.cpython-311-x86_64-linux-gnu.so",
            "torch/__init__.py",
            "torch-2.13.0.dist-info/licenses/third_party/fmt/LICENSE",
            "functorch/__init__.py",
        ] {
            assert_eq!(keep_torch(name), None, "{name}");
        }
    }

    #[test]
    fn one_library_is_taken_out_of_a_cuda_wheel() {
        let keep = |name| keep_library(name, "libcudart.so.13");
        assert_eq!(keep("nvidia/cu13/lib/libcudart.so.13").as_deref(), Some("lib/libcudart.so.13"));
        assert_eq!(keep("nvidia/cu13/lib/libcudart_static.a"), None);
        assert_eq!(keep("nvidia/cu13/include/cuda.h"), None);
    }
}
