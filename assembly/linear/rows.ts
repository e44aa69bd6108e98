// Rows of x as the tiles read them: tile by tile, and in a tile step by step the values of its R rows side by side.
//
//   [ x[0..R, 0] ][ x[0..R, 1] ] … [ x[0..R, k-1] ]   [ x[R..2R, 0] ] …
//
// One stream that is read in order. It is packed once for all panels: where these are few (an adapter's A of rank 16 is two) that shows.
import { packed } from '../simd/block';
import { RELAXED } from '../simd/features';
import { transpose4x4 } from '../simd/transpose';

/** Rows of the largest tile. */
const TILE_ROWS: i32 = RELAXED ? 6 : 4;

/** Rows go to tiles evenly: 6 by tiles of 4 are 3 + 3; the larger tiles come first. */
// @ts-ignore: decorator
@inline export function tilesOf(m: i32): i32 {
  return (m + TILE_ROWS - 1) / TILE_ROWS;
}

/** The first `steps` values of m rows, 2 or more, into `packed`. */
export function packRows(x: usize, ldx: usize, m: i32, steps: i32): void {
  const tiles = tilesOf(m), base = m / tiles, larger = m % tiles;
  let to = packed();
  for (let i = 0; i < tiles; i++) {
    const rows = base + i32(i < larger);
    packTile(to, x, ldx, rows, steps);
    to += (<usize>rows * <usize>steps) << 2;
    x += <usize>rows * ldx;
  }
}

function packTile(to: usize, x: usize, ldx: usize, rows: i32, steps: i32): void {
  const step = <usize>rows << 2;
  // Of fewer than four rows the other lanes belong to the steps that follow, which are written after them.
  const x1 = x + ldx, x2 = rows > 2 ? x1 + ldx : x1, x3 = rows > 3 ? x2 + ldx : x2, x4 = x3 + ldx;
  let j: usize = 0;
  for (const end = (<usize>steps << 2) & ~15; j < end; j += 16) {
    const r0 = v128.load(x + j), r1 = v128.load(x1 + j), r2 = v128.load(x2 + j), r3 = v128.load(x3 + j);
    transpose4x4(to, step, r0, r1, r2, r3);
    if (rows > 4) storeColumn(to + 16, step, v128.load(x4 + j));
    if (rows > 5) storeColumn(to + 20, step, v128.load(x4 + ldx + j));
    to += step << 2;
  }
  for (const end = <usize>steps << 2; j < end; j += 4) {
    for (let i: usize = 0; i < <usize>rows; i++) store<f32>(to + (i << 2), load<f32>(x + i * ldx + j));
    to += step;
  }
}

// @ts-ignore: decorator
@inline function storeColumn(to: usize, step: usize, v: v128): void {
  v128.store32_lane(to, v, 0);
  v128.store32_lane(to + step, v, 1);
  v128.store32_lane(to + 2 * step, v, 2);
  v128.store32_lane(to + 3 * step, v, 3);
}
