/** 1 if the two runs of `bytes` bytes are the same. */
export function equalBytes(a: usize, b: usize, bytes: usize): i32 {
  const vectors = a + (bytes & ~15);
  const end = a + bytes;
  while (a < vectors) {
    if (v128.any_true(v128.xor(v128.load(a), v128.load(b)))) return 0;
    a += 16;
    b += 16;
  }
  while (a < end) {
    if (load<u8>(a) != load<u8>(b)) return 0;
    a++;
    b++;
  }
  return 1;
}
