// One door for every npm script: sets up what is missing (locked dependencies, stale builds), then runs the task named first.
//   node scripts/run.mjs demo | test | example NAME | cli ARGS… | build | check | bench
// It imports nothing but Node before the dependencies are there, so that it works on a bare clone.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const [task, ...rest] = process.argv.slice(2);
const [major] = process.versions.node.split('.').map(Number);
if (major < 20) fail(`lorikeet needs Node 20 or later, this is Node ${process.versions.node}.`);

installDependencies();
const node = (script, ...args) => run(process.execPath, ['--enable-source-maps', `${root}${script}`, ...args]);
if (task !== 'build') buildIfStale(['test', 'check', 'bench'].includes(task) ? [] : ['--run']); // the benchmark has other engines than this Node, too

switch (task) {
  case 'build': node('scripts/build.mjs', ...rest); break;
  case 'demo': node('build/js/src/demo/main.js', ...rest); break;
  case 'cli': node('build/js/src/cli/main.js', ...rest); break;
  case 'test': node('scripts/test.mjs', ...rest); break;
  case 'check': node('scripts/check.mjs', ...rest); break;
  case 'bench': node('scripts/bench/main.mjs', ...rest); break;
  case 'example': example(...rest); break;
  default: fail(`Unknown task "${task}": demo, test, example, cli, build, check or bench.`);
}

function example(name, ...args) {
  const names = readdirSync(`${root}examples`).filter((f) => f.endsWith('.ts')).map((f) => f.slice(0, -3));
  const found = names.find((n) => n === name) ?? names.find((n) => name && n.startsWith(`${name}_`));
  if (!found) fail(`No example "${name ?? ''}". There are: ${names.join(', ')}.`);
  node(`build/js/examples/${found}.js`, ...args);
}

/** Runs `npm ci` when the modules are missing or were installed from another lock file. */
function installDependencies() {
  const lock = createHash('sha256').update(readFileSync(`${root}package-lock.json`)).digest('hex');
  const stamp = `${root}node_modules/.lorikeet-lock`;
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === lock) return;
  process.stderr.write('Installing the locked dependencies …\n');
  const done = spawnSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: root, stdio: ['ignore', 2, 2], shell: process.platform === 'win32' });
  if (done.status !== 0) fail('npm ci failed: see above.');
  writeFileSync(stamp, lock);
}

/** The build decides by a hash of its inputs; asking costs a few milliseconds. */
function buildIfStale(options) {
  const done = spawnSync(process.execPath, [`${root}scripts/build.mjs`, '--if-stale', ...options], { cwd: root, stdio: ['ignore', 2, 2] });
  if (done.status !== 0) fail('The build failed: see above.');
}

function run(command, args) {
  const done = spawnSync(command, args, { cwd: process.cwd(), stdio: 'inherit' });
  process.exit(done.status ?? 1);
}

function fail(sentence) {
  process.stderr.write(`${sentence}\n`);
  process.exit(1);
}
