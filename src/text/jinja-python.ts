/**
 * Chat templates are written for Python's Jinja. @huggingface/jinja gives Python's strings JavaScript's methods in places: `strip('\n')` forgets its argument (Qwen3's template depends on it),
 * JavaScript's idea of whitespace isn't Python's, `{{ true }}` and `{{ none }}` print other words, lists and dictionaries print as JSON. Here a parsed template is rewritten so that such
 * calls go to functions that do as Python does, and so that each turn of a loop and each call of a macro is counted: a stranger's template must end.
 */
import { Environment, type NativeFunction, type Node, type Value } from './jinja.js';

/** Makes values of the library's classes, which it doesn't export. */
export interface Makers {
  text(text: string): Value;
  number(number: number): Value;
  none(): Value;
  undefined(): Value;
  list(values: Value[]): Value;
}

/** Names of the functions below, for a template unspeakable. */
const STEP = ' step';
const PRINT = ' print';
const LENGTH = ' length';
const DEFINED = ' defined';
/** Filters by an attribute: the library takes one that an item lacks for a failed test, also where the test is for `undefined`. */
const SELECTS: ReadonlyMap<string, string> = new Map([['selectattr', ' selectattr'], ['rejectattr', ' rejectattr']]);
/** Methods and filters that strip: their names without the argument's. */
const STRIPS: ReadonlyMap<string, string> = new Map([['strip', ' strip'], ['lstrip', ' lstrip'], ['rstrip', ' rstrip'], ['trim', ' strip']]);

/** str.isspace, as a class of characters: White_Space and the four separators of ASCII. */
const SPACE = '[\\p{White_Space}\\u001c-\\u001f]';
const LEADING = new RegExp(`^${SPACE}+`, 'u');
const ONE = new RegExp(`^${SPACE}$`, 'u');

const call = (name: string, args: unknown[]): Node => ({ type: 'CallExpression', callee: { type: 'Identifier', value: name }, args });
const isNode = (value: unknown): value is Node => typeof value === 'object' && value !== null && typeof (value as Node).type === 'string';

/** Statements that are no value to be printed. */
const STATEMENTS: ReadonlySet<string> = new Set(['If', 'For', 'Set', 'Macro', 'Break', 'Continue', 'Comment', 'FilterStatement', 'CallStatement', 'StringLiteral', 'Program']);

/** Rewrites the syntax tree in place. */
export function rewrite(node: Node): void {
  for (const [key, child] of Object.entries(node)) {
    if (Array.isArray(child)) {
      child.forEach((item, index) => { if (isNode(item)) child[index] = replaced(item); });
      // What stands in a block and isn't a statement is printed.
      if (['body', 'alternate', 'defaultBlock'].includes(key)) child.forEach((item: unknown, index) => { if (isNode(item) && !STATEMENTS.has(item.type)) child[index] = call(PRINT, [item]); });
    } else if (child instanceof Map) {
      const entries = [...child].map(([name, value]: [unknown, unknown]) => [isNode(name) ? replaced(name) : name, isNode(value) ? replaced(value) : value] as const);
      child.clear();
      for (const [name, value] of entries) child.set(name, value);
    } else if (isNode(child)) node[key] = replaced(child);
  }
  if ((node.type === 'For' || node.type === 'Macro') && Array.isArray(node['body'])) node['body'].unshift(call(STEP, []));
}

function replaced(node: Node): Node {
  rewrite(node);
  const callee = node['callee'];
  if (node.type === 'CallExpression' && isNode(callee) && callee.type === 'MemberExpression' && callee['computed'] !== true) {
    const name = STRIPS.get((callee['property'] as Node).value as string);
    if (name && (callee['property'] as Node).value !== 'trim') return call(name, [callee['object'], ...(node['args'] as unknown[])]);
  }
  // What isn't there has no attributes: Python refuses, where the library goes on with nothing.
  if (node.type === 'MemberExpression') node['object'] = call(DEFINED, [node['object']]);
  if (node.type === 'FilterExpression') {
    const filter = node['filter'] as Node;
    const args = filter.type === 'CallExpression' ? (filter['args'] as unknown[]) : [];
    const name = filter.type === 'CallExpression' ? (filter['callee'] as Node).value : filter.value;
    const select = SELECTS.get(name as string);
    if (select) return call(select, [node['operand'], ...args]);
    if (name === 'trim') return call(' strip', [node['operand'], ...args]);
    if (name === 'string') return call(PRINT, [node['operand']]);
    if (name === 'length' || name === 'count') return call(LENGTH, [node['operand']]);
  }
  return node;
}

/** The functions that a rewritten template calls. */
export function nativeFunctions(make: Makers, step: () => void): Record<string, NativeFunction> {
  const stripper = (left: boolean, right: boolean): NativeFunction => ([value, characters]) => {
    const text = value!.type === 'StringValue' ? (value!.value as string) : printed(value!);
    return make.text(strip(text, characters?.type === 'StringValue' ? (characters.value as string) : undefined, left, right));
  };
  return {
    [STEP]: () => {
      step();
      return make.none();
    },
    [PRINT]: ([value]) => (value!.type === 'StringValue' ? value! : make.text(printed(value!))),
    [DEFINED]: ([value]) => {
      if (value!.type === 'UndefinedValue') throw new Error('it asks for an attribute of something undefined');
      return value!;
    },
    [LENGTH]: ([value]) => make.number(lengthOf(value!)),
    ' selectattr': (args) => select(make, args, true),
    ' rejectattr': (args) => select(make, args, false),
    ' strip': stripper(true, true),
    ' lstrip': stripper(true, false),
    ' rstrip': stripper(false, true),
  };
}

function select(make: Makers, [items, attribute, test, ...args]: Value[], wanted: boolean): Value {
  if (!Array.isArray(items!.value)) throw new Error(`expected a list to select from, got ${items!.type}`);
  const named = test && Environment.TESTS.get(test.value as string);
  if (test && !named) throw new Error(`the test ${String(test.value)} is not known`);
  const path = String(attribute?.value).split('.');
  return make.list((items!.value as Value[]).filter((item) => {
    const value = path.reduce((of, key) => (of.value instanceof Map ? ((of.value as Map<string, Value>).get(key) ?? make.undefined()) : make.undefined()), item);
    return (named ? named(value, ...args) : truth(value)) === wanted;
  }));
}

function truth({ value }: Value): boolean {
  return Array.isArray(value) ? value.length > 0 : value instanceof Map ? value.size > 0 : Boolean(value);
}

/** str.strip, of whitespace or of any of the characters. */
function strip(text: string, characters: string | undefined, left: boolean, right: boolean): string {
  if (characters === undefined) {
    const from = left ? (LEADING.exec(text)?.[0].length ?? 0) : 0;
    let to = text.length;
    if (right) while (to > from && ONE.test(text[to - 1]!)) to--;
    return text.slice(from, to);
  }
  const set = new Set(characters);
  const all = Array.from(text);
  let from = 0;
  let to = all.length;
  if (left) while (from < to && set.has(all[from]!)) from++;
  if (right) while (to > from && set.has(all[to - 1]!)) to--;
  return all.slice(from, to).join('');
}

function lengthOf(value: Value): number {
  const held = value.value;
  if (typeof held === 'string') return Array.from(held).length;
  if (Array.isArray(held)) return held.length;
  if (held instanceof Map) return held.size;
  if (value.type === 'UndefinedValue') return 0;
  throw new Error(`object of type ${value.type} has no length`);
}

/** str(value). */
function printed(value: Value): string {
  if (value.type === 'UndefinedValue') return '';
  return value.type === 'StringValue' ? (value.value as string) : represented(value);
}

/** repr(value). */
function represented(value: Value): string {
  const held = value.value;
  switch (value.type) {
    case 'StringValue':
      return quoted(held as string);
    case 'NullValue':
      return 'None';
    case 'BooleanValue':
      return held ? 'True' : 'False';
    case 'TupleValue':
      return `(${(held as Value[]).map(represented).join(', ')}${(held as Value[]).length === 1 ? ',' : ''})`;
    case 'ArrayValue':
      return `[${(held as Value[]).map(represented).join(', ')}]`;
    case 'ObjectValue':
      return `{${[...(held as Map<string, Value>)].map(([key, item]) => `${quoted(key)}: ${represented(item)}`).join(', ')}}`;
    case 'UndefinedValue':
      return 'Undefined';
    default:
      return String(value);
  }
}

function quoted(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  const body = text.replace(/[\\\n\r\t]|[^\P{C}\p{Cf}]/gu, (character) => ESCAPES.get(character) ?? escaped(character)).replaceAll(quote, `\\${quote}`);
  return quote + body + quote;
}

const ESCAPES: ReadonlyMap<string, string> = new Map([['\\', '\\\\'], ['\n', '\\n'], ['\r', '\\r'], ['\t', '\\t']]);

function escaped(character: string): string {
  const code = character.codePointAt(0)!;
  return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : code < 0x10000 ? `\\u${code.toString(16).padStart(4, '0')}` : `\\U${code.toString(16).padStart(8, '0')}`;
}
