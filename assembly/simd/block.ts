// Working memory that belongs to the instance. The first instance over a memory has it between the kernels' constants and the host's heap:
//
//   __heap_base ─► align 64 ─► [ LANES: 6 rows × 8 floats ][ DECODED: 512 × 8 floats ][ BLOCK: 8 × 34 bytes ][ PACKED: 160 Ki floats ] ─► heapBase()
//
// each thread beside it where the host says (`useWorkspace`).
//
// LANES takes the tile at a ragged right edge (n % 8), of which only the valid lanes are copied out.
// DECODED takes a stretch of one panel, of f16 widened to f32 or of blocks as quant/decode.ts says, so that the decoding is paid once for all rows; and the
// scales of a superblock as f32.
// BLOCK takes one block of each of 8 rows, quantised and not yet in its panel; or one row of a block on its way out of it.
// PACKED takes a stretch of some rows of x in the order in which the tiles of linear/ read them. Many rows, since each panel is read anew from outside the first-level
// cache for them.
// Kernels never call each other while they hold LANES, DECODED or PACKED.
import { THREADS } from './features';

const LANES_BYTES: usize = 6 * 8 * 4;
export const DECODED_STEPS: i32 = 512;
const DECODED_BYTES: usize = 512 * 8 * 4;
const BLOCK_BYTES: usize = 320;
export const PACKED_FLOATS: i32 = 160 * 1024;
/** And what the last store may write past them; a multiple of 64. */
const PACKED_BYTES: usize = 160 * 1024 * 4 + 64;

/** From the first instance's working memory to this one's. */
let distance: usize = 0;

// @ts-ignore: decorator
@inline export function lanes(): usize {
  return THREADS ? first() + distance : first();
}

// @ts-ignore: decorator
@inline function first(): usize {
  return (__heap_base + 63) & ~63;
}

// @ts-ignore: decorator
@inline export function decoded(): usize {
  return lanes() + LANES_BYTES;
}

// @ts-ignore: decorator
@inline export function block(): usize {
  return decoded() + DECODED_BYTES;
}

// @ts-ignore: decorator
@inline export function packed(): usize {
  return block() + BLOCK_BYTES;
}

/** The first byte that the host may hand out. */
export function heapBase(): usize {
  return first() + workspaceBytes();
}

/** Bytes of one instance's working memory, a multiple of 64. */
export function workspaceBytes(): usize {
  return LANES_BYTES + DECODED_BYTES + BLOCK_BYTES + PACKED_BYTES;
}

/** From now on this instance, a thread's, works at `ptr`, a multiple of 64. */
export function useWorkspace(ptr: usize): void {
  distance = ptr - first();
}
