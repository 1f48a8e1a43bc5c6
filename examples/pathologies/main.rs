//! Zoo.
mod zoo;
use zoo::{healthy::HEALTHY, sick::SICK, Result, Run};
fn main() -> Result<()> {
    let name = std::env::args().nth(1).unwrap_or_default();
    let seed = std::env::args().nth(2).map_or(0, |s| s.parse().unwrap_or(0));
    for case in SICK.iter().chain(HEALTHY) {
        if case.name.contains(&name) {
            let began = std::time::Instant::now();
            println!("== {}", case.name);
            (case.train)(&Run::new(seed, None))?;
            println!("== {} {:.1} s", case.name, began.elapsed().as_secs_f64());
        }
    }
    Ok(())
}
