import type { Runtime } from '../arena/runtime.js';
import { isLorikeetError, LorikeetError } from '../errors.js';
import type { Module } from '../ops/module.js';
import { writeFolder } from '../store/node-write.js';
import { openModelOrigin, type ModelOrigin } from '../store/open.js';
import { EMPTY_BLEND, type Adapter, type AdapterReport, type Blend, type ResolvedBlend } from './adapter.js';
import { checkConflicts, checkName, checkScale, measuredOnMerged, superseded } from './bank-checks.js';
import { combineAdapters, type CombineOptions } from './combine.js';
import { exportAdapter, type AdapterFiles } from './export.js';
import { loadAdapter, type AdapterIdentity, type LoadAdapterOptions } from './load.js';
import { mergeAdapters, type Merged } from './merge.js';
import { effectiveScale } from './blend.js';

/** What an unload gave back now, and what goes back when the streams that still use the adapter end. */
export interface Unloaded {
  readonly returned: number;
  readonly pending: number;
}

/** One adapter as {@link AdapterBank.list} shows it. */
export interface ListedAdapter extends AdapterReport {
  /** The user's scale, set by rescale. */
  readonly scale: number;
  /** Its weight in the default blend, 0 if it isn't active. */
  readonly active: number;
}

/** What the owner of a bank (an engine) must know or forbid. */
export interface BankHooks {
  /** Called before the bytes of the base or of an adapter change: finishes, before it returns, a frame that may read them. */
  settle?(): void;
  /** True while streams are at work: merging is refused then. */
  othersInUse?(): boolean;
  /** The base's bytes changed. */
  onBaseChanged?(): void;
  /** An adapter was given back: nothing can be computed with it any more. */
  onGone?(adapter: Adapter): void;
}

/**
 * The named adapters over one model: loaded, activated, blended, rescaled, combined, merged, exported and unloaded while it runs.
 *
 * @example
 * await bank.load('pirate', 'adapters/pirate');
 * bank.activate({ pirate: 0.8 });
 * bank.rescale('pirate', 0.5);
 * bank.unload('pirate'); // → { returned: 1228800, pending: 0 }
 */
export class AdapterBank {
  readonly #runtime: Runtime;
  readonly #modules: readonly Module[];
  readonly #modelType: string;
  readonly #hooks: BankHooks;
  readonly #adapters = new Map<string, Adapter>();
  /** Of each name: how often it was loaded, and the load that was started last. */
  readonly #generations = new Map<string, number>();
  readonly #loads = new Map<string, AbortController>();
  #active: Blend = {};
  /** What is merged into the base, each adapter with the scale it was merged at. */
  #merged: (Merged & { readonly scales: ReadonlyMap<Adapter, number> }) | null = null;
  /** Merges and unmerges so far: what a load computed of the base before one is stale. */
  #baseChanges = 0;
  #ids = 0;
  #disposed = false;

  constructor(runtime: Runtime, modules: readonly Module[], modelType: string, hooks: BankHooks = {}) {
    this.#runtime = runtime;
    this.#modules = modules;
    this.#modelType = modelType;
    this.#hooks = hooks;
  }

  /**
   * Loads an adapter from a PEFT folder (path, URL, files, bytes), or from a GGUF in llama.cpp's form, under a name. A name that is taken gets a new generation once the load has succeeded; until then, and if it
   * fails, the former adapter stays. Of two loads of one name at the same time the one started last wins, the other rejects with `adapter/superseded`.
   *
   * @returns what was applied where
   * @throws LorikeetError `adapter/…`, `safetensors/…`, `gguf/…`, `store/…`, `memory/exhausted`, `engine/disposed`; `adapter/merged` for a name that is merged, and for an
   *   adapter that is measured against the base (DoRA) while something is
   */
  async load(name: string, from: ModelOrigin, options: LoadAdapterOptions = {}): Promise<AdapterReport> {
    this.#alive();
    checkName(name);
    this.#checkNotMerged(name);
    this.#loads.get(name)?.abort(superseded(name));
    const controller = new AbortController();
    this.#loads.set(name, controller);
    const signal = options.signal ? AbortSignal.any([options.signal, controller.signal]) : controller.signal;
    const generation = (this.#generations.get(name) ?? 0) + 1;
    this.#generations.set(name, generation);
    const { length: mergedAtStart } = this.merged;
    const baseChanges = this.#baseChanges;
    try {
      const opened = await openModelOrigin(from, { signal });
      const adapter = await loadAdapter(this.#runtime, this.#modules, this.#modelType, { name, generation, id: ++this.#ids }, opened, { ...options, signal });
      try {
        signal.throwIfAborted();
        this.#checkNotMerged(name);
        if (adapter.temporaries && (mergedAtStart > 0 || baseChanges !== this.#baseChanges)) throw measuredOnMerged(name);
      } catch (error) {
        this.#runtime.adapters.free(adapter.block);
        throw error;
      }
      this.#put(adapter);
      return adapter.report;
    } catch (error) {
      if (this.#merged && isLorikeetError(error, 'adapter/base-differs')) throw measuredOnMerged(name, error);
      // An abort by this bank (superseded, disposed) or by the caller is told as such, however the source worded it.
      throw signal.aborted ? signal.reason : error;
    } finally {
      if (this.#loads.get(name) === controller) this.#loads.delete(name);
    }
  }

  /**
   * Puts an adapter that is made here and now under a name, as {@link load} does with one from files.
   *
   * @throws whatever `make` throws; the former adapter stays
   */
  insert(name: string, make: (identity: AdapterIdentity) => Adapter): AdapterReport {
    this.#alive();
    checkName(name);
    this.#checkNotMerged(name);
    const generation = (this.#generations.get(name) ?? 0) + 1;
    const adapter = make({ name, generation, id: ++this.#ids });
    this.#generations.set(name, generation);
    this.#loads.get(name)?.abort(superseded(name));
    this.#put(adapter);
    return adapter.report;
  }

  /**
   * Makes a new adapter of several, as PEFT's add_weighted_adapter does. The weights and each part's scale of this moment (rescale) are baked in: what the parts do later doesn't
   * reach it. A name that is taken gets a new generation, one of the parts' own too (its scale is then 1 again).
   *
   * @throws LorikeetError `adapter/unknown`, `adapter/scale`, `adapter/combine` (options, and what can't be combined), `adapter/merged` for a name that is merged,
   *   `memory/exhausted`; everything stays as it was then
   * @example
   * bank.combine('mood', { pirate: 0.7, terse: 0.3 }, { method: 'ties', density: 0.5 });
   */
  combine(name: string, blend: Blend, options: CombineOptions = {}): AdapterReport {
    this.#alive();
    const parts = Object.entries(blend ?? {}).map(([part, weight]) => {
      checkScale(part, weight);
      return { adapter: this.get(part), weight };
    });
    const report = this.insert(name, (identity) => combineAdapters(this.#runtime, this.#modules, identity, parts, options));
    if (parts.some(({ adapter }) => adapter.name === name)) this.get(name).scale = 1;
    return report;
  }

  #checkNotMerged(name: string): void {
    if (this.#merged?.names.has(name)) throw new LorikeetError('adapter/merged', `Adapter "${name}" is merged into the base: expected unmerge() before it is changed.`, { found: name });
  }

  /** Puts an adapter under its name; the one that stood there retires. */
  #put(adapter: Adapter): void {
    const former = this.#adapters.get(adapter.name);
    this.#adapters.set(adapter.name, adapter);
    if (former) {
      adapter.scale = former.scale;
      this.#retire(former);
    }
  }

  /**
   * The adapter now under a name.
   *
   * @throws LorikeetError `adapter/unknown`
   */
  get(name: string): Adapter {
    const found = this.#adapters.get(name);
    if (!found) throw new LorikeetError('adapter/unknown', `There is no adapter "${name}": expected one of ${[...this.#adapters.keys()].map((n) => `"${n}"`).join(', ') || 'none that is loaded'}.`, { expected: [...this.#adapters.keys()], found: name });
    return found;
  }

  /** True if a name is loaded. */
  has(name: string): boolean {
    return this.#adapters.has(name);
  }

  /** Every adapter: where it applies, its rank, scale and bytes. */
  list(): ListedAdapter[] {
    return [...this.#adapters.values()].map((adapter) => ({ ...adapter.report, scale: adapter.scale, active: Object.hasOwn(this.#active, adapter.name) ? this.#active[adapter.name]! : 0 }));
  }

  /** The default blend of new sessions. */
  get active(): Blend {
    return this.#active;
  }

  /**
   * Sets the default blend of new sessions; `{}` is the base.
   *
   * @throws LorikeetError `adapter/unknown`, `adapter/scale`, `adapter/conflict`; the former blend stays
   */
  activate(blend: Blend): void {
    this.#alive();
    this.resolve(blend);
    this.#active = Object.freeze({ ...blend });
  }

  /**
   * Sets an adapter's own scale, which multiplies the weight that blends give it: a number write, seen by every sequence from its next token on.
   *
   * @throws LorikeetError `adapter/unknown`, `adapter/scale`, `adapter/merged`
   */
  rescale(name: string, scale: number): void {
    const adapter = this.get(name);
    checkScale(name, scale);
    this.#checkNotMerged(name);
    adapter.scale = scale;
  }

  /**
   * Looks up a blend's adapters and checks them against each other. An adapter of weight 0 is left out wholly, and one that is merged into the base at this very
   * scale, too: it is applied already. At another scale, or DoRA beside a merged base (its magnitudes belong to the unmerged one), it is refused.
   *
   * @throws LorikeetError `adapter/unknown`, `adapter/scale`, `adapter/conflict`, `adapter/merged`
   */
  resolve(blend: Blend): ResolvedBlend {
    const adapters: Adapter[] = [];
    const weights: number[] = [];
    for (const name in blend) {
      if (!Object.hasOwn(blend, name)) continue;
      const weight = blend[name]!;
      const adapter = this.get(name);
      checkScale(name, weight);
      if (weight === 0 || this.#isMerged(adapter, weight)) continue;
      adapters.push(adapter);
      weights.push(weight);
    }
    if (adapters.length === 0) return EMPTY_BLEND;
    if (adapters.filter((adapter) => adapter.replaces).length > 1) checkConflicts(this.#modules, adapters);
    return { adapters, weights };
  }

  #isMerged(adapter: Adapter, weight: number): boolean {
    if (!this.#merged) return false;
    const at = this.#merged.scales.get(adapter);
    if (at === undefined) {
      if (adapter.temporaries) throw measuredOnMerged(adapter.name);
      return false;
    }
    if (at === effectiveScale(adapter, weight)) return true;
    throw new LorikeetError('adapter/merged', `Adapter "${adapter.name}" is merged into the base at scale ${at}: expected that scale, or unmerge() first, got ${effectiveScale(adapter, weight)}.`, { expected: at, found: effectiveScale(adapter, weight) });
  }

  /** Keeps a blend's adapters in memory while a stream uses them, also if they are unloaded meanwhile. */
  pin(blend: ResolvedBlend): void {
    for (const adapter of blend.adapters) adapter.pins++;
  }

  /** Ends a {@link pin}. */
  unpin(blend: ResolvedBlend): void {
    for (const adapter of blend.adapters) {
      adapter.pins--;
      this.#sweep(adapter);
    }
  }

  /**
   * Removes an adapter; its bytes go back to the free list, at once or when the streams that use it end. A load of that name still under way is called off.
   *
   * @throws LorikeetError `adapter/unknown`, `adapter/merged`
   */
  unload(name: string): Unloaded {
    const loading = this.#loads.get(name);
    if (loading && !this.has(name)) {
      loading.abort(superseded(name));
      return { returned: 0, pending: 0 };
    }
    const adapter = this.get(name);
    this.#checkNotMerged(name);
    loading?.abort(superseded(name));
    this.#adapters.delete(name);
    if (Object.hasOwn(this.#active, name)) {
      const { [name]: _, ...rest } = this.#active;
      this.#active = Object.freeze(rest);
    }
    const returned = this.#retire(adapter);
    return { returned, pending: returned === 0 ? adapter.report.bytes : 0 };
  }

  #retire(adapter: Adapter): number {
    adapter.retired = true;
    return this.#sweep(adapter);
  }

  #sweep(adapter: Adapter): number {
    if (!adapter.retired || adapter.pins > 0 || adapter.block === 0) return 0;
    this.#hooks.settle?.();
    const bytes = this.#runtime.adapters.free(adapter.block);
    adapter.block = 0;
    this.#hooks.onGone?.(adapter);
    return bytes;
  }

  /**
   * Writes a blend into the base's weights. Undone, bit for bit, by {@link unmerge}.
   *
   * @throws LorikeetError `adapter/unknown`, `adapter/merge`, `adapter/merged` (one merge at a time), `memory/exhausted`; the base stays as it was
   */
  merge(blend: Blend): void {
    this.#alive();
    if (this.#merged) throw new LorikeetError('adapter/merged', `${[...this.#merged.names].join(', ')} is merged already: expected unmerge() first.`, { found: [...this.#merged.names] });
    this.#checkIdle();
    const resolved = this.resolve(blend);
    if (resolved.adapters.length === 0) return;
    this.#hooks.settle?.();
    const merged = mergeAdapters(this.#runtime, this.#modules, resolved);
    this.#merged = { ...merged, scales: new Map(resolved.adapters.map((adapter, i) => [adapter, effectiveScale(adapter, resolved.weights[i]!)])) };
    this.#baseChanged();
  }

  /**
   * Restores the base's bytes as they were before {@link merge}; does nothing if nothing is merged.
   *
   * @throws LorikeetError `adapter/merge` while streams are at work
   */
  unmerge(): void {
    if (!this.#merged) return;
    this.#checkIdle();
    this.#restore();
  }

  #checkIdle(): void {
    if (this.#hooks.othersInUse?.()) throw new LorikeetError('adapter/merge', 'Merging and unmerging change the base for everybody: expected no stream at work, found one.', { expected: 'no stream at work', found: 'a stream' });
  }

  #restore(): void {
    if (!this.#merged) return;
    this.#hooks.settle?.();
    this.#merged.restore();
    this.#merged = null;
    this.#baseChanged();
  }

  #baseChanged(): void {
    this.#baseChanges++;
    this.#hooks.onBaseChanged?.();
  }

  /** Names of the adapters that are merged into the base. */
  get merged(): readonly string[] {
    return this.#merged ? [...this.#merged.names] : [];
  }

  /**
   * An adapter as a folder that PEFT loads: adapter_config.json and adapter_model.safetensors, in the dtype it has in memory.
   *
   * @throws LorikeetError `adapter/unknown`, `memory/exhausted`
   */
  files(name: string, baseModel?: string): AdapterFiles {
    return exportAdapter(this.#runtime, this.#modules, this.get(name), baseModel);
  }

  /**
   * Writes {@link files} to a folder (in Node, Deno and Bun; a browser takes the bytes).
   *
   * @throws LorikeetError `adapter/unknown`, `store/unwritable`, `memory/exhausted`
   */
  async export(name: string, folder: string, baseModel?: string): Promise<void> {
    await writeFolder(folder, { ...this.files(name, baseModel) });
  }

  /** Ends every load under way and gives every adapter back. Streams must have ended. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    for (const controller of this.#loads.values()) controller.abort(new LorikeetError('engine/disposed', 'The engine was disposed while an adapter was being loaded.'));
    this.#restore();
    for (const adapter of this.#adapters.values()) this.#retire(adapter);
    this.#adapters.clear();
    this.#active = {};
  }

  #alive(): void {
    if (this.#disposed) throw new LorikeetError('engine/disposed', 'The engine is disposed: expected a living one; create another.');
  }
}
