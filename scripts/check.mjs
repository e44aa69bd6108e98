// `npm run check`: types, lint, the import rule and the size budget; then the tests. Stops at the first that fails. --quick leaves the tests out.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const steps = [
  ['types', 'node_modules/typescript/bin/tsc', '-p', '.'],
  ['lint', 'node_modules/eslint/bin/eslint.js', ...['src', 'tests', 'examples'].filter((folder) => existsSync(`${root}${folder}`)), '--max-warnings', '0'],
  ['import rule', 'scripts/check-imports.mjs'],
  ['size budget', 'scripts/check-size.mjs'],
];
if (!process.argv.includes('--quick')) steps.push(['tests', 'scripts/test.mjs']);
for (const [name, ...args] of steps) {
  console.log(`── ${name}`);
  const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' });
  if (status !== 0) {
    console.log(`check: ${name} failed`);
    process.exit(1);
  }
}
console.log('check: all passed');
