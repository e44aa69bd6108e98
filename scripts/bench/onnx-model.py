"""A model's folder as on Hugging Face -> the same as transformers.js reads it: tokenizer and config, and onnx/model.onnx in fp32, q8 and q4.

    python3 ../models/dequantize.py ../../build/models/SmolLM2-135M-Instruct-Q4_1.gguf ../../build/models/SmolLM2-135M-Instruct
    python3 onnx-model.py ../../build/models/SmolLM2-135M-Instruct ../../build/models/SmolLM2-135M-Instruct-ONNX

Exported by optimum-onnx, quantised as transformers.js's own scripts do: q8 is onnxruntime's dynamic int8 of every operator that has it, q4 is MatMulNBits in blocks of 32.
accelerate must be there, though nothing here imports it: without it optimum stores a head that is tied to the embedding a second time.
"""

import argparse
import importlib.util
import shutil
import tempfile
from pathlib import Path

import onnx
from onnxruntime.quantization import QuantizationMode, QuantType
from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer
from onnxruntime.quantization.onnx_quantizer import ONNXQuantizer
from onnxruntime.quantization.registry import IntegerOpsRegistry
from optimum.exporters.onnx import main_export


def q8(model):
    operators = {node.op_type for node in model.graph.node} & set(IntegerOpsRegistry)
    quantizer = ONNXQuantizer(
        model,
        per_channel=False,
        reduce_range=False,
        mode=QuantizationMode.IntegerOps,
        static=False,
        weight_qType=QuantType.QInt8,
        activation_qType=QuantType.QUInt8,
        tensors_range=None,
        nodes_to_quantize=[],
        nodes_to_exclude=[],
        op_types_to_quantize=list(operators),
        extra_options={"EnableSubgraph": True, "MatMulConstBOnly": True},
    )
    quantizer.quantize_model()
    return quantizer.model.model


def q4(model):
    quantizer = MatMulNBitsQuantizer(model, block_size=32, is_symmetric=True)
    quantizer.process()
    return quantizer.model.model


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    if importlib.util.find_spec("accelerate") is None:
        parser.error("accelerate isn't installed: the head would be stored twice")
    args.out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=args.out.parent) as temporary:
        folder = Path(temporary) / "model"
        main_export(str(args.model), output=folder, task="text-generation-with-past", dtype="fp32", device="cpu", do_validation=False)
        files = folder / "onnx"
        files.mkdir()
        (folder / "model.onnx").rename(files / "model.onnx")
        for name, quantize in {"model_quantized": q8, "model_q4": q4}.items():
            onnx.save(quantize(onnx.load(files / "model.onnx")), files / f"{name}.onnx")
        if args.out.exists():
            shutil.rmtree(args.out)
        folder.rename(args.out)
    for file in sorted((args.out / "onnx").iterdir()):
        print(f"{file}: {file.stat().st_size / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
