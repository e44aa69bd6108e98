"""Trains the small tokenizers of tokens/: once, since training isn't the same to the bit everywhere. Their goldens are made by tokens.py from the files as committed.

    pip install sentencepiece==0.2.3
    python3 tests/golden/train_tokenizers.py
"""

import base64
import io
import json
from pathlib import Path

import sentencepiece
from sentencepiece import sentencepiece_model_pb2
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from token_strings import strings

HERE = Path(__file__).parent
TEXT = json.loads((HERE.parent.parent / "models" / "tavern" / "heldout.json").read_text())
# What the charsmap of the unigram model does: a few rules of the kind that NFKC has, also one of two characters and one that deletes.
RULES = {"ﬁ": "fi", "①": "1", "½": "1/2", "\u00a0": " ", "\u3000": " ", "\t": " ", "\n": " ", "…": "...", "e\u0301": "\u00e9", "\u200b": "", "Ⅷ": "VIII", "９": "9", "\u212b": "\u00c5", "ｶ": "カ"}


def texts(value):
    if isinstance(value, str):
        return [value]
    return [text for item in (value.values() if isinstance(value, dict) else value) for text in texts(item)] if isinstance(value, (dict, list)) else []


def lines():
    return [line for line in texts(TEXT) + strings(600, 1) if 0 < len(line) < 2000]


def save(name, tokenizer):
    (HERE / "tokens" / f"{name}.json").write_text(json.dumps(tokenizer, ensure_ascii=False, separators=(",", ":")) + "\n")


def byte_level():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    tokenizer.train_from_iterator(lines(), trainers.BpeTrainer(vocab_size=900, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), special_tokens=special, show_progress=False))
    save("byte_level", json.loads(tokenizer.to_str()) | {"decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}})


def train(kind, **options):
    file = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines()), model_writer=file, model_type=kind, user_defined_symbols=["<lone>", "[INST]"], byte_fallback=True, hard_vocab_limit=False, minloglevel=2, num_threads=1, character_coverage=0.98, **options
    )
    model = sentencepiece_model_pb2.ModelProto()
    model.ParseFromString(file.getvalue())
    return model


def added(model):
    named = [(i, piece) for i, piece in enumerate(model.pieces) if piece.type in (2, 3, 4)]  # unknown, control, user-defined
    return [{"id": i, "content": p.piece, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": p.type != 4} for i, p in named]


def template(before, after):
    token = lambda name: {"SpecialToken": {"id": name, "type_id": 0}}
    text = {"Sequence": {"id": "A", "type_id": 0}}
    special = {name: {"id": name, "ids": [id], "tokens": [name]} for name, id in (("<s>", 1), ("</s>", 2))}
    return {"type": "TemplateProcessing", "single": [*map(token, before), text, *map(token, after)], "pair": [text], "special_tokens": special}


def unigram():
    tsv = HERE / "tokens" / "rules.tsv"
    tsv.write_text("".join(f"{' '.join(f'{ord(c):X}' for c in a)}\t{' '.join(f'{ord(c):X}' for c in b)}\n" for a, b in RULES.items()))
    model = train("unigram", vocab_size=900, normalization_rule_tsv=str(tsv))
    tsv.unlink()
    meta = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}
    charsmap = base64.b64encode(model.normalizer_spec.precompiled_charsmap).decode()
    save("unigram", {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added(model), "normalizer": {"type": "Precompiled", "precompiled_charsmap": charsmap}, "pre_tokenizer": meta,
        "post_processor": template([], ["</s>"]), "decoder": meta, "model": {"type": "Unigram", "unk_id": 0, "vocab": [[p.piece, p.score] for p in model.pieces], "byte_fallback": True},
    })


def sentencepiece_bpe():
    model = train("bpe", vocab_size=1200, normalization_rule_name="identity", remove_extra_whitespaces=False)
    vocab = {p.piece: i for i, p in enumerate(model.pieces)}
    merges = [[p.piece[:k], p.piece[k:]] for p in sorted(model.pieces, key=lambda p: -p.score) if p.type == 1 for k in range(1, len(p.piece)) if p.piece[:k] in vocab and p.piece[k:] in vocab]
    replace = {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}
    save("sentencepiece", {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added(model),
        "normalizer": {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]}, "pre_tokenizer": None, "post_processor": template(["<s>"], []),
        "decoder": {"type": "Sequence", "decoders": [replace, {"type": "ByteFallback"}, {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
        "model": {"type": "BPE", "dropout": None, "unk_token": "<unk>", "continuing_subword_prefix": None, "end_of_word_suffix": None, "fuse_unk": True, "byte_fallback": True, "ignore_merges": False, "vocab": vocab, "merges": merges},
    })
    # What a GGUF keeps of it.
    (HERE / "tokens" / "sentencepiece_scores.json").write_text(json.dumps({"scores": [round(p.score, 4) for p in model.pieces], "types": [p.type for p in model.pieces]}, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    byte_level()
    unigram()
    sentencepiece_bpe()
