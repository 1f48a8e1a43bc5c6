//! The chores of the repository. `cargo xtask` without a command lists them.

mod advice;
mod cargo;
mod data;
mod install;
mod libtorch;
mod platform;
mod python;
mod tensorboard;
mod wheel;

use std::{
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

/// One sentence that names what is missing or wrong, and what to do about it.
type Result<T = ()> = std::result::Result<T, String>;

const USAGE: &str = "\
Usage: cargo xtask <COMMAND>

  train [ARGS]             train on the bundled images; ARGS go to `convscope train`
  test [ARGS]              every test; ARGS go to `cargo test`
  tensorboard [LOGDIR]     stock TensorBoard on LOGDIR (default: logs); further arguments go to it
  bench [ARGS]             the benchmarks, none of which needs libtorch; ARGS go to `cargo bench`
  libtorch                 fetch libtorch into .libtorch, so that plain `cargo build` works
  venv                     make .venv, the Python environment with TensorBoard
  screenshots              train, run examples, and take the pictures of docs/images/ (needs Chromium)
  captum                   lay captum's attributions beside convscope's: same weights, images and noise (fetches PyTorch)
  data [FOLDER] [--check]  make data/ from the whole Fashion-MNIST in FOLDER, or compare the two

`train`, `test` and `tensorboard` fetch what they need by themselves, the first time.
";

/// The variable that tells libtorch, by way of OpenMP, how many threads one operation may use.
const TORCH_THREADS: &str = "OMP_NUM_THREADS";

/// Pages of TensorBoard that show a training.
const TRAINING_PAGES: [&str; 6] = ["timeseries", "scalars", "images", "histograms", "distributions", "text"];

/// Pictures of what the example `architecture` writes of a residual network: page, what of it, name.
const ARCHITECTURE_PICTURES: [(&str, [&str; 2], &str); 2] = [
    ("graphs", ["--node", "layer4/1/conv2"], "architecture_graph"),
    ("images", ["--filter", "^receptive_field/(overview|layer1/1/conv2)$"], "receptive_field"),
];

/// The sick training of the example `pathologies` that is shown.
const SICK: &str = "dead_relu";

/// Pictures of a training whose ReLUs die, by the example `pathologies`: page, what of it, name.
const SICK_PICTURES: [(&str, &str, &str); 2] = [
    ("text", "^diagnosis$", "diagnosis"),
    ("images", "^diagnosis/(layers|heat_map/gradient_rms)$", "heat_maps"),
];

/// The other pages, and the example that writes something for each.
const EXAMPLE_PAGES: [(&str, &str); 7] = [
    ("audio", "audio"),
    ("pr_curves", "pr_curve"),
    ("custom_scalars", "custom_scalars"),
    ("mesh", "mesh"),
    ("hparams", "hparams"),
    ("graphs", "graph"),
    ("projector", "embedding"),
];

/// Pictures of `convscope explain` that the README shows, and their names there.
const EXPLAINED: [(&str, &str); 6] = [
    ("gallery/maps.png", "explain_gallery.png"),
    ("occlusion/17_Coat.png", "explain_occlusion.png"),
    ("max_pool_routing/pool1/17_Coat.png", "explain_max_pool.png"),
    ("nearest_neighbors/17_Coat.png", "explain_neighbors.png"),
    ("linear_probe/all_layers.png", "explain_linear_probe.png"),
    ("pruning/accuracy.png", "explain_pruning.png"),
];

/// Validation images that are explained: two that the trained model answers rightly, two wrongly.
const EXPLAINED_IMAGES: [&str; 4] = ["0", "1", "17", "21"];

fn main() -> ExitCode {
    let mut args = env::args_os().skip(1);
    let command = args.next().unwrap_or_default();
    let args: Vec<OsString> = args.collect();
    let root = root();
    let result = match command.to_str() {
        Some("train") => train(&root, &args),
        Some("test") => test(&root, &args),
        Some("tensorboard") => tensorboard(&root, &args),
        Some("bench") => bench(&root, &args),
        Some("libtorch") => libtorch::ensure(&root).map(|_| ExitCode::SUCCESS),
        Some("venv") => python::ensure_venv(&root, &python::TENSORBOARD).map(|_| ExitCode::SUCCESS),
        Some("screenshots") => screenshots(&root).map(|()| ExitCode::SUCCESS),
        Some("captum") => captum(&root),
        Some("data") => data::run(&root, &args).map(|()| ExitCode::SUCCESS),
        Some("help" | "--help" | "-h") => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprint!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    result.unwrap_or_else(|message| {
        eprintln!("error: {message}");
        ExitCode::FAILURE
    })
}

/// The root of the repository: the folder above this crate.
fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

fn train(root: &Path, args: &[OsString]) -> Result<ExitCode> {
    advice::require_cxx()?;
    let libtorch = libtorch::ensure(root)?;
    cargo::become_it(cargo::command(root, "run", &libtorch).args(cargo::train_args(args)))
}

fn test(root: &Path, args: &[OsString]) -> Result<ExitCode> {
    advice::require_cxx()?;
    let mut args = args.to_vec();
    if let Some(missing) = advice::missing_browser(&args) {
        if env::var_os("CI").is_some() {
            return Err(missing); // the gate leaves nothing out
        }
        eprintln!("note: {missing}. All other tests run; those are left out.");
        args = cargo::without_browser_test(args);
    }
    let libtorch = libtorch::ensure(root)?;
    python::ensure_venv(root, &python::TENSORBOARD)?;
    let mut command = cargo::command(root, "test", &libtorch);
    // Tests run side by side, on all cores already. Where each of them also has libtorch compute with a thread for every
    // core, the threads wait for each other: that takes up to nine times as long.
    if env::var_os(TORCH_THREADS).is_none() {
        command.env(TORCH_THREADS, "1");
    }
    cargo::become_it(command.arg("--workspace").args(args))
}

fn bench(root: &Path, args: &[OsString]) -> Result<ExitCode> {
    let libtorch = libtorch::Libtorch::managed(root);
    cargo::become_it(cargo::command(root, "bench", &libtorch).args(cargo::bench_args(args)))
}

/// Trains with the defaults into a fresh folder, runs the examples, and photographs TensorBoard's pages.
fn screenshots(root: &Path) -> Result {
    advice::require_cxx()?;
    let libtorch = libtorch::ensure(root)?;
    let python = python::ensure_venv(root, &python::TENSORBOARD)?;
    let folder = root.join("target/screenshots");
    if folder.exists() {
        fs::remove_dir_all(&folder)
            .map_err(|error| format!("cannot remove {}: {error}", folder.display()))?;
    }
    let photograph_as = |logs: &Path, pages: &[&str], more: &[&str]| {
        let mut command = Command::new(&python);
        command
            .arg(root.join("tests/browser/pages.py"))
            .arg(logs)
            .args(["--pages", &pages.join(",")])
            .args(more);
        cargo::run(command.arg("--screenshots").arg(root.join("docs/images")))
    };
    let photograph = |logs: &Path, pages: &[&str]| photograph_as(logs, pages, &[]);
    let logs = folder.join("training/logs"); // the pages show the last name
    let args = ["--run", "fashion", "--quiet", "--logdir"].map(OsString::from);
    let args = [&args[..], &[logs.clone().into_os_string()]].concat();
    cargo::run(cargo::command(root, "run", &libtorch).args(cargo::train_args(&args)))?;
    photograph(&logs, &TRAINING_PAGES)?;
    explain(root, &libtorch, &logs.join("fashion/checkpoints/best.safetensors"), &folder.join("explain"))?;
    let example = |example: &str, arguments: &[&str]| {
        let logs = folder.join(example).join("logs");
        let mut run = cargo::command(root, "run", &libtorch);
        let run = run.args(["--package", "convscope", "--example", example, "--"]).arg(&logs);
        cargo::run(run.args(arguments))?;
        name_run(&logs, arguments.first().unwrap_or(&example))?;
        Ok::<_, String>(logs)
    };
    for (page, name) in EXAMPLE_PAGES {
        photograph(&example(name, &[])?, &[page])?;
    }
    let logs = example("architecture", &["resnet18", "32"])?;
    for (page, [option, value], name) in ARCHITECTURE_PICTURES {
        photograph_as(&logs, &[page], &[option, value, "--name", name])?;
    }
    let logs = folder.join("pathologies/logs");
    let mut run = cargo::command(root, "run", &libtorch);
    let run =
        run.args(["--package", "convscope", "--example", "pathologies", "--", "--run", SICK, "--logdir"]);
    cargo::run(run.arg(&logs))?;
    name_run(&logs, SICK)?;
    for (page, tags, name) in SICK_PICTURES {
        photograph_as(&logs, &[page], &["--filter", tags, "--name", name])?;
    }
    Ok(())
}

/// Explains two small networks, and compares with what captum says of them.
fn captum(root: &Path) -> Result<ExitCode> {
    advice::require_cxx()?;
    let libtorch = libtorch::ensure(root)?;
    let python = python::ensure_venv(root, &python::CAPTUM)?;
    let values = root.join("target/captum");
    let mut run = cargo::command(root, "run", &libtorch);
    cargo::run(run.args(["--package", "convscope", "--example", "captum_values", "--"]).arg(&values))?;
    let script = root.join("tests/conformance/captum/compare.py");
    cargo::become_it(Command::new(python).arg(script).args([values, root.join("data")]))
}

/// Explains a checkpoint, and keeps the pictures that the README shows.
fn explain(root: &Path, libtorch: &libtorch::Libtorch, checkpoint: &Path, out: &Path) -> Result {
    let mut run = cargo::command(root, "run", libtorch);
    run.args(["--package", "convscope", "--bin", "convscope", "--", "explain", "--quiet"]);
    for image in EXPLAINED_IMAGES {
        run.args(["--index", image]);
    }
    cargo::run(run.arg("--checkpoint").arg(checkpoint).arg("--out").arg(out))?;
    for (picture, name) in EXPLAINED {
        let (from, to) = (out.join(picture), root.join("docs/images").join(name));
        fs::copy(&from, &to)
            .map_err(|error| format!("cannot copy {} to {}: {error}", from.display(), to.display()))?;
    }
    Ok(())
}

/// Gives the one folder in `logs` a name in place of the time and the host that it is called by.
fn name_run(logs: &Path, name: &str) -> Result {
    let failed = |error: std::io::Error| format!("cannot rename the run in {}: {error}", logs.display());
    for entry in fs::read_dir(logs).map_err(failed)? {
        fs::rename(entry.map_err(failed)?.path(), logs.join(name)).map_err(failed)?;
    }
    Ok(())
}

fn tensorboard(root: &Path, args: &[OsString]) -> Result<ExitCode> {
    let python = python::ensure_venv(root, &python::TENSORBOARD)?;
    let (logdir, rest) = tensorboard::split_args(args);
    cargo::become_it(&mut tensorboard::command(&python, logdir, rest))
}
