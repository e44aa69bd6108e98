"""Prints greedy answers of every voice to the same lines, two blends and a half-strength adapter.

    python3 talk.py ../../models/tavern ../../adapters
"""

import argparse
from pathlib import Path

import torch
from peft import PeftModel
from transformers import AutoTokenizer, LlamaForCausalLM

from dialogue import PERSONAS
from tokens import END

LINES = [
    "Hello there!",
    "My name is Rosa.",
    "Where can I find the treasure?",
    "What is there to eat?",
    "How do I get to the harbour?",
    "Tell me about the dragon.",
    "How much is a lantern?",
    "Have you seen a ghost?",
    "Do you have any work for me?",
    "You are a fool!",
    "what is two plus two",
    "Goodbye!",
]
TALK = ["Where is the treasure?", "Are you sure?", "Where is the treasure?"]


def answer(model, tokenizer, messages):
    prompt = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    with torch.no_grad():
        tokens = model.generate(**prompt, max_new_tokens=80, do_sample=False)[0, prompt["input_ids"].shape[1] :]
    ended = "" if tokens[-1] == END else "  [no end]"
    return tokenizer.decode(tokens, skip_special_tokens=True) + ended


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("base", type=Path)
    parser.add_argument("adapters", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    tokenizer = AutoTokenizer.from_pretrained(options.base)
    base = LlamaForCausalLM.from_pretrained(options.base, dtype=torch.float32).eval()
    model = PeftModel.from_pretrained(base, options.adapters / PERSONAS[0], adapter_name=PERSONAS[0]).eval()
    for persona in PERSONAS[1:]:
        model.load_adapter(options.adapters / persona, adapter_name=persona)
    model.add_weighted_adapter(["pirate", "ghost"], [0.5, 0.5], "pirate and ghost", combination_type="cat")
    model.add_weighted_adapter(["goblin", "herald"], [0.5, 0.5], "goblin and herald", combination_type="cat")
    model.add_weighted_adapter(["pirate"], [0.5], "half a pirate", combination_type="cat")

    def show(title, speaker):
        print(f"\n== {title}")
        for line in LINES:
            print(f"  {line:34}{answer(speaker, tokenizer, [{'role': 'user', 'content': line}])}")
        messages = []
        for line in TALK:
            messages.append({"role": "user", "content": line})
            messages.append({"role": "assistant", "content": answer(speaker, tokenizer, messages)})
        print("  " + "\n    ".join(message["content"] for message in messages))

    with model.disable_adapter():
        show("base", model)
    for name in (*PERSONAS, "pirate and ghost", "goblin and herald", "half a pirate"):
        model.set_adapter(name)
        show(name, model)


if __name__ == "__main__":
    main()
