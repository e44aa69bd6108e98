// The program `lorikeet`. Each command stands in a file of its own in commands/ and is a row of this table.
import { paintFor } from './colour.js';
import { readArguments, usage, type Command } from './command.js';
import { bench } from './commands/bench.js';
import { chat } from './commands/chat.js';
import { generate } from './commands/generate.js';
import { inspect } from './commands/inspect.js';
import { logits } from './commands/logits.js';
import { perplexity } from './commands/perplexity.js';
import { pull } from './commands/pull.js';
import { quantize } from './commands/quantize.js';
import { template } from './commands/template.js';
import { tokenize } from './commands/tokenize.js';
import { explain } from './explain.js';
import { commandHelp, mainHelp } from './help.js';
import { nearest } from './nearest.js';
import { print } from './output.js';
import { version } from './version.js';

const COMMANDS: readonly Command[] = [chat, generate, pull, inspect, quantize, bench, perplexity, logits, tokenize, template];

/** Runs one command line; returns the exit code. */
async function main(args: readonly string[]): Promise<number> {
  const [first, ...rest] = args;
  const named = (name: string | undefined): Command => {
    const found = COMMANDS.find((command) => command.name === name);
    if (found) return found;
    const near = name === undefined ? undefined : nearest(name, COMMANDS.map((command) => command.name));
    throw usage(name?.startsWith('-') ? `There is no option ${name} before a command; a command comes first.` : `There is no command ${JSON.stringify(name ?? '')}${near ? `; did you mean ${near}?` : `: expected ${COMMANDS.map((command) => command.name).join(', ')}.`}`);
  };
  if (first === undefined) {
    process.stderr.write(mainHelp(COMMANDS, version()));
    return 1;
  }
  if (first === '--help' || first === '-h' || (first === 'help' && rest.length === 0)) return print(withHeadings(mainHelp(COMMANDS, version()))).then(() => 0);
  if (first === '--version') return print(`${version()}\n`).then(() => 0);
  if (first === 'help') return print(withHeadings(commandHelp(named(rest[0])))).then(() => 0);
  const command = named(first);
  asked = command.name;
  const given = readArguments(command, rest);
  if (given.help) return print(withHeadings(commandHelp(command))).then(() => 0);
  if (given.plain) {
    process.env['NO_COLOR'] = '1';
    delete process.env['FORCE_COLOR'];
  }
  return (await command.run(given)) ?? 0;
}

/** On a terminal, the headings of a help stand out. */
function withHeadings(help: string): string {
  const paint = paintFor(process.stdout);
  return help.replace(/^(?:lorikeet \S+|Usage|Commands|Options|Examples):?/gm, (heading) => paint(heading, 'bold'));
}

/** The command under way, for the hint behind an error of usage. */
let asked = '';

/** The last resort for whatever goes wrong: a few plain lines, exit code 1. */
function fail(error: unknown): void {
  const debug = !['', '0'].includes(process.env['LORIKEET_DEBUG'] ?? '');
  const [first = '', ...more] = explain(error, debug);
  const lines = [paintFor(process.stderr)(first, 'red'), ...more];
  if (error instanceof Error && 'code' in error && error.code === 'cli/usage') lines.push(`Try: lorikeet ${asked ? `${asked} ` : ''}--help`);
  process.stderr.write(`${lines.join('\n')}\n`);
  process.exitCode = 1;
}

// A reader that has seen enough (`| head`) ends the program quietly.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
    process.exit(1);
  });
}
for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
  process.on(event, (error: unknown) => {
    fail(error);
    process.exit(1);
  });
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  fail(error);
}
