//! The platforms that libtorch exists for, and what its wheel is called there.

use crate::Result;
use std::env;

/// A platform with a wheel of libtorch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Platform {
    /// Linux on x86-64 with glibc.
    LinuxX64,
    /// Linux on 64-bit ARM with glibc.
    LinuxArm64,
    /// macOS on Apple silicon.
    MacArm64,
    /// Windows on x86-64.
    WindowsX64,
}

impl Platform {
    /// The platform that xtask was compiled for.
    pub fn here() -> Result<Platform> {
        if cfg!(target_env = "musl") {
            return Err(no_wheel("Linux with musl instead of glibc"));
        }
        Platform::of(env::consts::OS, env::consts::ARCH)
    }

    fn of(os: &str, arch: &str) -> Result<Platform> {
        match (os, arch) {
            ("linux", "x86_64") => Ok(Platform::LinuxX64),
            ("linux", "aarch64") => Ok(Platform::LinuxArm64),
            ("macos", "aarch64") => Ok(Platform::MacArm64),
            ("windows", "x86_64") => Ok(Platform::WindowsX64),
            _ => Err(no_wheel(&format!("{os} on {arch}"))),
        }
    }

    /// A name for folders.
    pub fn name(self) -> &'static str {
        match self {
            Platform::LinuxX64 => "linux-x86_64",
            Platform::LinuxArm64 => "linux-aarch64",
            Platform::MacArm64 => "macos-aarch64",
            Platform::WindowsX64 => "windows-x86_64",
        }
    }

    /// Whether libraries are ELF files, and the wheel one with CUDA.
    pub fn is_linux(self) -> bool {
        matches!(self, Platform::LinuxX64 | Platform::LinuxArm64)
    }

    /// The tags that a wheel for this platform may have. pip takes them literally, so the older ones are listed as well.
    pub fn tags(self) -> &'static [&'static str] {
        match self {
            Platform::LinuxX64 => &[
                "manylinux_2_28_x86_64",
                "manylinux_2_25_x86_64",
                "manylinux_2_17_x86_64",
                "manylinux2014_x86_64",
                "linux_x86_64",
            ],
            Platform::LinuxArm64 => &[
                "manylinux_2_28_aarch64",
                "manylinux_2_25_aarch64",
                "manylinux_2_17_aarch64",
                "manylinux2014_aarch64",
                "linux_aarch64",
            ],
            Platform::MacArm64 => &["macosx_14_0_arm64"],
            Platform::WindowsX64 => &["win_amd64"],
        }
    }

    /// The libraries that the linker is told to link, thus those without which an install is not whole.
    pub fn libraries(self) -> &'static [&'static str] {
        match self {
            Platform::LinuxX64 | Platform::LinuxArm64 => &["libc10.so", "libtorch.so", "libtorch_cpu.so"],
            Platform::MacArm64 => &["libc10.dylib", "libtorch.dylib", "libtorch_cpu.dylib"],
            Platform::WindowsX64 => {
                &["c10.lib", "torch.lib", "torch_cpu.lib", "c10.dll", "torch.dll", "torch_cpu.dll"]
            }
        }
    }
}

fn no_wheel(platform: &str) -> String {
    format!(
        "there is no libtorch {} to fetch for {platform}; build it from source and set LIBTORCH to its folder",
        crate::libtorch::VERSION
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_platforms_have_a_wheel() {
        for (os, arch, name, tag) in [
            ("linux", "x86_64", "linux-x86_64", "manylinux_2_28_x86_64"),
            ("linux", "aarch64", "linux-aarch64", "manylinux_2_28_aarch64"),
            ("macos", "aarch64", "macos-aarch64", "macosx_14_0_arm64"),
            ("windows", "x86_64", "windows-x86_64", "win_amd64"),
        ] {
            let platform = Platform::of(os, arch).unwrap();
            assert_eq!(platform.name(), name);
            assert_eq!(platform.tags()[0], tag);
        }
    }

    #[test]
    fn others_are_told_what_to_do() {
        let message = Platform::of("macos", "x86_64").unwrap_err();
        assert!(message.contains("macos on x86_64") && message.contains("set LIBTORCH"), "{message}");
    }
}
