/** Typed arrays over a whole linear memory, made anew only when `memory.grow` has detached the buffer: read a view right before use, never keep it. */
export class Views {
  readonly memory: WebAssembly.Memory;
  #buffer: ArrayBufferLike;
  #u8: Uint8Array;
  #i32: Int32Array;
  #u32: Uint32Array;
  #f32: Float32Array;

  constructor(memory: WebAssembly.Memory) {
    this.memory = memory;
    const buffer = this.#buffer = memory.buffer;
    this.#u8 = new Uint8Array(buffer);
    this.#i32 = new Int32Array(buffer);
    this.#u32 = new Uint32Array(buffer);
    this.#f32 = new Float32Array(buffer);
  }

  /** Indexed by byte offset. */
  get u8(): Uint8Array {
    if (this.memory.buffer !== this.#buffer) this.#renew();
    return this.#u8;
  }

  /** Indexed by byte offset / 4. */
  get i32(): Int32Array {
    if (this.memory.buffer !== this.#buffer) this.#renew();
    return this.#i32;
  }

  /** Indexed by byte offset / 4. */
  get u32(): Uint32Array {
    if (this.memory.buffer !== this.#buffer) this.#renew();
    return this.#u32;
  }

  /** Indexed by byte offset / 4. */
  get f32(): Float32Array {
    if (this.memory.buffer !== this.#buffer) this.#renew();
    return this.#f32;
  }

  #renew(): void {
    const buffer = this.#buffer = this.memory.buffer;
    this.#u8 = new Uint8Array(buffer);
    this.#i32 = new Int32Array(buffer);
    this.#u32 = new Uint32Array(buffer);
    this.#f32 = new Float32Array(buffer);
  }
}
