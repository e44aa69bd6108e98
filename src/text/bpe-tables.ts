import { idOf, invalid, type Part } from './part.js';
import { indexOf, isEncodedTexts, type EncodedTexts } from './text-table.js';

/** What is used of the library's BPE: its tables, and where it asks for the rank of a pair. */
export interface BpeModel {
  tokens_to_ids: TokenIds;
  vocab: (string | undefined)[];
  unk_token_id: number | undefined;
  add_node(queue: { push(node: Node): void }, node: Node): void;
}

/** What the library asks of its map from tokens to ids. */
export interface TokenIds {
  get(token: string): number | undefined;
  has(token: string): boolean;
}

/** A symbol of a word; its score is the rank of the merge with the next one, and its place in the word as a fraction. */
interface Node {
  readonly token: string;
  readonly bias: number;
  readonly next: Node;
  score?: number;
}

/** A BPE model without its tables, for the library to build; {@link fillTables} gives it those. */
export const withoutTables = (model: Part): Part => ({ ...model, vocab: {}, merges: [] });

/** Between the two tokens of a merge: a merge written as one text has a space there; of pairs the tokens may hold spaces themselves. */
const separatorOf = (merges: readonly unknown[]): string => (typeof merges[0] === 'string' ? ' ' : '\0');

/** True of a BPE model whose tables can be made here. */
export function hasPlainTables(model: Part): boolean {
  const { merges } = model;
  if (model['type'] !== 'BPE' || model['continuing_subword_prefix'] || model['end_of_word_suffix']) return false;
  if (isEncodedTexts(merges)) return true;
  if (!Array.isArray(merges)) return false;
  const separator = separatorOf(merges);
  return (merges as unknown[]).every((merge) => typeof merge === 'string' || (Array.isArray(merge) && merge.length === 2 && merge.every((token) => typeof token === 'string' && !token.includes(separator))));
}

/**
 * The tables of the library's BPE, made here: it keys each merge by a JSON text, when it loads the vocabulary (more than half of the time of 49,000 merges) and again for every pair of symbols that it sees. A
 * vocabulary may be a list of tokens whose places are their ids; of an encoded one the library's own list of tokens stays empty: see {@link tokenTexts}.
 *
 * @param added the added tokens, which stand in the same tables
 */
export function fillTables(library: BpeModel, model: Part, added: readonly Part[]): void {
  const vocab: (string | undefined)[] = [];
  const set = (ids: Map<string, number>, token: string, id: number): void => {
    ids.set(token, id);
    vocab[id] = token;
  };
  const ids = new Map<string, number>();
  const given = model['vocab'];
  const encoded = isEncodedTexts(given);
  if (encoded) vocab.length = given.length;
  else if (typeof given === 'object' && given !== null) for (const token of Object.keys(given)) set(ids, token, idOf((given as Record<string, unknown>)[token], `the id of token ${JSON.stringify(token)}`));
  else throw invalid('model.vocab must be an object', given);
  for (const token of added) set(ids, token['content'] as string, token['id'] as number);
  library.tokens_to_ids = encoded ? idsWithin(given, ids) : ids;
  library.vocab = vocab;
  library.unk_token_id = typeof model['unk_token'] === 'string' ? library.tokens_to_ids.get(model['unk_token']) : undefined;
  const rankOf = ranks(model['merges'] as EncodedTexts | readonly (string | readonly [string, string])[]);
  library.add_node = (queue, node) => {
    const rank = rankOf(node.token, node.next.token);
    if (rank === undefined) return;
    node.score = rank + node.bias;
    queue.push(node);
  };
}

/** The ids of an encoded vocabulary; what was added counts for more. */
function idsWithin(vocabulary: EncodedTexts, added: ReadonlyMap<string, number>): TokenIds {
  const index = indexOf(vocabulary);
  const get = (token: string): number | undefined => {
    const id = added.get(token) ?? index.find(token);
    return id < 0 ? undefined : id;
  };
  return { get, has: (token) => get(token) !== undefined };
}

/** The rank of the merge of two tokens. */
function ranks(merges: EncodedTexts | readonly (string | readonly [string, string])[]): (left: string, right: string) => number | undefined {
  if (isEncodedTexts(merges)) {
    const index = indexOf(merges);
    return (left, right) => {
      const rank = index.find(left, right);
      return rank < 0 ? undefined : rank;
    };
  }
  const separator = separatorOf(merges);
  const table = new Map<string, number>();
  for (let rank = 0; rank < merges.length; rank++) {
    const merge = merges[rank]!;
    table.set(typeof merge === 'string' ? merge : merge[0] + separator + merge[1], rank);
  }
  return (left, right) => table.get(left + separator + right);
}

/** Tokens by their ids, for the library's list of them, which those of an encoded vocabulary enter when they are first asked for. */
export function tokenTexts(vocab: (string | undefined)[], given: unknown): (id: number) => string | undefined {
  return isEncodedTexts(given) ? (id) => (vocab[id] ??= id >= 0 && id < given.length ? given.at(id) : undefined) : (id) => vocab[id];
}
