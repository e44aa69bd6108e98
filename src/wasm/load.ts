import { instantiate, instantiateSync } from '@assemblyscript/loader';
import { LorikeetError } from '../errors.js';
import { accepts, BUILDS, type BuildName } from './build.js';
import { dotPays } from './dot-pays.js';
import { KnownAnswers } from './known-answers.js';
import type { Kernels } from './kernels.js';
import { addressOf, binaryAddress, readBinary } from './read.js';
import { remembered } from './remembered.js';

/** The kernels as the caller may hand them in: the folder of all builds (an address that ends with a slash), or one binary: its address, its bytes, or (workerd, which compiles no bytes) a compiled module. */
export type WasmSource = string | URL | BufferSource | WebAssembly.Module;

/** Which build to take. */
export interface BuildOptions {
  /** The kernels' binaries, where they aren't beside the code. With a single binary that one is taken, whichever build it is. */
  wasm?: WasmSource | undefined;
  /** The build to take. Default: the fastest that this engine runs, and whose known answers come out right on it. */
  build?: BuildName | undefined;
  /** true: the same bits on every machine, so the build `simd`. (The others give the same bits every time on one machine.) */
  deterministic?: boolean | undefined;
}

/** What the kernels are to work on. */
export interface Room {
  /** For more threads than one: a build for threads is wanted. */
  readonly shared: boolean;
  /** Makes the memory. */
  readonly memory: (shared: boolean) => WebAssembly.Memory;
  /** What a kernel calls whose threads are gone: throws. */
  readonly threadLost?: () => void;
}

/** Kernels, and what they are an instance of: threads are instances of it, too. */
export interface Loaded {
  readonly kernels: Kernels;
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  readonly shared: boolean;
  readonly build: BuildName;
  /** Why not another build, by its name; `threads`: why the memory isn't shared though that was wanted. */
  readonly why: Readonly<Record<string, string>>;
}

/** Rounds that warm the kernels up: after these an engine that compiles hot code anew has done so. */
const WARM_ROUNDS = 120;
/** The milliseconds after which a slow machine has warmed up enough. */
const WARM_MS = 25;

/**
 * Takes the best build that this engine runs: whose instructions it accepts, and whose known answers come out right. Only that one is read.
 *
 * @throws LorikeetError `wasm/no-simd` where the engine lacks SIMD, `wasm/build` where the build that was asked for can't run, `wasm/not-found` where no binary can be had,
 *   `wasm/invalid` where it doesn't compile, `wasm/self-test` where it computes wrongly
 */
export async function loadKernels(options: BuildOptions, room: Room): Promise<Loaded> {
  if (!accepts('simd')) {
    throw new LorikeetError('wasm/no-simd', 'This engine has no WebAssembly SIMD: expected a browser of 2023 or later, Node 20 or Deno, found one whose WebAssembly.validate refuses it.',
      { expected: 'WebAssembly SIMD', found: 'none' });
  }
  checkOptions(options);
  const { wasm } = options;
  if (wasm !== undefined && !isFolder(wasm)) return loadGiven(wasm, options, room);
  const folder = wasm === undefined ? null : addressOf(wasm);
  if (!room.shared) return loadBest(folder, options, room);
  try {
    return await loadBest(folder, options, room);
  } catch (error) {
    if (!(error instanceof LorikeetError) || error.code !== 'wasm/not-found') throw error;
    const { why, ...loaded } = await loadBest(folder, options, { ...room, shared: false });
    return { ...loaded, why: { ...why, threads: error.message } };
  }
}

function checkOptions({ build, deterministic = false }: BuildOptions): void {
  if (build !== undefined && !BUILDS.includes(build)) throw refused(`"build" expected one of ${BUILDS.join(', ')}, got ${JSON.stringify(build)}.`, BUILDS, build);
  if (deterministic && build !== undefined && build !== 'simd') throw refused(`"deterministic" expected the build simd, the only one with the same bits on every machine; "build" asks for ${build}.`, 'simd', build);
}

const refused = (message: string, expected: unknown, found: unknown): LorikeetError => new LorikeetError('wasm/build', message, { expected, found });
const isFolder = (wasm: WasmSource): wasm is string | URL => (typeof wasm === 'string' || wasm instanceof URL) && String(wasm).endsWith('/');

/** The question whose answer is remembered: 1 or 0. */
const DOT_PAYS = 'relaxed-dot is faster';
const slower = (build: BuildName): LorikeetError => refused('relaxed is faster: this machine has no instruction for the dot products of matmulQuantized', 'relaxed', build);

async function loadBest(folder: URL | null, { build: asked, deterministic = false }: BuildOptions, room: Room): Promise<Loaded> {
  const why: Record<string, string> = {};
  const only = asked ?? (deterministic ? 'simd' : undefined);
  for (const build of only ? [only] : BUILDS) {
    try {
      if (!accepts(build)) throw refused('this engine has no relaxed SIMD', 'relaxed SIMD', 'none');
      const chooses = only === undefined && build === 'relaxed-dot';
      const memo = chooses ? await remembered() : null;
      if (memo?.get(DOT_PAYS) === 0) throw slower(build);
      const loaded = await loadBuild(build, folder, room);
      if (chooses && memo!.get(DOT_PAYS) === undefined) {
        await memo!.set(DOT_PAYS, dotPays(loaded.kernels, loaded.memory) ? 1 : 0);
        if (memo!.get(DOT_PAYS) === 0) throw slower(build);
      }
      for (const other of BUILDS) if (other !== build) why[other] ??= only === undefined ? `${build} is faster` : `${asked ?? 'deterministic'} was asked for`;
      return { ...loaded, why };
    } catch (error) {
      if (build === (only ?? BUILDS.at(-1))) throw error;
      why[build] = (error as Error).message;
    }
  }
  throw new Error('unreachable: the last build is returned or thrown for');
}

async function loadBuild(build: BuildName, folder: URL | null, room: Room): Promise<Omit<Loaded, 'why'>> {
  const name = room.shared ? `${build}-threads` : build;
  // Plain SIMD leaves an engine no choice: a short test tells all, and nothing is kept of it.
  const memo = build === 'simd' ? null : await remembered();
  const known = memo?.get(name);
  if (typeof known === 'string') throw new LorikeetError('wasm/self-test', known, { found: known });
  const module = await compile(await readBinary(binaryAddress(name, folder)));
  const made = await instance(module, room);
  try {
    test(made.kernels, made.memory, build !== 'simd' && known !== null);
  } catch (error) {
    if (error instanceof LorikeetError) await memo?.set(name, error.message);
    throw error;
  }
  if (known !== null) await memo?.set(name, null);
  return { ...made, build };
}

/** One binary, as it is: what it was built with it says itself. */
async function loadGiven(wasm: WasmSource, { build: asked, deterministic = false }: BuildOptions, room: Room): Promise<Loaded> {
  const module = wasm instanceof WebAssembly.Module ? wasm : await compile(typeof wasm === 'string' || wasm instanceof URL ? await readBinary(addressOf(wasm)) : wasm);
  const forThreads = WebAssembly.Module.imports(module).some(({ name }) => name === 'threadLost');
  const { shared, ...made } = await instance(module, { ...room, shared: forThreads });
  const features = made.kernels.buildFeatures();
  const build: BuildName = (features & 2) !== 0 ? 'relaxed-dot' : (features & 1) !== 0 ? 'relaxed' : 'simd';
  const wanted = asked ?? (deterministic ? 'simd' : build);
  if (wanted !== build) throw refused(`The binary given as "wasm" is ${build}: expected ${wanted}, which "${asked ? 'build' : 'deterministic'}" asks for; give that binary, or the folder of all.`, wanted, build);
  test(made.kernels, made.memory, build !== 'simd');
  const why: Record<string, string> = Object.fromEntries(BUILDS.filter((other) => other !== build).map((other) => [other, `the binary given is ${build}`]));
  if (room.shared && !shared) why['threads'] = `the binary given is ${build}, not ${build}-threads`;
  return { ...made, shared, build, why };
}

async function compile(bytes: BufferSource): Promise<WebAssembly.Module> {
  try {
    return await WebAssembly.compile(bytes);
  } catch (cause) {
    throw new LorikeetError('wasm/invalid', `The kernels don't compile: expected one of lorikeet's binaries, found ${bytes.byteLength} bytes that this engine refuses.`, { cause });
  }
}

async function instance(module: WebAssembly.Module, { shared, memory: makeMemory, threadLost }: Room): Promise<Omit<Loaded, 'build' | 'why'>> {
  const memory = makeMemory(shared);
  // `instantiate` asks whether it was given a Response, for which Node loads all of fetch: 25 ms. On a page, which has it loaded, an instance mustn't be made in one go.
  const make = 'document' in globalThis ? instantiate : instantiateSync;
  const { instance: { exports } } = await make(module, { env: { memory, ...(threadLost && { threadLost }) } });
  // The instance's own exports: the loader's copies of them take rest arguments, an array for every call of a kernel.
  return { kernels: exports as unknown as Kernels, module, memory, shared };
}

/** Known answers before the first unknown one. Thoroughly: of every kind of product, again and again, until the engine computes them with the code that it will go on with. */
function test(kernels: Kernels, memory: WebAssembly.Memory, thorough: boolean): void {
  const answers = new KnownAnswers(kernels, memory, thorough);
  const start = performance.now();
  let wrong = answers.check();
  for (let round = 1; thorough && wrong === null && round < WARM_ROUNDS && (round < 3 || performance.now() - start < WARM_MS); round++) wrong = answers.check();
  answers.dispose();
  if (wrong !== null) throw new LorikeetError('wasm/self-test', `The kernels compute wrongly on this engine: ${wrong}.`, { found: wrong });
}
