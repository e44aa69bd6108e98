"""A GGUF of the llama architecture -> a folder as on Hugging Face: config.json, model.safetensors, tokenizer.json, tokenizer_config.json.

    python3 dequantize.py ../../build/models/SmolLM2-135M-Instruct-Q4_1.gguf ../../build/models/SmolLM2-135M-Instruct

Every block is widened by gguf-py; float32 keeps those values as they are. Three things differ between the two forms:
- llama.cpp stores the rows of q and k with the two halves of each head interleaved: they are put back (rotate-half layout);
- shapes in a GGUF run from the fastest axis to the slowest, those of gguf-py's arrays the other way, as here;
- a GGUF names its pre-tokenizer ("smollm") and leaves what that does to the reader: here it splits numerals one by one, then as GPT-2 does.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from gguf import GGUFReader
from gguf.quants import dequantize
from safetensors.torch import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
NAMES = {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
}
LAYER_NAMES = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
CONTROL = 3  # llama.cpp's token type of <|im_start|> and its like


def name_of(name):
    if name in NAMES:
        return NAMES[name]
    _, layer, part, kind = name.split(".")
    return f"model.layers.{layer}.{LAYER_NAMES[part]}.{kind}"


def uninterleave(weight, heads):
    """[out, in] with the rows of each head as 0, h/2, 1, h/2 + 1 … -> 0, 1, …; the inverse of llama.cpp's `permute`."""
    out, columns = weight.shape
    return weight.reshape(heads, out // heads // 2, 2, columns).swapaxes(1, 2).reshape(out, columns)


def shortest(value):
    """A float32 of a GGUF as the shortest decimal that gives it again: 9.999999747378752e-06 is 1e-05."""
    return float(str(np.float32(value)))


def config_of(metadata, tensors, dtype):
    head_count = metadata("llama.attention.head_count")
    return {
        "architectures": ["LlamaForCausalLM"],
        "attention_bias": False,
        "attention_dropout": 0.0,
        "bos_token_id": metadata("tokenizer.ggml.bos_token_id"),
        "eos_token_id": metadata("tokenizer.ggml.eos_token_id"),
        "head_dim": metadata("llama.embedding_length") // head_count,
        "hidden_act": "silu",
        "hidden_size": metadata("llama.embedding_length"),
        "initializer_range": 0.02,
        "intermediate_size": metadata("llama.feed_forward_length"),
        "max_position_embeddings": metadata("llama.context_length"),
        "mlp_bias": False,
        "model_type": "llama",
        "num_attention_heads": head_count,
        "num_hidden_layers": metadata("llama.block_count"),
        "num_key_value_heads": metadata("llama.attention.head_count_kv"),
        "pad_token_id": metadata("tokenizer.ggml.padding_token_id"),
        "rms_norm_eps": shortest(metadata("llama.attention.layer_norm_rms_epsilon")),
        "rope_scaling": None,
        "rope_theta": shortest(metadata("llama.rope.freq_base")),
        "tie_word_embeddings": "output.weight" not in tensors,
        "torch_dtype": dtype,
        "use_cache": True,
        "vocab_size": metadata("llama.vocab_size"),
    }


def tokenizer_of(metadata):
    model, pre = metadata("tokenizer.ggml.model"), metadata("tokenizer.ggml.pre")
    if (model, pre) != ("gpt2", "smollm"):
        raise SystemExit(f"tokenizer: expected the model gpt2 with the pre-tokenizer smollm, found {model} with {pre}")
    tokens, types = metadata("tokenizer.ggml.tokens"), metadata("tokenizer.ggml.token_type")
    vocab = {token: i for i, token in enumerate(tokens)}
    merges = [tuple(line.split(" ", 1)) for line in metadata("tokenizer.ggml.merges")]
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t, kind in zip(tokens, types) if kind == CONTROL])
    return tokenizer


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("gguf", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--dtype", choices=DTYPES, default="float32")
    options = parser.parse_args()

    reader = GGUFReader(options.gguf)

    def metadata(key):
        field = reader.get_field(key)
        if field is None:
            raise SystemExit(f"{options.gguf}: expected the key {key}, found none")
        return field.contents()

    if metadata("general.architecture") != "llama":
        raise SystemExit(f"{options.gguf}: expected the architecture llama, found {metadata('general.architecture')}")
    stored = {tensor.name: tensor for tensor in reader.tensors}
    config = config_of(metadata, stored, options.dtype)
    heads = {"attn_q": config["num_attention_heads"], "attn_k": config["num_key_value_heads"]}
    weights = {}
    for name, tensor in stored.items():
        wide = dequantize(tensor.data, tensor.tensor_type).astype(np.float32).reshape([int(n) for n in reversed(tensor.shape)])
        for part, count in heads.items():
            if f".{part}." in name:
                wide = uninterleave(wide, count)
        weights[name_of(name)] = torch.from_numpy(np.ascontiguousarray(wide)).to(DTYPES[options.dtype])

    options.folder.mkdir(parents=True, exist_ok=True)
    save_file(weights, options.folder / "model.safetensors", metadata={"format": "pt"})
    tokenizer_of(metadata).save(str(options.folder / "tokenizer.json"))
    tokens = metadata("tokenizer.ggml.tokens")
    special = {f"{key}_token": tokens[metadata(f"tokenizer.ggml.{name}_token_id")] for key, name in
               [("bos", "bos"), ("eos", "eos"), ("unk", "unknown"), ("pad", "padding")]}
    files = {
        "config.json": config,
        "generation_config.json": {key: config[key] for key in ("bos_token_id", "eos_token_id", "pad_token_id")},
        "tokenizer_config.json": {
            "add_prefix_space": False,
            **special,
            "chat_template": metadata("tokenizer.chat_template"),
            "clean_up_tokenization_spaces": False,
            "model_max_length": config["max_position_embeddings"],
            "tokenizer_class": "PreTrainedTokenizerFast",
        },
    }
    for file, value in files.items():
        (options.folder / file).write_text(json.dumps(value, indent=2) + "\n", "utf-8")
    print(f"{options.folder}: {len(weights)} tensors, {options.dtype}")


if __name__ == "__main__":
    main()
