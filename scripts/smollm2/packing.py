"""Many chats behind one system prompt in a row, none of which sees another: the prompt is computed once for all of them."""

import torch


def encode(tokenizer, chats):
    """[(messages, first)] -> (ids of the common system prompt, [(ids behind it, learned)]): learned are the assistant's messages
    from index `first` on, each with the token that ends it."""
    prefix, rows = None, []
    for messages, first in chats:
        text = tokenizer.apply_chat_template(messages, tokenize=False)
        ids, learned, at = [], [], 0
        for index in range(len(messages)):
            # The template adds a system message of its own where there is none: each message's text is what its chat has more than the one before.
            whole = tokenizer.apply_chat_template(messages[: index + 1], tokenize=False)
            piece, at = whole[at:], len(whole)
            if messages[index]["role"] == "assistant":
                head = "<|im_start|>assistant\n"
                parts = [(head, False), (piece[len(head) : -1], index >= first), ("\n", False)]
            else:
                parts = [(piece, False)]
            for part, learn in parts:
                tokens = tokenizer.encode(part, add_special_tokens=False)
                ids += tokens
                learned += [learn] * len(tokens)
        if ids != tokenizer.encode(text, add_special_tokens=False):
            raise ValueError(f"the pieces of a chat are other tokens than the whole: {text!r}")
        system = ids.index(tokenizer.convert_tokens_to_ids("<|im_start|>"), 1)
        if prefix is None:
            prefix = ids[:system]
        if ids[:system] != prefix:
            raise ValueError("the chats have different system prompts")
        rows.append((ids[system:-1], learned[system:-1]))  # without the line break behind the last message
    return prefix, rows


def pack(rows, length):
    """Packs rows, in their order, into groups of at most `length` tokens."""
    group, size = [], 0
    for row in rows:
        if size + len(row[0]) > length:
            yield group
            group, size = [], 0
        group.append(row)
        size += len(row[0])


def batch_of(prefix, rows):
    """Tensors of one packed row: ids, positions [1, T], the additive mask [1, 1, T, T], the indices of learned tokens and the tokens themselves."""
    ids, learned, positions, owner = list(prefix), [False] * len(prefix), list(range(len(prefix))), [0] * len(prefix)
    for number, (tokens, keep) in enumerate(rows, 1):
        ids += tokens
        learned += keep
        positions += range(len(prefix), len(prefix) + len(tokens))
        owner += [number] * len(tokens)
    owner = torch.tensor(owner)
    seen = ((owner[None, :] == 0) | (owner[:, None] == owner[None, :])) & torch.ones(len(ids), len(ids), dtype=torch.bool).tril()
    mask = torch.zeros(seen.shape).masked_fill(~seen, torch.finfo(torch.float32).min)
    learned = torch.tensor(learned).nonzero()[:, 0]
    ids = torch.tensor(ids)
    return {
        "input_ids": ids[None],
        "position_ids": torch.tensor(positions)[None],
        "attention_mask": mask[None, None],
        "learned": learned,
        "labels": ids[learned],
    }
