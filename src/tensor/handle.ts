import type { Runtime } from '../arena/runtime.js';
import { LorikeetError } from '../errors.js';

/** Results in linear memory, row-major f32. Valid until their owner computes again; {@link read} copies them out. */
export interface Handle {
  readonly shape: readonly [rows: number, width: number];
  /** Byte offset of the first element. @throws LorikeetError `tensor/stale`, as {@link read} */
  readonly ptr: number;
  /** @throws LorikeetError `tensor/stale` when the owner has computed again since */
  read(): Float32Array;
}

/** Makes handles for one owner; each new one, and `expire`, makes those before it stale. */
export function handleMaker(runtime: Runtime): { make(ptr: number, rows: number, width: number): Handle; expire(): void } {
  let current = 0;
  return {
    make(ptr, rows, width) {
      const own = ++current;
      // Asked for by another layer, too, whose input this is: what was overwritten meanwhile must not pass for this result.
      const alive = (): void => {
        if (own !== current) throw new LorikeetError('tensor/stale', 'This result was overwritten, or its owner disposed: expected it to be read, or taken as an input, before the next forward.', { expected: current, found: own });
      };
      return {
        shape: [rows, width],
        get ptr() {
          alive();
          return ptr;
        },
        read() {
          alive();
          return runtime.views.f32.slice(ptr / 4, ptr / 4 + rows * width);
        },
      };
    },
    expire() {
      current++;
    },
  };
}
