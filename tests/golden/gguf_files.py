"""GGUF files of the golden models and adapters, written by gguf-py in the form that llama.cpp's converters give them, and logits of quantised ones.

The rules are those of convert_hf_to_gguf.py and convert_lora_to_gguf.py: names by gguf-py's own table, vectors in f32, the rows of each head of q and k interleaved in `llama`,
1 added to Gemma's norms, llama3's scaling as the tensor rope_freqs, lora_a of the embedding transposed.
"""

import json
import math

import gguf
import numpy as np
import torch
import transformers
from gguf.quants import dequantize, quantize
from safetensors.torch import load_file, save_file

import blocks
from draw import of_std, tokens, uniform
from models import draw_parameter

TYPES = gguf.GGMLQuantizationType
ARCHITECTURES = {"llama": "LLAMA", "qwen2": "QWEN2", "qwen3": "QWEN3", "smollm3": "SMOLLM3", "phi3": "PHI3", "gemma": "GEMMA", "gemma2": "GEMMA2", "gemma3_text": "GEMMA3"}
FLOATS = {torch.float32: TYPES.F32, torch.float16: TYPES.F16, torch.bfloat16: TYPES.BF16}

MODELS = ["llama3", "llama_old", "llama_tied", "llama_f16", "qwen2", "qwen3", "smollm3", "phi3", "gemma", "gemma2", "gemma3"]
# of a model that is here or in ../models: PEFT folder -> one file
ADAPTERS = [("llama", "all"), ("llama", "bf16"), ("llama", "alora"), ("llama", "embed_head_qv"), ("llama_tied", "embed"), ("qwen2", "by_architecture"), ("qwen3", "all"), ("smollm3", "all"), ("phi3", "all"), ("gemma3", "by_architecture")]

# Rows of whole blocks; every type stands somewhere, and one tensor of each kind is a float.
SHARED = dict(vocab_size=67, num_hidden_layers=2, max_position_embeddings=64, bos_token_id=1, eos_token_id=2)
QUANTISED = {
    "blocks32": (
        dict(SHARED, hidden_size=64, intermediate_size=96, num_attention_heads=4, num_key_value_heads=2, tie_word_embeddings=False),
        ["Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "F16", "Q4_1", "BF16", "Q8_0", "F32", "Q4_0"],
    ),
    "kquants": (
        dict(SHARED, num_hidden_layers=1, hidden_size=256, intermediate_size=256, num_attention_heads=8, num_key_value_heads=2, tie_word_embeddings=True),
        ["Q6_K", "Q4_K", "Q5_K", "Q6_K", "Q4_K", "Q5_K", "Q6_K", "Q4_K"],
    ),
}
# scale and minimum of random blocks of K types, so that weights come out at about 0.075
K_SCALES = {"Q4_K": {0: 3e-4, 2: 2.25e-3}, "Q5_K": {0: 1.5e-4, 2: 2.25e-3}, "Q6_K": {208: 5.5e-5}}


def to_bytes(tensor, kind):
    """numpy data as the writer wants them: floats by shape, blocks by bytes."""
    if kind == TYPES.BF16:
        return tensor.to(torch.bfloat16).view(torch.uint8).numpy()
    if kind == TYPES.F16:
        return tensor.to(torch.float16).numpy()
    data = tensor.to(torch.float32).numpy()
    return data if kind == TYPES.F32 else quantize(data, kind)


def permute(weights, heads):
    """LlamaModel.permute: row p·half + i of each head goes to 2·i + p."""
    return weights.reshape(heads, 2, weights.shape[0] // heads // 2, *weights.shape[1:]).swapaxes(1, 2).reshape(weights.shape)


def heads_of(config, name):
    part = name.split(".")[-2]
    if config["model_type"] not in ("llama", "smollm3"):
        return None
    return {"q_proj": config["num_attention_heads"], "k_proj": config["num_key_value_heads"]}.get(part)


def name_map(config):
    return gguf.get_tensor_name_map(gguf.MODEL_ARCH[ARCHITECTURES[config["model_type"]]], config["num_hidden_layers"])


def rope_of(config):
    """(theta, scaling) in the spelling of transformers 4 or 5."""
    parameters = config.get("rope_parameters") or {}
    parameters = parameters.get("full_attention", parameters)
    scaling = config.get("rope_scaling") or (parameters if parameters.get("rope_type", "default") != "default" else None)
    return parameters.get("rope_theta", config.get("rope_theta", 10000.0)), scaling


def add_parameters(writer, config):
    arch = config["model_type"].removesuffix("_text")
    head_dim = config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
    writer.add_type("model")
    writer.add_name(f"lorikeet {arch}")
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_file_type(gguf.LlamaFileType.GUESSED)
    if config.get("head_dim"):
        writer.add_key_length(head_dim)
        writer.add_value_length(head_dim)
    theta, scaling = rope_of(config)
    writer.add_rope_freq_base(theta)
    writer.add_rope_dimension_count(head_dim)
    if scaling and scaling["rope_type"] == "linear":
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(scaling["factor"])
    if arch == "llama":
        writer.add_vocab_size(config["vocab_size"])
    if arch in ("phi3", "gemma2"):
        writer.add_sliding_window(config["sliding_window"])
    if arch == "gemma2":
        writer.add_attn_logit_softcapping(config["attn_logit_softcapping"])
        writer.add_final_logit_softcapping(config["final_logit_softcapping"])
    if arch == "gemma3":
        writer.add_sliding_window(config["sliding_window"])
        writer.add_array("gemma3.attention.sliding_window_pattern", [kind == "sliding_attention" for kind in config["layer_types"]])
        writer.add_float32("gemma3.rope.freq_base_swa", config["rope_parameters"]["sliding_attention"]["rope_theta"])


def rope_factors(config):
    """LlamaModel.generate_extra_tensors"""
    theta, scaling = rope_of(config)
    if not scaling or scaling["rope_type"] != "llama3":
        return None
    dim = config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
    frequencies = 1.0 / (theta ** (torch.arange(0, dim, 2, dtype=torch.float32) / dim))
    factor, low, high, original = (scaling[key] for key in ["factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings"])
    factors = []
    for frequency in frequencies:
        wavelength = 2 * math.pi / frequency
        if wavelength < original / high:
            factors.append(1)
        elif wavelength > original / low:
            factors.append(factor)
        else:
            smooth = (original / wavelength - low) / (high - low)
            factors.append(1 / ((1 - smooth) / factor + smooth))
    return np.array(factors, dtype=np.float32)


def write_model(path, config, tensors, kind_of):
    """`tensors` by Hugging Face's names; `kind_of` gives a matrix' type in the file."""
    writer = gguf.GGUFWriter(path, ARCHITECTURES[config["model_type"]].lower())
    add_parameters(writer, config)
    names = name_map(config)
    factors = rope_factors(config)
    if factors is not None:
        writer.add_tensor("rope_freqs.weight", factors)
    for name, tensor in tensors.items():
        heads = heads_of(config, name)
        if heads:
            tensor = permute(tensor, heads)
        if config["model_type"].startswith("gemma") and name.endswith("norm.weight"):
            tensor = tensor + 1
        kind = TYPES.F32 if tensor.ndim == 1 else kind_of(name, tensor)
        data = tensor if isinstance(tensor, np.ndarray) else to_bytes(tensor, kind)
        writer.add_tensor(names.get_name(name, try_suffixes=(".weight", ".bias")), data, raw_dtype=kind)
    close(writer)


def close(writer):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def read_folder(folder):
    tensors = {}
    for file in sorted(folder.glob("model*.safetensors")):
        tensors |= load_file(file)
    return json.loads((folder / "config.json").read_text()), tensors


def write_adapter(path, base, folder):
    config, _ = read_folder(base)
    lora = json.loads((folder / "adapter_config.json").read_text())
    writer = gguf.GGUFWriter(path, ARCHITECTURES[config["model_type"]].lower())
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", float(lora["lora_alpha"]))
    if lora.get("alora_invocation_tokens"):
        writer.add_key_value("adapter.alora.invocation_tokens", lora["alora_invocation_tokens"], gguf.GGUFValueType.ARRAY, gguf.GGUFValueType.UINT32)
    names = name_map(config)
    for name, tensor in load_file(folder / "adapter_model.safetensors").items():
        if ".base_layer.weight" in name:
            continue
        part = "lora_a" if ".lora_A.weight" in name or ".lora_embedding_A" in name else "lora_b"
        for suffix in [".lora_A.weight", ".lora_B.weight", ".lora_embedding_A", ".lora_embedding_B"]:
            name = name.replace(suffix, ".weight")
        name = name.removeprefix("base_model.model.")
        target = names.get_name(name, try_suffixes=(".weight",))
        heads = heads_of(config, name)
        if heads and part == "lora_b":
            tensor = permute(tensor, heads)
        if target == "token_embd.weight" and part == "lora_a":
            tensor = tensor.T.contiguous()
        kind = FLOATS[tensor.dtype]
        writer.add_tensor(f"{target}.{part}", to_bytes(tensor, kind), raw_dtype=kind)
    close(writer)


def k_blocks(name, kind, shape):
    """Random blocks of a K type for a weight: bytes, and the floats gguf-py reads in them."""
    block, size = gguf.GGML_QUANT_SIZES[kind]
    data = np.floor(uniform(name, [shape[0], shape[1] // block, size], 128.0).numpy() + 128).astype(np.uint8)
    for at, scale in K_SCALES[kind.name].items():
        data[..., at : at + 2] = np.array([scale], "<f2").view(np.uint8)
    data = data.reshape(shape[0], -1)
    return data, torch.from_numpy(dequantize(data, kind))


def round_activations(x):
    """What a quantised weight is multiplied by: 12 bits, one scale for each block of 32."""
    blocks = x.reshape(*x.shape[:-1], -1, 32)
    most = blocks.abs().amax(-1, keepdim=True).clamp(min=1e-20)
    return (torch.round(blocks * (2047 / most)) * (most / 2047)).reshape(x.shape)


class Rounding:
    """While it holds, the model's layers whose weights are `chosen` quantised read rounded activations."""

    def __init__(self, model, chosen):
        self.layers = [module for name, module in model.named_modules() if isinstance(module, torch.nn.Linear) and chosen.get(f"{name}.weight", chosen["model.embed_tokens.weight"]).name not in ("F32", "F16", "BF16")]

    def __enter__(self):
        self.handles = [layer.register_forward_pre_hook(lambda _, args: (round_activations(args[0]),)) for layer in self.layers]

    def __exit__(self, *_):
        for handle in self.handles:
            handle.remove()


def both(model, chosen, ids, name):
    """Logits of the floats that gguf-py reads, and with activations rounded as this runtime does."""
    exact = model(torch.tensor([ids])).logits[0].contiguous()
    with Rounding(model, chosen):
        return {name: exact, f"{name}_rounded": model(torch.tensor([ids])).logits[0].contiguous()}


def write_quantised(folder, name):
    """The file, and the logits of transformers on what gguf-py reads in it."""
    arguments, kinds = QUANTISED[name]
    model = transformers.AutoModelForCausalLM.from_config(transformers.LlamaConfig(**arguments), dtype=torch.float32, attn_implementation="eager").eval()
    config = model.config.to_dict()
    stored, chosen = {}, {}
    with torch.no_grad():
        for index, (key, parameter) in enumerate(model.named_parameters()):
            drawn = draw_parameter(f"gguf.{name}", key, parameter, fan_in_first=False)
            kind = TYPES[kinds[index % len(kinds)]] if parameter.dim() == 2 else TYPES.F32
            heads = heads_of(config, key)
            chosen[key] = kind
            if kind.name in K_SCALES:
                # a row is a whole number of blocks, so whole rows of bytes change their places
                data, parameter.data = k_blocks(f"gguf.{name}/{key}", kind, parameter.shape)
                stored[key] = data
            else:
                data = to_bytes(drawn, kind)
                parameter.copy_(drawn if kind == TYPES.F32 else torch.from_numpy(dequantize(data, kind)))
                stored[key] = drawn
        ids = tokens(f"gguf.{name}", 17, config["vocab_size"])
        logits = both(model, chosen, ids, name)
        if name == "blocks32":
            write_quantised_adapter(folder / "adapters" / "blocks32-q8_0.gguf", model, config)
            logits |= both(model, chosen, ids, "blocks32_lora")
    write_model(folder / f"{name}.gguf", config, stored, lambda key, _: chosen[key])
    return ids, logits


def write_quantised_adapter(path, model, config):
    """An adapter of rank 32 in Q8_0, put beside the model's layers, too: its factors are floats in memory, so it reads the activations as they are."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", 16.0)
    names = name_map(config)
    for key, parameter in model.named_parameters():
        if not any(part in key for part in ["q_proj", "down_proj"]):
            continue
        a = of_std(f"gguf.lora/{key}.a", [32, parameter.shape[1]], 0.1)
        b = of_std(f"gguf.lora/{key}.b", [parameter.shape[0], 32], 0.1)
        target = names.get_name(key, try_suffixes=(".weight",))
        heads = heads_of(config, key)
        qa = to_bytes(a, TYPES.Q8_0)
        writer.add_tensor(f"{target}.lora_a", qa, raw_dtype=TYPES.Q8_0)
        writer.add_tensor(f"{target}.lora_b", to_bytes(permute(b, heads) if heads else b, TYPES.Q8_0), raw_dtype=TYPES.Q8_0)
        read = [torch.from_numpy(dequantize(data, TYPES.Q8_0)) for data in (qa, to_bytes(b, TYPES.Q8_0))]
        layer = model.get_submodule(key.removesuffix(".weight"))
        layer.forward = beside(layer, layer.forward, *read)
    close(writer)


def beside(layer, forward, a, b):
    seen = {}
    layer.register_forward_pre_hook(lambda _, args: seen.update(x=args[0]))  # before any hook that rounds
    return lambda x: forward(x) + 16 / 32 * (seen["x"] @ a.T) @ b.T


def write(folder, models):
    """Into `folder`; the models and adapters that are converted lie in `models`."""
    (folder / "adapters").mkdir(parents=True, exist_ok=True)
    for name in MODELS:
        config, tensors = read_folder(models / name)
        write_model(folder / f"{name}.gguf", config, tensors, lambda _, tensor: FLOATS[tensor.dtype])
    for base, adapter in ADAPTERS:
        write_adapter(folder / "adapters" / f"{base}-{adapter}.gguf", models / base, models / base / "adapters" / adapter)
    cases, logits = {}, {}
    for name in QUANTISED:
        cases[name], made = write_quantised(folder, name)
        logits |= made
    save_file(logits, folder / "golden.safetensors")
    (folder / "cases.json").write_text(json.dumps(cases) + "\n")
