import { stat } from 'node:fs/promises';
import { LorikeetError } from '../../errors.js';
import { isGguf, readGguf } from '../../formats/gguf.js';
import { openFile, openModelOrigin, type OpenedFile } from '../../store/open.js';
import type { Folder } from '../../store/source.js';
import { ADAPTER_OPTIONS, adapterOptions } from '../adapters.js';
import { usage, type Command } from '../command.js';
import { about } from '../explain.js';
import { inspectAdapterFiles } from '../inspect/adapter.js';
import { inspectFile } from '../inspect/file.js';
import { inspectModel } from '../inspect/model.js';
import { renderAdapter, renderFile, renderModel } from '../inspect/render.js';
import { print, printJson } from '../output.js';
import { resolvePlace } from '../place.js';

/** Shows what a file or folder holds, and what would be refused and why, without loading weights. */
export const inspect: Command = {
  name: 'inspect',
  summary: "Show a .safetensors file, or a model or an adapter, each a folder or a .gguf file: tensors, sizes, where an adapter applies, what would be refused and why.",
  usage: 'PATH [--model MODEL] [--all] [--json]',
  positionals: ['PATH'],
  options: {
    model: { value: 'MODEL', help: 'For an adapter: check it against this model, as strictly as loading it does.' },
    selective: ADAPTER_OPTIONS.selective,
    'target-modules': ADAPTER_OPTIONS['target-modules'],
    all: { help: 'Show long lists whole.' },
    json: { help: 'Print one JSON object and nothing else.' },
  },
  notes: [
    'No weights are read or loaded: that every number is finite, and that base weights stored in an adapter are those of the model, shows on loading.',
    'What can be shown is exit code 0, also if it would be refused (in --json: the list "refused"); a path that can\'t be read, or is damaged, is an error.',
  ],
  examples: [
    'lorikeet inspect adapters/pirate --model models/tavern',
    'lorikeet inspect models/tavern',
    'lorikeet inspect models/tavern/model.safetensors --all',
    'lorikeet inspect SmolLM2-135M-Instruct.Q4_1.gguf',
    'lorikeet inspect adapters/pirate --json',
  ],

  async run(given) {
    const path = given.positionals[0]!;
    const place = await resolvePlace(path);
    const model = given.value('model');
    const options = adapterOptions(given);
    const { kind, reopen } = await about(path, kindOf(place));
    if (kind !== 'adapter') {
      for (const option of ['model', 'selective', 'target-modules']) if (given.value(option) !== undefined) throw usage(`--${option} is for adapters: expected one at ${JSON.stringify(path)}, found a ${kind}.`);
    } else if (model === undefined && (options.selective || options.targetModules !== undefined)) throw usage('--selective and --target-modules expected --model MODEL beside them.');
    const all = given.flag('all');
    const json = given.flag('json');
    const show = <T>(report: T, render: (report: T, all: boolean) => string[]): Promise<void> => (json ? printJson(report) : print(`${render(report, all).join('\n')}\n`));
    switch (kind) {
      case 'file': return show(await about(path, inspectFile(place)), renderFile);
      case 'model': return show(await about(path, inspectModel(path, await reopen())), renderModel);
      case 'adapter': return show(await about(path, inspectAdapterFiles(path, reopen, model, options)), renderAdapter);
    }
  },
};

interface Kind {
  readonly kind: 'file' | 'model' | 'adapter';
  readonly reopen: () => Promise<Folder | OpenedFile>;
}

/** A safetensors file, or a folder or GGUF by what lies in it. */
async function kindOf(path: string): Promise<Kind> {
  const reopen = (): Promise<Folder | OpenedFile> => openModelOrigin(path);
  if (/^https?:/i.test(path) ? /\.safetensors(?:[?#]|$)/i.test(path) : !/\.gguf$/i.test(path) && (await isFile(path)) && !(await holdsGguf(path))) return { kind: 'file', reopen };
  const opened = await reopen();
  if ('source' in opened) {
    try {
      const { metadata } = await readGguf(opened.source);
      return { kind: metadata.get('general.type') === 'adapter' || metadata.get('general.architecture') === 'controlvector' ? 'adapter' : 'model', reopen };
    } finally {
      await opened.source.close();
    }
  }
  if (await opened.has('adapter_config.json')) return { kind: 'adapter', reopen };
  if (await opened.has('config.json')) return { kind: 'model', reopen };
  throw new LorikeetError('cli/unknown-folder', `${JSON.stringify(path)} is neither a model nor an adapter: expected config.json, adapter_config.json or one .gguf in it; a single file is shown by its own path.`, { expected: ['config.json', 'adapter_config.json', 'one .gguf'], found: 'neither' });
}

async function holdsGguf(path: string): Promise<boolean> {
  const source = await openFile(path);
  try {
    return isGguf(await source.read(0, Math.min(4, source.size)));
  } finally {
    await source.close();
  }
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await stat(/^file:/i.test(path) ? new URL(path) : path)).isFile();
  } catch {
    return false; // opening it says what is wrong
  }
}
