import type { Conv1d, Embedding, Linear, Module, Norm } from '../ops/module.js';

type Given<M extends Module, Optional extends keyof M = never> = Omit<M, 'kind' | 'slot' | Optional> & Partial<Pick<M, Optional>>;

/** The modules of a model in the order in which they are made; a module's slot is its index here. */
export class ModuleList {
  readonly modules: Module[] = [];

  linear(given: Given<Linear, 'transposed' | 'isOutputHead' | 'tied'>): Linear {
    return this.#add({ transposed: false, isOutputHead: false, tied: false, ...given, kind: 'linear', slot: this.modules.length });
  }

  embedding(given: Given<Embedding, 'scale' | 'tied'>): Embedding {
    return this.#add({ scale: 1, tied: false, ...given, kind: 'embedding', slot: this.modules.length });
  }

  conv1d(given: Given<Conv1d>): Conv1d {
    return this.#add({ ...given, kind: 'conv1d', slot: this.modules.length });
  }

  norm(given: Given<Norm, 'bias' | 'offset'>): Norm {
    return this.#add({ bias: null, offset: 0, ...given, kind: 'norm', slot: this.modules.length });
  }

  #add<M extends Module>(module: M): M {
    this.modules.push(module);
    return module;
  }
}
