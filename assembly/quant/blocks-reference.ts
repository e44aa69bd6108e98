// Scalar references of quantised blocks, one weight at a time, as gguf-py (gguf/quants.py) says it.
import { storeRounded, valueOf } from '../linear/reference';

const BYTES = memory.data<u8>([34, 18, 20, 22, 24, 144, 176, 210]);

/** Bytes of a block of a quantised dtype. */
export function bytesOf(dtype: i32): usize {
  return load<u8>(BYTES + <usize>(dtype - 3));
}

/** Weights of one. */
export function weightsOf(dtype: i32): i32 {
  return dtype < 8 ? 32 : 256;
}

function half(p: usize): f32 {
  return valueOf(p, 0, 2);
}

function nibble(p: usize, i: i32): i32 {
  const byte = <i32>load<u8>(p + <usize>(i % 16));
  return i < 16 ? byte % 16 : byte / 16;
}

function bit(p: usize, i: i32): i32 {
  return (<i32>load<u8>(p + <usize>(i / 8)) >> (i % 8)) & 1;
}

/** Weight i of an array of blocks of a quantised dtype. */
export function weightAt(p: usize, i: usize, dtype: i32): f32 {
  const weights = <usize>weightsOf(dtype), block = p + i / weights * bytesOf(dtype), j = <i32>(i % weights);
  if (dtype == 3) return half(block) * <f32>load<i8>(block + 2 + <usize>j);
  if (dtype == 4) return half(block) * <f32>(nibble(block + 2, j) - 8);
  if (dtype == 5) return half(block) * <f32>nibble(block + 4, j) + half(block + 2);
  if (dtype == 6) return half(block) * <f32>(nibble(block + 6, j) + 16 * bit(block + 2, j) - 16);
  if (dtype == 7) return half(block) * <f32>(nibble(block + 8, j) + 16 * bit(block + 4, j)) + half(block + 2);
  return dtype == 10 ? weightQ6(block, j) : weightQ4Q5(block, j, dtype == 9);
}

function weightQ4Q5(block: usize, j: i32, hasFifth: bool): f32 {
  const sub = j / 32, within = j % 32, packed = block + 4;
  let scale: i32, minimum: i32;
  if (sub < 4) {
    scale = <i32>load<u8>(packed + <usize>sub) % 64;
    minimum = <i32>load<u8>(packed + 4 + <usize>sub) % 64;
  } else {
    const low = <i32>load<u8>(packed + 4 + <usize>sub);
    scale = low % 16 + <i32>load<u8>(packed + <usize>(sub - 4)) / 64 * 16;
    minimum = low / 16 + <i32>load<u8>(packed + <usize>sub) / 64 * 16;
  }
  const byte = <i32>load<u8>(block + (hasFifth ? 48 : 16) + <usize>(sub / 2 * 32 + within));
  let q = sub % 2 ? byte / 16 : byte % 16;
  if (hasFifth) q += 16 * ((<i32>load<u8>(block + 16 + <usize>within) >> sub) & 1);
  return half(block) * <f32>scale * <f32>q - half(block + 2) * <f32>minimum;
}

function weightQ6(block: usize, j: i32): f32 {
  const part = j / 128, sub = j % 128 / 32, within = j % 32;
  const byte = <i32>load<u8>(block + <usize>(part * 64 + sub % 2 * 32 + within));
  const low = sub < 2 ? byte % 16 : byte / 16, high = (<i32>load<u8>(block + 128 + <usize>(part * 32 + within)) >> (2 * sub)) & 3;
  return half(block + 208) * <f32>load<i8>(block + 192 + <usize>(j / 16)) * <f32>(low + 16 * high - 32);
}

/** Rounds 32 floats to one block. */
export function narrowBlock(dst: usize, src: usize, dtype: i32): void {
  let furthest: f32 = 0, least = load<f32>(src), most = least;
  for (let i: usize = 0; i < 32; i++) {
    const x = load<f32>(src + 4 * i);
    if (abs(x) > abs(furthest) || i == 0) furthest = x;
    least = min(least, x);
    most = max(most, x);
  }
  const levels: i32 = dtype >= 6 ? 32 : 16, hasMinimum = dtype == 5 || dtype == 7;
  const d: f32 = dtype == 3 ? abs(furthest) / 127 : hasMinimum ? (most - least) / <f32>(levels - 1) : furthest / <f32>(-levels / 2);
  const inverse: f32 = d == 0 ? 0 : 1 / d;
  storeRounded(dst, 0, d, 2);
  dst += 2;
  if (dtype == 3) {
    for (let i: usize = 0; i < 32; i++) {
      const x = load<f32>(src + 4 * i) * inverse, whole = floor(abs(x)), q = <i32>whole + (abs(x) - whole >= 0.5 ? 1 : 0);
      store<i8>(dst + i, <i8>(x < 0 ? -q : q));
    }
    return;
  }
  if (hasMinimum) {
    storeRounded(dst, 0, least, 2);
    dst += 2;
  }
  const nibbles = levels == 32 ? dst + 4 : dst;
  memory.fill(dst, 0, nibbles - dst + 16);
  for (let i: usize = 0; i < 32; i++) {
    const x = load<f32>(src + 4 * i);
    const scaled = hasMinimum ? (x - least) * inverse + 0.5 : x * inverse + (<f32>(levels / 2) + 0.5);
    const q = <i32>min<f32>(scaled, <f32>(levels - 1));
    const at = nibbles + i % 16;
    store<u8>(at, load<u8>(at) + <u8>(i < 16 ? q % 16 : q % 16 * 16));
    if (q >= 16) store<u8>(dst + i / 8, load<u8>(dst + i / 8) + (<u8>1 << <u8>(i % 8)));
  }
}

/** 1 if the scales and minimums of `blocks` blocks are finite. */
export function finiteBlocks(p: usize, blocks: i32, dtype: i32): i32 {
  for (let i = 0; i < blocks; i++) {
    const block = p + <usize>i * bytesOf(dtype);
    if (!isFinite(half(dtype == 10 ? block + 208 : block))) return 0;
    if ((dtype == 5 || dtype == 7 || dtype == 8 || dtype == 9) && !isFinite(half(block + 2))) return 0;
  }
  return 1;
}
