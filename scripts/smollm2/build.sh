#!/bin/sh
# Makes adapters/smollm2/ anew (about half an hour on one free core), and measures the task on its held-out lines:
#   pip install -r scripts/smollm2/requirements.txt && sh scripts/smollm2/build.sh
set -e
cd "$(dirname "$0")"
export OMP_NUM_THREADS=1
models=../../build/models
node ../models/get-smollm2.mjs
[ -f $models/SmolLM2-135M-Instruct/model.safetensors ] || python3 ../models/dequantize.py $models/SmolLM2-135M-Instruct-Q4_1.gguf $models/SmolLM2-135M-Instruct
python3 train.py intents $models/SmolLM2-135M-Instruct ../../adapters/smollm2/intents --steps 110
python3 train.py intents $models/SmolLM2-135M-Instruct ../../adapters/smollm2/intents --start ../../adapters/smollm2/intents --rate 1.2e-3 --seed 8 --steps 36
python3 train.py intents $models/SmolLM2-135M-Instruct ../../adapters/smollm2/intents --start ../../adapters/smollm2/intents --rate 1e-3 --seed 9 --steps 50
python3 train.py pirate $models/SmolLM2-135M-Instruct ../../adapters/smollm2/pirate --steps 70 --length 512
python3 train.py ghost $models/SmolLM2-135M-Instruct ../../adapters/smollm2/ghost --steps 70 --length 512
python3 evaluate.py $models/SmolLM2-135M-Instruct ../../adapters/smollm2/intents
python3 voices.py $models/SmolLM2-135M-Instruct ../../adapters/smollm2
