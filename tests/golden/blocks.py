"""Quantised blocks: floats and the bytes gguf-py makes of them, random bytes and the floats gguf-py reads in them.

`floats` [n, 32] holds random blocks and those where rounding has something to decide. Left out is what numpy decides by the machine's vector
instructions: a minimum of zero among zeros of both signs, and results that fit in no integer.
"""

import warnings

import gguf
import numpy as np
import torch
from gguf.quants import dequantize, quantize
from safetensors.torch import save_file

from draw import uniform

TYPES = gguf.GGMLQuantizationType
ROUNDED = ["Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1"]
READ = ROUNDED + ["Q4_K", "Q5_K", "Q6_K"]
BLOCKS = {name: 24 if name in ROUNDED else 6 for name in READ}
# Where each type keeps its f16 scale and minimum.
SCALES = {"Q4_1": (0, 2), "Q5_1": (0, 2), "Q4_K": (0, 2), "Q5_K": (0, 2), "Q6_K": (208,)}


def spikes():
    """Zeros but for one or two values."""
    for places in [{0: 1.0}, {31: -1.0}, {5: 3.5, 20: -3.5}, {5: -3.5, 20: 3.5}, {16: 1e-3, 17: 1e-3}, {15: 6e4, 16: -6e4}]:
        row = np.zeros(32, np.float32)
        for place, value in places.items():
            row[place] = value
        yield row


def ties():
    """Values halfway between two steps, and just beside, for a scale of exactly 1 or 2^-6 of each type."""
    for furthest, lowest, highest in [(127, -127, 127), (-127, -127, 127), (-8, -8, 7), (8, -7, 8), (-16, -16, 15), (15, 0, 15), (31, 0, 31)]:
        for unit in [1.0, 2.0**-6]:
            row = np.linspace(lowest, highest, 32, dtype=np.float64).round() + 0.5
            row = np.clip(row, lowest, highest)
            row[::5] -= 2.0**-18
            row[1::5] += 2.0**-18
            row[7], row[8], row[9] = furthest, lowest, highest
            yield (row * unit).astype(np.float32)


def floats():
    rows = [uniform("blocks.random", [24, 32], 1.0).numpy(), uniform("blocks.heavy", [8, 32], 1.0).numpy() ** 5]
    for name, size in [("normal", 6e-5), ("subnormal", 4e-6), ("last", 8e-7), ("vanishing", 1e-9), ("f32_small", 1e-36), ("large", 8e6), ("overflow", 1e12), ("huge", 1e38)]:
        rows.append(uniform(f"blocks.{name}", [2, 32], size).numpy())
    rows.append(np.abs(uniform("blocks.positive", [2, 32], 1.0).numpy()) + np.float32(3))
    rows.append(-rows[-1])
    rows.append(np.stack([np.zeros(32), -np.zeros(32), np.full(32, 0.7), np.full(32, -0.7), np.full(32, 2.0**-24), np.tile([-1, 1], 16), np.tile([1, -1], 16)]).astype(np.float32))
    alternating = np.tile(np.float32([0.25, -0.0]), 16)
    alternating[3] = -0.5
    rows += [np.stack(list(spikes())), np.stack(list(ties())), alternating[None]]
    return np.concatenate(rows)


def random_blocks(name):
    size = gguf.GGML_QUANT_SIZES[TYPES[name]][1]
    stream = uniform(f"blocks.{name}", [BLOCKS[name], size], 128.0).numpy()
    blocks = np.floor(stream + 128).astype(np.uint8)
    for at in SCALES.get(name, (0,)):
        # an exponent of all ones would be an infinity or a NaN
        high = blocks[:, at + 1]
        blocks[:, at + 1] = np.where((high & 0x7C) == 0x7C, high & 0x3B, high)
        blocks[:3, at : at + 2] = np.array([0x0001, 0x83FF, 0x8000], "<u2").view(np.uint8).reshape(3, 2)
    return blocks


def write(folder):
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {"floats": torch.from_numpy(floats())}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scales that overflow in f16 are among the cases
        for name in ROUNDED:
            tensors[f"{name}.rounded"] = torch.from_numpy(quantize(tensors["floats"].numpy(), TYPES[name]))
    for name in READ:
        blocks = random_blocks(name)
        tensors[f"{name}.blocks"] = torch.from_numpy(blocks)
        # as bits: minus zero counts
        tensors[f"{name}.widened"] = torch.from_numpy(dequantize(blocks, TYPES[name])).view(torch.int32)
    save_file(tensors, folder / "blocks.safetensors")
