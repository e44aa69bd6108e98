"""Trains the base from nothing and saves it in bfloat16 as a Hugging Face folder.

    python3 train_base.py ../../models/tavern --minutes 40
"""

import argparse
import json
import random
import time
from pathlib import Path

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from dialogue import BASE_VOICE, PERSONAS, dialogue, prose
from packing import batch_of, pack
from tokens import BEGIN, CONTEXT, END, PAD, VOCABULARY, encode_chats, encode_prose, train_tokenizer

LENGTH = 256  # tokens in a packed row
ROWS = 14  # rows in a batch


def configuration():
    return LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=192,
        intermediate_size=384,
        num_hidden_layers=6,
        num_attention_heads=6,
        num_key_value_heads=3,
        head_dim=32,
        max_position_embeddings=CONTEXT,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
        rms_norm_eps=1e-5,
        tie_word_embeddings=True,
        pad_token_id=PAD,
        bos_token_id=BEGIN,
        eos_token_id=END,
    )


def batches(tokenizer, seed):
    """Endless batches. A little over half is neutral talk; in the rest the base gets to know the personas: overheard in
    prose, or in a talk whose system message names the speaker."""
    rng = random.Random(f"{seed} base")
    while True:
        chats = [dialogue(rng, BASE_VOICE, PERSONAS if rng.random() < 0.1 else None) for _ in range(1800)]
        chats += [dialogue(rng, rng.choice(PERSONAS), named=True) for _ in range(700)]
        rows = encode_chats(tokenizer, chats)
        # All of a talk is learned, the player's lines too; of one that changes hands, only the last speaker's answers.
        rows = [
            (ids, [True] * len(ids) if one_speaker(messages, first) else learned)
            for (ids, learned), (messages, first) in zip(rows, chats)
        ]
        rows += encode_prose(tokenizer, [prose(rng) for _ in range(800)])
        rng.shuffle(rows)
        packed = pack(rows, LENGTH)
        rng.shuffle(packed)
        for at in range(0, len(packed) - ROWS + 1, ROWS):
            yield batch_of(packed[at : at + ROWS], LENGTH)


def one_speaker(messages, first):
    return sum(message["role"] == "assistant" for message in messages[:first]) == 0


def optimizers(model, rate):
    """Muon for the matrices of the layers, AdamW for the embedding and the norms."""
    matrices = [p for n, p in model.named_parameters() if p.ndim == 2 and "embed" not in n]
    others = [p for n, p in model.named_parameters() if p.ndim != 2 or "embed" in n]
    return [
        torch.optim.Muon(matrices, lr=rate, weight_decay=0.05, momentum=0.95, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(others, lr=rate, betas=(0.9, 0.98), weight_decay=0.0),
    ]


def schedule(progress):
    """Warm up over the first 2 %, hold, and fall linearly to nothing over the last 60 %."""
    return min(1.0, progress / 0.02 + 0.02, (1.0 - progress) / 0.6)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--minutes", type=float, default=40, help="time budget; ignored with --steps")
    parser.add_argument("--steps", type=int, help="exact number of steps, for a run that can be repeated")
    parser.add_argument("--rate", type=float, default=4e-3)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)

    tokenizer = train_tokenizer(options.seed, options.folder)
    model = LlamaForCausalLM(configuration())
    print(sum(p.numel() for p in model.parameters()), "parameters", flush=True)
    steppers = optimizers(model, options.rate)
    start, step, seen, progress = time.monotonic(), 0, 0, 0.0
    for batch in batches(tokenizer, options.seed):
        elapsed = time.monotonic() - start
        progress = step / options.steps if options.steps else elapsed / (60 * options.minutes)
        if progress >= 1:
            break
        for stepper in steppers:
            for group in stepper.param_groups:
                group["lr"] = options.rate * schedule(progress)
        with torch.autocast("cpu", torch.bfloat16):
            loss = model(**batch, use_cache=False).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for stepper in steppers:
            stepper.step()
            stepper.zero_grad()
        step, seen = step + 1, seen + int((batch["input_ids"] != PAD).sum())
        if step % 50 == 0:
            print(f"step {step}  tokens {seen}  loss {loss.item():.4f}  {elapsed:.0f} s", flush=True)
    model.to(torch.bfloat16)
    model.save_pretrained(options.folder)
    generation = {"do_sample": False, "bos_token_id": BEGIN, "eos_token_id": END, "pad_token_id": PAD}
    (options.folder / "generation_config.json").write_text(json.dumps(generation, indent=2) + "\n")
    print(json.dumps({"steps": step, "tokens": seen, "seconds": round(time.monotonic() - start)}), flush=True)


if __name__ == "__main__":
    main()
