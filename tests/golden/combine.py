"""Combinations of adapters: what PEFT's add_weighted_adapter makes of two or three.

The masks of the dare methods are drawn here and given to PEFT in place of torch.bernoulli, and stored beside the result.
"""

import json
from unittest.mock import patch

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from torch import nn
from transformers.pytorch_utils import Conv1D

from draw import of_std, uniform
from layers import factors, store

MODULES = ["linear", "fan_in_fan_out", "embedding", "conv1d"]
MATRICES = ["linear", "fan_in_fan_out", "embedding"]  # PEFT's svd forms cannot do Conv1d
ADAPTERS = {
    "a": dict(r=4, lora_alpha=6, target_modules=MODULES),
    "b": dict(r=4, lora_alpha=3.5, target_modules=MODULES),
    "c": dict(r=4, lora_alpha=2, target_modules=MODULES, use_rslora=True),
    "d": dict(r=2, lora_alpha=5, target_modules=["linear", "embedding"]),
    "e": dict(r=4, lora_alpha=7, target_modules=["linear", "embedding"]),
    "matrix_a": dict(r=4, lora_alpha=6, target_modules=MATRICES),
    "matrix_b": dict(r=4, lora_alpha=3.5, target_modules=MATRICES),
    "matrix_c": dict(r=3, lora_alpha=2, target_modules=MATRICES, use_rslora=True),
    "matrix_d": dict(r=2, lora_alpha=5, target_modules=["linear", "embedding"]),
}
TWO = dict(a=0.7, b=0.3)
NEGATIVE = dict(a=1.0, b=-0.5)
THREE = dict(a=0.5, b=0.8, c=-0.4)
M_TWO = dict(matrix_a=0.7, matrix_b=0.3)
M_NEGATIVE = dict(matrix_a=1.0, matrix_b=-0.5)
M_THREE = dict(matrix_a=0.5, matrix_b=0.8, matrix_c=-0.4)

PLAIN = [
    ("cat", sets, {}) for sets in (TWO, NEGATIVE, THREE, dict(a=0.6, d=1.2), dict(d=1.0, a=-0.3, c=0.5), dict(a=1, b=0, c=1))
] + [("linear", sets, {}) for sets in (TWO, NEGATIVE, THREE, dict(a=0.5), dict(a=-0.5), dict(a=0.6, e=1.2), dict(a=1, b=0))]
SVD = [("svd", sets, {}) for sets in (M_TWO, M_NEGATIVE, M_THREE, dict(matrix_a=0.6, matrix_d=1.2))] + [
    ("svd", M_THREE, dict(svd_rank=2)), ("svd", M_THREE, dict(svd_rank=7)), ("svd", dict(a=0.5), {}),
]
PRUNED = [
    (method, sets, dict(density=density))
    for method in ("magnitude_prune", "dare_linear")
    for sets, density in ((TWO, 0.5), (NEGATIVE, 0.7), (THREE, 0.3), (TWO, 1.0))
]
PRUNED_SVD = [
    (method, sets, dict(density=density))
    for method in ("magnitude_prune_svd", "dare_linear_svd")
    for sets, density in ((M_TWO, 0.5), (M_NEGATIVE, 0.7), (M_THREE, 0.3))
]
SIGNED = [
    (method, sets, dict(density=density, majority_sign_method=sign))
    for method in ("ties", "dare_ties")
    for sign in ("total", "frequency")
    for sets, density in ((TWO, 0.5), (NEGATIVE, 0.7), (THREE, 0.3), (THREE, 0.9))
]
SIGNED_SVD = [
    (method, sets, dict(density=density, majority_sign_method=sign))
    for method in ("ties_svd", "dare_ties_svd")
    for sign in ("total", "frequency")
    for sets, density in ((M_TWO, 0.5), (M_NEGATIVE, 0.7), (M_THREE, 0.3))
]
CASES = PLAIN + SVD + PRUNED + PRUNED_SVD + SIGNED + SIGNED_SVD

SVD = torch.linalg.svd


class Holder(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(13, 9)
        self.fan_in_fan_out = Conv1D(8, 10)
        self.embedding = nn.Embedding(11, 7)
        self.conv1d = nn.Conv1d(5, 6, 3)


class Masks:
    """Stands in for torch.bernoulli and keeps what it gave out, in PEFT's order."""

    def __init__(self, name):
        self.name, self.given = name, []

    def __call__(self, probabilities):
        coin = uniform(f"{self.name}/{len(self.given)}", probabilities.shape, 0.5) + 0.5
        self.given.append((coin < probabilities).to(probabilities.dtype))
        return self.given[-1]


def svd_with_a_gap(matrix, *args, **kwargs):
    """torch.linalg.svd, refused where the truncation, mostly to rank 4, would hang on rounding."""
    U, S, Vh = SVD(matrix, *args, **kwargs)
    assert S[3] - S[4] > 0.005 * S[0], f"singular values {S.tolist()} lie too close"
    return U, S, Vh


def build(names):
    """A model with the named adapters, drawn; the base weights play no part in a combination."""
    model = None
    for name in names:
        config = LoraConfig(fan_in_fan_out=True, **ADAPTERS[name])
        if model is None:
            model = get_peft_model(Holder(), config, adapter_name=name)
        else:
            model.add_adapter(name, config)
        for module in ADAPTERS[name]["target_modules"]:
            for part, tensor in factors(layer_of(model, module), name).items():
                tensor.copy_(of_std(f"combine/{name}/{module}/{part}", tensor.shape, 0.5))
    return model.eval()


def layer_of(model, module):
    return getattr(model.base_model.model, module)


def delta(parts):
    """B A of a linear layer [out, in] or an embedding [D, V]."""
    return parts["B"] @ parts["A"]


def store_masks(golden, key, given, method, adapters):
    """Names of the masks, by adapter: of A and of B for the factor forms, of the whole delta for the svd forms."""
    parts = ["delta"] if method.endswith("svd") else ["A", "B"]
    assert len(given) == len(parts) * len(adapters)
    return {
        adapter: {
            part: store(golden, f"{key}/mask/{adapter}/{part}", given[i * len(adapters) + j].to(torch.uint8))
            for i, part in enumerate(parts)
        }
        for j, adapter in enumerate(adapters)
    }


@torch.no_grad()
def write(folder):
    inputs, golden, cases = {}, {}, []
    for name, spec in ADAPTERS.items():
        model = build([name])
        for module in spec["target_modules"]:
            for part, tensor in factors(layer_of(model, module), name).items():
                store(inputs, f"{name}/{module}/{part}", tensor)
    for number, (method, weights, options) in enumerate(CASES):
        key = f"{number}_{method}"
        adapters = list(weights)
        model, masks = build(adapters), Masks(f"combine/{key}")
        with patch("torch.bernoulli", masks), patch("torch.linalg.svd", svd_with_a_gap):
            model.base_model.add_weighted_adapter(
                adapters, list(weights.values()), "combined", combination_type=method, **options
            )
        modules, next_mask = {}, 0
        for module in MODULES:
            holders = [name for name in adapters if module in ADAPTERS[name]["target_modules"]]
            if not holders:
                continue
            layer = layer_of(model, module)
            # PEFT hands on use_rslora of the first adapter, with which alpha = r would scale by sqrt(r): not used here.
            assert layer.scaling["combined"] == 1
            parts = factors(layer, "combined")
            assert all(torch.isfinite(tensor).all() for tensor in parts.values()), key
            if method.endswith("svd") and len(adapters) > 1:  # PEFT combines a single adapter by "linear"
                modules[module] = dict(delta=store(golden, f"{key}/{module}/delta", delta(parts)))
            else:
                modules[module] = {part: store(golden, f"{key}/{module}/{part}", tensor) for part, tensor in parts.items()}
            if method.startswith("dare") and options["density"] < 1:
                count = len(holders) * (1 if method.endswith("svd") else 2)
                given = masks.given[next_mask : next_mask + count]
                modules[module]["masks"] = store_masks(golden, f"{key}/{module}", given, method, holders)
                next_mask += count
        assert next_mask == len(masks.given), key
        cases.append(dict(name=key, method=method, weights=weights, **options, modules=modules))
    described = {
        name: spec | dict(modules={m: [f"{name}/{m}/A", f"{name}/{m}/B"] for m in spec["target_modules"]})
        for name, spec in ADAPTERS.items()
    }
    folder.mkdir(parents=True, exist_ok=True)
    save_file(inputs, folder / "adapters.safetensors")
    save_file(golden, folder / "golden.safetensors")
    lines = ",\n".join("    " + json.dumps(case) for case in cases)
    named = ",\n".join(f"    {json.dumps(name)}: {json.dumps(spec)}" for name, spec in described.items())
    (folder / "cases.json").write_text(f'{{\n  "adapters": {{\n{named}\n  }},\n  "cases": [\n{lines}\n  ]\n}}\n')
