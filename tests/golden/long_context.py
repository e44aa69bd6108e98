"""A model of 8192 positions read to its end: logits along the way, and what it says then. Tokens follow from one rule, so that no file holds them."""

import torch
import transformers
from safetensors.torch import save_file

import models

POSITIONS = 8192
PROMPT = 8000
SAID = 24
# around the edges of blocks of 32, and along the way to the last position
ROWS = [0, 31, 32, 1023, 4095, 7999, 8159, 8160, 8190, 8191]
CHUNK = 512
CONFIG = dict(models.SMALL, num_hidden_layers=2, max_position_embeddings=POSITIONS, num_attention_heads=6, num_key_value_heads=2, head_dim=8)


def tokens():
    """Lehmer's generator, as in tests/runtime/long-context.test.ts."""
    state, ids = 1, []
    for _ in range(POSITIONS):
        state = state * 48271 % 2147483647
        ids.append(3 + state % (CONFIG["vocab_size"] - 3))
    return ids


def read(model, ids):
    """Logits of all rows, a chunk at a time."""
    cache, rows = transformers.DynamicCache(config=model.config), []
    for start in range(0, len(ids), CHUNK):
        rows.append(model(torch.tensor([ids[start : start + CHUNK]]), past_key_values=cache).logits[0])
    return torch.cat(rows), cache


def say(model, ids, count):
    """Greedy, and by how much each choice won."""
    rows, cache = read(model, ids)
    row, said, gaps = rows[-1], [], []
    for _ in range(count):
        best = row.topk(2)
        said.append(best.indices[0].item())
        gaps.append((best.values[0] - best.values[1]).item())
        row = model(torch.tensor([[said[-1]]]), past_key_values=cache).logits[0, -1]
    return said, gaps


def write(folder):
    name = "long"
    model = transformers.AutoModelForCausalLM.from_config(transformers.LlamaConfig(**CONFIG), dtype=torch.float32, attn_implementation="eager")
    with torch.no_grad():
        for parameter_name, parameter in model.named_parameters():
            drawn = models.draw_parameter(name, parameter_name, parameter, fan_in_first=False)
            # Sharp attention: of thousands of keys, some must matter.
            parameter.copy_(drawn * 1.5 if "q_proj" in parameter_name or "k_proj" in parameter_name else drawn)
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    with torch.no_grad():
        model = model.eval()
        rows, _ = read(model, tokens())
        said, gaps = say(model, tokens()[:PROMPT], SAID)
    assert min(gaps) > 1e-3, f"a near tie: {min(gaps)}"
    save_file(
        {"rows": torch.tensor(ROWS, dtype=torch.float32), "logits": rows[ROWS].contiguous(), "said": torch.tensor(said, dtype=torch.float32)},
        folder / "golden.safetensors",
    )
