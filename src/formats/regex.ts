/**
 * Patterns of adapter_config.json: Python's `re` for module paths, without backtracking.
 *
 * A pattern comes from a stranger's file, and a backtracking engine (JavaScript's as well as Python's) takes exponential time on `(a+)+b`. This one steps all
 * threads of the pattern through the text together (Thompson; Pike's captures): time is at most instructions × characters. Python's syntax, where it
 * means something else in JavaScript or nothing (`(?P<name>…)`, `\A`, `\Z`, `{,3}`, `]` first in a class), is read as Python reads it. Where a lookaround holds is worked
 * out for all positions beforehand, in one sweep of its own. What can't be done without backtracking is refused by name: backreferences, atomic groups, possessive
 * quantifiers; so are inline flags other than a leading `(?i)`.
 */
import { LorikeetError } from '../errors.js';
import { type Node, parsePattern, type Test } from './regex-syntax.js';

export interface Regex {
  readonly source: string;
  /** Instructions: matching takes at most this many steps for each character. */
  readonly size: number;
  /** `re.fullmatch`: does the pattern match all of the text? */
  fullmatch(text: string): boolean;
  /** `re.match`: does it match from the start? The named groups of the match that Python finds, or null. */
  match(text: string): Readonly<Record<string, string | undefined>> | null;
}

/** The longest program that is compiled; `x{1000}{1000}` would be a million instructions. */
const MAX_INSTRUCTIONS = 16384;

type Instruction =
  | { readonly op: 'char'; readonly test: Test }
  | { readonly op: 'split'; first: number; second: number } // two threads, the first preferred
  | { readonly op: 'jump'; to: number }
  | { readonly op: 'save'; readonly slot: number }
  | { readonly op: 'assert'; readonly test: (text: readonly string[], at: number) => boolean }
  | { readonly op: 'look'; readonly table: number; readonly negative: boolean }
  | { readonly op: 'match' };

/** A lookaround: its own program, from behind where it looks ahead. Those inside it stand before it. */
interface Look {
  readonly program: readonly Instruction[];
  readonly ahead: boolean;
}

/**
 * Compiles a pattern of Python's `re`.
 *
 * @throws LorikeetError `adapter/config-regex`
 * @example compileRegex('.*\\.(q|v)_proj').fullmatch('model.layers.0.self_attn.q_proj') // true
 */
export function compileRegex(source: string): Regex {
  const { node, groups } = parsePattern(source);
  const looks: Look[] = [];
  let size = 0;
  const assemble = (body: Node, backwards: boolean): readonly Instruction[] => {
    const program: Instruction[] = [];
    const emit = <T extends Instruction>(instruction: T): T => {
      if (++size > MAX_INSTRUCTIONS) throw new LorikeetError('adapter/config-regex', `The pattern ${JSON.stringify(source.slice(0, 100))} unrolls to more than ${MAX_INSTRUCTIONS} steps; write it with smaller counts.`, { expected: MAX_INSTRUCTIONS, found: source.slice(0, 200) });
      program.push(instruction);
      return instruction;
    };
    const look = (inner: Node, ahead: boolean): number => {
      const inside = assemble(inner, ahead);
      return looks.push({ program: inside, ahead }) - 1;
    };
    compile(body, program, { emit, look, backwards });
    emit({ op: 'match' });
    return program;
  };
  const program = assemble(node, false);
  const find = (text: readonly string[], full: boolean) => run(program, text, tablesOf(looks, text), groups.length, full);
  return {
    source,
    size,
    fullmatch: (text) => find([...text], true) !== null,
    match(text) {
      const characters = [...text];
      const slots = find(characters, false);
      if (slots === null) return null;
      return Object.fromEntries(groups.map((name, i) => [name, slots[2 * i] === undefined ? undefined : characters.slice(slots[2 * i], slots[2 * i + 1]).join('')]));
    },
  };
}

interface Assembler {
  readonly emit: <T extends Instruction>(instruction: T) => T;
  /** Assembles a lookaround's body; the number of its table. */
  readonly look: (body: Node, ahead: boolean) => number;
  readonly backwards: boolean;
}

function compile(node: Node, program: Instruction[], to: Assembler): void {
  const { emit } = to;
  switch (node.kind) {
    case 'char': emit({ op: 'char', test: node.test }); break;
    case 'assert': emit({ op: 'assert', test: node.test }); break;
    case 'look': emit({ op: 'look', table: to.look(node.body, node.ahead), negative: node.negative }); break;
    case 'sequence': for (const part of to.backwards ? [...node.parts].reverse() : node.parts) compile(part, program, to); break;
    case 'group':
      emit({ op: 'save', slot: 2 * node.index });
      compile(node.body, program, to);
      emit({ op: 'save', slot: 2 * node.index + 1 });
      break;
    case 'either': {
      const ends: { to: number }[] = [];
      node.choices.forEach((choice, i) => {
        if (i === node.choices.length - 1) { compile(choice, program, to); return; }
        const split = emit({ op: 'split' as const, first: program.length + 1, second: 0 });
        compile(choice, program, to);
        ends.push(emit({ op: 'jump' as const, to: 0 }));
        split.second = program.length;
      });
      for (const end of ends) end.to = program.length;
      break;
    }
    case 'repeat': {
      const split = (): { enter(): void; leave(): void } => {
        const at = emit({ op: 'split' as const, first: 0, second: 0 });
        return {
          enter: () => { if (node.lazy) at.second = program.length; else at.first = program.length; },
          leave: () => { if (node.lazy) at.first = program.length; else at.second = program.length; },
        };
      };
      for (let i = 0; i < node.min; i++) compile(node.body, program, to);
      if (node.max === Infinity) {
        const start = program.length;
        const loop = split();
        loop.enter();
        compile(node.body, program, to);
        emit({ op: 'jump', to: start });
        loop.leave();
      } else {
        const skips = [];
        for (let i = node.min; i < node.max; i++) {
          const skip = split();
          skip.enter();
          compile(node.body, program, to);
          skips.push(skip);
        }
        for (const skip of skips) skip.leave();
      }
    }
  }
}

const holds = ({ table, negative }: { table: number; negative: boolean }, tables: readonly Uint8Array[], position: number): boolean => (tables[table]![position] === 1) !== negative;

/** For each lookaround, at which positions its body matches: in their order, so that those inside others are there first. */
function tablesOf(looks: readonly Look[], text: readonly string[]): readonly Uint8Array[] {
  const tables: Uint8Array[] = [];
  for (const { program, ahead } of looks) tables.push(sweep(program, text, tables, ahead));
  return tables;
}

/**
 * One pass over the text with a new thread at every position: 1 where the body of a lookbehind ends. Of a lookahead the program is reversed and the pass goes
 * from the end, so it marks where the body begins.
 */
function sweep(program: readonly Instruction[], text: readonly string[], tables: readonly Uint8Array[], backwards: boolean): Uint8Array {
  const found = new Uint8Array(text.length + 1);
  const seen = new Int32Array(program.length).fill(-1);
  let now: number[] = [];
  for (let i = 0; i <= text.length; i++) {
    const position = backwards ? text.length - i : i;
    const waiting: number[] = [];
    for (const stack = [...now, 0]; stack.length > 0;) {
      const at = stack.pop()!;
      if (seen[at] === i) continue;
      seen[at] = i;
      const instruction = program[at]!;
      switch (instruction.op) {
        case 'jump': stack.push(instruction.to); break;
        case 'split': stack.push(instruction.first, instruction.second); break;
        case 'assert': if (instruction.test(text, position)) stack.push(at + 1); break;
        case 'look': if (holds(instruction, tables, position)) stack.push(at + 1); break;
        case 'save': stack.push(at + 1); break;
        case 'match': found[position] = 1; break;
        case 'char': waiting.push(at);
      }
    }
    const next = text[backwards ? position - 1 : position];
    now = next === undefined ? [] : waiting.filter((at) => (program[at] as { test: Test }).test(next)).map((at) => at + 1);
  }
  return found;
}

type Slots = readonly (number | undefined)[];
interface Threads { count: number; readonly at: Int32Array; readonly slots: Slots[] }

/** The slots of the preferred match, or null. Threads stand in order of preference, each instruction at most once per character. */
function run(program: readonly Instruction[], text: readonly string[], tables: readonly Uint8Array[], groups: number, full: boolean): Slots | null {
  let now: Threads = { count: 0, at: new Int32Array(program.length), slots: [] };
  let next: Threads = { count: 0, at: new Int32Array(program.length), slots: [] };
  const seen = new Int32Array(program.length).fill(-1);
  const stack: { at: number; slots: Slots }[] = [];
  let matched: Slots | null = null;

  /** Follows the instructions that take no character, the preferred branch first. */
  const add = (list: Threads, start: number, startSlots: Slots, position: number): void => {
    stack.push({ at: start, slots: startSlots });
    for (let thread = stack.pop(); thread; thread = stack.pop()) {
      const { at, slots } = thread;
      if (seen[at] === position) continue;
      seen[at] = position;
      const instruction = program[at]!;
      switch (instruction.op) {
        case 'jump': stack.push({ at: instruction.to, slots }); break;
        case 'split': stack.push({ at: instruction.second, slots }, { at: instruction.first, slots }); break;
        case 'assert': if (instruction.test(text, position)) stack.push({ at: at + 1, slots }); break;
        case 'look': if (holds(instruction, tables, position)) stack.push({ at: at + 1, slots }); break;
        case 'save': {
          const saved = slots.slice();
          saved[instruction.slot] = position;
          stack.push({ at: at + 1, slots: saved });
          break;
        }
        default: list.at[list.count] = at; list.slots[list.count++] = slots;
      }
    }
  };

  add(now, 0, new Array<number | undefined>(2 * groups).fill(undefined), 0);
  for (let position = 0; now.count > 0; position++) {
    next.count = 0;
    for (let i = 0; i < now.count; i++) {
      const at = now.at[i]!;
      const instruction = program[at]!;
      if (instruction.op === 'char') {
        if (position < text.length && instruction.test(text[position]!)) add(next, at + 1, now.slots[i]!, position + 1);
      } else if (!full || position === text.length) {
        matched = now.slots[i]!;
        break; // threads behind this one are less preferred
      }
    }
    [now, next] = [next, now];
  }
  return matched;
}
