import { streamSafetensors } from '../../formats/safetensors.js';
import { ADAPTER_NOTE, ADAPTER_OPTIONS, adapterArguments, adapterOptions, loadAdapters } from '../adapters.js';
import { tokenIds } from '../arguments.js';
import type { Command } from '../command.js';
import { MODEL_NOTE, MODEL_OPTIONS, openModel } from '../model.js';
import { printJson } from '../output.js';
import { openOutput } from '../output-file.js';
import { Progress } from '../progress.js';

const CHUNK = 1 << 22;

/** Logits of one sequence into a file, to be held against another runtime's. */
export const logits: Command = {
  name: 'logits',
  summary: 'Write the logits of one sequence of tokens to a safetensors file, as {logits: F32 [tokens, outputs]}.',
  usage: 'MODEL --tokens 1,2,3 [--adapter DIR[=SCALE]]… --out FILE.safetensors',
  positionals: ['MODEL'],
  options: {
    tokens: { value: 'IDS', help: 'The sequence, token ids with commas between them.' },
    out: { value: 'FILE', help: 'Where the result goes. It is written beside and renamed, so a command that fails leaves the path as it was.' },
    dtype: MODEL_OPTIONS.dtype,
    ...ADAPTER_OPTIONS,
    json: { help: 'Print one JSON object and nothing else: {out, tokens, outputs, adapters}.' },
  },
  notes: [MODEL_NOTE, ADAPTER_NOTE],
  examples: [
    'lorikeet logits models/tavern --tokens 1,2,3 --out logits.safetensors',
    'lorikeet logits models/tavern --tokens 1,2,3 --adapter adapters/pirate=0.5 --out logits.safetensors',
    'lorikeet logits kitchen --tokens 3,17,40 --adapter everything --target-modules conv1d --out conv1d.safetensors',
  ],

  async run(given) {
    const ids = tokenIds(given.required('tokens'));
    const adapters = adapterArguments(given);
    const options = adapterOptions(given);
    const out = await openOutput(given.required('out'));
    const progress = new Progress();
    try {
      const { engine } = await openModel(given, progress, undefined, { text: false });
      const blend = await loadAdapters(engine, adapters, options, progress);
      const values = engine.logits(ids, { adapters: blend, onProgress: progress.count('computing', 'tokens') });
      progress.clear();
      const shape = [ids.length, engine.model.outputSize];
      await out.write(streamSafetensors([{ name: 'logits', dtype: 'F32', shape, bytes: () => pieces(new Uint8Array(values.buffer, values.byteOffset, values.byteLength)) }]));
      engine.dispose();
      if (given.flag('json')) await printJson({ out: given.required('out'), tokens: ids.length, outputs: engine.model.outputSize, adapters: blend });
    } finally {
      progress.clear();
    }
  },
};

function* pieces(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += CHUNK) yield bytes.subarray(at, at + CHUNK);
}
