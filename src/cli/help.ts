import type { Command } from './command.js';

const WIDTH = 96;

/** The help of one command: usage, every option, notes, examples. */
export function commandHelp({ name, summary, usage, options, notes = [], examples }: Command): string {
  const rows = [...Object.entries(options).map(([option, { value, help, many }]): [string, string] => [`--${option}${value === undefined ? '' : ` ${value}`}`, many ? `${help} May be repeated.` : help]),
    ['--no-color', 'No colours, whatever the output is.'] as [string, string], ['-h, --help', 'Show this.'] as [string, string]];
  return [
    `lorikeet ${name} ${usage}`, '', ...wrap(summary, '', WIDTH), '',
    'Options:', ...columns(rows), '',
    ...notes.flatMap((note) => [...wrap(note, '', WIDTH), '']),
    'Examples:', ...examples.map((example) => `  ${example}`), '',
  ].join('\n');
}

/** The help of the program: its commands. */
export function mainHelp(commands: readonly Command[], version: string): string {
  return [
    `lorikeet ${version}: one language model in memory, many LoRA adapters around it.`, '',
    'Usage: lorikeet COMMAND [ARGUMENTS]', '',
    'Commands:', ...columns(commands.map(({ name, summary }) => [name, summary])), '',
    'Options:', ...columns([['-h, --help', 'Show this; behind a command, the help of that command.'], ['--version', 'Show the version.']]), '',
    'Examples:', ...commands.map(({ examples }) => `  ${examples[0]!}`), '',
    'Errors go to stderr with exit code 1. LORIKEET_DEBUG=1 adds where in the code an error arose.', '',
  ].join('\n');
}

/** Two columns: a term, and its text wrapped beside it. */
function columns(rows: readonly (readonly [string, string])[]): string[] {
  const indent = Math.min(28, Math.max(...rows.map(([term]) => term.length)) + 4);
  return rows.flatMap(([term, text]) => {
    const lines = wrap(text, ' '.repeat(indent), WIDTH);
    const head = `  ${term}`;
    return head.length + 2 > indent ? [head, ...lines] : [head.padEnd(indent) + lines[0]!.slice(indent), ...lines.slice(1)];
  });
}

function wrap(text: string, indent: string, width: number): string[] {
  const lines: string[] = [];
  let line = indent;
  for (const word of text.split(' ')) {
    if (line.length > indent.length && line.length + 1 + word.length > width) {
      lines.push(line);
      line = indent;
    }
    line += line.length > indent.length ? ` ${word}` : word;
  }
  return [...lines, line];
}
