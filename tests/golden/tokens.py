"""Ids and texts by the Rust library of Hugging Face: for tokens/*.json and the demo's tokenizer, as they are and with parts of them changed, over the strings of token_strings.py.

tokens/cases.json holds for each case what is changed, and a checksum (FNV-1a, 32 bits) for every block of strings over their ids and decoded texts; the ids themselves stand there for a few
strings of each case. tokens/strings.json holds the strings."""

import copy
import json
import os
from pathlib import Path

os.environ["TOKENIZERS_PARALLELISM"] = "false"

from tokenizers import AddedToken, Tokenizer

from token_strings import strings

HERE = Path(__file__).parent
COUNT = 1500
BLOCK = 25
SHOWN = 12

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN2 = LLAMA3.replace("{1,3}", "")
O200K = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
DEEPSEEK = [r"\p{N}{1,3}", "[一-龥\u3040-ゟ゠-ヿ]+", r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"]


# Two ways to spell a run of one character may have the same score, and the library then takes another than Rust: unigram tokenizers leave such strings out.
TIE = "漢" * 6


def split(pattern, behavior="Isolated", invert=False):
    return {"type": "Split", "pattern": pattern if isinstance(pattern, dict) else {"Regex": pattern}, "behavior": behavior, "invert": invert}


def byte_level(**options):
    return {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False} | options


def steps(*parts):
    return {"type": "Sequence", "pretokenizers": list(parts)}


def decoders(*parts):
    return {"type": "Sequence", "decoders": list(parts)}


def metaspace(scheme="always", split=True):
    return {"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": split}


def digits(individual):
    return {"type": "Digits", "individual_digits": individual}


SPACES = {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}
FALLBACK, FUSE = {"type": "ByteFallback"}, {"type": "Fuse"}
PREFIXED = {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]}
# Added tokens of every kind: those that take whitespace along, stand alone, or are found in the normalized text; one is nothing but spaces.
ADDED = [
    {"content": "<LEFT>", "lstrip": True}, {"content": "<right>", "rstrip": True}, {"content": "<both>", "lstrip": True, "rstrip": True, "special": True}, {"content": "<alone>", "single_word": True},
    {"content": "ok", "single_word": True, "normalized": True}, {"content": "Thé", "normalized": True}, {"content": "   "}, {"content": "\n\n"}, {"content": "[MASK]", "special": True, "lstrip": True},
    {"content": "<|im_", "normalized": True}, {"content": "TOOL", "normalized": True, "special": True},
]
# (name, tokenizer, the parts that are changed, added tokens, options of the model that are changed)
CASES = [
    ("tavern", "tavern", {}, [], {}),
    ("gpt2", "byte_level", {}, ADDED, {}),
    *[(f"byte_level {name}", "byte_level", {"pre_tokenizer": part}, ADDED[:4], {}) for name, part in {
        "prefix space": byte_level(use_regex=True, add_prefix_space=True), "no regex": byte_level(), "no regex, prefix space": byte_level(add_prefix_space=True),
        "smollm": steps(digits(True), byte_level(use_regex=True)), "digits together": steps(digits(False), byte_level(use_regex=True, add_prefix_space=True)),
        "llama3": steps(split(LLAMA3), byte_level()), "qwen2": steps(split(QWEN2), byte_level()), "o200k": steps(split(O200K), byte_level()), "deepseek": steps(*map(split, DEEPSEEK), byte_level()),
        "removed, inverted": steps(split(GPT2, "Removed", True), byte_level()), "isolated, inverted": steps(split(r"\p{L}+", "Isolated", True), byte_level()), "removed": steps(split(r"\s+", "Removed"), byte_level()),
        "merged with previous": steps(split(r"[\s,]", "MergedWithPrevious"), byte_level()), "merged with next": steps(split(r"\s+|\d", "MergedWithNext"), byte_level()), "contiguous": steps(split(r"\w", "Contiguous"), byte_level()),
        "by a text": steps(split({"String": " "}, "MergedWithPrevious"), byte_level()), "punctuation": steps({"type": "Punctuation", "behavior": "Contiguous"}, byte_level()), "whitespace": steps({"type": "Whitespace"}, byte_level()),
        "whitespace split": steps({"type": "WhitespaceSplit"}, byte_level()), "possessive": steps(split(r"[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"), byte_level()),
        "borders and classes": steps(split(r"\b\w{1,4}\b|\h+|[[:alpha:]]+|.\s|^.|.$"), byte_level()), "any case": steps(split(r"(?i:k|s|é)"), byte_level()), "bert": steps({"type": "BertPreTokenizer"}, byte_level()), "fixed length": steps({"type": "FixedLength", "length": 5}, byte_level()), "by a character": steps({"type": "CharDelimiterSplit", "delimiter": "a"}, byte_level()),
    }.items()],
    *[(f"byte_level {name}", "byte_level", {"pre_tokenizer": steps(split(LLAMA3), byte_level()), "normalizer": part}, ADDED, {}) for name, part in {
        "nfc": {"type": "NFC"}, "nfkc": {"type": "NFKC"}, "nfd": {"type": "NFD"}, "lowercase": {"type": "Lowercase"}, "strip": {"type": "Strip", "strip_left": True, "strip_right": True},
        "replace by regex": {"type": "Replace", "pattern": {"Regex": r"\s{2,}|[\n\t]"}, "content": "$& $1"}, "replace": {"type": "Replace", "pattern": {"String": "a."}, "content": "b$$"}, "prepend": {"type": "Prepend", "prepend": "x"},
    }.items()],
    ("byte_level ignore merges", "byte_level", {"pre_tokenizer": steps(split(LLAMA3), byte_level())}, [], {"ignore_merges": True}),
    *[(f"unigram {scheme}{', split' if cut else ''}{'' if fallback else ', no bytes'}", "unigram", {"pre_tokenizer": metaspace(scheme, cut), "decoder": metaspace(scheme, cut)}, ADDED[:3], {"byte_fallback": fallback})
      for scheme, cut, fallback in [("always", True, True), ("always", False, False), ("first", True, False), ("never", True, True)]],
    ("unigram older metaspace", "unigram", {"pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "add_prefix_space": True, "str_rep": "▁"}}, [], {}),
    *[(f"sentencepiece {name}", "sentencepiece", {"normalizer": PREFIXED, "pre_tokenizer": None, "decoder": part}, ADDED[:3], {}) for name, part in {
        "llama": decoders(SPACES, FALLBACK, FUSE, {"type": "Strip", "content": " ", "start": 1, "stop": 0}), "gemma": decoders(SPACES, FALLBACK, FUSE), "metaspace": decoders(FALLBACK, metaspace()),
        "metaspace, never": decoders(FALLBACK, metaspace("never")), "fused before metaspace": decoders(FALLBACK, FUSE, metaspace()), "no decoder": None,
    }.items()],
    *[(f"sentencepiece metaspace {scheme}", "sentencepiece", {"normalizer": None, "pre_tokenizer": metaspace(scheme, cut)}, ADDED[:3], {}) for scheme, cut in [("always", False), ("first", True), ("never", False)]],
    ("sentencepiece gemma2", "sentencepiece", {"normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}, "pre_tokenizer": split({"String": " "}, "MergedWithPrevious")}, [], {}),
    ("sentencepiece no bytes", "sentencepiece", {}, [], {"byte_fallback": False}),
    ("sentencepiece unknown one by one", "sentencepiece", {}, [], {"byte_fallback": False, "fuse_unk": False}),
    ("sentencepiece ignore merges", "sentencepiece", {"pre_tokenizer": metaspace()}, [], {"ignore_merges": True}),
]


def base(name, folder):
    path = HERE.parent.parent / "models" / "tavern" / "tokenizer.json" if name == "tavern" else folder / f"{name}.json"
    return json.loads(path.read_text())


def build(description, parts, added, model):
    description = copy.deepcopy(description) | parts
    description["model"] |= model
    tokenizer = Tokenizer.from_str(json.dumps(description))
    for token in added:
        options = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False} | {k: v for k, v in token.items() if k not in ("content", "special")}
        (tokenizer.add_special_tokens if token.get("special") else tokenizer.add_tokens)([AddedToken(token["content"], special=token.get("special", False), **options)])
    return tokenizer


def checksum(texts):
    value = 0x811C9DC5
    for text in texts:
        for byte in text.encode():
            value = (value ^ byte) * 0x01000193 & 0xFFFFFFFF
    return value


def write(folder):
    folder.mkdir(parents=True, exist_ok=True)
    texts = strings(COUNT, 7)
    (folder / "strings.json").write_text(json.dumps(texts, ensure_ascii=False, separators=(",", ":")) + "\n")
    lines = []
    for name, tokenizer, parts, added, model in CASES:
        rust = build(base(tokenizer, HERE / "tokens"), parts, added, model)
        skipped = [i for i, text in enumerate(texts) if tokenizer == "unigram" and TIE in text]
        ids = [rust.encode(text, add_special_tokens=False).ids for text in texts]
        told = [json.dumps(i, separators=(",", ":")) + rust.decode(i, skip_special_tokens=True) + rust.decode(i, skip_special_tokens=False) for i in ids]
        sums = [checksum([told[i] for i in range(at, at + BLOCK) if i not in skipped]) for at in range(0, COUNT, BLOCK)]
        # As the library numbers them.
        tokens = json.loads(rust.to_str())["added_tokens"]
        lines.append(json.dumps({"name": name, "tokenizer": tokenizer, "parts": parts | {"added_tokens": tokens}, "model": model, "framed": rust.encode("ok").ids, "skipped": skipped, "ids": ids[-SHOWN:], "checksums": sums}, ensure_ascii=False, separators=(",", ":")))
    (folder / "cases.json").write_text(f'{{"block":{BLOCK},"cases":[\n' + ",\n".join(lines) + "\n]}\n")
