import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { ROOT } from '../models/golden.js';

/** What the package ships; SOURCES is what `npm run lorikeet` runs from a checkout. The bundle starts twice as fast. */
export const CLI = `${ROOT}build/cli.js`;
export const SOURCES = `${ROOT}build/js/src/cli/main.js`;

export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly cwd?: string;
  readonly cli?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** What stdin holds; default: nothing. */
  readonly input?: string;
  /** Called when the program was started. */
  readonly onStart?: (kill: (signal: NodeJS.Signals) => void) => void;
  /** Called with what stands on stdout so far. */
  readonly onOutput?: (stdout: string, kill: (signal: NodeJS.Signals) => void) => void;
}

/** Runs the command line as a user's shell would. */
export function lorikeet(args: readonly string[], { cwd = ROOT, cli = CLI, env = {}, input = '', onStart, onOutput }: RunOptions = {}): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [cli, ...args], { cwd, env: { ...process.env, LORIKEET_DEBUG: '', ...env } });
    child.stdin.on('error', () => {}).end(input); // a program that ended early reads no more
    onStart?.((signal) => child.kill(signal));
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
      onOutput?.(stdout, (signal) => child.kill(signal));
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => { stderr += text; });
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
}

/** A folder that goes away when the process ends. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'lorikeet-cli-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export function succeeded(ran: Ran): void {
  assert.is(ran.code, 0, ran.stderr);
  assert.is(ran.stderr, '');
}

/** An error as a user is to see it: exit code 1, a few plain lines with the code, nothing on stdout, no trace of the engine. */
export function failedPlainly({ code, stdout, stderr }: Ran, errorCode: string): void {
  assert.is(code, 1, `${stdout}${stderr}`);
  assert.is(stdout, '');
  assert.match(stderr, /^lorikeet: \S/);
  assert.ok(stderr.split('\n')[0]!.endsWith(`[${errorCode}]`), stderr);
  assert.ok(stderr.trimEnd().split('\n').length <= 4, stderr);
  for (const trace of ['    at ', 'Error:', 'node:', 'file://', 'undefined', 'Unexpected token', 'ENOENT', '[object']) assert.not.ok(stderr.includes(trace), `${JSON.stringify(trace)} in ${stderr}`);
  assert.not.match(stderr.replaceAll('\n', ''), /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2066-\u2069]/);
}
