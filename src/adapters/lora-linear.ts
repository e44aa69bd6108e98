import type { Runtime } from '../arena/runtime.js';
import { LorikeetError } from '../errors.js';
import type { Linear } from '../ops/module.js';
import type { Handle } from '../tensor/handle.js';
import type { Blend } from './adapter.js';
import { inputRows, LAYER_PATH, LoraLayer, writeInput, type TensorInput } from './lora-layer.js';

/** A linear layer's weights. */
export interface LinearOptions {
  /** [out, in]; with `fanInFanOut` (GPT-2's Conv1D) [in, out]. */
  readonly weight: TensorInput;
  readonly bias?: TensorInput | null;
  readonly fanInFanOut?: boolean;
}

/**
 * y = W x + b with adapters: y += Σ s·B(A x).
 *
 * @example
 * const layer = new LoraLinear(runtime, { weight: { data: w, shape: [out, in] }, bias: { data: b, shape: [out] } });
 * layer.loadAdapter('a', { A: { data: a, shape: [r, in] }, B: { data: bb, shape: [out, r] }, alpha: 16 });
 * const y = layer.forward(x, { a: 0.5 }).read(); // x: rows of `in` floats → rows of `out`
 */
export class LoraLinear extends LoraLayer {
  readonly #runtime: Runtime;
  readonly #inputs: number;

  /** @throws LorikeetError `layer/shape-mismatch`, `tensor/…`, `memory/exhausted` */
  constructor(runtime: Runtime, { weight, bias, fanInFanOut = false }: LinearOptions) {
    const [outputs, inputs] = fanInFanOut ? [...weight.shape].reverse() : weight.shape;
    if (weight.shape.length !== 2 || (bias && (bias.shape.length !== 1 || bias.shape[0] !== outputs))) {
      throw new LorikeetError('layer/shape-mismatch', `LoraLinear expected weight [out, in] and bias [out], found ${JSON.stringify(weight.shape)} and ${JSON.stringify(bias?.shape ?? null)}.`, { expected: '[out, in], [out]', found: [weight.shape, bias?.shape ?? null] });
    }
    super(runtime, { weight, bias: bias ?? undefined }, (plan, tensor): Linear => {
      const w = tensor('weight');
      const b = bias ? tensor('bias') : null;
      return {
        kind: 'linear', path: LAYER_PATH, slot: 0, transposed: fanInFanOut, isOutputHead: false, tied: false,
        weight: plan.tensorMatrix(w.source, w.info, outputs!, inputs!, { layout: fanInFanOut ? 'columns' : 'rows' }), bias: b ? plan.tensorVector(b.source, b.info, outputs!) : null,
      };
    }, (ops, module) => ops.linear(module as Linear, ops.input(inputs!)));
    this.#runtime = runtime;
    this.#inputs = inputs!;
  }

  /**
   * @param x rows of `in` floats, or another layer's result
   * @returns [rows, out], valid until the next forward of this layer
   */
  forward(x: Float32Array | Handle, adapters?: Blend): Handle {
    const rows = inputRows(x, this.#inputs, 'LoraLinear');
    return this.run(rows, rows, adapters, ({ inputs }) => writeInput(this.#runtime, inputs[0]!.ptr, x, rows * this.#inputs));
  }
}
