// What every engine runs: the kernel suites over a build of the kernels, the golden models and the demo's answers through the package's bundle, and digests of
// all the bits that come out. Nothing here is one host's own.
import { loadKernels, places, type Build, type Check, type Kernels } from '../kernels/harness.js';
import type { Backend, BuildName } from '../../src/index.js';
import { Digest } from './digest.js';
import { runAnswers, runBeside, runGolden } from './goldens.js';

/** What an engine found. Two engines with equal digests have the same bits. */
export interface EngineReport {
  engine: string;
  /** `crossOriginIsolated`; false outside of a browser. */
  isolated: boolean;
  checks: number;
  failures: string[];
  digests: Record<string, string>;
  /** What the engine takes by itself, and why no other; how far a relaxed build is from `simd`, by dtype. */
  backend: Backend;
  off: Record<string, number>;
  milliseconds: number;
}

export interface Task {
  build: Build;
  /** Names of files in build/js/tests/kernels. */
  suites: string[];
  places: (keyof typeof places)[];
  /** Names of folders in tests/golden/models. */
  goldens: string[];
  /** The demo model, its adapters, and how long its answers may get. */
  answers: { model: string; adapters: string[]; maxTokens: number };
}

const WORKSPACE = 1 << 18; // the bytes of a check's workspace that its digest covers

/** Does the task; `sign` is called, and waited for, between its parts. */
export async function runChecks(task: Task, engine: string, sign: () => unknown = () => {}): Promise<EngineReport> {
  const start = performance.now();
  const report: EngineReport = { engine, isolated: globalThis.crossOriginIsolated === true, checks: 0, failures: [], digests: {}, backend: { build: 'simd', threads: 0, why: {} }, off: {}, milliseconds: 0 };
  for (const place of task.places) {
    const kernels = await loadKernels(places[place], task.build);
    for (const suite of task.suites) {
      const module = await import(new URL(`../kernels/${suite}`, import.meta.url).href) as Record<string, Check[]>;
      const checks = Object.values(module).filter(Array.isArray).flat();
      if (checks.length === 0) report.failures.push(`${suite} exports no checks`);
      const digest = new Digest();
      for (const check of checks) {
        report.checks++;
        try {
          check.run(kernels);
        } catch (error) {
          report.failures.push(`${suite} (${place}): ${check.name}: ${String(error)}`);
        }
        digest.add(workspace(kernels));
      }
      report.digests[`${suite} (${place})`] = digest.toString();
      await sign();
    }
  }
  const root = new URL('../../../../', import.meta.url);
  const lorikeet = await import(new URL('build/lorikeet.js', root).href) as typeof import('../../src/index.js');
  report.backend = (await lorikeet.createRuntime()).backend;
  const build = task.build.replace('-threads', '') as BuildName;
  for (const model of task.goldens) {
    const { checks, failures, digest } = await runGolden(lorikeet, root, model, build);
    report.checks += checks;
    report.failures.push(...failures);
    report.digests[`golden ${model}`] = digest;
    await sign();
  }
  const { model, adapters, maxTokens } = task.answers;
  if (build === 'simd') report.digests[`answers of ${maxTokens} tokens`] = await runAnswers(lorikeet, root, model, adapters, maxTokens, build);
  else {
    const { checks, failures, off } = await runBeside(lorikeet, root, model, adapters[0]!, build);
    report.checks += checks;
    report.failures.push(...failures);
    report.off = off;
  }
  report.milliseconds = Math.round(performance.now() - start);
  return report;
}

/** What a check left, with one NaN for all: WebAssembly leaves their sign and payload to the machine. */
function workspace({ memories: [memory], base }: Kernels): Uint32Array {
  const words = new Uint32Array(memory.buffer, base, WORKSPACE / 4).slice();
  for (let i = 0; i < words.length; i++) if ((words[i]! & 0x7fffffff) > 0x7f800000) words[i] = 0x7fc00000;
  return words;
}

