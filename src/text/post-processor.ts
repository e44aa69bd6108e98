import { idOf, invalid, listOf, partOf, partsOf, type Part } from './part.js';

/** Ids that a post-processor puts before and behind those of a text. */
export interface Frame {
  readonly before: readonly number[];
  readonly after: readonly number[];
}

export const NO_FRAME: Frame = { before: [], after: [] };

/** What the post-processor of tokenizer.json does to a single text. */
export function createFrame(part: Part): Frame {
  switch (part['type']) {
    case 'Sequence':
      return partsOf(part, 'processors').map(createFrame).reduce((inner, outer) => ({ before: [...outer.before, ...inner.before], after: [...inner.after, ...outer.after] }), NO_FRAME);
    case 'TemplateProcessing': {
      const before: number[] = [];
      const after: number[] = [];
      let into: number[] = before;
      for (const item of partsOf(part, 'single')) {
        if (item['Sequence']) {
          into = after;
          continue;
        }
        const name = partOf(item['SpecialToken'], 'an entry of the template')['id'];
        const token = partOf(partOf(part['special_tokens'], 'special_tokens')[name as string], `the special token ${JSON.stringify(name)}`);
        into.push(...listOf(token, 'ids').map((id) => idOf(id, 'an id of the template')));
      }
      return { before, after };
    }
    case 'BertProcessing':
    case 'RobertaProcessing':
      return { before: [idOf(listOf(part, 'cls')[1], 'the id of cls')], after: [idOf(listOf(part, 'sep')[1], 'the id of sep')] };
    case 'ByteLevel':
      return NO_FRAME;
    default:
      throw invalid(`the post-processor ${JSON.stringify(part['type'])} is not known`, part['type']);
  }
}
