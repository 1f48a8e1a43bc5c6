//! Diagnostics do no harm: training with everything on equals training with everything off, bit for bit.
//!
//! One test only: libtorch's random generator, which dropout draws from, is shared by the process.

#![cfg(feature = "tch")]

use convscope::{
    Callback, CallbackList, MemorySink, Needs, Network, Schedule, Session, TensorBoard,
    arch::ModelSpec,
    callback::{CONTINUE, Position, ProbeImages, on_batch_end},
};
use tch::{Device, Kind, Tensor, nn, nn::ModuleT as _, nn::OptimizerConfig as _};

const STEPS: i64 = 30;

/// A small network with all that training could disturb: batch normalisation and dropout.
const MODEL: &str = r#"
    name = "neutrality"
    input = [1, 12, 12]
    [[layer]]
    name = "conv1"
    type = "conv2d"
    out_channels = 4
    kernel_size = 3
    padding = 1
    [[layer]]
    name = "bn1"
    type = "batch_norm2d"
    [[layer]]
    name = "relu1"
    type = "relu"
    [[layer]]
    name = "pool1"
    type = "max_pool2d"
    kernel_size = 2
    [[layer]]
    name = "drop"
    type = "dropout"
    p = 0.5
    [[layer]]
    name = "flatten"
    type = "flatten"
    [[layer]]
    name = "fc"
    type = "linear"
    out_features = 3
"#;

/// Asks for everything that a session can capture.
struct Greedy;

impl Callback for Greedy {
    fn needs(&self, _: &Position) -> Needs {
        Needs::ACTIVATION_GRADIENTS
    }
}

fn images(step: i64) -> (Tensor, Tensor) {
    let mut random = fastrand_like(step);
    let pixels: Vec<f32> = (0..8 * 144).map(|_| random()).collect();
    let labels: Vec<i64> = (0..8).map(|i| (i + step) % 3).collect();
    (Tensor::from_slice(&pixels).reshape([8, 1, 12, 12]), Tensor::from_slice(&labels))
}

/// A generator of its own, so that the data draws nothing from libtorch's.
fn fastrand_like(seed: i64) -> impl FnMut() -> f32 {
    let mut state = seed.unsigned_abs().wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1u64 << 24) as f32 - 0.5
    }
}

/// Trains and returns the bits of all losses and of all variables, running statistics included.
fn train(diagnostics: bool, sink: &mut MemorySink) -> (Vec<u32>, Vec<(String, Vec<u32>)>) {
    tch::manual_seed(7);
    let store = nn::VarStore::new(Device::Cpu);
    let network = Network::new(&store.root(), &ModelSpec::from_toml(MODEL).unwrap()).unwrap();
    let mut optimizer = nn::Adam::default().build(&store, 1e-2).unwrap();

    let mut callbacks = CallbackList::new();
    if diagnostics {
        let (input, _) = images(999);
        let probe = ProbeImages::new(input.shallow_clone(), input.clamp(0.0, 1.0), Vec::new()).unwrap();
        callbacks.push(Greedy);
        callbacks.push(
            TensorBoard::new()
                .update_freq(Schedule::batch())
                .histograms(Schedule::batch())
                .probe_images(probe),
        );
        callbacks.push(on_batch_end(|cx, _| {
            assert!(cx.activation_gradients().is_some_and(|gradients| gradients.iter().any(Option::is_some)));
            CONTINUE
        }));
    }
    let mut session =
        Session::new(&store, callbacks, sink).tap(network.tap()).model(|x| network.forward_t(x, false));

    let mut losses = Vec::new();
    for step in 1..=STEPS {
        let (images, labels) = images(step);
        let mut scope = session.begin_step().unwrap().images(8);
        let loss = network.forward_t(&images, true).cross_entropy_for_logits(&labels);
        scope.before_backward(&loss).unwrap();
        optimizer.zero_grad();
        loss.backward();
        scope.after_backward().unwrap();
        optimizer.step();
        assert!(scope.end(&loss).unwrap().is_continue());
        losses.push((loss.double_value(&[]) as f32).to_bits());
    }
    session.finish().unwrap();

    let mut variables: Vec<_> = store.variables().into_iter().map(|(name, t)| (name, bits(&t))).collect();
    variables.sort();
    (losses, variables)
}

fn bits(tensor: &Tensor) -> Vec<u32> {
    let values: Vec<f32> = tensor.detach().to_kind(Kind::Float).reshape([-1]).try_into().unwrap();
    values.into_iter().map(f32::to_bits).collect()
}

#[test]
fn training_with_all_diagnostics_is_bit_identical() {
    let mut silent = MemorySink::default();
    let (losses_off, variables_off) = train(false, &mut silent);
    let mut full = MemorySink::default();
    let (losses_on, variables_on) = train(true, &mut full);

    assert!(silent.entries.is_empty());
    assert!(
        full.entries.iter().any(|entry| entry.tag.as_str() == "feature_maps/relu1"),
        "diagnostics did run"
    );
    assert!(losses_off.windows(2).any(|pair| pair[0] != pair[1]), "the loss does move");
    assert_eq!(losses_off, losses_on);
    let names =
        |variables: &[(String, Vec<u32>)]| variables.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&variables_off), names(&variables_on));
    assert!(names(&variables_off).contains(&"bn1.running_mean".to_owned()));
    for ((name, off), (_, on)) in variables_off.iter().zip(&variables_on) {
        assert!(off == on, "{name} differs");
    }
}
