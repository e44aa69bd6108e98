import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { runScript } from './examples/run-script.js';
import { ROOT } from './models/golden.js';

const readme = suite('README');

const text = readFileSync(`${ROOT}README.md`, 'utf8');
const snippets = [...text.matchAll(/^```ts\n(.*?)^```$/gms)].map((m) => m[1]!);

/** Where snippets are written and run from; the built index is addressed by URL, since that is what 'lorikeet' means in a package that has it installed. */
const FOLDER = fileURLToPath(new URL('../readme/', import.meta.url));
const INDEX = new URL('../src/index.js', import.meta.url).href;

rmSync(FOLDER, { recursive: true, force: true });
mkdirSync(FOLDER, { recursive: true });
snippets.forEach((code, i) => writeFileSync(`${FOLDER}${i}.ts`, code));

readme('begins with the first block of the interface', () => {
  assert.ok(snippets.length >= 10);
  assert.match(snippets[0]!, /^import \{ createEngine \} from 'lorikeet';\n/);
  assert.match(snippets[0]!, /engine\.chat\('Where is the treasure\?', \{ adapters: \{ pirate: 1 \} \}\)/);
});

readme('has snippets that pass the strict compiler', () => {
  const { options } = ts.parseJsonConfigFileContent(ts.readConfigFile(`${ROOT}tsconfig.json`, (path) => ts.sys.readFile(path)).config, ts.sys, ROOT);
  const program = ts.createProgram(snippets.map((_, i) => `${FOLDER}${i}.ts`), { ...options, rootDir: ROOT, paths: { lorikeet: [`${ROOT}src/index.ts`] }, noUnusedLocals: false });
  const found = ts.getPreEmitDiagnostics(program).filter(({ file }) => file?.fileName.startsWith(FOLDER));
  assert.is(ts.formatDiagnostics(found, { getCanonicalFileName: (name) => name, getCurrentDirectory: () => ROOT, getNewLine: () => '\n' }), '');
});

snippets.forEach((code, i) => {
  const title = text.slice(0, text.indexOf(code)).match(/^#+ (.*)$/gm)!.at(-1)!.replace(/^#+ /, '');
  readme(`runs snippet ${i + 1}, of "${title}"`, async () => {
    const javascript = ts.transpileModule(code, { compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext } }).outputText.replaceAll("from 'lorikeet'", `from ${JSON.stringify(INDEX)}`);
    writeFileSync(`${FOLDER}${i}.mjs`, javascript);
    const outcome = await runScript(`${i}.mjs`, [], { from: FOLDER });
    assert.is(outcome.code, 0, outcome.stderr);
    assert.is(outcome.stderr, '');
    assert.ok(outcome.stdout.length > 0, 'it prints something');
    promised(code, outcome.stdout);
  });
});

/** Where a comment names the numbers that a line prints, they are the ones. */
function promised(code: string, stdout: string): void {
  for (const [, numbers] of code.matchAll(/\.read\(\)\); +\/\/ \[([-\d., ]+)\]/g)) assert.ok(stdout.includes(`[ ${numbers} ]`), `${stdout}\nexpected [ ${numbers} ]`);
}

readme('names codes that exist, and every area', () => {
  const sources = (readdirSync(`${ROOT}src`, { recursive: true }) as string[]).filter((path) => path.endsWith('.ts')).map((path) => readFileSync(`${ROOT}src/${path}`, 'utf8')).join('\n');
  const table = text.slice(text.indexOf('| area | when |'), text.indexOf('An aborted signal'));
  const named = [...table.matchAll(/`([a-z]+\/[a-z0-9-]+)`/g)].map((m) => m[1]!);
  assert.ok(named.length > 30);
  for (const code of named) assert.ok(sources.includes(`'${code}'`), `no source throws ${code}`);
  const areas = new Set([...sources.matchAll(/new LorikeetError\(\s*['`]([a-z]+)\//g)].map((m) => m[1]!));
  for (const area of areas) if (area !== 'cli') assert.ok(table.includes(`\`${area}/`), `the table lacks the area ${area}/`);
});

readme('has command lines that work', async () => {
  const section = text.slice(text.indexOf('## Command line'));
  const lines = /^```sh\n(.*?)^```$/ms.exec(section)![1]!.trim().split('\n');
  assert.is(lines.length, 3);
  for (const line of lines) {
    assert.ok(line.startsWith('npm run lorikeet -- '), line);
    const args = [...line.slice('npm run lorikeet -- '.length).matchAll(/"([^"]*)"|(\S+)/g)].map((m) => m[1] ?? m[2]!);
    const outcome = await runScript('src/cli/main.js', args);
    assert.is(outcome.code, 0, `${line}\n${outcome.stderr}`);
  }
});

readme('points to files and headings that exist', () => {
  const headings = new Set([...text.matchAll(/^#+ (.*)$/gm)].map((m) => m[1]!.toLowerCase().replace(/[^a-z0-9 -]/g, '').replaceAll(' ', '-')));
  for (const [, target] of text.matchAll(/\]\(([^)]+)\)/g)) {
    if (target!.startsWith('#')) assert.ok(headings.has(target!.slice(1)), target);
    else if (!/^https?:/.test(target!)) assert.ok(ts.sys.fileExists(`${ROOT}${target}`) || ts.sys.directoryExists(`${ROOT}${target}`), target);
  }
});

readme.run();
