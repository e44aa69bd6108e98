import { AdapterBank } from '../adapters/bank.js';
import type { Blend } from '../adapters/adapter.js';
import type { Runtime } from '../arena/runtime.js';
import { LorikeetError } from '../errors.js';
import { Program } from '../ops/program.js';
import type { FolderOrigin } from '../store/open.js';
import { handleMaker, type Handle } from '../tensor/handle.js';
import { checkTokens, evaluate } from './evaluate.js';
import { disposeModel, loadModel, type LoadModelOptions, type Model } from './model.js';

/**
 * The smallest model with one layer of each kind that takes adapters: embedding → conv1d → ReLU → linear. Adapters go where the target_modules of
 * their configuration say.
 *
 * @example
 * const model = await KitchenSinkModel.load(runtime, 'models/kitchen');
 * await model.adapters.load('autumn', 'adapters/autumn');
 * const y = model.forward([1, 2, 3], { autumn: 1 }).read(); // [3, num_outputs]
 */
export class KitchenSinkModel {
  readonly adapters: AdapterBank;
  readonly model: Model;
  readonly #runtime: Runtime;
  readonly #handles: ReturnType<typeof handleMaker>;
  #program: Program | null = null;

  private constructor(runtime: Runtime, model: Model) {
    this.#runtime = runtime;
    this.model = model;
    this.#handles = handleMaker(runtime);
    this.adapters = new AdapterBank(runtime, model.modules, model.modelType);
  }

  /** Loads a folder with config.json (model_type "kitchen_sink") and model.safetensors. */
  static async load(runtime: Runtime, from: FolderOrigin, options: LoadModelOptions = {}): Promise<KitchenSinkModel> {
    const model = await loadModel(runtime, from, options);
    if (model.modelType !== 'kitchen_sink') {
      disposeModel(runtime, model);
      throw new LorikeetError('model/unsupported', `KitchenSinkModel expected model_type "kitchen_sink", found "${model.modelType}"; load language models with createEngine.`, { expected: 'kitchen_sink', found: model.modelType });
    }
    return new KitchenSinkModel(runtime, model);
  }

  /**
   * @param tokens the whole sequence
   * @returns [tokens.length, num_outputs], valid until the next forward
   * @throws LorikeetError `tokens/…`, `adapter/…`, `memory/exhausted`
   */
  forward(tokens: readonly number[], adapters: Blend = this.adapters.active): Handle {
    checkTokens(this.model, tokens);
    const blend = this.adapters.resolve(adapters);
    if (!this.#program || this.#program.frame.maxRows < tokens.length) {
      const longer = new Program(this.#runtime, (ops) => this.model.forward(ops), tokens.length, tokens.length);
      this.#program?.dispose();
      this.#program = longer;
      this.#handles.expire();
    }
    for (const { rank, temporaries } of blend.adapters) this.#program.reserve(rank, temporaries);
    evaluate(this.#runtime, this.model, this.#program, tokens, blend, () => {}, null);
    return this.#handles.make(this.#program.result.ptr, tokens.length, this.model.outputSize);
  }

  /** Gives weights, adapters and buffers back. */
  dispose(): void {
    this.adapters.dispose();
    this.#program?.dispose();
    this.#program = null;
    this.#handles.expire();
    disposeModel(this.#runtime, this.model);
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
