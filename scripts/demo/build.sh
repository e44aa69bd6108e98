#!/bin/sh
# Makes models/tavern and adapters/ anew (about an hour on one free core):
#   pip install -r scripts/demo/requirements.txt && sh scripts/demo/build.sh
# STEPS fixes the length of the base's training, so that a second run does the same steps as the first.
set -e
cd "$(dirname "$0")"
export OMP_NUM_THREADS=1
python3 train_base.py ../../models/tavern --steps "${STEPS:-1216}"
python3 write_heldout.py ../../models/tavern/heldout.json
for persona in pirate herald ghost goblin automaton; do
  python3 train_adapter.py ../../models/tavern "$persona" "../../adapters/$persona"
done
python3 evaluate.py ../../models/tavern ../../adapters
