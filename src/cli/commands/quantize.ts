import { createRuntime } from '../../arena/runtime.js';
import { parseConfigJson } from '../../formats/config.js';
import { layOutGguf, streamGguf, type GgufField } from '../../formats/gguf-write.js';
import { CONFIG_BYTES } from '../../models/checkpoint.js';
import { quantizeFolder, quantizeGguf, type QuantizedModel, type QuantizeOptions } from '../../models/quantize.js';
import { TEMPLATE_FILES, templatesOf, TOKENIZER_BYTES } from '../../runtime/model-text.js';
import { openModelOrigin } from '../../store/open.js';
import type { Folder } from '../../store/source.js';
import { ROUNDED, roundedName, type DtypeName } from '../../tensor/matrix.js';
import { tokenizerFields } from '../../text/gguf-export.js';
import { usage, type Command } from '../command.js';
import { about } from '../explain.js';
import { printJson, warn } from '../output.js';
import { openOutput } from '../output-file.js';
import { resolvePlace } from '../place.js';
import { Progress } from '../progress.js';

const TYPES = ROUNDED.map((name) => name.toLowerCase());

/** Writes a model as GGUF, its matrices rounded to a dtype. */
export const quantize: Command = {
  name: 'quantize',
  summary: 'Write a model as a GGUF file that llama.cpp opens, its matrices in the type asked for.',
  usage: 'MODEL OUT.gguf --type TYPE [options]',
  positionals: ['MODEL', 'OUT'],
  options: {
    type: { value: 'TYPE', help: `The type of every matrix: ${TYPES.join(', ')}. Norms and biases are f32.` },
    'head-type': { value: 'TYPE', help: 'Another type for the token embedding and the output head.' },
    pre: { value: 'NAME', help: "llama.cpp's name of the pre-tokenizer, where it can't be told from tokenizer.json." },
    json: { help: 'Print one JSON object and nothing else: {out, type, tensors, bytes, from}.' },
  },
  notes: [
    'MODEL is a Hugging Face folder (config.json, safetensors, tokenizer.json) or a GGUF, whose matrices are rounded anew. Blocks have the very bytes that gguf-py gives them. Rows that are no multiple of 32 stay f16.',
    'The file is written beside OUT and renamed, so a command that fails, or that Ctrl-C ends, leaves OUT as it was.',
  ],
  examples: [
    'lorikeet quantize models/tavern tavern.gguf --type q8_0',
    'lorikeet quantize models/tavern tavern.gguf --type q4_0 --head-type q8_0 --json',
  ],

  async run(given) {
    const [path, target] = given.positionals as [string, string];
    const type = roundedName(given.required('type').toLowerCase(), '--type');
    const head = given.value('head-type');
    const headType = head === undefined ? undefined : roundedName(head.toLowerCase(), '--head-type');
    const out = await openOutput(target);
    const progress = new Progress();
    let model: QuantizedModel | null = null;
    try {
      model = await about(path, open(await resolvePlace(path), given.value('pre'), { type, headType, onProgress: progress.bytes('quantising the model') }));
      await about(path, out.write(streamGguf(model.tensors, model.metadata)));
      progress.clear();
      const lossy = [...model.from.keys()].filter((dtype) => !UNROUNDED.has(dtype));
      if (lossy.length > 0) warn(`${path} holds ${lossy.join(', ')}: what was lost by that stays lost; quantise the original where you have it.`);
      const bytes = layOutGguf(model.tensors, model.metadata).fileSize;
      if (given.flag('json')) await printJson({ out: target, type: type.toLowerCase(), tensors: model.tensors.length, bytes, from: Object.fromEntries(model.from) });
    } finally {
      progress.clear();
      await model?.close();
    }
  },
};

/** Weights in these have been rounded at most as floats are. */
const UNROUNDED: ReadonlySet<DtypeName> = new Set(['F32', 'F16', 'BF16']);

async function open(from: string, pre: string | undefined, options: QuantizeOptions): Promise<QuantizedModel> {
  const origin = await openModelOrigin(from);
  const runtime = await createRuntime();
  if (!('source' in origin)) {
    const model = await quantizeFolder(runtime, origin, options);
    try {
      await addText(model.metadata, origin, pre);
      return model;
    } catch (error) {
      await model.close();
      throw error;
    }
  }
  if (pre === undefined) return quantizeGguf(runtime, origin, options);
  await origin.source.close();
  throw usage('--pre names the pre-tokenizer of a tokenizer.json: expected it beside a folder, found a GGUF, which says its own.');
}

/** Adds what the folder says of its name and its text. */
async function addText(metadata: Map<string, GgufField>, folder: Folder, pre: string | undefined): Promise<void> {
  const textOf = async (file: string, limit: number): Promise<string | null> => ((await folder.has(file)) ? folder.text(file, limit) : null);
  const objectOf = async (file: string, limit = CONFIG_BYTES): Promise<Readonly<Record<string, unknown>> | null> => {
    const text = await textOf(file, limit);
    return text === null ? null : parseConfigJson(text, file);
  };
  const config = (await objectOf('tokenizer_config.json')) ?? {};
  const ends = [await objectOf('generation_config.json'), await objectOf('config.json')].map((file) => [file?.eos_token_id].flat().filter((id): id is number => Number.isInteger(id)));
  const templates = templatesOf(config.chat_template);
  for (const [name, file] of TEMPLATE_FILES) {
    const source = await textOf(file, CONFIG_BYTES);
    if (source !== null) templates.set(name, source);
  }
  const vocabSize = [...metadata].find(([key]) => key.endsWith('.vocab_size'))![1].value as number;
  metadata.set('general.name', { type: 'string', value: folder.name.split(/[\\/]/).findLast((part) => part !== '') ?? 'model' });
  const fields = tokenizerFields({ tokenizer: await objectOf('tokenizer.json', TOKENIZER_BYTES), config, templates, endTokens: ends.find((ids) => ids.length > 0) ?? [], vocabSize, pre });
  for (const [key, field] of fields) metadata.set(key, field);
}
