import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { ROOT } from '../models/golden.js';

export interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Where the sources are built to, file by file: this file's grandparent folder. */
const BUILT = fileURLToPath(new URL('../../', import.meta.url));

/** Runs a built script (`examples/2_single_lora.js`) or one of the repository (`scripts/x.mjs`, by `from: ROOT`) in a process of its own, its output piped. */
export function runScript(script: string, args: readonly string[] = [], { from = BUILT, cwd = ROOT, environment = {} }: { from?: string; cwd?: string; environment?: Record<string, string> } = {}): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['--enable-source-maps', `${from}${script}`, ...args], { cwd, env: { ...process.env, ...environment } });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => { stdout += text; });
    child.stderr.setEncoding('utf8').on('data', (text: string) => { stderr += text; });
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
}

/** The numbers of the first line that begins with `start`, behind its last colon. */
export function numbersOf(stdout: string, start: string): number[] {
  const line = stdout.split('\n').find((l) => l.startsWith(start));
  if (line === undefined) throw new Error(`no line begins with ${JSON.stringify(start)} in:\n${stdout}`);
  return (line.slice(line.lastIndexOf(':') + 1).match(/-?\d+\.\d+/g) ?? []).map(Number);
}
