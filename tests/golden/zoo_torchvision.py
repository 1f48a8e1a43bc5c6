"""Writes what torchvision says of the networks of the zoo: `zoo_torchvision.json.gz`, and a file of weights that it exported,
`zoo_squeezenet1_1.safetensors.gz`. `tests/zoo_torchvision.rs` compares.

    python -m venv golden && golden/bin/pip install -r tests/golden/zoo_requirements.txt
    golden/bin/python tests/golden/zoo_torchvision.py

Needs no GPU and no download: the weights are a formula of name and place, which the test repeats. Everything is computed
in float64 and evaluation mode, so that both sides agree to about 1e-12 and any other difference is a mistake.

Every network of the JSON has these fields:

    input, classes   of the run: few pixels, but enough for every layer, odd and not square; 10 classes
    narrow           number of outputs of large fully connected layers in the run, so that it takes a second
    gain             weights are uniform with the variance gain / fan_in
    params           number of parameters with 1000 classes
    size, macs       multiply-adds of convolutions and linear layers at the published size of images, without Inception's
                     second head; rounded to millions they are what torchvision publishes
    state            state dict with 1000 classes, in its order: "name 64x3x7x7", with "i64" behind integers
    layers           projection of the output of every convolution, linear layer and normalisation onto the pattern
    output           of the one image, and `auxiliary` of Inception's second head
"""

import gzip
import json
import math
import pathlib
import tempfile

import numpy as np
import safetensors.torch
import torch
from torchvision import models
from torchvision.models.resnet import Bottleneck, ResNet

HERE = pathlib.Path(__file__).resolve().parent
CLASSES = 10
PERIOD = 65537  # a prime: no row of a weight looks like another
MASK = (1 << 64) - 1


class BottleneckV1(Bottleneck):
    """The block of the paper: the stride is that of the first 1x1 convolution, not of the 3x3 one."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.conv1.stride, self.conv2.stride = self.conv2.stride, self.conv1.stride


def resnet_v1(*blocks):
    return lambda **kwargs: ResNet(BottleneckV1, list(blocks), **kwargs)


def inception_v3(**kwargs):
    return models.inception_v3(init_weights=False, aux_logits=True, **kwargs)


VGG_NARROW = {"classifier.0": 64, "classifier.3": 48}

# name: (constructor, height and width of the image, gain[, narrow])
NETWORKS = {
    "alexnet": (models.alexnet, (71, 102), 2.0, {"classifier.1": 64, "classifier.4": 48}),
    "vgg11": (models.vgg11, (61, 90), 2.0, VGG_NARROW),
    "vgg13": (models.vgg13, (61, 90), 2.0, VGG_NARROW),
    "vgg16": (models.vgg16, (61, 90), 2.0, VGG_NARROW),
    "vgg19": (models.vgg19, (61, 90), 2.0, VGG_NARROW),
    "vgg11_bn": (models.vgg11_bn, (61, 90), 2.0, VGG_NARROW),
    "vgg13_bn": (models.vgg13_bn, (61, 90), 2.0, VGG_NARROW),
    "vgg16_bn": (models.vgg16_bn, (61, 90), 2.0, VGG_NARROW),
    "vgg19_bn": (models.vgg19_bn, (61, 90), 2.0, VGG_NARROW),
    "resnet18": (models.resnet18, (33, 50), 1.0),
    "resnet34": (models.resnet34, (33, 50), 1.0),
    "resnet50": (models.resnet50, (33, 50), 1.0),
    "resnet101": (models.resnet101, (33, 50), 1.0),
    "resnet152": (models.resnet152, (33, 50), 1.0),
    "resnet50_v1": (resnet_v1(3, 4, 6, 3), (33, 50), 1.0),
    "resnet101_v1": (resnet_v1(3, 4, 23, 3), (33, 50), 1.0),
    "resnet152_v1": (resnet_v1(3, 8, 36, 3), (33, 50), 1.0),
    "mobilenet_v2": (models.mobilenet_v2, (61, 90), 1.5),
    "inception_v3": (inception_v3, (299, 310), 2.0),  # the second head needs 299 pixels
    "densenet121": (models.densenet121, (61, 90), 2.0),
    "squeezenet1_1": (models.squeezenet1_1, (61, 90), 2.0),
}


def pattern():
    """PERIOD numbers in [-1, 1): the upper 53 bits of SplitMix64, started at 0."""
    numbers, state = [], 0
    for _ in range(PERIOD):
        state = (state + 0x9E3779B97F4A7C15) & MASK
        z = state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        numbers.append(((z ^ (z >> 31)) >> 11) * 2.0**-52 - 1.0)
    return np.array(numbers)


PATTERN = pattern()


def values(name, dims):
    """The pattern, begun at a place that depends on the name (its FNV-1a hash) and repeated."""
    offset = 0xCBF29CE484222325
    for byte in name.encode():
        offset = ((offset ^ byte) * 0x100000001B3) & MASK
    return torch.from_numpy(np.resize(np.roll(PATTERN, -(offset % PERIOD)), dims))


def weights(name, dims, gain):
    """Weights spread by fan-in, small biases and means, scales and variances from 0.5 to 1.5."""
    u = values(name, dims)
    if len(dims) >= 2:
        return u * math.sqrt(3.0 * gain / math.prod(dims[1:]))
    if name.endswith(("weight", "running_var")):  # of a normalisation
        return 1.0 + 0.5 * u
    return 0.1 * u


def projection(tensor):
    """The mean of the values, each times the pattern."""
    flat = tensor.detach().reshape(-1)
    return float(flat @ torch.from_numpy(np.resize(PATTERN, flat.shape))) / flat.numel()


def make_narrow(model, narrow):
    """Fewer outputs for some of the linear layers of a classifier, and fewer inputs for the one after each."""
    inputs = None
    for key, module in list(model.named_modules()):
        if isinstance(module, torch.nn.Linear) and narrow:
            parent, index = key.rsplit(".", 1)
            outputs = narrow.get(key, module.out_features)
            model.get_submodule(parent)[int(index)] = torch.nn.Linear(inputs or module.in_features, outputs)
            inputs = outputs


def short(number):
    return float(f"{number:.9g}")


def multiply_adds(name, model, size):
    """Counted at every convolution and linear layer; the published number, where there is one, is the same."""
    counts = []

    def count(module, _inputs, output):
        counts.append(output.numel() * module.weight[0].numel())

    for module in model.modules():
        if isinstance(module, (torch.nn.Conv2d, torch.nn.Linear)):
            module.register_forward_hook(count)
    model.eval()(torch.zeros((1, 3, size, size), device="meta"))
    try:
        published = models.get_model_weights(name).DEFAULT.meta["_ops"]
        assert abs(sum(counts) / 1e9 - published) <= 0.0005, f"{name}: {sum(counts)}, published {published}"
    except ValueError:
        pass  # the placement of the stride as in the paper has no published weights
    return sum(counts)


@torch.no_grad()
def describe(name):
    construct, (height, width), gain, *rest = NETWORKS[name]
    narrow = rest[0] if rest else {}
    size = 299 if name == "inception_v3" else 224
    with torch.device("meta"):
        published_size = construct(num_classes=1000)
    state = [
        f"{key} {'x'.join(map(str, tensor.shape))}{'' if tensor.is_floating_point() else ' i64'}"
        for key, tensor in published_size.state_dict().items()
    ]

    with torch.device("meta"):
        model = construct(num_classes=CLASSES)
        make_narrow(model, narrow)
        model = model.double().eval()
    filled = {
        key: weights(key, tuple(tensor.shape), gain) if tensor.is_floating_point() else torch.zeros(())
        for key, tensor in model.state_dict().items()
    }
    model.load_state_dict(filled, assign=True)
    layers, spread = {}, {}

    def keep(key):
        def hook(_module, _inputs, output):
            layers[key] = short(projection(output))
            spread[key] = float(output.std())

        return hook

    for key, module in model.named_modules():
        if isinstance(module, (torch.nn.Conv2d, torch.nn.Linear, torch.nn.BatchNorm2d)):
            module.register_forward_hook(keep(key))
    described = {
        "input": [3, height, width],
        "classes": CLASSES,
        "narrow": narrow,
        "gain": gain,
        "params": sum(parameter.numel() for parameter in published_size.parameters()),
        "size": size,
        "macs": multiply_adds(name, published_size, size),
        "state": state,
        "layers": layers,
    }
    if hasattr(model, "AuxLogits"):  # runs while training only
        model.Mixed_6e.register_forward_hook(
            lambda _module, _inputs, output: described.update(auxiliary=model.AuxLogits(output)[0].tolist())
        )
    described["output"] = model(values("image", (1, 3, height, width)))[0].tolist()
    print(f"{name}: spread of layers {min(spread.values()):.3g} to {max(spread.values()):.3g}", described["output"][:2])
    return described


def export():
    """A state dict as users export it. Constants, so that it is small: the k-th tensor holds (k + 1) / 64."""
    model = models.squeezenet1_1(num_classes=3)
    state = {key: torch.full_like(tensor, (k + 1) / 64) for k, (key, tensor) in enumerate(model.state_dict().items())}
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "model.safetensors"
        safetensors.torch.save_file(state, path)
        return path.read_bytes()


def write(name, data):
    data = gzip.compress(data, mtime=0)
    (HERE / name).write_bytes(data)
    print(f"{name}: {len(data)} bytes")


def main():
    networks = {name: describe(name) for name in NETWORKS}
    text = json.dumps({"torchvision": "0.29.2", "networks": networks}, separators=(",", ":"))
    write("zoo_torchvision.json.gz", text.encode())
    write("zoo_squeezenet1_1.safetensors.gz", export())


if __name__ == "__main__":
    main()
