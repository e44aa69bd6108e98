import type { Runtime } from '../arena/runtime.js';
import { LorikeetError } from '../errors.js';

/** Results in linear memory, row-major f32. Valid until their owner computes again; {@link read} copies them out. */
export interface Handle {
  readonly shape: readonly [rows: number, width: number];
  /** Byte offset of the first element. */
  readonly ptr: number;
  /** @throws LorikeetError `tensor/stale` when the owner has computed again since */
  read(): Float32Array;
}

/** Makes handles for one owner; each new one makes those before it stale. */
export function handleMaker(runtime: Runtime): { make(ptr: number, rows: number, width: number): Handle; expire(): void } {
  let current = 0;
  return {
    make(ptr, rows, width) {
      const own = ++current;
      return {
        ptr, shape: [rows, width],
        read() {
          if (own !== current) throw new LorikeetError('tensor/stale', 'This result was overwritten: expected read() before the next forward.', { expected: current, found: own });
          return runtime.views.f32.slice(ptr / 4, ptr / 4 + rows * width);
        },
      };
    },
    expire() {
      current++;
    },
  };
}
