"""Several dialogues in each row of a batch, none of which sees another."""

import torch

from tokens import PAD

IGNORED = -100


def pack(rows, length):
    """First-fit packing of [(ids, learned)] into rows of `length` tokens: [[(ids, learned), ...], ...]."""
    open_rows, packed = [], []
    for row in rows:
        size = len(row[0])
        if size > length:
            continue
        for slot in open_rows:
            if slot[0] + size <= length:
                slot[0] += size
                slot[1].append(row)
                break
        else:
            open_rows.append([size, [row]])
            if len(open_rows) > 12:
                fullest = max(range(len(open_rows)), key=lambda index: open_rows[index][0])
                packed.append(open_rows.pop(fullest)[1])
    return packed + [slot[1] for slot in open_rows]


def batch_of(packed, length):
    """Tensors of packed rows: ids, labels, positions [B, T], and the additive mask [B, 1, T, T]."""
    ids = torch.full((len(packed), length), PAD)
    labels = torch.full((len(packed), length), IGNORED)
    positions = torch.zeros((len(packed), length), dtype=torch.long)
    owner = torch.zeros((len(packed), length), dtype=torch.long)
    for index, row in enumerate(packed):
        at = 0
        for number, (tokens, learned) in enumerate(row):
            end = at + len(tokens)
            ids[index, at:end] = torch.tensor(tokens)
            labels[index, at:end] = torch.tensor([t if keep else IGNORED for t, keep in zip(tokens, learned)])
            labels[index, at] = IGNORED  # the first token has nothing before it
            positions[index, at:end] = torch.arange(len(tokens))
            owner[index, at:end] = number + 1
            at = end
    seen = (owner[:, :, None] == owner[:, None, :]) & torch.ones(length, length, dtype=torch.bool).tril()
    mask = torch.zeros(seen.shape).masked_fill(~seen, torch.finfo(torch.float32).min)
    return {"input_ids": ids, "labels": labels, "position_ids": positions, "attention_mask": mask[:, None]}
