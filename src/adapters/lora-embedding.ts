import type { Runtime } from '../arena/runtime.js';
import { LorikeetError } from '../errors.js';
import type { Embedding } from '../ops/module.js';
import type { Handle } from '../tensor/handle.js';
import type { Blend } from './adapter.js';
import { LAYER_PATH, LoraLayer, type TensorInput } from './lora-layer.js';

/**
 * y = scale · E[id] with adapters: y += Σ s · B Aᵀ[id] · scale. An adapter's A is [r, V], its B [D, r], as PEFT's lora_embedding_A and _B.
 *
 * @example
 * const layer = new LoraEmbedding(runtime, { weight: { data: e, shape: [V, D] } });
 * const y = layer.forward([3, 1, 4]).read(); // [3, D]
 */
export class LoraEmbedding extends LoraLayer {
  readonly #runtime: Runtime;
  readonly #vocabulary: number;

  /** @throws LorikeetError `layer/shape-mismatch`, `tensor/…`, `memory/exhausted` */
  constructor(runtime: Runtime, { weight, scale = 1 }: { weight: TensorInput; scale?: number }) {
    const [vocabulary, width] = weight.shape;
    if (weight.shape.length !== 2) throw new LorikeetError('layer/shape-mismatch', `LoraEmbedding expected weight [V, D], found ${JSON.stringify(weight.shape)}.`, { expected: '[V, D]', found: weight.shape });
    if (!Number.isFinite(scale)) throw new LorikeetError('layer/option', `"scale" expected a finite number, got ${scale}.`, { expected: 'a finite number', found: scale });
    super(runtime, { weight }, (plan, tensor): Embedding => {
      const w = tensor('weight');
      return { kind: 'embedding', path: LAYER_PATH, slot: 0, scale, tied: false, weight: plan.tensorMatrix(w.source, w.info, vocabulary!, width!) };
    }, (ops, module) => ops.embed(module as Embedding));
    this.#runtime = runtime;
    this.#vocabulary = vocabulary!;
  }

  /**
   * @param ids rows to look up
   * @returns [ids.length, D], valid until the next forward of this layer
   * @throws LorikeetError `tokens/unknown`
   */
  forward(ids: readonly number[] | Int32Array, adapters?: Blend): Handle {
    if (ids.length === 0) throw new LorikeetError('tokens/empty', 'LoraEmbedding expected at least one id, found none.', { expected: 'at least 1', found: 0 });
    for (const id of ids) {
      if (!Number.isInteger(id) || id < 0 || id >= this.#vocabulary) throw new LorikeetError('tokens/unknown', `LoraEmbedding expected ids from 0 to ${this.#vocabulary - 1}, got ${String(id)}.`, { expected: this.#vocabulary, found: id });
    }
    return this.run(ids.length, ids.length, adapters, ({ frame }) => this.#runtime.views.i32.set(ids, frame.ids / 4));
  }
}
