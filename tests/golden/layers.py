"""Single layers: one base layer, some adapters on it, an input, and what PEFT's layer answers.

Convolutions: PEFT gives A the base layer's kernel, stride and padding, but dilation 1, zero padding and one group.
"""

import json

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from torch import nn
from transformers.pytorch_utils import Conv1D

from draw import of_std, uniform

FACTORY = {
    "linear": lambda in_features, out_features, bias=True: nn.Linear(in_features, out_features, bias),
    "linear_fan_in_fan_out": lambda in_features, out_features: Conv1D(out_features, in_features),
    "embedding": lambda num_embeddings, embedding_dim: nn.Embedding(num_embeddings, embedding_dim),
    "conv1d": lambda **arguments: nn.Conv1d(**arguments),
}


def conv(channels, kernel_size, **rest):
    return dict(in_channels=channels[0], out_channels=channels[1], kernel_size=kernel_size, **rest)


PLAIN = dict(r=3, lora_alpha=4)
RSLORA = dict(r=4, lora_alpha=3, use_rslora=True)
DORA = dict(r=3, lora_alpha=4, use_dora=True)
BIASED = dict(r=2, lora_alpha=3, lora_bias=True)
# name -> LoraConfig arguments, and the user's scale
KINDS = {
    "base": [],
    "plain": [(PLAIN, 1)],
    "plain*-0.7": [(PLAIN, -0.7)],
    "rslora": [(RSLORA, 1)],
    "lora_bias*0.5": [(BIASED, 0.5)],
    "dora": [(DORA, 1)],
    "dora*0.5": [(DORA, 0.5)],
    "rank_1": [(dict(r=1, lora_alpha=2.5), 1)],
    "two": [(PLAIN, 1), (RSLORA, 0.5)],
    "three": [(PLAIN, 0.3), (RSLORA, -0.7), (BIASED, 1)],
    "dora_first": [(DORA, 1), (PLAIN, 0.5)],
}
ALL = list(KINDS)
FEW = ["base", "plain", "two"]

# kind, its arguments, length of the input, which sets of adapters
LAYERS = [
    ("linear", dict(in_features=17, out_features=23), 5, ALL),
    ("linear", dict(in_features=64, out_features=40, bias=False), 9, ["base", "plain", "rslora", "dora", "two", "lora_bias*0.5"]),
    ("linear", dict(in_features=3, out_features=1), 1, FEW),
    ("linear_fan_in_fan_out", dict(in_features=17, out_features=23), 5, ALL),
    ("embedding", dict(num_embeddings=29, embedding_dim=19), 11, [name for name in ALL if name not in ("lora_bias*0.5", "three")]),
    ("embedding", dict(num_embeddings=5, embedding_dim=1), 3, FEW),
    ("conv1d", conv((7, 10), 3, padding="same"), 12, ALL),
    ("conv1d", conv((7, 10), 4, padding="same"), 12, FEW + ["dora"]),
    ("conv1d", conv((7, 10), 1), 6, FEW + ["dora"]),
    ("conv1d", conv((7, 10), 5, bias=False), 12, FEW + ["dora"]),
    ("conv1d", conv((7, 10), 3, stride=2, padding=1), 13, FEW + ["dora", "lora_bias*0.5"]),
    ("conv1d", conv((7, 10), 4, stride=3, padding=2), 13, FEW),
    ("conv1d", conv((7, 10), 3, padding="same", dilation=2), 12, FEW),
    ("conv1d", conv((7, 10), 4, padding="same", dilation=3), 14, FEW),
    ("conv1d", conv((8, 12), 3, padding=1, groups=4), 9, ["base", "rslora"]),
    ("conv1d", conv((6, 9), 3, stride=2, padding="valid", groups=3), 9, ["base", "plain"]),
    ("conv1d", conv((7, 10), 3, padding=1, padding_mode="circular"), 9, FEW),
    ("conv1d", conv((3, 2), 7, padding=6), 2, FEW),
]


class Holder(nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        return self.layer(x[None])[0]  # DoRA on a convolution wants a batch


def draw_input(name, kind, arguments, length):
    if kind == "embedding":
        ids = uniform(name, (length,), 0.5) + 0.5
        return (ids * arguments["num_embeddings"]).to(torch.int64)
    if kind == "conv1d":
        return uniform(name, (arguments["in_channels"], length), 1.5)
    return uniform(name, (length, arguments["in_features"]), 1.5)


def draw_weights(name, model):
    with torch.no_grad():
        for path, parameter in model.named_parameters():
            key = f"{name}/{path}"
            if "magnitude" in path:
                value = (1.0 + uniform(key, parameter.shape, 0.3)) * 1.5
            else:
                value = of_std(key, parameter.shape, 0.35)
            parameter.copy_(value)


def adapters_on(model, specs):
    """The holder with an adapter per spec, all active; its lora layer."""
    configs = [LoraConfig(target_modules=["layer"], **arguments) for arguments, _ in specs]
    model = get_peft_model(model, configs[0], adapter_name="a0")
    for i, config in enumerate(configs[1:], 1):
        model.add_adapter(f"a{i}", config)
    model.base_model.set_adapter([f"a{i}" for i in range(len(specs))])
    return model.eval(), model.base_model.model.layer


def factors(layer, adapter):
    """What an adapter's file would hold for this layer."""
    if adapter in layer.lora_embedding_A:
        found = dict(A=layer.lora_embedding_A[adapter], B=layer.lora_embedding_B[adapter])
    else:
        found = dict(A=layer.lora_A[adapter].weight, B=layer.lora_B[adapter].weight)
        if layer.lora_B[adapter].bias is not None:
            found["lora_bias"] = layer.lora_B[adapter].bias
    if adapter in layer.lora_magnitude_vector:
        found["magnitude"] = layer.lora_magnitude_vector[adapter].weight
    return found


def store(tensors, key, tensor):
    tensors[key] = tensor.detach().clone().contiguous()
    return key


def both_layouts(tensors, key, tensor, kind):
    """Convolutions are stored twice: channels last, [L, C], and as torch has them, [C, L]."""
    if kind != "conv1d":
        return {key.rsplit("/", 1)[1]: store(tensors, key, tensor)}
    field = key.rsplit("/", 1)[1]
    return {
        field: store(tensors, key, tensor.T),
        f"{field}_channels_first": store(tensors, f"{key}_channels_first", tensor),
    }


@torch.no_grad()
def write(folder):
    inputs, golden, cases = {}, {}, []
    for number, (kind, arguments, length, names) in enumerate(LAYERS):
        group = f"{number}_{kind}"
        x = draw_input(f"layers/{group}/x", kind, arguments, length)
        fields = both_layouts(inputs, f"{group}/x", x, kind)
        for name in names:
            specs, key = KINDS[name], f"{group}/{name}"
            holder = Holder(FACTORY[kind](**arguments)).eval()
            draw_weights(f"layers/{group}", holder)
            base = {part: store(inputs, f"{group}/{part}", tensor) for part, tensor in holder.layer.named_parameters()}
            case = dict(name=key, kind=kind) | arguments | fields
            case |= dict(weight=base["weight"], bias=base.get("bias"), adapters=[])
            plain, model, layer = holder(x), holder, None
            if specs:
                model, layer = adapters_on(holder, specs)
                draw_adapters(key, layer, specs)
                for i, (config, scale) in enumerate(specs):
                    tensors = {part: store(inputs, f"{key}/{i}/{part}", tensor) for part, tensor in factors(layer, f"a{i}").items()}
                    case["adapters"].append(config | dict(scale=scale, scaling=layer.scaling[f"a{i}"]) | tensors)
                    layer.scaling[f"a{i}"] *= scale
            y = model(x)
            assert torch.isfinite(y).all() and y.abs().max() < 60, key
            assert not specs or (y - plain).abs().max() > 1e-3, key
            case |= both_layouts(golden, f"{key}/y", y, kind)
            if specs and arguments.get("groups", 1) == 1:
                case |= merged(golden, key, model, layer, x, y)
            cases.append(case)
    folder.mkdir(parents=True, exist_ok=True)
    save_file(inputs, folder / "layers.safetensors")
    save_file(golden, folder / "golden.safetensors")
    (folder / "cases.json").write_text("[\n" + ",\n".join("  " + json.dumps(case) for case in cases) + "\n]\n")


def draw_adapters(key, layer, specs):
    for i in range(len(specs)):
        for part, tensor in factors(layer, f"a{i}").items():
            if part == "magnitude":
                # about the norms of the drawn weights: sqrt(number of summands) * 0.35
                start = 0.35 * (layer.get_base_layer().weight.numel() / tensor.numel()) ** 0.5
                tensor.copy_(start * (1 + uniform(f"layers/{key}/{i}/{part}", tensor.shape, 0.3)))
            else:
                tensor.copy_(of_std(f"layers/{key}/{i}/{part}", tensor.shape, 0.5))


def merged(golden, key, model, layer, x, y):
    """PEFT's merged weight and bias, where PEFT can merge and the merged layer answers what the forward pass does."""
    try:
        layer.merge()
    except RuntimeError:  # lora_bias without a bias to merge it into
        return {}
    if (model(x) - y).abs().max() > 1e-4:
        return {}
    base = layer.get_base_layer()
    fields = dict(merged_weight=store(golden, f"{key}/merged_weight", base.weight))
    if getattr(base, "bias", None) is not None:
        fields["merged_bias"] = store(golden, f"{key}/merged_bias", base.bias)
    return fields
