import { LorikeetError } from '../errors.js';
import { activationBytes, isQuantized } from '../tensor/matrix.js';
import { ACTIVATIONS, type Op, type Ops, type Value } from './ops.js';
import { createValue, sliceOf } from './value.js';

/** A forward pass as a flat list, with the values it makes. */
export interface Recording {
  readonly ops: readonly Op[];
  readonly inputs: readonly Value[];
  readonly result: Value;
}

/** Floats of scratch for one attention op: the file of the kernel says why. */
export type AttentionScratch = (spec: { heads: number; kvHeads: number; headDim: number }) => number;

/**
 * Runs `forward` once with ops that only write down what they are asked for.
 *
 * @throws LorikeetError `ops/shape` where a model puts together what doesn't fit: `shape mismatch in linear …`
 */
export function record(forward: (ops: Ops) => Value, attentionScratch: AttentionScratch): Recording {
  const list: Op[] = [];
  /** What was quantised already: q, k and v, or gate and up, read one value. */
  const quantized = new Map<Value, Value>();
  const inputs: Value[] = [];
  let ids = 0;

  const value = (width: number, domain: Value['domain']): Value => createValue(ids++, width, domain);
  const expectWidth = (op: string, path: string, x: Value, width: number): void => {
    if (x.width !== width) throw new LorikeetError('ops/shape', `Shape mismatch in ${op} "${path}", x: [rows, ${x.width}], expected: [rows, ${width}].`, { expected: width, found: x.width });
  };
  const same = (op: string, a: Value, b: Value): void => {
    if (a.width !== b.width || a.domain !== b.domain) throw new LorikeetError('ops/shape', `Shape mismatch in ${op}, lhs: [${a.domain}, ${a.width}], rhs: [${b.domain}, ${b.width}].`, { expected: a.width, found: b.width });
  };
  /** Elementwise kernels walk a buffer as one row of floats. */
  const expectWhole = (op: string, ...values: Value[]): void => {
    for (const v of values) if (v.root !== v) throw new LorikeetError('ops/shape', `${op} expected whole values, found a slice of columns ${v.column} … ${v.column + v.width}.`);
  };

  const quantize = (x: Value): Value => {
    const known = quantized.get(x);
    if (known) return known;
    const y = value(activationBytes(x.width) / 4, x.domain);
    list.push({ op: 'quantize', reads: [x], writes: [y], y, x });
    quantized.set(x, y);
    return y;
  };

  const ops: Ops = {
    input(width) {
      const y = value(width, 'tokens');
      inputs.push(y);
      return y;
    },
    embed(module, source = 'ids') {
      const y = value(module.weight.k, 'tokens');
      list.push({ op: 'embed', reads: [], writes: [y], y, module, ids: source });
      return y;
    },
    linear(module, x) {
      expectWidth('linear', module.path, x, module.weight.k);
      const q = isQuantized(module.weight.dtype) ? quantize(x) : null;
      const y = value(module.weight.n, x.domain);
      list.push({ op: 'linear', reads: q ? [x, q] : [x], writes: [y], y, x, q, module });
      return y;
    },
    conv1d(module, x, domain = x.domain) {
      expectWidth('conv1d', module.path, x, module.inChannels);
      const y = value(module.outChannels, domain);
      list.push({ op: 'conv1d', reads: [x], writes: [y], y, x, module });
      return y;
    },
    norm(module, x, heads = 1) {
      expectWhole('norm', x);
      expectWidth('norm', module.path, x, module.weight.n * heads);
      const y = value(x.width, x.domain);
      list.push({ op: 'norm', reads: [x], writes: [y], y, x, module, heads });
      return y;
    },
    angles(frequencies, half, scaling) {
      const y = value(2 * half, 'tokens');
      list.push({ op: 'angles', reads: [], writes: [y], y, frequencies, scaling });
      return y;
    },
    rope(x, angles, heads, headDim, rotaryDim = headDim) {
      expectWidth('rope', 'x', x, heads * headDim);
      expectWidth('rope', 'angles', angles, rotaryDim);
      quantized.delete(x);
      list.push({ op: 'rope', reads: [x, angles], writes: [x], x, angles, heads, headDim, rotaryDim });
      return x;
    },
    attention(q, k, v, spec) {
      expectWidth('attention', 'q', q, spec.heads * spec.headDim);
      expectWidth('attention', 'k', k, spec.kvHeads * spec.headDim);
      expectWidth('attention', 'v', v, spec.kvHeads * spec.headDim);
      const y = value(q.width, 'tokens');
      const scratch = value(attentionScratch(spec), 'once');
      list.push({ op: 'attention', reads: [q, k, v], writes: [y, scratch], y, q, k, v, scratch, spec });
      return y;
    },
    activate(kind, x) {
      expectWhole('activate', x);
      const y = value(x.width, x.domain);
      list.push({ op: 'activate', reads: [x], writes: [y], y, x, kind: ACTIVATIONS[kind] });
      return y;
    },
    gate(kind, g, u) {
      same('gate', g, u);
      const y = value(g.width, g.domain);
      list.push({ op: 'gate', reads: [g, u], writes: [y], y, g, u, kind: ACTIVATIONS[kind] });
      return y;
    },
    softcap(x, cap) {
      expectWhole('softcap', x);
      const y = value(x.width, x.domain);
      list.push({ op: 'softcap', reads: [x], writes: [y], y, x, cap });
      return y;
    },
    add(a, b) {
      expectWhole('add', a, b);
      same('add', a, b);
      const y = value(a.width, a.domain);
      list.push({ op: 'add', reads: [a, b], writes: [y], y, a, b });
      return y;
    },
    slice(x, from, width) {
      if (from < 0 || from + width > x.width) throw new LorikeetError('ops/shape', `Slice ${from} … ${from + width} of a value of ${x.width} columns.`, { expected: x.width, found: from + width });
      return sliceOf(x, from, width);
    },
    outputs(x) {
      const y = value(x.width, 'outputs');
      list.push({ op: 'outputs', reads: [x], writes: [y], y, x });
      return y;
    },
  };

  const result = forward(ops);
  return { ops: list, inputs, result };
}
