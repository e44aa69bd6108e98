import { stat } from 'node:fs/promises';
import { LorikeetError } from '../../errors.js';
import { openFolder } from '../../store/open.js';
import { ADAPTER_OPTIONS, adapterOptions } from '../adapters.js';
import { usage, type Command } from '../command.js';
import { about } from '../explain.js';
import { inspectAdapterFolder } from '../inspect/adapter.js';
import { inspectFile } from '../inspect/file.js';
import { inspectModel } from '../inspect/model.js';
import { renderAdapter, renderFile, renderModel } from '../inspect/render.js';
import { print, printJson } from '../output.js';

/** Shows what a file or folder holds, and what would be refused and why, without loading weights. */
export const inspect: Command = {
  name: 'inspect',
  summary: "Show a .safetensors file, a model's folder or an adapter's folder: tensors, sizes, where an adapter applies, what would be refused and why.",
  usage: 'PATH [--model MODEL_DIR] [--all] [--json]',
  positionals: ['PATH'],
  options: {
    model: { value: 'MODEL_DIR', help: 'For an adapter: check it against this model, as strictly as loading it does.' },
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
    'lorikeet inspect adapters/pirate --json',
  ],

  async run(given) {
    const path = given.positionals[0]!;
    const model = given.value('model');
    const options = adapterOptions(given);
    const kind = await kindOf(path);
    if (kind !== 'adapter') {
      for (const option of ['model', 'selective', 'target-modules']) if (given.value(option) !== undefined) throw usage(`--${option} is for adapters: expected one at ${JSON.stringify(path)}, found a ${kind}.`);
    } else if (model === undefined && (options.selective || options.targetModules !== undefined)) throw usage('--selective and --target-modules expected --model MODEL_DIR beside them.');
    const all = given.flag('all');
    const json = given.flag('json');
    const show = <T>(report: T, render: (report: T, all: boolean) => string[]): Promise<void> => (json ? printJson(report) : print(`${render(report, all).join('\n')}\n`));
    switch (kind) {
      case 'file': return show(await about(path, inspectFile(path)), renderFile);
      case 'model': return show(await about(path, inspectModel(path, await openFolder(path))), renderModel);
      case 'adapter': return show(await about(path, inspectAdapterFolder(path, await openFolder(path), model, options)), renderAdapter);
    }
  },
};

/** A file, or a folder by what lies in it. */
async function kindOf(path: string): Promise<'file' | 'model' | 'adapter'> {
  if (/^https?:/i.test(path) ? /\.safetensors(?:[?#]|$)/i.test(path) : await isFile(path)) return 'file';
  const folder = await openFolder(path);
  if (await folder.has('adapter_config.json')) return 'adapter';
  if (await folder.has('config.json')) return 'model';
  throw new LorikeetError('cli/unknown-folder', `${JSON.stringify(path)} is neither a model nor an adapter: expected config.json or adapter_config.json in it; a single file is shown by its own path.`, { expected: ['config.json', 'adapter_config.json'], found: 'neither' });
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await stat(/^file:/i.test(path) ? new URL(path) : path)).isFile();
  } catch {
    return false; // opening it says what is wrong
  }
}
