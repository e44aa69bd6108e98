/** A heap of numbers, the least first. */
export class KeyHeap {
  #keys = new Float64Array(256);
  #count = 0;

  clear(): void {
    this.#count = 0;
  }

  push(key: number): void {
    if (this.#count === this.#keys.length) {
      const wider = new Float64Array(2 * this.#count);
      wider.set(this.#keys);
      this.#keys = wider;
    }
    const keys = this.#keys;
    let at = this.#count++;
    for (let parent = (at - 1) >> 1; at > 0 && keys[parent]! > key; parent = (at - 1) >> 1) {
      keys[at] = keys[parent]!;
      at = parent;
    }
    keys[at] = key;
  }

  /** Takes the least key; −1 if there is none. */
  pop(): number {
    if (this.#count === 0) return -1;
    const keys = this.#keys;
    const least = keys[0]!;
    const last = keys[--this.#count]!;
    let at = 0;
    for (let child = 1; child < this.#count; child = 2 * at + 1) {
      if (child + 1 < this.#count && keys[child + 1]! < keys[child]!) child++;
      if (keys[child]! >= last) break;
      keys[at] = keys[child]!;
      at = child;
    }
    keys[at] = last;
    return least;
  }
}
