import { setTimeout as delay } from 'node:timers/promises';

/** A colour of the terminal's own palette, by its SGR code. */
export type Colour = 'plain' | 'red' | 'green' | 'yellow' | 'blue' | 'magenta' | 'cyan';

const SGR: Readonly<Record<Colour | 'bold' | 'dim', number>> = { plain: 0, bold: 1, dim: 2, red: 31, green: 32, yellow: 33, blue: 94, magenta: 35, cyan: 36 };

/** Some text of an answer, as it arrives, and the colour to show it in. */
export interface Piece {
  readonly text: string;
  readonly colour: Colour;
}

const LABEL = 11;
/** On a terminal, milliseconds from word to word: the model is some ten times faster than anybody reads. */
const PACE = 24;

/**
 * Prints to an 80-column terminal. Colours and a reader's pace only where the output is a terminal; piped, it is plain text at once.
 */
export class Terminal {
  readonly #out: NodeJS.WriteStream;
  readonly #colours: boolean;
  readonly #width: number;
  readonly #pace: number;
  /** Of the text being written: where its lines begin, the column, and the word that isn't complete yet. */
  #indent = 2;
  #column = 0;
  #word = '';
  #wordColour: Colour = 'plain';

  constructor(out: NodeJS.WriteStream, environment: Readonly<Record<string, string | undefined>> = process.env) {
    this.#out = out;
    this.#colours = out.isTTY && !environment.NO_COLOR && environment.TERM !== 'dumb';
    this.#width = Math.max(40, Math.min(out.columns || 80, 80));
    this.#pace = out.isTTY ? PACE : 0;
  }

  /** The head of an act. */
  title(text: string): void {
    this.#out.write(`\n${this.#paint(text, 'bold')}\n`);
  }

  /** The call that an act is about. */
  code(text: string): void {
    this.#out.write(`  ${this.#paint(text, 'dim')}\n`);
  }

  /** A line of explanation, wrapped. */
  note(text: string): void {
    this.#line('', [{ text, colour: 'plain' }]);
  }

  /** A row: who or what, and a text that is known already. */
  row(label: string, text: string, colour: Colour = 'plain'): void {
    this.#line(this.#label(label, colour), [{ text, colour: 'plain' }]);
  }

  /** The measured facts of an act, in one line. */
  facts(facts: readonly string[]): void {
    this.#out.write(`${this.#paint('▸', 'bold')} ${facts.join(' · ')}\n`);
  }

  /** Streams an answer beside its speaker's name. The pieces are taken as fast as they come, whatever the pace of the printing, so that what they measure is theirs. */
  async speak(label: string, colour: Colour, pieces: AsyncIterable<Piece>): Promise<void> {
    this.#begin(this.#label(label, colour));
    if (this.#pace === 0) {
      for await (const piece of pieces) this.#push(piece);
    } else {
      const queue: Piece[] = [];
      let ended = false;
      const reader = (async () => { for await (const piece of pieces) queue.push(piece); })().finally(() => { ended = true; });
      reader.catch(() => {}); // awaited below, after what was said before it failed is shown
      while (!ended || queue.length > 0) {
        const piece = queue.shift();
        if (piece) this.#push(piece);
        await delay(piece && !piece.text.includes(' ') ? 0 : this.#pace);
      }
      await reader;
    }
    this.#end();
  }

  /** A bar for a number from 0 to 1. */
  bar(value: number, cells = 10): string {
    const full = Math.round(value * cells);
    return `${'█'.repeat(full)}${'░'.repeat(cells - full)} ${value.toFixed(2)}`;
  }

  #label(label: string, colour: Colour): string {
    return `  ${this.#paint(label, colour)}${' '.repeat(Math.max(0, LABEL - label.length))}`;
  }

  #line(label: string, pieces: readonly Piece[]): void {
    this.#begin(label);
    for (const piece of pieces) this.#push(piece);
    this.#end();
  }

  #begin(label: string): void {
    this.#out.write(label || '  ');
    this.#indent = label ? LABEL + 2 : 2;
    this.#column = this.#indent;
    this.#word = '';
  }

  /** Takes text in; whole words are printed, wrapped, without what could steer the terminal. */
  #push({ text, colour }: Piece): void {
    for (const char of text.replace(/[\u0000-\u001f\u007f-\u009f]/g, ' ')) {
      if (char === ' ') this.#flush();
      else {
        if (this.#word === '') this.#wordColour = colour;
        this.#word += char;
      }
    }
  }

  #flush(): void {
    if (this.#word === '') return;
    const space = this.#column > this.#indent ? 1 : 0;
    if (this.#column + space + this.#word.length > this.#width && space) {
      this.#out.write(`\n${' '.repeat(this.#indent)}`);
      this.#column = this.#indent;
    } else if (space) this.#out.write(' ');
    this.#out.write(this.#paint(this.#word, this.#wordColour));
    this.#column += this.#word.length + (this.#column > this.#indent ? 1 : 0);
    this.#word = '';
  }

  #end(): void {
    this.#flush();
    this.#out.write('\n');
  }

  #paint(text: string, style: Colour | 'bold' | 'dim'): string {
    return this.#colours && style !== 'plain' ? `\u001b[${SGR[style]}m${text}\u001b[0m` : text;
  }
}
