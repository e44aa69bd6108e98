// What is used of @huggingface/jinja, whose declarations don't resolve under NodeNext.
import * as library from '@huggingface/jinja';

/** A node of the syntax tree, as far as it is read here. */
export interface Node {
  type: string;
  value?: unknown;
  [key: string]: unknown;
}

/** A value of the interpreter. */
export interface Value {
  readonly type: string;
  readonly value: unknown;
  toString(): string;
}

/** A function of values, as the interpreter calls it. */
export type NativeFunction = (args: Value[]) => Value;

export interface Environment {
  set(name: string, value: unknown): Value;
}

interface Library {
  readonly Template: new (source: string) => { readonly parsed: Node };
  readonly Environment: (new () => Environment) & { readonly TESTS: ReadonlyMap<string, (...values: Value[]) => boolean> };
  readonly Interpreter: new (environment: Environment) => { run(program: Node): Value };
}

export const Template = (library as unknown as Library).Template;
export const Environment = (library as unknown as Library).Environment;
export const Interpreter = (library as unknown as Library).Interpreter;
