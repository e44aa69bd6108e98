"""The model of the kitchen_sink folders: embedding -> conv1d -> ReLU -> linear, at each position."""

import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn

FIELDS = ("vocab_size", "embedding_dim", "conv_channels", "kernel_size", "num_outputs")


class KitchenSink(nn.Module):
    def __init__(self, vocab_size, embedding_dim, conv_channels, kernel_size, num_outputs):
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, embedding_dim)
        # 'same': total padding is kernel_size - 1; of an odd total the right side takes the one more.
        self.conv1d = nn.Conv1d(embedding_dim, conv_channels, kernel_size, padding="same")
        self.linear = nn.Linear(conv_channels, num_outputs)

    def forward(self, input_ids):  # [B, T] -> [B, T, num_outputs]
        channels_first = self.embedding(input_ids).transpose(1, 2)
        return self.linear(torch.relu(self.conv1d(channels_first)).transpose(1, 2))

    def save_pretrained(self, folder):
        save_file(self.state_dict(), Path(folder) / "model.safetensors", metadata={"format": "pt"})


def load(folder):
    config = json.loads((Path(folder) / "config.json").read_text())
    model = KitchenSink(**{field: config[field] for field in FIELDS})
    model.load_state_dict(load_file(Path(folder) / "model.safetensors"))
    return model.float()
