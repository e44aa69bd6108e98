"""Reads with gguf-py what `lorikeet quantize` writes: every tensor's bytes are those of gguf.quants.quantize, every key is what gguf-py's writer gives the model.

    python3 tests/golden/check_quantize.py            after a build; exit code 1 on a difference
    python3 tests/golden/check_quantize.py PEERS      and llama.cpp, which opens the files and writes the tokens that transformers does; PEERS as for llama_greedy.mjs
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import gguf
import numpy as np
import torch
import transformers

import gguf_files
from models import draw_parameter

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
TYPES = gguf.GGMLQuantizationType
FILE_TYPES = {"f32": 0, "f16": 1, "q4_0": 2, "q4_1": 3, "q8_0": 7, "q5_0": 8, "q5_1": 9, "bf16": 32}

# Tiny models whose rows are whole blocks, so that nothing falls back to f16.
SHARED = dict(vocab_size=96, hidden_size=64, intermediate_size=160, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=128, bos_token_id=1, eos_token_id=2)
LLAMA3 = dict(rope_theta=5e5, rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=64)
TINY = {
    "llama": (transformers.LlamaConfig, dict(SHARED, attention_bias=True, tie_word_embeddings=False, rope_parameters=LLAMA3)),
    "qwen2": (transformers.Qwen2Config, dict(SHARED, tie_word_embeddings=True)),
    "qwen3": (transformers.Qwen3Config, dict(SHARED, head_dim=32, tie_word_embeddings=False)),
    "smollm3": (transformers.SmolLM3Config, dict(SHARED, num_hidden_layers=4, pad_token_id=0, tie_word_embeddings=True)),
    "gemma": (transformers.GemmaConfig, dict(SHARED, vocab_size=320, head_dim=32)),
    "gemma2": (transformers.Gemma2Config, dict(SHARED, vocab_size=320, head_dim=32, query_pre_attn_scalar=32, sliding_window=16)),
    "gemma3": (transformers.Gemma3TextConfig, dict(SHARED, vocab_size=320, head_dim=32, query_pre_attn_scalar=32, num_hidden_layers=7, sliding_window=16)),
}

CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
WORDS = CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
# The splits of each model's own tokenizer.json, and llama.cpp's name for them.
SPLITS = {"llama": (WORDS, True, "llama-bpe"), "qwen2": (WORDS.replace("{1,3}", ""), False, "qwen2"), "qwen3": (WORDS.replace("{1,3}", ""), False, "qwen2"), "smollm3": (WORDS, True, "llama-bpe")} | {name: (None, False, "default") for name in ["gemma", "gemma2", "gemma3"]}
SPECIAL = ["<pad>", "<s>", "</s>"]


def write_tokenizer(folder, name):
    """A small byte-level one for four models, one with SentencePiece's spaces and bytes for Gemma's kin."""
    pattern, ignore_merges, _ = SPLITS[name]
    if pattern:
        letters = list("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,!?'ĠĊ")
        merges = [("Ġ", "t"), ("h", "e"), ("Ġt", "he"), ("i", "n"), ("Ġ", "a"), ("e", "r"), ("0", "1")]
    else:
        letters = ["<unk>"] + list("abcdefghijklmnopqrstuvwxyz.▁") + [f"<0x{byte:02X}>" for byte in range(256)]
        merges = [("▁", "t"), ("h", "e"), ("▁t", "he"), ("i", "n"), ("▁", "a"), ("t", "he")]
    # "▁the" can be made in two ways: the first merge that makes it counts
    texts = SPECIAL + letters + list(dict.fromkeys(left + right for left, right in merges))
    model = dict(type="BPE", vocab={text: id_ for id_, text in enumerate(texts)}, merges=[list(pair) for pair in merges], ignore_merges=ignore_merges)
    bytes_ = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    if pattern:
        split = {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}
        parts = dict(model=model, pre_tokenizer={"type": "Sequence", "pretokenizers": [split, bytes_]}, decoder=bytes_)
    else:
        model |= dict(byte_fallback=True, unk_token="<unk>", fuse_unk=True)
        split = {"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": False}
        parts = dict(model=model, normalizer={"type": "Replace", "pattern": {"String": " "}, "content": "▁"}, pre_tokenizer=split, decoder={"type": "Sequence", "decoders": [{"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"}]})
    begins = name in ("llama", "gemma", "gemma2", "gemma3")
    if begins:
        pieces = [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]
        parts["post_processor"] = {"type": "TemplateProcessing", "single": pieces, "pair": pieces, "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}}}
    added = [dict(id=id_, content=text, single_word=False, lstrip=False, rstrip=False, normalized=False, special=True) for id_, text in enumerate(SPECIAL)]
    (folder / "tokenizer.json").write_text(json.dumps(dict(version="1.0", added_tokens=added, **parts)))
    config = dict(tokenizer_class="PreTrainedTokenizerFast", bos_token="<s>", eos_token="</s>", pad_token="<pad>", chat_template="{{ messages[0].content }}")
    (folder / "tokenizer_config.json").write_text(json.dumps(config))


def write_tiny(folder, name):
    kind, arguments = TINY[name]
    model = transformers.AutoModelForCausalLM.from_config(kind(**arguments), dtype=torch.bfloat16 if name == "qwen2" else torch.float32)
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            parameter.copy_(draw_parameter(f"quantize.{name}", key, parameter, fan_in_first=False))
    model.save_pretrained(folder)
    write_tokenizer(folder, name)


def expected_tensors(config, tensors, kind, head_kind):
    """By name in the file: type, and the bytes of each row."""
    names = gguf_files.name_map(config)
    found = {}
    factors = gguf_files.rope_factors(config)
    if factors is not None:
        found["rope_freqs.weight"] = (TYPES.F32, factors)
    for key, tensor in tensors.items():
        if key == "lm_head.weight" and config.get("tie_word_embeddings"):
            continue
        name = names.get_name(key, try_suffixes=(".weight", ".bias"))
        heads = gguf_files.heads_of(config, key)
        tensor = gguf_files.permute(tensor, heads) if heads else tensor
        if config["model_type"].startswith("gemma") and key.endswith("norm.weight"):
            tensor = tensor.float() + 1
        wanted = head_kind if name in ("token_embd.weight", "output.weight") else kind
        if tensor.ndim == 1:
            wanted = TYPES.F32
        elif tensor.shape[-1] % gguf.GGML_QUANT_SIZES[wanted][0]:
            wanted = TYPES.F16
        found[name] = (wanted, gguf_files.to_bytes(tensor, wanted))
    return found


def fields_of(reader):
    return {key: field.contents() for key, field in reader.fields.items() if not key.startswith("GGUF.")}


def differences(path, config, tensors, kind, head_kind, reference):
    reader = gguf.GGUFReader(path)
    wanted, found = expected_tensors(config, tensors, kind, head_kind), {tensor.name: tensor for tensor in reader.tensors}
    if set(found) != set(wanted):
        yield f"holds other tensors: {sorted(set(found) ^ set(wanted))}"
        return
    for name, (type_, data) in wanted.items():
        tensor = found[name]
        if tensor.tensor_type != type_:
            yield f"{name} is {tensor.tensor_type.name}, expected {type_.name}"
        elif name == "rope_freqs.weight":
            # computed in another order: the factors agree to a unit in the last place or two
            if not np.allclose(tensor.data, data, rtol=3e-7):
                yield f"{name} is {tensor.data}, expected {data}"
        elif np.ascontiguousarray(tensor.data).tobytes() != np.ascontiguousarray(data).tobytes():
            yield f"{name} has other bytes"
    keys, expected = fields_of(reader), fields_of(gguf.GGUFReader(reference))
    # The reference says its own name and type; the pattern of Gemma's layers may be said as a list.
    for key in set(expected) - {"general.name", "general.file_type", "gemma3.attention.sliding_window_pattern"}:
        if keys.get(key) != expected[key]:
            yield f"{key} is {keys.get(key)}, expected {expected[key]}"


def check(folder, out, kind, head=None):
    """Lines on how the file of a folder differs from what gguf-py would write."""
    config, tensors = gguf_files.read_folder(folder)
    config.setdefault("head_dim", config["hidden_size"] // config["num_attention_heads"])
    command = ["node", str(ROOT / "build" / "js" / "src" / "cli" / "main.js"), "quantize", str(folder), str(out), "--type", kind, "--json"]
    report = json.loads(subprocess.run(command + (["--head-type", head] if head else []), check=True, stdout=subprocess.PIPE).stdout)
    reference = out.with_suffix(".reference.gguf")
    gguf_files.write_model(reference, config, {key: value for key, value in tensors.items() if key != "lm_head.weight"}, lambda *_: TYPES.F32)
    yield from differences(out, config, tensors, TYPES[kind.upper()], TYPES[(head or kind).upper()], reference)
    keys = fields_of(gguf.GGUFReader(out))
    if (report["bytes"], report["type"]) != (out.stat().st_size, kind) or keys["general.file_type"] != FILE_TYPES[kind]:
        yield f"says {report} and file type {keys['general.file_type']}, but has {out.stat().st_size} bytes"
    yield from vocabulary(folder, keys, config)


def vocabulary(folder, keys, config):
    """What the tokenizer's keys say, beside Hugging Face's own reading of the files."""
    if not (folder / "tokenizer.json").exists():
        if keys["tokenizer.ggml.model"] != "no_vocab":
            yield f"has a tokenizer of {keys['tokenizer.ggml.model']}"
        return
    tokenizer = transformers.PreTrainedTokenizerFast.from_pretrained(folder)  # not the class that the model's type would choose, which adds tokens
    tokens = keys["tokenizer.ggml.tokens"]
    if len(tokens) != config["vocab_size"] or [token for token in tokens if not token.startswith("[PAD")] != sorted(tokenizer.get_vocab(), key=tokenizer.get_vocab().get):
        yield "has another vocabulary"
    for name, key in [("bos", "bos"), ("eos", "eos"), ("pad", "padding")]:
        if keys.get(f"tokenizer.ggml.{key}_token_id") != getattr(tokenizer, f"{name}_token_id"):
            yield f"has {keys.get(f'tokenizer.ggml.{key}_token_id')} for {name}"
    expected = SPLITS.get(folder.name, (None, None, "gpt-2"))[2]
    if keys["tokenizer.ggml.pre"] != expected:
        yield f"has the pre-tokenizer {keys['tokenizer.ggml.pre']}, expected {expected}"
    if keys["tokenizer.ggml.add_bos_token"] != (tokenizer("a").input_ids[0] == tokenizer.bos_token_id):
        yield f"says {keys['tokenizer.ggml.add_bos_token']} of the token before a text"
    special = [id_ for id_, kind in enumerate(keys["tokenizer.ggml.token_type"]) if kind == gguf.TokenType.CONTROL]
    if special != sorted(tokenizer.added_tokens_decoder):
        yield f"has the control tokens {special}"
    if keys["tokenizer.chat_template"] != tokenizer.chat_template:
        yield "has another chat template"


# llama.cpp rounds activations to 8 bits where the weights are blocks: a step at which transformers is as near to another token, of the spread of its logits, may go either way.
NEAR = 0.02
TEXTS = ["the inner 1012 they", " a the", "it's in", "the\n\nthe  a", "Where is the treasure?"]


def read_back(folder, path):
    """The model of a folder with the weights that gguf-py reads in its file."""
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    config, found = model.config.to_dict(), {tensor.name: tensor for tensor in gguf.GGUFReader(path).tensors}
    names = gguf_files.name_map(config)
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            tensor = found[names.get_name(key, try_suffixes=(".weight", ".bias"))]
            values = torch.from_numpy(gguf.quants.dequantize(np.array(tensor.data), tensor.tensor_type).reshape(parameter.shape).copy())
            heads = gguf_files.heads_of(config, key)
            if heads:
                values = values.reshape(heads, -1, 2, *values.shape[1:]).swapaxes(1, 2).reshape(values.shape)
            parameter.copy_(values - 1 if config["model_type"].startswith("gemma") and key.endswith("norm.weight") else values)
    return model


@torch.no_grad()
def check_llama(peers, folder, out, ids, count=40):
    """Lines on where llama.cpp leaves transformers on the same file."""
    command = ["node", str(HERE / "llama_greedy.mjs"), peers, str(out), str(count), json.dumps(ids), json.dumps(TEXTS)]
    said = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout.splitlines()[-1])
    model, tokens = read_back(folder, out), list(ids)
    for place, token in enumerate(said["tokens"]):
        logits = model(torch.tensor([tokens])).logits[0, -1]
        gap = (logits.max() - logits[token]) / (logits.max() - logits.min())
        if gap > NEAR:
            yield f"llama.cpp has {token} at place {place}, transformers {int(logits.argmax())}, {gap:.3f} of its logits' spread away"
            break
        if gap > 0:
            break  # from a near tie on the texts are two
        tokens.append(token)
    tokenizer = transformers.PreTrainedTokenizerFast.from_pretrained(folder)
    for text, encoded in zip(TEXTS, said["encoded"]):
        if encoded != tokenizer(text, add_special_tokens=False).input_ids:
            yield f"llama.cpp has other ids for {text!r}: {encoded}"


def main():
    transformers.utils.logging.disable_progress_bar()
    peers = sys.argv[1] if len(sys.argv) > 1 else None
    bad, count, opened = 0, 0, 0
    with tempfile.TemporaryDirectory() as scratch:
        scratch = Path(scratch)
        work = [(ROOT / "models" / "tavern", kind, None) for kind in FILE_TYPES] + [(ROOT / "models" / "tavern", "q4_0", "q8_0")]
        for name in gguf_files.MODELS:
            if name in ("phi3", "gemma2", "gemma3"):
                continue  # a window that llama.cpp leaves out, a scale of attention that it has no key for: refused
            work.append((HERE / "models" / name, "q8_0", None))
        for name in TINY:
            write_tiny(scratch / name, name)
            work += [(scratch / name, kind, None) for kind in ("f32", "q8_0", "q4_1")]
        for folder, kind, head in work:
            count += 1
            lines = list(check(folder, scratch / "out.gguf", kind, head))
            if peers and (folder / "tokenizer.json").exists():
                opened += 1
                lines += check_llama(peers, folder, scratch / "out.gguf", [1, 4, 595, 305, 267, 910, 36, 2, 5] if folder.name == "tavern" else [1, 5, 9, 30, 44, 2, 17])
            for line in lines:
                bad += 1
                print(f"{folder.name} as {kind}: {line}")
    print(f"{count} quantised models in gguf-py, {opened} in llama.cpp: {bad} differences")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
