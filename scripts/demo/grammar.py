"""A small template language: lines of alternatives and slots, written in text/*.txt.

    # topic            opens a section; the lines below it are its templates
    {a|b|}             one alternative, which may nest and may be empty
    <slot>             a word of the world, drawn once and then kept for the dialogue
    <slot!>            the same without its article ("the sea cave" becomes "sea cave")
"""

import re
from pathlib import Path

TEXT = Path(__file__).parent / "text"

# Slots that a player's line introduces: each new question draws them afresh.
ASKED = ("dest", "item", "arm", "port", "foe", "fish", "villain", "player")

_INNERMOST = re.compile(r"\{([^{}]*)\}")
_SLOT = re.compile(r"<([a-z]+)(!?)>")
_ARTICLE = re.compile(r"^(the|a|an|some) ")


def read_sections(name):
    """Templates of text/<name>.txt as {topic: [template, ...]}."""
    sections = {}
    for line in (TEXT / f"{name}.txt").read_text("utf-8").splitlines():
        line = line.strip()
        if line.startswith("# "):
            current = sections.setdefault(line[2:].strip(), [])
        elif line:
            current.append(line)
    return sections


def read_slots():
    """Values of text/world.txt as {slot: [value, ...]}."""
    slots = {}
    for line in (TEXT / "world.txt").read_text("utf-8").splitlines():
        if line.startswith("= "):
            name, values = line[2:].split(": ", 1)
            slots[name] = values.split("|")
    return slots


SLOTS = read_slots()


class World(dict):
    """The slots of one dialogue: drawn at first use, kept until forgotten."""

    def __init__(self, rng):
        super().__init__()
        self.rng = rng

    def __missing__(self, slot):
        if slot == "helm":
            return "port" if self["side"] == "left" else "starboard"
        value = self.rng.choice(SLOTS[slot])
        self[slot] = value
        return value

    def forget(self, slots):
        for slot in slots:
            self.pop(slot, None)


def expand(template, world):
    """One text of the template, with its sentences capitalised."""
    text = template
    while "{" in text:
        text = _INNERMOST.sub(lambda m: world.rng.choice(m[1].split("|")), text)

    def fill(match):
        value = world[match[1]]
        return _ARTICLE.sub("", value) if match[2] else value

    return capitalise(_SLOT.sub(fill, text))


def capitalise(text):
    """Upper case where a sentence begins (an ellipsis does not end one), and "an" before a vowel."""
    text = re.sub(r"\s+", " ", text).strip()
    text = re.sub(r"\b([Aa]) (?=[AEIOaeio])", r"\1n ", text)
    text = re.sub(r"((?<!\.)[.!?] )([a-z])", lambda m: m[1] + m[2].upper(), text)
    return text[:1].upper() + text[1:]
