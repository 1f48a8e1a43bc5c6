"""Lays captum's attributions beside convscope's: same weights, same images, same noise.

    compare.py FOLDER DATA

FOLDER was written by values.rs, DATA is the repository's data/. Prints the largest difference of each method, as it is and
relative to the largest value of the attribution, and exits with 1 if one of the latter is above TOLERANCE.
"""

import gzip
import json
import sys
import tomllib
import warnings
from pathlib import Path
from unittest import mock

import captum
import torch
from captum.attr import (
    Deconvolution,
    GuidedBackprop,
    InputXGradient,
    IntegratedGradients,
    LayerGradCam,
    NoiseTunnel,
    Occlusion,
    Saliency,
)
from safetensors.torch import load_file

# Single precision: sums of a thousand terms in another order.
TOLERANCE = 1e-4
SAMPLES = 50
STEPS = 50


def module(layer, channels):
    """The PyTorch module of a layer, and how many channels or features it puts out."""
    kind = layer["type"]
    get = layer.get
    if kind == "conv2d":
        out = layer["out_channels"]
        settings = {name: layer[name] for name in ("stride", "padding", "dilation", "groups", "bias") if name in layer}
        return torch.nn.Conv2d(channels, out, layer["kernel_size"], **settings), out
    if kind == "linear":
        out = layer["out_features"]
        return torch.nn.LazyLinear(out, bias=get("bias", True)), out
    if kind == "batch_norm2d":
        return torch.nn.BatchNorm2d(channels, eps=get("eps", 1e-5)), channels
    if kind == "max_pool2d":
        return torch.nn.MaxPool2d(layer["kernel_size"], get("stride"), get("padding", 0)), channels
    simple = {
        "relu": torch.nn.ReLU,
        "flatten": torch.nn.Flatten,
        "dropout": torch.nn.Dropout,
        "add": torch.nn.Identity,
    }
    if kind == "global_avg_pool":
        return torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()), channels
    if kind in simple:
        return simple[kind](), channels
    raise SystemExit(f"layer {layer['name']}: compare.py does not know the type {kind}")


class Model(torch.nn.Module):
    """A convscope model file as a PyTorch module, one module for each layer."""

    def __init__(self, spec, weights):
        super().__init__()
        self.layers = spec["layer"]
        channels = {"input": spec["input"][0]}
        before = "input"
        self.inputs = {}
        for layer in self.layers:
            name = layer["name"]
            self.inputs[name] = layer.get("inputs", [before])
            made, channels[name] = module(layer, channels[self.inputs[name][0]])
            self.add_module(name.replace(".", "/"), made)
            before = name
        self(torch.zeros(1, *spec["input"]))  # gives lazy layers their size
        names = {f"{layer['name']}.": f"{layer['name'].replace('.', '/')}." for layer in self.layers}

        def renamed(name):
            layer = max((layer for layer in names if name.startswith(layer)), key=len)
            return names[layer] + name[len(layer):]

        state = {renamed(name): tensor for name, tensor in weights.items()}
        problems = self.load_state_dict(state, strict=False)
        missing = [name for name in problems.missing_keys if not name.endswith("num_batches_tracked")]
        if missing or problems.unexpected_keys:
            raise SystemExit(f"weights do not fit: missing {missing}, too many {problems.unexpected_keys}")
        self.eval()

    def layer(self, name):
        return getattr(self, name.replace(".", "/"))

    def forward(self, images):
        outputs = {"input": images}
        for layer in self.layers:
            name = layer["name"]
            given = [outputs[source] for source in self.inputs[name]]
            outputs[name] = self.layer(name)(sum(given[1:], given[0]))
        return outputs[name]


def images(data):
    """The bundled validation images, 0 to 1, [N, 1, H, W]."""
    with gzip.open(data / "t10k-images-idx3-ubyte.gz") as file:
        content = file.read()
    count, height, width = (int.from_bytes(content[at : at + 4], "big") for at in (4, 8, 12))
    pixels = torch.frombuffer(bytearray(content[16:]), dtype=torch.uint8)
    return pixels.reshape(count, 1, height, width).float() / 255


def attributions(model, image, target, noisy, layers):
    """captum's values by the names that values.rs gives."""
    yield "saliency", Saliency(model).attribute(image, target=target)
    yield "gradient_x_input", InputXGradient(model).attribute(image, target=target)
    kinds = {"smooth_grad": "smoothgrad", "smooth_grad_squared": "smoothgrad_sq", "var_grad": "vargrad"}
    for name, kind in kinds.items():
        # captum gets convscope's noise: the two generators differ.
        with mock.patch("torch.normal", lambda *_: noisy - image):
            tunnel = NoiseTunnel(Saliency(model))
            yield name, tunnel.attribute(image, nt_type=kind, nt_samples=SAMPLES, target=target, abs=False)
    for rule in ("gausslegendre", "riemann_left", "riemann_right", "riemann_middle", "riemann_trapezoid"):
        values = IntegratedGradients(model).attribute(image, target=target, n_steps=STEPS, method=rule)
        yield f"integrated_gradients {rule}", values
    for layer in layers:
        yield f"grad_cam {layer}", LayerGradCam(model, model.layer(layer)).attribute(image, target=target)
    windows = {"sliding_window_shapes": (1, 5, 4), "strides": (1, 3, 2)}
    yield "occlusion", Occlusion(model).attribute(image, target=target, baselines=0, perturbations_per_eval=32, **windows)
    yield "guided_backprop", GuidedBackprop(model).attribute(image, target=target)
    yield "deconvolution", Deconvolution(model).attribute(image, target=target)


def compare(folder, name, pixels):
    """Of each method over all images: captum's largest value, the largest difference, the largest relative to the largest
    value of its image."""
    about = json.loads((folder / f"{name}.json").read_text())
    spec = tomllib.loads((folder / f"{name}.toml").read_text())
    model = Model(spec, load_file(folder / f"{name}.safetensors"))
    found = load_file(folder / f"{name}.values.safetensors")
    worst = {}
    for entry in about["images"]:
        index, target = entry["index"], entry["class"]
        mean, std = (torch.tensor(about[key]).reshape(1, -1, 1, 1) for key in ("mean", "std"))
        image = (pixels[index : index + 1] - mean) / std
        predicted = int(model(image).argmax())
        if predicted != target:
            raise SystemExit(f"{name}, image {index}: PyTorch predicts {predicted}, convscope {target}")
        for method, expected in attributions(model, image, target, found[f"{index}/noisy"], about["layers"]):
            values = found[f"{index}/{method}"]
            expected = expected.detach().reshape(values.shape)
            scale, difference = float(expected.abs().max()), float((values - expected).abs().max())
            if not (0 < scale < float("inf") and difference < float("inf")):
                raise SystemExit(f"{name}, image {index}, {method}: values up to {scale}, which show nothing")
            these = (scale, difference, difference / scale)
            worst[method] = tuple(map(max, worst.get(method, these), these))
    return worst, len(about["images"])


def main(folder, data):
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    print(f"captum {captum.__version__}, PyTorch {torch.__version__}")
    pixels = images(data)
    failed = False
    for name in sorted(path.stem for path in folder.glob("*.toml")):
        worst, count = compare(folder, name, pixels)
        print(f"\n{name}, {count} images\n{'':40} {'captum up to':>12} {'difference':>12} {'relative':>12}")
        for method, (scale, difference, relative) in worst.items():
            mark = "" if relative <= TOLERANCE else f"  above {TOLERANCE}"
            failed |= relative > TOLERANCE
            print(f"{method:40} {scale:12.3g} {difference:12.2e} {relative:12.2e}{mark}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
