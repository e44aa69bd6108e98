"""The base models: a table of configurations, and one way to fill them with weights that make every layer matter."""

import json
import math

import torch
import transformers

import kitchen_sink
from draw import of_std, uniform

# Sizes are odd on purpose: no kernel's tile divides them.
SMALL = dict(
    vocab_size=67, hidden_size=36, intermediate_size=52, num_hidden_layers=3, num_attention_heads=6,
    num_key_value_heads=2, max_position_embeddings=64, bos_token_id=1, eos_token_id=2, tie_word_embeddings=False,
)
LLAMA3_ROPE = dict(
    rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=32
)  # with theta 1000 and head_dim 12 the six frequencies fall into all three bands of the scheme

# name -> config class, its arguments, and options: dtype of the file, shard size, an edit of the written config.json
MODELS = {
    "llama": (transformers.LlamaConfig, dict(SMALL)),
    "llama3": (
        transformers.LlamaConfig,
        dict(SMALL, num_attention_heads=3, num_key_value_heads=1, rope_parameters=dict(LLAMA3_ROPE, rope_theta=1000.0)),
        dict(shard="60KB"),
    ),
    "llama_old": (
        transformers.LlamaConfig,
        dict(SMALL, num_hidden_layers=2, head_dim=12, attention_bias=True, mlp_bias=True),
        dict(edit=lambda config: config | dict(rope_theta=1000.0, rope_scaling=LLAMA3_ROPE), drop=["rope_parameters"]),
    ),
    "llama_tied": (
        transformers.LlamaConfig,
        dict(SMALL, num_hidden_layers=2, tie_word_embeddings=True),
        dict(dtype=torch.bfloat16),
    ),
    "llama_f16": (transformers.LlamaConfig, dict(SMALL, num_hidden_layers=2), dict(dtype=torch.float16)),
    "mistral": (transformers.MistralConfig, dict(SMALL, num_hidden_layers=2, sliding_window=5)),
    "qwen2": (transformers.Qwen2Config, dict(SMALL, num_hidden_layers=2)),
    "qwen3": (transformers.Qwen3Config, dict(SMALL, num_hidden_layers=2, head_dim=10, tie_word_embeddings=True)),
    "gemma3": (
        transformers.Gemma3TextConfig,
        dict(
            SMALL, num_hidden_layers=4, head_dim=10, query_pre_attn_scalar=14, sliding_window=4,
            tie_word_embeddings=True,
            layer_types=["sliding_attention", "full_attention", "sliding_attention", "sliding_attention"],
            rope_parameters=dict(
                full_attention=dict(rope_type="linear", factor=4.0, rope_theta=5000.0),
                sliding_attention=dict(rope_type="default", rope_theta=100.0),
            ),
        ),
    ),
    "smollm3": (transformers.SmolLM3Config, dict(SMALL, num_hidden_layers=4, pad_token_id=0, tie_word_embeddings=True)),
    "phi3": (transformers.Phi3Config, dict(SMALL, num_hidden_layers=2, sliding_window=6, pad_token_id=0)),
    "gemma": (transformers.GemmaConfig, dict(SMALL, num_hidden_layers=2, head_dim=10, tie_word_embeddings=True)),
    "gemma2": (
        transformers.Gemma2Config,
        # bounds that bite: scores and logits are about as large
        dict(SMALL, head_dim=10, query_pre_attn_scalar=14, sliding_window=4, tie_word_embeddings=True, attn_logit_softcapping=1.5, final_logit_softcapping=3.0),
    ),
    "gemma3_old": (
        transformers.Gemma3TextConfig,
        dict(SMALL, head_dim=10, query_pre_attn_scalar=14, sliding_window=4, tie_word_embeddings=True),
        dict(
            edit=lambda config: config
            | dict(
                rope_theta=5000.0, rope_local_base_freq=100.0, sliding_window_pattern=2,
                rope_scaling=dict(rope_type="linear", factor=4.0),
            ),
            drop=["rope_parameters", "layer_types"],
        ),
    ),
    "gpt2": (
        transformers.GPT2Config,
        dict(vocab_size=67, n_embd=36, n_layer=2, n_head=4, n_positions=32, bos_token_id=1, eos_token_id=2),
    ),
    "kitchen_sink": (None, dict(vocab_size=67, embedding_dim=13, conv_channels=18, kernel_size=3, num_outputs=11)),
    "kitchen_sink_even": (None, dict(vocab_size=41, embedding_dim=9, conv_channels=14, kernel_size=4, num_outputs=7)),
}


def draw_parameter(model_name, name, parameter, fan_in_first):
    """Weights whose outputs keep about the size of their inputs; biases and norms far from neutral."""
    key, shape = f"{model_name}/{name}", parameter.shape
    if "norm" in name or ".ln_" in name:
        # Gemma's norms multiply by 1 + weight
        center = 0.0 if model_name.startswith("gemma") or name.endswith("bias") else 1.0
        return center + uniform(key, shape, 0.4)
    if name.endswith("bias"):
        return uniform(key, shape, 0.4)
    if "embed" in name or ".wte" in name or ".wpe" in name:
        return of_std(key, shape, 0.4)
    fan_in = shape[0] if fan_in_first else math.prod(shape[1:])
    return of_std(key, shape, 1.2 / math.sqrt(fan_in))


def write(name, folder):
    config_class, arguments, *rest = MODELS[name]
    options = rest[0] if rest else {}
    if config_class is None:
        model = kitchen_sink.KitchenSink(**arguments)
    else:
        config = config_class(**arguments)
        model = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    with torch.no_grad():
        for parameter_name, parameter in model.named_parameters():
            parameter.copy_(draw_parameter(name, parameter_name, parameter, fan_in_first=name == "gpt2"))
    folder.mkdir(parents=True)
    if config_class is None:
        model.save_pretrained(folder)
        config = dict(model_type="kitchen_sink", **arguments)
    else:
        model = model.to(options.get("dtype", torch.float32))
        model.save_pretrained(folder, max_shard_size=options.get("shard", "1GB"))
        (folder / "generation_config.json").unlink(missing_ok=True)
        config = json.loads((folder / "config.json").read_text())
        config = options.get("edit", dict)(config)
        for field in options.get("drop", []):
            del config[field]
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")


def load(folder):
    """The model of a folder in f32 with eager attention: the oracle's base."""
    if json.loads((folder / "config.json").read_text())["model_type"] == "kitchen_sink":
        return kitchen_sink.load(folder).eval()
    model = transformers.AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager", local_files_only=True
    ).eval()
    model.name_or_path = model.config.name_or_path = f"lorikeet/{folder.name}"
    return model
