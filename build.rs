//! Lets programs and tests find libtorch without an environment variable: the folder that torch-sys linked against
//! goes into their run path.

use std::{env, path::Path};

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let (Some(lib), Ok(os)) = (env::var_os("DEP_TCH_LIBTORCH_LIB"), env::var("CARGO_CFG_TARGET_OS")) else {
        return; // built without libtorch
    };
    let lib = Path::new(&lib);
    if os == "windows" {
        return; // no run path there: the folder must be on PATH
    }
    println!("cargo:rustc-link-arg=-Wl,-rpath,{}", lib.display());
    // Nothing refers to a symbol of the CUDA half, so the linker would drop it and CUDA would seem absent.
    if os == "linux" && lib.join("libtorch_cuda.so").exists() {
        println!("cargo:rustc-link-arg=-Wl,--no-as-needed,-ltorch_cuda,--as-needed");
    }
}
