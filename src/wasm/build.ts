/** The builds of the kernels, and what an engine has to accept to run one. */

/** What stands in asconfig.json: plain SIMD; with relaxed SIMD; with its dot product into 32 bits, too. Each lies beside the code under its name, and for threads as `…-threads`. */
export type BuildName = 'simd' | 'relaxed' | 'relaxed-dot';

/** The best first. */
export const BUILDS: readonly BuildName[] = ['relaxed-dot', 'relaxed', 'simd'];

/** Which build of the kernels runs, on how many threads, and for what reason each other wasn't taken, by its name (`threads`: why not as many as were asked for). */
export interface Backend {
  readonly build: BuildName;
  readonly threads: number;
  readonly why: Readonly<Record<string, string>>;
}

/** A module of one function, `(param v128)`, with this body. */
const probe = (...body: number[]): Uint8Array<ArrayBuffer> =>
  new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 1, 123, 0, 3, 2, 1, 0, 10, body.length + 5, 1, body.length + 3, 0, ...body, 26, 11]);

const PROBES: Readonly<Record<BuildName, Uint8Array<ArrayBuffer>>> = {
  /** i8x16.popcnt: of the last instructions that 128-bit SIMD was given */
  'simd': probe(32, 0, 253, 98),
  /** f32x4.relaxed_madd, then i16x8.relaxed_dot_i8x16_i7x16_s */
  'relaxed': probe(32, 0, 32, 0, 32, 0, 253, 133, 2, 32, 0, 253, 146, 2),
  /** i32x4.relaxed_dot_i8x16_i7x16_add_s */
  'relaxed-dot': probe(32, 0, 32, 0, 32, 0, 253, 147, 2),
};

/** True where this engine accepts the instructions of a build: no word yet on whether it computes them rightly. */
export const accepts = (build: BuildName): boolean => WebAssembly.validate(PROBES[build]);
