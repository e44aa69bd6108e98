import type { ChatMessage } from '../text/chat-template.js';

/**
 * What becomes of an answer for which the context has no more room: it stops there (`stats.ended` is `'context'`), its stream throws `context/full`, or the oldest
 * part of the sequence is dropped and the answer goes on. A prompt that is too long is `context/full` but under `'shift'`.
 */
export type WhenFull = 'stop' | 'error' | 'shift';

/** What remains of a sequence after a shift. */
export interface Shifted {
  readonly ids: readonly number[];
  /** How many of these were given, not generated. */
  readonly prompt: number;
  /** The messages that went. */
  readonly messages: readonly ChatMessage[];
}

/** Shortens a sequence of which the first `prompt` tokens were given; null where it can't. */
export type Shift = (tokens: readonly number[], prompt: number) => Shifted | null;

/** The first tokens of a sequence draw attention whatever they are (G. Xiao et al., "Efficient streaming language models with attention sinks", 2023): a shift keeps as many. */
export const KEEP_TOKENS = 4;

/**
 * Keeps the first `keep` tokens and the newest ones, as many as fill half of the room behind those. What remains is worked anew: half a context for every half context
 * that is generated, so a long answer costs at most about one token of a prompt for each of its own. Dropping less at a time would cost more.
 *
 *     before   kept | dropped | newest          contextLength tokens, or a longer prompt
 *     after    kept | newest                    keep + ⌊(contextLength − keep) / 2⌋
 */
export function shiftTokens(tokens: readonly number[], prompt: number, keep: number, contextLength: number): Shifted {
  const from = tokens.length - Math.floor((contextLength - keep) / 2);
  return { ids: [...tokens.slice(0, keep), ...tokens.slice(from)], prompt: prompt <= keep ? prompt : Math.max(keep, prompt - (from - keep)), messages: [] };
}

/**
 * Drops the oldest turns behind the system messages, so that the template stays well-formed: as few as bring prompt and answer down to half the context. Where that can't be had, all turns but
 * the last, if there is room for a token then.
 *
 * @param messages the conversation; its last turn is the one being answered
 * @param encode the prompt's ids for such messages
 * @param answer the ids of the answer so far
 */
export function shiftMessages(messages: readonly ChatMessage[], encode: (messages: readonly ChatMessage[]) => readonly number[], answer: readonly number[], contextLength: number): Shifted | null {
  const leading = messages.findIndex(({ role }) => role !== 'system');
  // Where the turns after the first begin: each is a place to cut.
  const cuts: number[] = [];
  for (let i = leading + 1; leading >= 0 && i < messages.length; i++) if (messages[i]!.role === 'user') cuts.push(i);
  if (cuts.length === 0) return null;
  const idsFrom = (cut: number): readonly number[] => encode([...messages.slice(0, leading), ...messages.slice(cut)]);
  let low = 0;
  let high = cuts.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (idsFrom(cuts[middle]!).length + answer.length <= contextLength / 2) high = middle;
    else low = middle + 1;
  }
  const prompt = idsFrom(cuts[low]!);
  if (prompt.length + answer.length >= contextLength) return null;
  return { ids: [...prompt, ...answer], prompt: prompt.length, messages: messages.slice(leading, cuts[low]) };
}
