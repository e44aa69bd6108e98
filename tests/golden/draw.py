"""Seeded weights that are the same bits on every machine.

Each tensor is drawn from its own stream, named by a string, so a model or an adapter that is added changes no other.
A value is a 24-bit integer times one float: no logarithm or cosine of the platform takes part, as in a normal draw.
"""

import math
import zlib

import numpy as np
import torch


def uniform(name, shape, amplitude):
    """f32 tensor, uniform in [-amplitude, amplitude); its standard deviation is amplitude / sqrt(3)."""
    stream = np.random.Generator(np.random.PCG64(zlib.crc32(name.encode())))
    integers = stream.integers(-(2**23), 2**23, size=tuple(shape), dtype=np.int32)
    return torch.from_numpy(integers.astype(np.float32) * np.float32(amplitude / 2**23))


def of_std(name, shape, std):
    return uniform(name, shape, std * math.sqrt(3))


def tokens(name, count, vocab_size):
    stream = np.random.Generator(np.random.PCG64(zlib.crc32(name.encode())))
    return [int(t) for t in stream.integers(0, vocab_size, size=count)]
