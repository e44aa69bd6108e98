import { idOf, invalid, type Part } from './part.js';

/** What is used of the library's BPE: its tables, and where it asks for the rank of a pair. */
export interface BpeModel {
  tokens_to_ids: Map<string, number>;
  vocab: (string | undefined)[];
  unk_token_id: number | undefined;
  add_node(queue: { push(node: Node): void }, node: Node): void;
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
  if (model['type'] !== 'BPE' || model['continuing_subword_prefix'] || model['end_of_word_suffix'] || !Array.isArray(merges)) return false;
  const separator = separatorOf(merges);
  return (merges as unknown[]).every((merge) => typeof merge === 'string' || (Array.isArray(merge) && merge.length === 2 && merge.every((token) => typeof token === 'string' && !token.includes(separator))));
}

/**
 * The tables of the library's BPE, made here: it keys each merge by a JSON text, when it loads the vocabulary (more than half of the time of 49,000 merges) and again for every pair of symbols that it sees. A
 * vocabulary may be a list of tokens whose places are their ids.
 *
 * @param added the added tokens, which stand in the same tables
 */
export function fillTables(library: BpeModel, model: Part, added: readonly Part[]): void {
  const ids = new Map<string, number>();
  const vocab: (string | undefined)[] = [];
  const set = (token: string, id: number): void => {
    ids.set(token, id);
    vocab[id] = token;
  };
  const given = model['vocab'];
  if (Array.isArray(given)) for (let id = 0; id < given.length; id++) set(given[id] as string, id);
  else if (typeof given === 'object' && given !== null) for (const token of Object.keys(given)) set(token, idOf((given as Record<string, unknown>)[token], `the id of token ${JSON.stringify(token)}`));
  else throw invalid('model.vocab must be an object', given);
  for (const token of added) set(token['content'] as string, token['id'] as number);
  const merges = model['merges'] as readonly (string | readonly [string, string])[];
  const separator = separatorOf(merges);
  const ranks = ranksOf(merges, separator);
  library.tokens_to_ids = ids;
  library.vocab = vocab;
  library.unk_token_id = typeof model['unk_token'] === 'string' ? ids.get(model['unk_token']) : undefined;
  library.add_node = (queue, node) => {
    const rank = ranks.get(node.token + separator + node.next.token);
    if (rank === undefined) return;
    node.score = rank + node.bias;
    queue.push(node);
  };
}

/** Ranks by both tokens, the separator between them. */
function ranksOf(merges: readonly (string | readonly [string, string])[], separator: string): ReadonlyMap<string, number> {
  const ranks = new Map<string, number>();
  for (let rank = 0; rank < merges.length; rank++) {
    const merge = merges[rank]!;
    ranks.set(typeof merge === 'string' ? merge : merge[0] + separator + merge[1], rank);
  }
  return ranks;
}
