import type { Op, Value } from './ops.js';

/** A whole value; its buffer is the planner's to give. */
export function createValue(id: number, width: number, domain: Value['domain']): Value {
  const made: { -readonly [K in keyof Value]: Value[K] } = { id, width, domain, root: undefined as unknown as Value, column: 0, ptr: 0, ld: width };
  made.root = made;
  return made;
}

/** Columns from … from + width of a value: a view. */
export const sliceOf = (x: Value, from: number, width: number): Value => ({ id: x.id, width, domain: x.domain, root: x.root, column: x.column + from, ptr: 0, ld: x.ld });

/** The same op on other values, wherever it names one. Made anew in any case: ops of a kind that are all made here have one hidden class, so that replaying them stays fast code. */
export function withValues(op: Op, replaced: (value: Value) => Value): Op {
  // A slice is made anew each time that it is asked for: once for the field and for the list that name it, since the program sets addresses by the lists.
  const values = new Map([...op.reads, ...op.writes].map((value) => [value, replaced(value)]));
  const map = (field: unknown): unknown => (Array.isArray(field) ? field.map(map) : values.get(field as Value) ?? field);
  return Object.fromEntries(Object.entries(op).map(([name, field]) => [name, map(field)])) as unknown as Op;
}
