import { createInterface, type Interface } from 'node:readline';

/**
 * Lines from a terminal, with node:readline's editing and history. Between two questions the terminal is in its usual mode, so that Ctrl-C is a signal and
 * what is typed meanwhile waits for the next question.
 */
export class Prompt {
  readonly #readline: Interface;
  readonly #lines: string[] = [];
  #waiting: ((line: string | null) => void) | null = null;
  #closed = false;

  constructor(complete: (line: string) => [string[], string]) {
    this.#readline = createInterface({ input: process.stdin, output: process.stdout.isTTY ? process.stdout : process.stderr, terminal: true, completer: complete, historySize: 500, removeHistoryDuplicates: true });
    this.#readline.on('line', (line) => this.#take(line));
    this.#readline.on('close', () => {
      this.#closed = true;
      this.#take(null);
    });
    this.#readline.on('SIGINT', () => {
      if (this.#readline.line === '') this.#readline.close();
      else {
        // Throws away what was typed, as shells do.
        this.#readline.write(null, { ctrl: true, name: 'e' });
        this.#readline.write(null, { ctrl: true, name: 'u' });
      }
    });
    this.#rest();
  }

  /** The next line; null when the reader is done (Ctrl-D, or Ctrl-C on an empty line). */
  async ask(prompt: string): Promise<string | null> {
    const early = this.#lines.shift();
    if (early !== undefined) return early;
    if (this.#closed) return null;
    process.stdin.setRawMode(true);
    this.#readline.setPrompt(prompt);
    this.#readline.resume();
    this.#readline.prompt();
    const line = await new Promise<string | null>((resolve) => { this.#waiting = resolve; });
    this.#rest();
    return line;
  }

  #take(line: string | null): void {
    const waiting = this.#waiting;
    this.#waiting = null;
    if (waiting) waiting(line);
    else if (line !== null) this.#lines.push(line);
  }

  /** Hands the terminal back to its usual mode. */
  #rest(): void {
    if (this.#closed) return;
    this.#readline.pause();
    process.stdin.setRawMode(false);
  }

  close(): void {
    if (!this.#closed) this.#readline.close();
  }
}
