use convscope::{Callback, Context, Needs, SummarySink, callback::{CONTINUE, Flow, Position}};
use tch::Tensor;
pub struct Figures;
fn rms(t: &Tensor) -> f64 { t.detach().square().mean(tch::Kind::Double).sqrt().double_value(&[]) }
impl Callback for Figures {
    fn needs(&self, p: &Position) -> Needs {
        if due(p.step.get()) { Needs::ACTIVATIONS } else { Needs::NONE }
    }
    fn on_after_backward(&mut self, cx: &Context<'_>, _: &mut dyn SummarySink) -> Flow {
        let step = cx.step().get();
        let mut total = 0.0;
        for p in cx.params().iter() { if let Some(g) = p.grad() { total += g.square().sum(tch::Kind::Double).double_value(&[]); } }
        println!("step {step}: loss {:.4} |g| {:.3e}", cx.loss()?.unwrap_or(f64::NAN), total.sqrt());
        if !due(step) { return CONTINUE; }
        if let Some(a) = cx.activations() {
            let mut line = String::new();
            for (i, l) in a.iter().enumerate() {
                if a.len() > 24 && i % 6 != 0 { continue; }
                let z = l.tensor.eq(0.0).to_kind(tch::Kind::Double).mean(tch::Kind::Double).double_value(&[]);
                let var = l.tensor.detach().std(false).double_value(&[]).powi(2);
                line += &format!(" {}[rms {:.2e} var {var:.1e} z {z:.2}]", l.name, rms(&l.tensor));
            }
            println!("   act{line}");
        }
        let mut line = String::new();
        for (i, p) in cx.params().iter().enumerate() {
            if cx.params().len() > 24 && i % 6 != 0 { continue; }
            line += &format!(" {} {:.2e}/{:.2e}", p.name(), p.grad().map_or(f64::NAN, |g| rms(&g)), rms(p.tensor()));
        }
        println!("   grad/w{line}");
        CONTINUE
    }
    fn on_validation_end(&mut self, cx: &Context<'_>, m: &convscope::Metrics, _: &mut dyn SummarySink) -> Flow {
        println!("step {} validation {m}", cx.step().get());
        CONTINUE
    }
}
fn due(step: i64) -> bool { step <= 3 || step % 20 == 0 }
