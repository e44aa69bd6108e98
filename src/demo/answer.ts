import type { GenerateOptions, Session } from '../runtime/session.js';
import type { Colour, Piece } from './terminal.js';

const MAX_TOKENS = 64;

/** A session's answer to a line, as pieces of one colour. */
export async function* answer(session: Session, line: string, colour: Colour = 'plain', options: GenerateOptions = {}): AsyncGenerator<Piece, void, undefined> {
  for await (const text of session.say(line, { maxTokens: MAX_TOKENS, ...options })) yield { text, colour };
}

/** The whole answer. */
export async function answerText(session: Session, line: string, options: GenerateOptions = {}): Promise<string> {
  let text = '';
  for await (const piece of answer(session, line, 'plain', options)) text += piece.text;
  return text;
}
