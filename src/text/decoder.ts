import { BPEDecoder, CTCDecoder, WordPieceDecoder } from './library.js';
import { byteLevelBytes } from './byte-level.js';
import { countOf, invalid, partsOf, textOf, type Part } from './part.js';
import { createPattern } from './pattern.js';

/**
 * One step from tokens to text, fed token by token: `push` and `end` give what is certain by now. All that a stage gives, joined, is what the Rust library gives for all
 * tokens together, so a text that is streamed and one that is decoded whole are the same by construction.
 */
interface Stage {
  push(token: string): readonly string[];
  end(): readonly string[];
}

/** Makes a stage's state for one text. */
type StageMaker = () => Stage;

/** Text of tokens that come one by one. */
export interface Decoding {
  push(token: string): string;
  end(): string;
}

/** Makes the state of decoding one text. */
export type Decoder = () => Decoding;

const NONE: readonly string[] = [];

/**
 * The decoder of tokenizer.json (null: tokens joined by spaces). Stages that @huggingface/tokenizers has otherwise than the Rust library: ByteFallback (each byte of a
 * broken run is a U+FFFD; U+FEFF stays), Metaspace (`prepend_scheme`), ByteLevel (added tokens are bytes as well).
 */
export function createDecoder(part: Part | null): Decoder {
  const makers: StageMaker[] = part ? stagesOf(part, { fused: false }) : [spaced];
  return () => {
    const stages = makers.map((make) => make());
    const pass = (tokens: readonly string[], from: number): string => {
      let now = tokens;
      for (let i = from; i < stages.length && now.length > 0; i++) {
        const stage = stages[i]!;
        now = now.length === 1 ? stage.push(now[0]!) : now.flatMap((token) => stage.push(token));
      }
      return now.length === 1 ? now[0]! : now.join('');
    };
    return {
      push: (token) => pass([token], 0),
      end: () => stages.map((stage, index) => pass(stage.end(), index + 1)).join(''),
    };
  };
}

const spaced: StageMaker = () => {
  let first = true;
  return {
    push(token) {
      const text = first ? token : ` ${token}`;
      first = false;
      return [text];
    },
    end: () => NONE,
  };
};

/** What is certain of the stream so far: `fused`, that all that comes is one token in pieces. */
interface Stream {
  fused: boolean;
}

function stagesOf(part: Part, stream: Stream): StageMaker[] {
  const { fused } = stream;
  switch (part['type']) {
    case 'Sequence':
      return partsOf(part, 'decoders').flatMap((one) => stagesOf(one, stream));
    case 'Fuse':
      stream.fused = true;
      return [];
    case 'ByteLevel':
      stream.fused = true;
      return [byteLevel];
    case 'ByteFallback':
      return [fused ? waiting((tokens) => each(byteFallback(), tokens)) : byteFallback];
    case 'Replace': {
      const pattern = createPattern(part['pattern']);
      const content = textOf(part, 'content');
      const replace = (token: string): string => (pattern ? token.replace(pattern, () => content) : token);
      // A match may span pieces, but that of a single unit can't.
      const single = ((part['pattern'] as Part)['String'] as string | undefined)?.length === 1;
      return [fused && !single ? waiting((tokens) => tokens.map(replace)) : mapping(replace)];
    }
    case 'Strip': {
      const content = textOf(part, 'content', ' ');
      const start = countOf(part, 'start', 0);
      const stop = countOf(part, 'stop', 0);
      return [fused ? () => stripStream(content, start, stop) : mapping((token) => stripped(token, content, start, stop))];
    }
    case 'Metaspace': {
      const mark = textOf(part, 'replacement', '▁');
      const scheme = part['add_prefix_space'] === false ? 'never' : textOf(part, 'prepend_scheme', 'always');
      return [metaspace(mark, scheme !== 'never', fused)];
    }
    // Not used by language models that generate: as the library has them, and only at the end, since they look at the last token.
    case 'WordPiece':
      return [library(WordPieceDecoder, part)];
    case 'BPEDecoder':
      return [library(BPEDecoder, part)];
    case 'CTC':
      return [library(CTCDecoder, part)];
    default:
      throw invalid(`the decoder ${JSON.stringify(part['type'])} is not known`, part['type']);
  }
}

function library(Class: typeof BPEDecoder, part: Part): StageMaker {
  const decoder = new Class(part);
  return waiting((tokens) => decoder.decode_chain(tokens));
}

const mapping = (map: (token: string) => string): StageMaker => {
  const stage: Stage = { push: (token) => [map(token)], end: () => NONE };
  return () => stage;
};

/** A stage that needs all of the tokens. */
function waiting(work: (tokens: string[]) => readonly string[]): StageMaker {
  return () => {
    const tokens: string[] = [];
    return {
      push(token) {
        tokens.push(token);
        return NONE;
      },
      end: () => work(tokens),
    };
  };
}

const each = (stage: Stage, tokens: readonly string[]): string[] => [...tokens.flatMap((token) => stage.push(token)), ...stage.end()];

const byteLevel: StageMaker = () => {
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  return { push: (token) => [decoder.decode(byteLevelBytes(token), { stream: true })], end: () => [decoder.decode()] };
};

const BYTE = /^<0x([0-9A-Fa-f]{2})>$/;

/** Runs of `<0x..>`: UTF-8 if the whole run is, else a U+FFFD for each byte. So a run is told when it has ended. */
const byteFallback: StageMaker = () => {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  let run: number[] = [];
  const told = (): string[] => {
    if (run.length === 0) return [];
    const bytes = Uint8Array.from(run);
    run = [];
    try {
      return [decoder.decode(bytes)];
    } catch {
      return Array.from(bytes, () => '\uFFFD');
    }
  };
  return {
    push(token) {
      const byte = BYTE.exec(token);
      if (!byte) return [...told(), token];
      run.push(parseInt(byte[1]!, 16));
      return NONE;
    },
    end: told,
  };
};

const metaspace = (mark: string, prefixed: boolean, fused: boolean): StageMaker => () => {
  let first = true;
  return {
    push(token) {
      const text = token.replaceAll(mark, first && prefixed ? '' : ' ');
      first = fused;
      return [text];
    },
    end: () => NONE,
  };
};

function stripped(token: string, content: string, start: number, stop: number): string {
  const characters = Array.from(token);
  let from = 0;
  while (from < start && from < characters.length && characters[from] === content) from++;
  let to = characters.length;
  while (characters.length - to < stop && to > from && characters[to - 1] === content) to--;
  return characters.slice(from, to).join('');
}

/** Strip over pieces of one token: what may be the end is held back. */
function stripStream(content: string, start: number, stop: number): Stage {
  let left = start;
  let held = 0;
  return {
    push(piece) {
      const out: string[] = [];
      for (const character of piece) {
        if (character !== content) {
          left = 0;
          out.push(content.repeat(held), character);
          held = 0;
        } else if (left > 0) left--;
        else if (held < stop) held++;
        else out.push(content);
      }
      return out.length > 0 ? [out.join('')] : NONE;
    },
    end: () => NONE,
  };
}
