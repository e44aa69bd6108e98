"""Writes the lines that no training text holds: per voice, a player's question and the answer.

    python3 write_heldout.py ../../models/tavern/heldout.json
"""

import argparse
import json
from pathlib import Path

from dialogue import BASE_VOICE, PERSONAS, held_out_lines


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    voices = {voice: held_out_lines(options.seed, voice, options.count) for voice in (BASE_VOICE, *PERSONAS)}
    blocks = [
        f'{json.dumps(voice)}: [\n' + ",\n".join(json.dumps(line) for line in lines) + "\n]"
        for voice, lines in voices.items()
    ]
    options.file.write_text("{\n" + ",\n".join(blocks) + "\n}\n")


if __name__ == "__main__":
    main()
