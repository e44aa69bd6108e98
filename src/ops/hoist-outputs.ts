import type { Op, Value } from './ops.js';
import type { Recording } from './record.js';
import { createValue, sliceOf, withValues } from './value.js';

/** Ops whose result has, in each row, what the same row of their operands makes. */
const ROW_WISE: ReadonlySet<Op['op']> = new Set(['linear', 'quantize', 'norm', 'activate', 'gate', 'add', 'softcap']);

/**
 * Takes the rows whose logits are wanted as early as can be: of the last layer everything behind its attention runs on those rows alone, and a frame amid a prompt, which wants none, doesn't run it at all.
 * A row's bits don't depend on which rows are beside it.
 *
 *     attention → quantize → linear → add → norm → … → add → outputs → norm      (tokens)
 *     attention → outputs → quantize → linear → add → norm → … → add → norm      (outputs)
 */
export function hoistOutputs({ ops, inputs, result }: Recording): Recording {
  const few = neededInOutputs(ops, result.root, new Set(inputs));
  let ids = Math.max(0, ...ops.flatMap(({ writes }) => writes.map(({ id }) => id + 1)));
  const list: Op[] = [];
  /** What stands for a value of the tokens in the rows of the outputs. */
  const taken = new Map<Value, Value>();

  const inOutputs = (value: Value): Value => {
    if (value.domain !== 'tokens') return value;
    if (few.has(value.root)) return value.root === value ? taken.get(value)! : sliceOf(taken.get(value.root)!, value.column, value.width);
    const known = taken.get(value);
    if (known) return known;
    const y = createValue(ids++, value.width, 'outputs');
    list.push({ op: 'outputs', reads: [value], writes: [y], y, x: value });
    taken.set(value, y);
    return y;
  };
  const replaced = new Map<Value, Value>();
  const current = (value: Value): Value => replaced.get(value) ?? (value.root === value ? value : sliceWith(value, replaced.get(value.root)));

  for (const op of ops) {
    if (op.op === 'outputs') replaced.set(op.y, inOutputs(op.x));
    else if (op.writes.some(({ root }) => few.has(root))) {
      op.reads.forEach(inOutputs);
      for (const { root, width } of op.writes) taken.set(root, createValue(ids++, width, 'outputs'));
      list.push(withValues(op, inOutputs));
    } else {
      for (const { root } of op.writes) for (const value of taken.keys()) if (value.root === root) taken.delete(value); // turned in place
      list.push(withValues(op, current));
    }
  }
  return { ops: list, inputs, result: current(result) };
}

const sliceWith = (value: Value, root: Value | undefined): Value => (root ? sliceOf(root, value.column, value.width) : value);

/** Values of the tokens of which nothing but `outputs` reads a row, in the end. */
function neededInOutputs(ops: readonly Op[], result: Value, inputs: ReadonlySet<Value>): Set<Value> {
  const few = new Set<Value>();
  const many = new Set<Value>([result, ...inputs]);
  for (let i = ops.length - 1; i >= 0; i--) {
    const op = ops[i]!;
    if (op.op === 'outputs') {
      if (!many.has(op.x.root)) few.add(op.x.root);
      continue;
    }
    const spared = ROW_WISE.has(op.op) && op.writes.every(({ root, domain }) => domain === 'tokens' && few.has(root) && !many.has(root));
    if (spared) {
      for (const { root } of op.reads) if (!many.has(root) && root.domain === 'tokens') few.add(root);
      continue;
    }
    for (const { root } of [...op.reads, ...op.writes]) {
      many.add(root);
      few.delete(root);
    }
  }
  return few;
}
