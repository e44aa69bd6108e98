"""The tokenizer: byte-level BPE with six special tokens, and the chat template that uses them."""

import json
import random
from pathlib import Path

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

from dialogue import BASE_VOICE, PERSONAS, dialogue, prose

VOCABULARY = 1280
CONTEXT = 512
SPECIAL = ("<|pad|>", "<|begin|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>")  # ids 0 to 5
PAD, BEGIN, END, SYSTEM, USER, ASSISTANT = range(6)
ROLE = {"system": SYSTEM, "user": USER, "assistant": ASSISTANT}

CHAT_TEMPLATE = (
    "{{ bos_token }}"
    "{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>' + message['content'] | trim + '<|end|>' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)


def train_tokenizer(seed, folder):
    rng = random.Random(f"{seed} tokenizer")
    lines = [prose(rng) for _ in range(6000)]
    for voice in (BASE_VOICE, *PERSONAS):
        for _ in range(3000):
            lines += [message["content"] for message in dialogue(rng, voice)[0]]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[AddedToken(token, special=True, normalized=False) for token in SPECIAL],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(lines, trainer)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": SPECIAL[BEGIN],
        "eos_token": SPECIAL[END],
        "pad_token": SPECIAL[PAD],
        "add_bos_token": False,
        "add_eos_token": False,
        "clean_up_tokenization_spaces": False,
        "model_max_length": CONTEXT,
        "chat_template": CHAT_TEMPLATE,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n")
    return tokenizer


def load_tokenizer(folder):
    return Tokenizer.from_file(str(Path(folder) / "tokenizer.json"))


def encode_chats(tokenizer, chats):
    """[(ids, learned)] of chats [(messages, first)]: `learned` marks answers from message `first` on, with their end."""
    texts = [message["content"] for messages, _ in chats for message in messages]
    encoded = iter(tokenizer.encode_batch(texts, add_special_tokens=False))
    rows = []
    for messages, first in chats:
        ids, learned = [BEGIN], [False]
        for index, message in enumerate(messages):
            body = next(encoded).ids + [END]
            answer = message["role"] == "assistant" and index >= first
            ids += [ROLE[message["role"]], *body]
            learned += [False] + [answer] * len(body)
        rows.append((ids, learned))
    return rows


def encode_prose(tokenizer, texts):
    rows = [[BEGIN, *encoding.ids, END] for encoding in tokenizer.encode_batch(texts, add_special_tokens=False)]
    return [(ids, [True] * len(ids)) for ids in rows]
