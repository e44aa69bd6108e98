// PCG32 (M. O'Neill, pcg-random.org, XSH-RR 64/32 with the default stream): eight bytes of state, a u64.

const MULTIPLIER: u64 = 6364136223846793005;
const INCREMENT: u64 = 1442695040888963407;

/** Sets the state (8 bytes) from a 64-bit seed in two halves. */
export function seed(state: usize, lo: u32, hi: u32): void {
  store<u64>(state, (INCREMENT + (<u64>hi << 32 | <u64>lo)) * MULTIPLIER + INCREMENT);
}

/** The next 32 bits. */
export function next(state: usize): u32 {
  const s = load<u64>(state);
  store<u64>(state, s * MULTIPLIER + INCREMENT);
  return rotr<u32>(<u32>(((s >> 18) ^ s) >> 27), <u32>(s >> 59));
}

/** The next number of [0, 1), a multiple of 2⁻⁵³, from two draws. */
// @ts-ignore: decorator
@inline
export function uniform(state: usize): f64 {
  const high = <f64>(next(state) >> 5);
  return (high * 67108864.0 + <f64>(next(state) >> 6)) * (1.0 / 9007199254740992.0);
}
