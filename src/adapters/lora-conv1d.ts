import type { Runtime } from '../arena/runtime.js';
import { LorikeetError } from '../errors.js';
import { PADDING_MODES, type Conv1d } from '../ops/module.js';
import type { Handle } from '../tensor/handle.js';
import type { Blend } from './adapter.js';
import { inputRows, LAYER_PATH, LoraLayer, writeInput, type TensorInput } from './lora-layer.js';

/** A convolution's geometry; names and defaults as torch.nn.Conv1d's. */
export interface Conv1dOptions {
  readonly weight: TensorInput;
  readonly bias?: TensorInput | null;
  readonly stride?: number;
  /** Positions added at both ends; `valid`: none; `same`: the output is as long as the input (stride 1; an odd position goes behind, as in torch). */
  readonly padding?: number | 'same' | 'valid';
  readonly dilation?: number;
  readonly groups?: number;
  readonly paddingMode?: (typeof PADDING_MODES)[number];
}

/**
 * A convolution over positions with adapters. Channels come last: x is [length, in], y [outLength, out], as everywhere here rows are positions (torch has [in, length]).
 * The weight is torch's [out, in / groups, kernel]; an adapter's A is [r, in, kernel], its B [out, r / groups, 1]. As in PEFT, A runs with the base's kernel size, stride and padding, but dilation 1,
 * zero padding and one group (with `same`, padded for dilation 1); where the two lengths then differ, adapters can't be used.
 *
 * @example
 * const layer = new LoraConv1d(runtime, { weight: { data: w, shape: [out, in, 3] }, padding: 1 });
 * const y = layer.forward(x).read();
 */
export class LoraConv1d extends LoraLayer {
  readonly #runtime: Runtime;

  /** @throws LorikeetError `layer/shape-mismatch`, `layer/option`, `tensor/…`, `memory/exhausted` */
  constructor(runtime: Runtime, { weight, bias, stride = 1, padding = 0, dilation = 1, groups = 1, paddingMode = 'zeros' }: Conv1dOptions) {
    const [outChannels = 0, inPerGroup = 0, kernel = 0] = weight.shape;
    if (weight.shape.length !== 3 || (bias && (bias.shape.length !== 1 || bias.shape[0] !== outChannels))) {
      throw new LorikeetError('layer/shape-mismatch', `LoraConv1d expected weight [out, in / groups, kernel] and bias [out], found ${JSON.stringify(weight.shape)} and ${JSON.stringify(bias?.shape ?? null)}.`, { expected: '[out, in / groups, kernel], [out]', found: [weight.shape, bias?.shape ?? null] });
    }
    for (const [name, value, least] of [['stride', stride, 1], ['dilation', dilation, 1], ['groups', groups, 1], ['padding', typeof padding === 'string' ? 0 : padding, 0]] as const) {
      if (!Number.isInteger(value) || value < least) throw new LorikeetError('layer/option', `"${name}" expected a whole number of at least ${least}, got ${String(value)}.`, { expected: least, found: value });
    }
    if (outChannels % groups !== 0) throw new LorikeetError('layer/option', `"groups" expected a divisor of ${outChannels} output channels, got ${groups}.`, { expected: outChannels, found: groups });
    if (typeof padding === 'string' && padding !== 'same' && padding !== 'valid') throw new LorikeetError('layer/option', `"padding" expected a number, "same" or "valid", got "${String(padding)}".`, { expected: ['same', 'valid'], found: padding });
    if (padding === 'same' && stride !== 1) throw new LorikeetError('layer/option', `padding "same" expected stride 1, got ${stride}.`, { expected: 1, found: stride });
    const same = (reach: number): number => (padding === 'same' ? Math.floor((reach * (kernel - 1)) / 2) : padding === 'valid' ? 0 : padding);
    if (!PADDING_MODES.includes(paddingMode)) throw new LorikeetError('layer/option', `"paddingMode" expected one of ${PADDING_MODES.join(', ')}, got ${String(paddingMode)}.`, { expected: PADDING_MODES, found: paddingMode });
    super(runtime, { weight, bias: bias ?? undefined }, (plan, tensor): Conv1d => {
      const w = tensor('weight');
      const b = bias ? tensor('bias') : null;
      return {
        kind: 'conv1d', path: LAYER_PATH, slot: 0, inChannels: inPerGroup * groups, outChannels, kernel, stride, dilation, groups, paddingMode,
        padding: same(dilation), adapterPadding: same(1),
        weight: plan.tensorConv(w.source, w.info, outChannels, inPerGroup, kernel, groups), bias: b ? plan.tensorVector(b.source, b.info, outChannels) : null,
      };
    }, (ops, module) => ops.conv1d(module as Conv1d, ops.input(inPerGroup * groups), 'outputs'));
    this.#runtime = runtime;
    this.#same = padding === 'same';
  }

  readonly #same: boolean;

  /**
   * @param x [length, in] floats, or another layer's result
   * @returns [outLength, out], valid until the next forward of this layer
   */
  forward(x: Float32Array | Handle, adapters?: Blend): Handle {
    const { inChannels, kernel, stride, padding, dilation } = this.module as Conv1d;
    const length = inputRows(x, inChannels, 'LoraConv1d');
    const lengthAt = (reach: number): number => (this.#same ? length : Math.floor((length + 2 * padding - reach * (kernel - 1) - 1) / stride) + 1);
    const outLength = lengthAt(dilation);
    if (outLength < 1) throw new LorikeetError('layer/shape-mismatch', `LoraConv1d expected at least ${dilation * (kernel - 1) + 1 - 2 * padding} positions, found ${length}.`, { expected: dilation * (kernel - 1) + 1 - 2 * padding, found: length });
    if (lengthAt(1) !== outLength && this.adapters.resolve(adapters ?? this.adapters.active).adapters.length > 0) {
      throw new LorikeetError('layer/shape-mismatch', `An adapter's A runs at dilation 1 and puts out ${lengthAt(1)} positions here: expected the base's ${outLength}; PEFT can't run this either.`, { expected: outLength, found: lengthAt(1) });
    }
    return this.run(length, outLength, adapters, ({ inputs }) => writeInput(this.#runtime, inputs[0]!.ptr, x, length * inChannels));
  }
}
