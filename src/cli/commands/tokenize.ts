import { LorikeetError } from '../../errors.js';
import { openText } from '../../runtime/model-text.js';
import type { Command } from '../command.js';
import { about } from '../explain.js';
import { MODEL_NOTE } from '../model.js';
import { print } from '../output.js';
import { resolvePlace } from '../place.js';

/** The longest line that is taken: a text of that size is a mistake, and a line is held whole. */
const LONGEST_LINE = 2 ** 28;
/** Lines of output that are written at once. */
const CHUNK = 1 << 16;

/** Texts to ids, line by line. */
export const tokenize: Command = {
  name: 'tokenize',
  summary: 'Turn texts into token ids: stdin has one JSON string a line, stdout gets one array of ids a line.',
  usage: 'MODEL [--special]',
  positionals: ['MODEL'],
  options: { special: { help: 'Add the tokens that the model puts around a text (bos, eos), as encode(text) of Hugging Face does. Default: none, as encode(text, add_special_tokens=False).' } },
  notes: [MODEL_NOTE, 'Special tokens that are written out in a text ("<|im_end|>") are recognised either way. Only the tokenizer is read, no weights. Each line is answered as it comes; the first that is no JSON string ends the command.'],
  examples: ["echo '\"Where is the treasure?\"' | lorikeet tokenize models/tavern", 'lorikeet tokenize SmolLM2-135M-Instruct.Q4_1.gguf < texts.jsonl > ids.jsonl'],

  async run(given) {
    const named = given.positionals[0]!;
    const { tokenizer } = await about(named, resolvePlace(named).then((place) => openText(place)));
    if (!tokenizer) throw new LorikeetError('text/no-tokenizer', `${named}: the model has no tokenizer: expected tokenizer.json in its folder, or a GGUF's own.`, { expected: 'tokenizer.json' });
    const special = given.flag('special');
    let out = '';
    try {
      for await (const { line, number, waiting } of linesOf(process.stdin)) {
        out += `[${tokenizer.encode(textOf(line, number), special).join(',')}]\n`;
        // What came together is answered together; a reader that feeds one line at a time gets each answer at once.
        if (out.length < CHUNK && waiting) continue;
        await print(out);
        out = '';
      }
    } finally {
      // The answers to the lines before one that is refused.
      if (out !== '') await print(out);
    }
  },
};

function textOf(line: string, number: number): string {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (cause) {
    throw new LorikeetError('cli/not-json', `Line ${number} of stdin is no JSON: expected a string in double quotes, found ${JSON.stringify(line.slice(0, 40))}.`, { expected: 'a JSON string', cause });
  }
  if (typeof value === 'string') return value;
  throw new LorikeetError('cli/not-a-string', `Line ${number} of stdin is no string: expected one in double quotes, found ${JSON.stringify(line.slice(0, 40))}.`, { expected: 'a JSON string' });
}

interface Line {
  readonly line: string;
  /** Counted from 1. */
  readonly number: number;
  /** More of what was read at once is still to come. */
  readonly waiting: boolean;
}

/** Lines that end with \n alone (node:readline also ends them at U+2028, which JSON allows in a string). */
async function* linesOf(stream: AsyncIterable<Uint8Array>): AsyncGenerator<Line> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let rest = '';
  let number = 0;
  const decoded = (bytes?: Uint8Array): string => {
    try {
      return bytes ? decoder.decode(bytes, { stream: true }) : decoder.decode();
    } catch (cause) {
      throw new LorikeetError('cli/not-utf8', `stdin is not UTF-8, at line ${number + 1} or soon after: expected JSON strings in UTF-8.`, { expected: 'UTF-8', cause });
    }
  };
  for await (const bytes of stream) {
    const lines = decoded(bytes).split('\n');
    lines[0] = rest + lines[0]!;
    rest = lines.pop()!;
    if (rest.length > LONGEST_LINE) throw new LorikeetError('cli/line-too-long', `Line ${number + lines.length + 1} of stdin has more than ${LONGEST_LINE} characters: expected one JSON string a line.`, { expected: LONGEST_LINE, found: rest.length });
    for (let i = 0; i < lines.length; i++) yield { line: lines[i]!, number: ++number, waiting: i + 1 < lines.length };
  }
  rest += decoded();
  if (rest !== '') yield { line: rest, number: ++number, waiting: false };
}
